// SPDX-License-Identifier: Apache-2.0
/* sandbox_net.c - as root every node of a sandbox has a machine's network of its own: a network
 * namespace with one cable, eth0, to a switch in a further one. A cut is a rule of that switch,
 * which drops what comes from one port for another, without a word to either.
 *
 *     xos-1a2b3c4d.n1.inria   eth0 10.76.0.1 ──── p1 ┐
 *     xos-1a2b3c4d.n2.inria   eth0 10.76.0.2 ──── p2 ┤ xos-1a2b3c4d.switch: bridge br0
 *
 * Sandboxes share nothing here, and nothing has a way to or from the machine's own network. */
#include "cmd/sandbox.h"
#include "cmd/say.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NET_NAMED "/run/netns"
#define NET_SWITCH "switch"
#define NET_CGROUPS "/sys/fs/cgroup/*" /* hierarchies of version 1, and the unified one */
#define NET_TEXT_MAX 32768             /* what one tool is told at once: less than a pipe holds */

typedef char net_name[2 * SANDBOX_NAME_MAX];

struct net_text {
    char at[NET_TEXT_MAX];
    size_t len;
};

static void add(struct net_text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Bounded by SANDBOX_NODES_MAX and SANDBOX_CUTS_MAX; what did not fit would be cut off midway. */
static void add(struct net_text *t, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(t->at + t->len, sizeof(t->at) - t->len, fmt, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof(t->at) - t->len) {
        cmd_say("NET_TEXT_MAX: too many nodes and cuts for one switch");
        exit(CMD_FAILED);
    }
    t->len += (size_t)n;
}

/* A tool of the system, by its full path; NULL: it is not installed. */
static const char *tool(const char *name, char out[static 64])
{
    static const char *const folders[] = {"/usr/sbin", "/usr/bin", "/sbin", "/bin"};
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        (void)snprintf(out, 64, "%s/%s", folders[i], name);
        if (access(out, X_OK) == 0)
            return out;
    }
    return NULL;
}

const char *sandbox_net_of(const struct sandbox *s, const char *node, char *out, size_t size)
{
    (void)snprintf(out, size, "%s.%s", s->net, node);
    return out;
}

/* Run `ip` or `nft` with words; what it reads is `input`. In the namespace `net`, NULL: here. */
static int told(const struct sandbox *s, const char *name, const char *net, const char *input,
                const char *const *words)
{
    char path[64];
    const char *argv[8] = {tool(name, path)};
    for (size_t i = 0; words[i] && i < 6; i++)
        argv[i + 1] = words[i];
    const struct sandbox_run r = {
        .name = "net", .argv = argv, .input = input, .net = net, .own = true};
    if (argv[0])
        return sandbox_do(s, &r);
    cmd_say("%s: not installed: as root a sandbox needs iproute2 and nftables, or --net loopback",
            name);
    return -1;
}

static int batch(const struct sandbox *s, const char *net, const struct net_text *t)
{
    return told(s, "ip", net, t->at, (const char *const[]){"-batch", "-", NULL});
}

static int make_cables(const struct sandbox *s)
{
    struct net_text *t = cmd_need(sizeof(*t));
    add(t, "netns add %s." NET_SWITCH "\n", s->net);
    add(t, "link add br0 netns %s." NET_SWITCH " type bridge\n", s->net);
    for (size_t i = 0; i < s->node_count; i++) {
        add(t, "netns add %s.%s\n", s->net, s->nodes[i].name);
        add(t, "link add p%zu netns %s." NET_SWITCH " type veth peer name eth0 netns %s.%s\n",
            i + 1, s->net, s->net, s->nodes[i].name);
    }
    int rc = batch(s, NULL, t);
    free(t);
    return rc;
}

