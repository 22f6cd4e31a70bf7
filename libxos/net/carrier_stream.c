// SPDX-License-Identifier: Apache-2.0
#include "libxos/net/carrier.h"

#include "libxos/base/alloc.h"
#include "libxos/net/bulk.h"
#include "libxos/wire/frame.h"

struct stream_carrier {
    struct carrier carrier; /* first */
    struct xos_stream *stream;
    size_t owed; /* bytes that came and that the peer has no credit for yet */
    bool accepted, reads, writes;
};

static void give_credit(struct stream_carrier *s)
{
    size_t owed = s->owed;
    if (!owed || !s->reads)
        return;
    s->owed = 0;
    xos_stream_consumed(s->stream, owed);
}

/* The stream itself tells when it has room again, but only after a write that it could not take
 * whole. */
static ssize_t stream_write(struct carrier *c, struct xos_slice data, struct xos_error *err)
{
    struct stream_carrier *s = (struct stream_carrier *)c;
    (void)err;
    return s->accepted ? (ssize_t)xos_stream_write(s->stream, data) : 0;
}

static void stream_watch(struct carrier *c, bool read, bool write)
{
    struct stream_carrier *s = (struct stream_carrier *)c;
    s->reads = read;
    s->writes = write;
    give_credit(s);
}

static void stream_free(struct carrier *c)
{
    struct stream_carrier *s = (struct stream_carrier *)c;
    if (s->accepted)
        xos_stream_end(s->stream); /* what was sent is whole: the reset that follows says no more */
    xos_stream_free(s->stream);
    xos_free(s);
}

static const struct carrier_ops carrier_ops = {stream_write, stream_watch, stream_free};

static void on_accepted(void *arg, struct xos_stream *stream)
{
    struct stream_carrier *s = arg;
    (void)stream;
    s->accepted = true;
    conn_on_writable(s->carrier.conn);
}

static void on_data(void *arg, struct xos_stream *stream, struct xos_slice data)
{
    struct stream_carrier *s = arg;
    (void)stream;
    s->owed += data.len;
    give_credit(s);
    conn_on_data(s->carrier.conn, data);
}

static void on_writable(void *arg, struct xos_stream *stream)
{
    struct stream_carrier *s = arg;
    (void)stream;
    if (s->writes)
        conn_on_writable(s->carrier.conn);
}

static void on_end(void *arg, struct xos_stream *stream)
{
    struct stream_carrier *s = arg;
    (void)stream;
    conn_on_end(s->carrier.conn);
}

static void on_reset(void *arg, struct xos_stream *stream, const struct xos_error *why)
{
    struct stream_carrier *s = arg;
    (void)stream;
    conn_on_broken(s->carrier.conn, why);
}

static const struct xos_stream_ops stream_ops = {.on_accepted = on_accepted,
                                                 .on_data = on_data,
                                                 .on_writable = on_writable,
                                                 .on_end = on_end,
                                                 .on_reset = on_reset};

static struct stream_carrier *carrier_new(struct xos_error *err)
{
    struct stream_carrier *s = xos_alloc(sizeof(*s));
    if (!s)
        xos_fail(err, XOS_NOMEM, "connection");
    else
        *s = (struct stream_carrier){.carrier.ops = &carrier_ops, .reads = true};
    return s;
}

int xos_conn_accept(struct xos_conn **out, struct xos_loop *loop, struct xos_stream *stream,
                    struct xos_slice first, const struct xos_conn_config *config,
                    struct xos_error *err)
{
    struct stream_carrier *s = carrier_new(err);
    if (!s || xos_stream_accept(stream, &stream_ops, s, err) < 0) {
        xos_free(s);
        xos_stream_free(stream);
        return -1;
    }
    s->stream = stream;
    s->accepted = true;
    return conn_over(out, loop, &s->carrier, first, config, err);
}

/* The carrier's stream is open; what did not go with the opening goes when it is accepted. */
static int dial_over(struct xos_conn **out, struct xos_loop *loop, struct stream_carrier *s,
                     struct xos_slice rest, const struct xos_conn_config *config,
                     struct xos_error *err)
{
    struct xos_conn *conn = NULL;
    if (conn_over(&conn, loop, &s->carrier, (struct xos_slice){NULL, 0}, config, err) < 0)
        return -1;
    if (rest.len && xos_conn_send(conn, rest, err) < 0) {
        xos_conn_free(conn);
        return -1;
    }
    *out = conn;
    return 0;
}

int xos_conn_dial(struct xos_conn **out, struct xos_loop *loop, struct xos_bulk_conn *bulk,
                  struct xos_slice frame, const struct xos_conn_config *config,
                  struct xos_error *err)
{
    static const struct xos_slice nothing = {NULL, 0};
    bool fits = frame.len + XOS_FRAME_HEAD_BYTES <= XOS_MUX_PAYLOAD_BYTES_MAX;
    struct xos_buf payload = XOS_BUF(XOS_MUX_PAYLOAD_BYTES_MAX);
    struct stream_carrier *s = carrier_new(err);
    int rc = s ? 0 : -1;
    if (rc == 0 && fits)
        rc = xos_frame_add(&payload, frame, err);
    if (rc == 0)
        rc = xos_stream_open(&s->stream, bulk, (struct xos_slice){payload.data, payload.len},
                             &stream_ops, s, err);
    xos_buf_free(&payload);
    if (rc < 0) {
        xos_free(s);
        return -1;
    }
    return dial_over(out, loop, s, fits ? nothing : frame, config, err);
}
