// SPDX-License-Identifier: Apache-2.0
/* xos.h - the public C API of XOS: run, watch and reach jobs through the xosd of this machine.
 *
 * One struct xos_client is one program's way to its node's xosd. Nothing happens behind the
 * program's back: no thread, no signal, nothing printed. All work is done in xos_client_dispatch,
 * and callbacks come from there alone. A simple program calls it in a loop; one with an event loop
 * of its own watches xos_client_fd (readable: call dispatch).
 *
 *     struct xos_client *c;
 *     struct xos_job *job;
 *     struct xos_job_spec spec = XOS_JOB_SPEC;
 *     spec.argv = (const char *[]){"uname", "-n"}, spec.argc = 2;
 *     if (xos_client_new(&c, NULL, &fault) < 0 || xos_job_run(&job, c, &spec, &ops, NULL, &fault) <
 * 0) … while (!finished) xos_client_dispatch(c, -1, &fault);
 *
 * Functions return 0, or -1 and *fault (which may be NULL); then nothing has changed. xosd may be
 * killed and started again at any time: a job that is watched goes on, without an event, a byte of
 * output or a byte of input lost or repeated, for XOS_CLIENT_RECONNECT_MS.
 *
 * The API is versioned: structures grow only at their end, and begin with their size, which the
 * initialisers set. One thread at a time uses a client and its jobs. */
#ifndef XOS_CLIENT_XOS_H
#define XOS_CLIENT_XOS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define XOS_CLIENT_API_VERSION 1
#define XOS_CLIENT_RECONNECT_MS 30000
#define XOS_API __attribute__((visibility("default")))

/* The version of the library that runs: "0.1.0". */
XOS_API const char *xos_client_release(void);

/* What went wrong */

/* The numbers are those on the wire and stay; a program takes new ones as XOS_FAULT_INTERNAL. */
enum xos_fault_code {
    XOS_FAULT_NONE = 0,
    XOS_FAULT_NOMEM = 1,
    XOS_FAULT_INVALID = 2, /* what was asked for is not well formed */
    XOS_FAULT_PROTOCOL = 3,
    XOS_FAULT_DENIED = 4,
    XOS_FAULT_NOT_FOUND = 5,
    XOS_FAULT_BUSY = 7,
    XOS_FAULT_LIMIT = 8, /* the text names it */
    XOS_FAULT_TIMEOUT = 9,
    XOS_FAULT_CANCELLED = 10,
    XOS_FAULT_SYSTEM = 12,
    XOS_FAULT_UNAVAILABLE = 15, /* xosd, or the node that it had to reach */
    XOS_FAULT_STALE = 17,
    XOS_FAULT_UNSUPPORTED = 19,
    XOS_FAULT_NO_LOGIN = 20,
    XOS_FAULT_INTERNAL = 22,
};

struct xos_fault {
    int code;       /* enum xos_fault_code */
    char text[512]; /* one line, no full stop */
};

/* The client */

struct xos_client;

/* Connect and ask the node who it is. socket: NULL is $XOS_SOCKET, else /run/xos/xosd.sock. Waits
 * up to 2 s for an xosd that is just being started again. */
XOS_API int xos_client_new(struct xos_client **out, const char *socket, struct xos_fault *fault);

/* Jobs must be freed first. Takes NULL. */
XOS_API void xos_client_free(struct xos_client *client);

/* Act for a VO ("climate", "vo:climate@inria"), a group or a role in it
 * ("vo:climate@inria/prod:runner") from the next request on; "": for none. Without this, for the
 * only VO that the user is in. */
XOS_API int xos_client_act(struct xos_client *client, const char *vo, struct xos_fault *fault);

XOS_API int xos_client_fd(const struct xos_client *client);

/* Wait up to timeout_ms for something to happen (-1: without end, 0: not at all) and handle what
 * has. Not to be called from a callback. */
XOS_API int xos_client_dispatch(struct xos_client *client, int timeout_ms, struct xos_fault *fault);

