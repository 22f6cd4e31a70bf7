// SPDX-License-Identifier: Apache-2.0
/* execbed.h - a real xos-execd for a test, with real shims and units: as root with namespaces and
 * cgroups of its own, or as an unprivileged user. */
#ifndef XOS_TESTS_EXECBED_H
#define XOS_TESTS_EXECBED_H

#include "jobmgr/exec/execd.h"
#include "jobmgr/exec/execd_client.h"

#define BED_PATH 160
#define BED_PLAIN_UID 54001 /* nobody's: units and daemons of the runs without root */
#define BED_SHIM_UID 54002

struct bed {
    struct execd_conf conf;
    pid_t execd;
    int proof; /* goes along with the next request; -1: none */
    char dir[BED_PATH];
    char socket[BED_PATH], run[BED_PATH], spool[BED_PATH], scratch[BED_PATH], idmap[BED_PATH];
    char programs[BED_PATH], cgroup[32], units[BED_PATH], mark[32];
};

/* Start it. In a child that gave up root it runs as that user. */
int bed_up(struct bed *b, struct xos_error *err);

/* kill -9 and start again. */
void bed_execd_kill(struct bed *b);
int bed_execd_start(struct bed *b, struct xos_error *err);

/* Remove all units by force, stop execd, then assert that nothing is left: no process, cgroup,
 * mount or file. (/xos/scratch stays, an empty directory: to remove it would unmount the scratch of
 * other units that run on this machine.) */
void bed_down(struct bed *b);

/* One request and its answer. */
int bed_ask(struct bed *b, const void *packet, struct execd_answer *a, struct execd_entry *list,
            struct xos_error *err);
int bed_verb(struct bed *b, enum execd_verb verb, const char *unit, uint32_t flags,
             struct xos_error *err);
enum execd_unit_state bed_state(struct bed *b, const char *unit);

/* START; `head` gives limits and flags (NULL: none), the user runs it. */
int bed_start_as(struct bed *b, const char *user, const char *unit,
                 const struct execd_request *head, const char *const *argv, struct execd_answer *a,
                 struct xos_error *err);
int bed_start(struct bed *b, const char *unit, const struct execd_request *head,
              const char *const *argv, struct xos_error *err);
/* START of sh -c TEXT. */
int bed_shell(struct bed *b, const char *unit, const struct execd_request *head, const char *text,
              struct xos_error *err);

/* Connect to the shim; send a command and wait for its reply (its code); wait until EXIT. */
int bed_connect(struct bed *b, const char *unit, struct xos_error *err);
unsigned bed_command(int fd, enum shim_type type, uint64_t a, uint64_t b, uint64_t c);
int bed_await(int fd, enum shim_type type, struct shim_frame *f, struct xos_error *err);
int bed_status(int fd, struct shim_status *out, struct xos_error *err);

/* Wait until the command was executed. */
int bed_await_running(struct bed *b, const char *unit, struct xos_error *err);

/* Wait for the end, acknowledge, wait until the shim has left. The unit can be removed then. */
int bed_wait(struct bed *b, const char *unit, struct exit_record *out, struct xos_error *err);

/* Read a spool file, at most max - 1 bytes, as text. */
size_t bed_output(struct bed *b, const char *unit, const char *name, char *text, size_t max);

/* Live processes whose environment carries this bed's mark (and `word`, if not NULL). */
int bed_processes(struct bed *b, const char *word);

uint64_t bed_now_ms(void);
void bed_sleep_ms(long ms);

/* Run a test's body in a child that is an unprivileged user; fails the test when it fails. */
void bed_as_user(void (*body)(void));

#endif
