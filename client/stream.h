// SPDX-License-Identifier: Apache-2.0
/* stream.h - the streams of one unit: attach to them where the unit is, resume by offsets.
 *
 * What was handed out (received), what the program wrote (written) and the input window outlive the
 * connection, so that a new one begins exactly where the old one broke. A unit that is started
 * again elsewhere (a new epoch) begins anew at offset 0. */
#ifndef XOS_CLIENT_STREAM_H
#define XOS_CLIENT_STREAM_H

#include "client/backoff.h"
#include "client/call.h"
#include "client/window.h"

#include <uthash.h>

struct client_stream_ops {
    void (*on_attached)(void *arg, uint32_t unit, bool pty);
    void (*on_output)(void *arg, uint32_t unit, int stream, struct xos_slice data);
    void (*on_output_end)(void *arg, uint32_t unit, int stream);
    void (*on_input)(void *arg, uint32_t unit);
    void (*on_input_closed)(void *arg, uint32_t unit);
    int (*on_input_again)(void *arg, uint32_t unit);
    /* Nothing more comes; why is NULL when all came. The stream is not freed in its callbacks. */
    void (*on_over)(void *arg, uint32_t unit, const struct xos_error *why);
};

struct stream_source {
    uint64_t received; /* handed to the program */
    uint64_t written;  /* done with by the program */
    uint64_t told;     /* acknowledged to the worker */
    bool ended;
};

struct client_stream {
    struct xos_client *client;
    const struct client_stream_ops *ops;
    void *arg;
    const char *job; /* borrowed */
    uint32_t unit;
    char node[XOS_HEADER_NAME_MAX];
    char institution[XOS_HEADER_NAME_MAX];
    uint64_t epoch; /* 0: on no node */
    struct client_call *call;
    struct client_timer again;
    struct client_backoff backoff;
    struct stream_source source[2]; /* output, error */
    struct client_window input;
    bool wants_input;
    bool answered;     /* the worker said where its input stands */
    bool begun;        /* it did once: input may be given, also while it is away */
    bool input_closed; /* by the unit */
    bool room_due;     /* the program was told that there is none */
    bool held;         /* the job as a whole is not to receive more */
    bool exited;       /* the worker said that all came */
    bool once;         /* only what is there: nothing is waited for */
    bool over;         /* nothing more comes */
    uint16_t rows, columns;
    UT_hash_handle hh;
};

int client_stream_new(struct client_stream **out, struct xos_client *client, const char *job,
                      uint32_t unit, bool wants_input, const struct client_stream_ops *ops,
                      void *arg, struct xos_error *err);
void client_stream_free(struct client_stream *s);

/* The unit is, or will soon be, on this node under this epoch. */
int client_stream_assign(struct client_stream *s, const char *node, uint64_t epoch,
                         struct xos_error *err);

/* Its node is lost; another one follows. */
void client_stream_unassign(struct client_stream *s);

/* Its owner says that it is over: nothing is waited for that never comes. */
void client_stream_ended(struct client_stream *s, bool never_started, bool node_lost);

size_t client_stream_held(const struct client_stream *s); /* bytes that the program has */
void client_stream_hold(struct client_stream *s, bool held);
void client_stream_written(struct client_stream *s, int stream, size_t bytes);

size_t client_stream_input_room(const struct client_stream *s);
int client_stream_input(struct client_stream *s, struct xos_slice data, struct xos_error *err);
void client_stream_input_end(struct client_stream *s);
void client_stream_window(struct client_stream *s, uint16_t rows, uint16_t columns);

#endif