/* Borrowed: "n1.inria", "inria". */
XOS_API const char *xos_client_node(const struct xos_client *client);
XOS_API const char *xos_client_institution(const struct xos_client *client);
/* How many nodes that one knew to be up when it was connected to, itself included. */
XOS_API unsigned xos_client_nodes(const struct xos_client *client);

/* Who one is */

/* How to log in; NULL and 0 are the presets. */
struct xos_login {
    size_t size;
    const char *user;      /* "alice", "alice@inria"; NULL: $XOS_USER, else the login name */
    const char *ssh_agent; /* its socket; NULL: $SSH_AUTH_SOCK */
    const char *key;       /* comment of the key to use; NULL: whichever is enrolled */
    uint64_t life_ms;      /* of the certificate, at most 12 h */
    uint64_t session_ms;   /* it is renewed for so long, at most 7 d */
    /* An institution that keeps VOs could not be asked; may be NULL. */
    void (*warn)(void *arg, const char *institution, const char *why);
    void *arg;
};
#define XOS_LOGIN                                                                                  \
    {                                                                                              \
        .size = sizeof(struct xos_login)                                                           \
    }

/* Log in with an SSH key that is enrolled at home and held by an ssh-agent. xos-agent, at
 * $XOS_AGENT or its usual place, must run: it holds the new key and the certificate, for all
 * programs of this user. Waits, so it is not to be called from a callback. */
XOS_API int xos_login(struct xos_client *client, const struct xos_login *login,
                      struct xos_fault *fault);
/* xos-agent forgets key and certificate. */
XOS_API int xos_logout(struct xos_fault *fault);

struct xos_membership {
    char *name;   /* "vo:climate@inria" */
    char *rights; /* groups and roles, parted by spaces */
    uint64_t until_ms;
};
struct xos_identity {
    size_t size;
    char *user, *institution;
    uint64_t until_ms, session_until_ms; /* since 1970 */
    uint64_t renewal_ms;                 /* when it will be renewed; 0: it will not */
    bool locked;
    struct xos_membership *vos;
    size_t vo_count;
};

/* XOS_FAULT_NO_LOGIN: nobody. The caller frees. */
XOS_API int xos_whoami(struct xos_identity **out, struct xos_fault *fault);
XOS_API void xos_identity_free(struct xos_identity *identity); /* takes NULL */

/* How the node is that one is connected to */

struct xos_problem {
    const char *what; /* "disk" */
    const char *why;  /* and what to do */
};

/* Times are milliseconds since 1970. */
struct xos_node_status {
    size_t size;
    const char *node, *institution, *release;
    const char *state; /* up draining drained */
    const char *const *roles;
    size_t role_count;
    bool federated;
    uint64_t started_ms;
    uint32_t nodes_up, nodes_down; /* that it knows, itself included */
    uint32_t jobs;                 /* live ones that it owns */
    uint32_t units, claims;
    double disk_free;               /* 0 … 1 */
    uint64_t certificate_ms, ca_ms; /* when they end; 0: there is none */
    const struct xos_problem *problems;
    size_t problem_count;
};

/* Needs no login. The caller frees. */
XOS_API int xos_node_status(struct xos_client *client, struct xos_node_status **out,
                            struct xos_fault *fault);
XOS_API void xos_node_status_free(struct xos_node_status *status); /* takes NULL */

/* What to run */

struct xos_job_file {
    const char *name; /* in the job's scratch directory: no slash */
    unsigned mode;    /* permission bits */
    const void *data;
    size_t bytes;
};

/* Everything is borrowed for the call of xos_job_run. NULL and 0 are "not given" throughout. */
struct xos_job_spec {
    size_t size; /* of this structure */
    const char *name;
    const char *const *argv;
    size_t argc;
    const char *const *env; /* "NAME=VALUE" */
    size_t env_count;
    const char *cwd;                  /* NULL: the unit's scratch directory */
    uint32_t units;                   /* 1 … 1024 */
    uint32_t cpus;                    /* per unit */
    uint64_t mem_bytes;               /* per unit */
    uint32_t gpus;                    /* per unit */
    uint64_t time_ms;                 /* 0: no limit but the policy's */
    const char *need, *prefer, *want; /* XQL */
    const char *const *on;            /* nodes */
    size_t on_count;
    uint64_t grace_ms; /* between TERM and KILL */
    bool pty;          /* a terminal, for the one unit */
    uint16_t rows, columns;
    bool requeue;      /* never two of it: start a unit again when its node is lost */
    bool fail_fast;    /* a unit that fails ends the others */
    bool keep;         /* goes on when nobody watches */
    bool no_wait;      /* busy nodes: fail instead of waiting */
    bool stdin_closed; /* no unit has a standard input */
    bool stdin_each;   /* every unit has one, not unit 0 alone */
    const struct xos_job_file *files;
    size_t file_count;
    bool script; /* argv[0] is the name of one of the files: run that */
};

