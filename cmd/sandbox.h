// SPDX-License-Identifier: Apache-2.0
/* sandbox.h - between the files of `xos sandbox`: what lies where, and what runs. */
#ifndef XOS_CMD_SANDBOX_H
#define XOS_CMD_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SANDBOX_INSTITUTIONS_MAX 8
#define SANDBOX_NODES_MAX 32 /* in all */
#define SANDBOX_CUTS_MAX 256
#define SANDBOX_NAME_MAX 64
#define SANDBOX_PATH_MAX 512
#define SANDBOX_SOCKET_MAX 107 /* what a Unix socket's path may have */
#define SANDBOX_UID 64099      /* as root: daemons run as this user that owns nothing else */
#define SANDBOX_SHIM "64098"   /* and shims as this one */
#define SANDBOX_START_MS 15000 /* a daemon that is not ready by then has failed */
#define SANDBOX_MEET_MS 15000  /* for all nodes to know each other */
#define SANDBOX_CPUS "64"
#define SANDBOX_MEM "16GiB"
#define SANDBOX_VO "demo"

struct sandbox_node {
    char name[SANDBOX_NAME_MAX]; /* n1.inria */
    char institution[SANDBOX_NAME_MAX];
    char part[SANDBOX_NAME_MAX]; /* n1 */
    char address[SANDBOX_NAME_MAX];
    bool head;
};

struct sandbox_cut {
    char a[SANDBOX_NAME_MAX], b[SANDBOX_NAME_MAX]; /* nodes or institutions */
};

/* A federation on this machine: what its journal says. */
struct sandbox {
    char dir[SANDBOX_PATH_MAX];
    char bin[SANDBOX_PATH_MAX]; /* where the programs are */
    uid_t uid;                  /* of the daemons */
    char net[SANDBOX_NAME_MAX]; /* what its network namespaces are called; "": on loopback */
    char institutions[SANDBOX_INSTITUTIONS_MAX][SANDBOX_NAME_MAX];
    size_t institution_count;
    struct sandbox_node nodes[SANDBOX_NODES_MAX];
    size_t node_count;
    struct sandbox_cut cuts[SANDBOX_CUTS_MAX];
    size_t cut_count;
};

/* sandbox_layout.c: the directory */

typedef char sandbox_path[SANDBOX_PATH_MAX];

/* DIR/what, printed. A path that is too long ends the command. Returns out. */
const char *sandbox_at(const struct sandbox *s, sandbox_path out, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Fill in dir from --dir, $XOS_SANDBOX or the preset. */
int sandbox_find(struct sandbox *s, const char *dir);
bool sandbox_exists(const struct sandbox *s);
int sandbox_read(struct sandbox *s); /* -1: said why */
int sandbox_write(const struct sandbox *s);

/* Names and addresses of a new one: `institutions` as "inria,vu"; netns: with networks of their
 * own. */
int sandbox_plan(struct sandbox *s, const char *institutions, unsigned nodes, bool netns);

const struct sandbox_node *sandbox_node(const struct sandbox *s, const char *name);

/* Make a directory of the daemons' user, with what leads to it. */
int sandbox_mkdir(const struct sandbox *s, const char *path, mode_t mode);
int sandbox_put(const struct sandbox *s, const char *path, mode_t mode, const char *text);
int sandbox_remove(const struct sandbox *s); /* all of it */

/* sandbox_process.c: what runs */

struct sandbox_run {
    const char *name;        /* for its pid file and its log: "xosd.n1.inria" */
    const char *const *argv; /* NULL-terminated; argv[0] is a program of s->bin, or a path */
    const char *const *env;  /* NULL-terminated; beside PATH and HOME */
    const char *input;       /* NULL: none */
    char *output;            /* NULL: goes to DIR/log/NAME */
    size_t output_bytes;
    const char *net; /* network namespace; NULL: the caller's */
    bool own;        /* as the caller, not as the daemons' user */
};

/* Wait for a child: did it end with 0? */
bool sandbox_ended_well(pid_t pid);
/* Run to its end: 0, or -1 and said why. */
int sandbox_do(const struct sandbox *s, const struct sandbox_run *r);
/* Start, and note its pid; it goes on. */
int sandbox_start(const struct sandbox *s, const struct sandbox_run *r);
/* Wait until somebody listens at this socket. */
int sandbox_listens(const struct sandbox *s, const char *name, const char *socket, int type);

/* Of the process with that name: 0 when it does not run. */
pid_t sandbox_pid(const struct sandbox *s, const char *name);
int sandbox_signal(const struct sandbox *s, const char *name, int number);
/* Kill whatever belongs to the directory, until nothing does: agents only with the whole sandbox.
 * Returns how many it killed. */
size_t sandbox_kill_all(const struct sandbox *s, const char *dir);
/* TERM to all that was started, KILL to what is left. */
void sandbox_end_all(const struct sandbox *s);

/* sandbox_net.c: the network, as root */

/* *why: static. */
bool sandbox_net_possible(const char **why);
int sandbox_net_up(const struct sandbox *s);
void sandbox_net_down(const struct sandbox *s); /* cgroups too */
/* What the namespace of a node is called. Returns out. */
const char *sandbox_net_of(const struct sandbox *s, const char *node, char *out, size_t size);
/* For a child. */
int sandbox_net_enter(const char *net);
/* are_cut: of nodes by their places. */
int sandbox_net_cut(const struct sandbox *s,
                    bool (*are_cut)(const struct sandbox *s, size_t a, size_t b));

/* sandbox_up.c: institutions, users, nodes */

int sandbox_build(const struct sandbox *s);
int sandbox_start_node(const struct sandbox *s, const struct sandbox_node *n);
int sandbox_wait_all(const struct sandbox *s);
int sandbox_apply_cuts(const struct sandbox *s);
/* The one whose home is this institution, by its place; NULL: none. */
const char *sandbox_user_of(size_t institution);

#endif
