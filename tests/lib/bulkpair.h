// SPDX-License-Identifier: Apache-2.0
/* bulkpair.h - for tests of bulk streams: a listening and a dialling endpoint in one loop, over
 * loopback TCP with real TLS, and streams that record what happens to them. */
#ifndef XOS_TESTS_BULKPAIR_H
#define XOS_TESTS_BULKPAIR_H

#include "libxos/net/bulk.h"
#include "tests/lib/tlscert.h"

#define XT_RECORDS_MAX 2048

/* A stream and its story. */
struct xt_record {
    struct xos_stream *stream;
    struct xos_buf got;
    bool hold;     /* consume nothing */
    size_t unread; /* held back so */
    bool accepted, ended, reset;
    unsigned writable;
    struct xos_error why;
    const uint8_t *data; /* what it sends, when it may; borrowed */
    size_t len, sent;
    bool end_after;
    bool echo;                            /* sends back what it gets */
    bool end_back;                        /* ends when the peer has ended and all is sent */
    void (*on_data)(struct xt_record *r); /* may be NULL */
    void *arg;
};

struct xt_bulkpair {
    struct xos_loop *loop;
    struct xos_timer *tick;
    struct xt_root root;
    struct xt_cert server_cert, client_cert;
    struct xos_bulk_config server_config, client_config; /* to be changed before _start */
    struct xos_bulk *server, *client;
    struct xos_bulk_conn *dialled, *accepted;
    unsigned ups, dial_ups, downs, dial_downs; /* at the listener, at the dialler */
    struct xos_error down_why, dial_why;
    struct xt_record *records; /* the listener's, XT_RECORDS_MAX */
    size_t record_count;
    bool hold;    /* new records hold back */
    bool refuse;  /* on_stream says no */
    bool pending; /* on_stream decides nothing */
    bool cut;
};

int xt_bulkpair_new(struct xt_bulkpair *p, struct xos_error *err);
int xt_bulkpair_listen(struct xt_bulkpair *p, struct xos_error *err); /* makes both endpoints */
int xt_bulkpair_dial(struct xt_bulkpair *p, const char *expected, struct xos_error *err);
/* new, listen, dial, and up on both sides. */
int xt_bulkpair_up(struct xt_bulkpair *p, struct xos_error *err);
void xt_bulkpair_free(struct xt_bulkpair *p);

/* Run the loop until *flag is nonzero or `ms` are over; returns whether it is. */
bool xt_until(struct xt_bulkpair *p, const bool *flag, uint64_t ms);
bool xt_until_count(struct xt_bulkpair *p, const unsigned *count, unsigned wanted, uint64_t ms);
void xt_run_ms(struct xt_bulkpair *p, uint64_t ms);

extern const struct xos_stream_ops xt_record_ops;
int xt_record_open(struct xt_record *r, struct xos_bulk_conn *conn, const char *payload,
                   struct xos_error *err);
void xt_record_pump(struct xt_record *r); /* write what may be written */
void xt_record_free(struct xt_record *r);

#endif