/* One unit, one CPU, 256 MiB, 10 s of grace. */
#define XOS_JOB_SPEC                                                                               \
    {                                                                                              \
        .size = sizeof(struct xos_job_spec), .units = 1, .cpus = 1, .mem_bytes = 268435456,        \
        .grace_ms = 10000                                                                          \
    }

/* What happens to a job */

/* Readers take new kinds and ends in their stride. */
enum xos_job_event_kind {
    XOS_JOB_NONE = 0,
    XOS_JOB_SUBMITTED = 1,
    XOS_JOB_WAITING = 2,  /* reason */
    XOS_JOB_ASSIGNED = 3, /* unit, node, epoch */
    XOS_JOB_STARTED = 4,
    XOS_JOB_SUSPENDED = 5,
    XOS_JOB_RESUMED = 6,
    XOS_JOB_SIGNALLED = 7, /* signal, user */
    XOS_JOB_ENDED = 8,     /* a unit, for good: end, value */
    XOS_JOB_LOST = 9,      /* a unit's node; the unit is queued again */
    XOS_JOB_DONE = 10,     /* the job: value is its exit status */
};

enum xos_unit_end {
    XOS_END_NONE = 0,
    XOS_END_EXITED = 1,    /* value: the exit status */
    XOS_END_SIGNALLED = 2, /* value: the signal */
    XOS_END_OOM = 3,
    XOS_END_TIME_LIMIT = 4,
    XOS_END_KILLED = 5,
    XOS_END_PREEMPTED = 6,
    XOS_END_NODE_LOST = 7,
    XOS_END_SHIM_LOST = 8,
    XOS_END_START_FAILED = 9, /* error: errno; in_files, in_directory, in_command: where */
};

#define XOS_ALL_UNITS UINT32_MAX

/* Texts are borrowed for the callback and never NULL. */
struct xos_job_event {
    size_t size;
    int kind; /* enum xos_job_event_kind */
    uint64_t sequence;
    uint64_t at_ms; /* since 1970 */
    uint32_t unit;  /* or XOS_ALL_UNITS */
    uint64_t epoch;
    const char *node, *reason, *user;
    int signal;
    int end; /* enum xos_unit_end */
    int value;
    int error;
    bool in_files;     /* a start failed at putting the files into scratch */
    bool in_directory; /* … at entering the working directory */
    bool in_command;   /* … or at executing the command */
    uint64_t started_ms, ended_ms, cpu_ms, memory_peak_bytes;
    uint64_t out_bytes, err_bytes, dropped_bytes;
};

/* "time-limit", "oom", …; "unknown" for what this version does not know. */
XOS_API const char *xos_unit_end_name(int end);

struct xos_job;