static int plug_in(const struct sandbox *s)
{
    struct net_text *t = cmd_need(sizeof(*t));
    net_name name;
    add(t, "link set br0 up\n");
    for (size_t i = 0; i < s->node_count; i++)
        add(t, "link set p%zu master br0 up\n", i + 1);
    int rc = batch(s, sandbox_net_of(s, NET_SWITCH, name, sizeof(name)), t);
    for (size_t i = 0; rc == 0 && i < s->node_count; i++) {
        t->len = 0;
        add(t, "link set lo up\naddr add %s/24 dev eth0\nlink set eth0 up\n", s->nodes[i].address);
        rc = batch(s, sandbox_net_of(s, s->nodes[i].name, name, sizeof(name)), t);
    }
    free(t);
    return rc;
}

int sandbox_net_up(const struct sandbox *s)
{
    return make_cables(s) < 0 || plug_in(s) < 0 ? -1 : 0;
}

static int drop_cgroup(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)ftw;
    if (kind == FTW_DP)
        (void)rmdir(path);
    return 0;
}

/* Of the nodes' units, in every hierarchy; nothing is in them any more. */
static void drop_cgroups(const struct sandbox *s)
{
    char pattern[sizeof(NET_CGROUPS) + sizeof(s->net) + 8];
    glob_t found = {.gl_pathc = 0};
    (void)snprintf(pattern, sizeof(pattern), NET_CGROUPS "/%s-*", s->net);
    if (glob(pattern, GLOB_NOSORT, NULL, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc; i++)
            (void)nftw(found.gl_pathv[i], drop_cgroup, 16, FTW_DEPTH | FTW_PHYS);
    globfree(&found);
}

/* Whatever is called ours, also what no journal names. */
void sandbox_net_down(const struct sandbox *s)
{
    net_name prefix;
    struct dirent *e;
    size_t len = strlen(sandbox_net_of(s, "", prefix, sizeof(prefix)));
    DIR *d = opendir(NET_NAMED);
    while (d && (e = readdir(d)))
        if (strncmp(e->d_name, prefix, len) == 0)
            (void)told(s, "ip", NULL, NULL, (const char *const[]){"netns", "del", e->d_name, NULL});
    if (d)
        (void)closedir(d);
    drop_cgroups(s);
}

int sandbox_net_enter(const char *net)
{
    char path[sizeof(NET_NAMED) + sizeof(net_name)];
    (void)snprintf(path, sizeof(path), NET_NAMED "/%s", net);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int rc = fd < 0 ? -1 : setns(fd, CLONE_NEWNET);
    if (fd >= 0)
        close(fd);
    return rc;
}

int sandbox_net_cut(const struct sandbox *s,
                    bool (*are_cut)(const struct sandbox *s, size_t a, size_t b))
{
    struct net_text *t = cmd_need(sizeof(*t));
    net_name name;
    add(t, "table bridge cut {}\ndelete table bridge cut\ntable bridge cut {\n"
           "chain forward { type filter hook forward priority 0;\n");
    for (size_t a = 0; a < s->node_count; a++)
        for (size_t b = 0; b < s->node_count; b++)
            if (a != b && are_cut(s, a, b))
                add(t, "iifname p%zu oifname p%zu drop\n", a + 1, b + 1);
    add(t, "}\n}\n");
    int rc = told(s, "nft", sandbox_net_of(s, NET_SWITCH, name, sizeof(name)), t->at,
                  (const char *const[]){"-f", "-", NULL});
    free(t);
    return rc;
}

/* Not everybody who is root may: a container's root often has no network to give away. */
bool sandbox_net_possible(const char **why)
{
    char path[64];
    *why = "only root may make network namespaces";
    if (geteuid() != 0)
        return false;
    *why = "iproute2 and nftables are not both installed";
    if (!tool("ip", path) || !tool("nft", path))
        return false;
    *why = "this root may not make network namespaces";
    pid_t pid = fork();
    if (pid == 0)
        _exit(unshare(CLONE_NEWNET | CLONE_NEWNS) == 0 ? 0 : 1);
    return pid > 0 && sandbox_ended_well(pid);
}
