// SPDX-License-Identifier: Apache-2.0
/* session_own.h - the inside of a session, for the parts of it: session.c (the loop and the job),
 * session_files.c (where bytes come from and go to), session_signals.c. */
#ifndef XOS_CMD_SESSION_OWN_H
#define XOS_CMD_SESSION_OWN_H

#include "cmd/session.h"

struct session_input {
    int fd;
    bool own;
    bool open;  /* bytes may come */
    bool asked; /* the job has room for them */
    bool tty;
};

/* What one unit has on this side. */
struct session_unit {
    struct session_input in;
    struct cmd_sink out, err; /* its own files, if any */
    struct cmd_lines lines[2];
};

struct session {
    struct session_config config;
    struct xos_client *client;
    struct xos_job *job;
    struct cmd_sink out, err; /* shared by all units */
    struct session_unit *units[SESSION_UNITS_MAX];
    uint32_t unit_count; /* one more than the highest that was met */
    bool files_open;
    uint32_t pty_unit;
    int signals; /* signalfd */
    struct cmd_escape escape;
    int waiting_signal; /* came before the job had an id */
    unsigned interrupts;
    uint64_t interrupt_ms;
    uint64_t pipe_ms; /* when PIPE was sent; 0: never */
    char waiting[256];
    char refusal[256];   /* said already */
    uint64_t waiting_ms; /* since when it waits; 0: it does not, or that was said */
    bool away_said;
    bool failed_output; /* some of it could not be written */
    bool over;          /* leave the loop */
    int status;
};

struct session_unit *session_unit(struct session *s, uint32_t unit);

/* Session_files.c */
int session_open_files(struct session *s, const char *job);
void session_close_files(struct session *s);
struct cmd_sink *session_sink(struct session *s, uint32_t unit, int stream);
bool session_shared(const struct session *s, int stream); /* by several units */
void session_read(struct session *s, uint32_t unit);
/* Is standard input a terminal that is somebody else's now? */
bool session_input_ready(struct session *s, uint32_t unit);

/* Session_signals.c */
int session_catch(struct session *s);
void session_caught(struct session *s);
void session_send(struct session *s, int signal);
void session_resize(struct session *s);

#endif