/* Any of them may be NULL. A callback may free the job. */
struct xos_job_ops {
    size_t size;
    /* The job is accepted and durable: its id. Also in xos_job_id from here on. */
    void (*on_id)(void *arg, struct xos_job *job, const char *id);
    void (*on_event)(void *arg, struct xos_job *job, const struct xos_job_event *event);
    /* Its streams are connected, for the first time or again. */
    void (*on_attached)(void *arg, struct xos_job *job, uint32_t unit, bool pty);
    /* Output of a unit (stream 1 or 2), in order; data is borrowed for the call. The program says
     * with xos_job_written when it is done with it; while XOS_JOB_UNIT_HELD_BYTES of a unit or
     * XOS_JOB_HELD_BYTES of a job are not, no more comes, and in the end the unit waits. */
    void (*on_output)(void *arg, struct xos_job *job, uint32_t unit, int stream, const void *data,
                      size_t bytes);
    void (*on_output_end)(void *arg, struct xos_job *job, uint32_t unit, int stream);
    /* More input may be given: see xos_job_input_room. */
    void (*on_input)(void *arg, struct xos_job *job, uint32_t unit);
    /* The unit closed its standard input. */
    void (*on_input_closed)(void *arg, struct xos_job *job, uint32_t unit);
    /* A unit was started again and wants its input from the first byte on. 0: it will be given
     * again. Else, or when this is NULL, the job is failed. Called only when input was taken. */
    int (*on_input_again)(void *arg, struct xos_job *job, uint32_t unit);
    /* The last callback, one of: the job is over and all its output was handed out … */
    void (*on_done)(void *arg, struct xos_job *job, int status);
    /* … or XOS refused it, or xosd was away for too long (then the job may go on). */
    void (*on_failed)(void *arg, struct xos_job *job, const struct xos_fault *fault);
};

#define XOS_JOB_UNIT_HELD_BYTES 262144
#define XOS_JOB_HELD_BYTES 8388608

/* Submit a job, watch it, and attach to the streams of its units. ops is copied. */
XOS_API int xos_job_run(struct xos_job **out, struct xos_client *client,
                        const struct xos_job_spec *spec, const struct xos_job_ops *ops, void *arg,
                        struct xos_fault *fault);

enum xos_watch_flags {
    XOS_WATCH_OUTPUT = 1, /* attach to the output of its units, from the first byte on */
    XOS_WATCH_INPUT = 2,  /* and to their standard input, and be the one whom they wait for */
};

/* Watch a job that is there, from its first event on. unit: only this one is attached to, or
 * XOS_ALL_UNITS. */
XOS_API int xos_job_watch(struct xos_job **out, struct xos_client *client, const char *id,
                          uint32_t unit, unsigned flags, const struct xos_job_ops *ops, void *arg,
                          struct xos_fault *fault);

/* Leave it. A job without a pty is ended by XOS 30 s after the last watcher left, one with a pty
 * after 24 h, one with `keep` not at all. Takes NULL. */
XOS_API void xos_job_free(struct xos_job *job);

/* Borrowed; "" before on_id. */
XOS_API const char *xos_job_id(const struct xos_job *job);

/* Since when xosd has been away (ms), 0 while it is there. For a line on the terminal. */
XOS_API uint64_t xos_job_away_ms(const struct xos_job *job);

/* So many more bytes of a unit's output stream were written to where they belong. */
XOS_API void xos_job_written(struct xos_job *job, uint32_t unit, int stream, size_t bytes);

/* Bytes of standard input that may be given now. 0 also while the unit is not there yet. */
XOS_API size_t xos_job_input_room(const struct xos_job *job, uint32_t unit);

/* At most as many as there is room for; copied. */
XOS_API int xos_job_input(struct xos_job *job, uint32_t unit, const void *data, size_t bytes,
                          struct xos_fault *fault);
XOS_API void xos_job_input_end(struct xos_job *job, uint32_t unit);

/* The size of the terminal of a unit with a pty. Remembered for a connection to come. */
XOS_API void xos_job_window(struct xos_job *job, uint32_t unit, uint16_t rows, uint16_t columns);

/* Ask for a signal to be sent to a job; done (may be NULL) is told once, fault->code 0 when it was.
 * TERM is followed by KILL after grace_ms. */
typedef void (*xos_signal_done_f)(void *arg, const char *id, const struct xos_fault *fault);
XOS_API int xos_job_signal(struct xos_client *client, const char *id, uint32_t unit, int signal,
                           uint64_t grace_ms, xos_signal_done_f done, void *arg,
                           struct xos_fault *fault);

/* Listings */

/* Texts are never NULL, and are the job's own bytes: a terminal may not be sent them as they are.
 * Readers take new states in their stride. */
struct xos_unit_info {
    size_t size;
    uint32_t unit;
    uint64_t epoch;                    /* 0: on no node yet */
    const char *node, *state, *reason; /* node: "" for none */
    int exit;                          /* when it is done */
};
struct xos_job_info {
    size_t size;
    const char *id, *user, *vo, *institution, *name;
    const char *state; /* queued starting running suspended held ckpt moving ending done */
    const char *reason;
    uint64_t submitted_ms, started_ms, ended_ms; /* since 1970; 0: not yet */
    int exit;                                    /* when it is done */
    const char *const *argv;
    size_t argc;
    const struct xos_unit_info *const *units;
    size_t unit_count;
};
struct xos_jobs {
    size_t size;
    const struct xos_job_info *const *jobs;
    size_t count;
    bool more; /* there are more than one answer has place for */
};

#define XOS_LIST_MS_MAX 10000 /* a listing that takes longer is failed */

enum xos_list_flags {
    XOS_LIST_EVERYBODY = 1, /* not the caller's own alone: all that may be seen */
};

/* The named jobs (full names), or with count 0 the live ones and those that ended in the last
 * ended_within_ms. A name that nobody knows is left out. Waits for the answer while the client's
 * other callbacks go on, so it is not to be called from one. The caller frees. */
XOS_API int xos_jobs_list(struct xos_client *client, const char *const *ids, size_t count,
                          uint64_t ended_within_ms, unsigned flags, struct xos_jobs **out,
                          struct xos_fault *fault);
/* Hand out the output of a job that was listed, as far as it is there, from the first byte on; then
 * on_done tells 0. unit: of this one alone, or XOS_ALL_UNITS. The listing may be freed. */
XOS_API int xos_job_read(struct xos_job **out, struct xos_client *client,
                         const struct xos_job_info *info, uint32_t unit,
                         const struct xos_job_ops *ops, void *arg, struct xos_fault *fault);
XOS_API void xos_jobs_free(struct xos_jobs *jobs); /* takes NULL */

/* Texts are never NULL. */
struct xos_node_info {
    size_t size;
    const char *name, *institution, *state;
    const char *attributes; /* JSON: sizes in bytes, durations in seconds */
};
struct xos_nodes {
    size_t size;
    const struct xos_node_info *nodes; /* by name, or the most preferred first */
    size_t count;
    const char *explanation; /* for people; "" when it was not asked for */
    bool more;               /* there are more than one answer has place for */
};

enum xos_nodes_flags {
    XOS_NODES_EXPLAIN = 1, /* say what each part of the need drops */
};

/* The nodes that meet a need, as the node that the client is connected to knows them. need, prefer:
 * XQL; NULL for none. Waits as xos_jobs_list does. The caller frees. */
XOS_API int xos_nodes_list(struct xos_client *client, const char *need, const char *prefer,
                           unsigned flags, struct xos_nodes **out, struct xos_fault *fault);
XOS_API void xos_nodes_free(struct xos_nodes *nodes); /* takes NULL */

/* Have a node take no new units (what runs there runs on), or take them again. For its
 * administrators. The own institution may be left out. */
XOS_API int xos_node_drain(struct xos_client *client, const char *node, bool draining,
                           struct xos_fault *fault);

/* Words that people type */

/* "1.5GiB", "64M", "1024" (bytes); "90s", "2h", "1d", "30" (seconds). */
XOS_API int xos_client_parse_size(const char *text, uint64_t *bytes, struct xos_fault *fault);
XOS_API int xos_client_parse_duration(const char *text, uint64_t *ms, struct xos_fault *fault);
XOS_API int xos_client_parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *value,
                                    struct xos_fault *fault);

/* "inria-1042" or "inria-1042.3", or without the institution, which is then the client's: the full
 * name of the job, and its unit or XOS_ALL_UNITS. */
#define XOS_JOB_ID_BYTES 128
XOS_API int xos_client_parse_job(const struct xos_client *client, const char *text,
                                 char id[XOS_JOB_ID_BYTES], uint32_t *unit,
                                 struct xos_fault *fault);

/* Of words[0 … count-1], the one nearest to what was typed, or NULL. Borrowed from words. */
XOS_API const char *xos_client_suggest(const char *typed, const char *const *words, size_t count);

#ifdef __cplusplus
}
#endif

#endif
