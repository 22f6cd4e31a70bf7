// SPDX-License-Identifier: Apache-2.0
/* way.c - frames to a Unix socket, or over TLS to a node, by a client that believes any server. */
#include "tests/lib/attack/attack.h"

#include "libxos/base/alloc.h"
#include "libxos/env/env.h"
#include "libxos/net/bulk.h"
#include "libxos/net/conn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct attack_way {
    struct xos_loop *loop;
    struct xos_timer *late;
    struct xos_bulk *bulk;
    struct xos_bulk_conn *link;
    struct xos_conn *conn;
    struct xos_conn_config config;
    struct xos_buf heard; /* the frame that came */
    bool up, has, over, late_now;
    struct xos_error why;
};

int attack_address(const char *text, char host[static 64], unsigned *port, struct xos_error *err)
{
    const char *colon = strrchr(text, ':');
    if (!colon || colon - text >= 64 || (*port = (unsigned)strtoul(colon + 1, NULL, 10)) == 0)
        return xos_fail(err, XOS_INVALID, "\"%s\": HOST:PORT is due", text);
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = '\0';
    return 0;
}

static void stop(struct attack_way *w)
{
    xos_loop_stop(w->loop);
}

static int believe(void *arg, const struct xos_slice *chain, size_t count, struct xos_tls_peer *out,
                   struct xos_error *err)
{
    (void)arg;
    (void)chain;
    (void)count;
    (void)err;
    (void)snprintf(out->name, sizeof(out->name), "whoever");
    out->not_after_ms = INT64_MAX;
    return 0;
}

static void on_up(void *arg, struct xos_bulk_conn *conn)
{
    struct attack_way *w = arg;
    (void)conn;
    w->up = true;
    stop(w);
}

static void on_down(void *arg, struct xos_bulk_conn *conn, const struct xos_error *why)
{
    struct attack_way *w = arg;
    (void)conn;
    w->link = NULL;
    w->over = true;
    w->why = *why;
    stop(w);
}

static void on_late(void *arg)
{
    struct attack_way *w = arg;
    w->late_now = true;
    stop(w);
}

static void on_frame(void *arg, struct xos_conn *conn, struct xos_slice frame)
{
    struct attack_way *w = arg;
    xos_conn_pause(conn, true);
    if (xos_buf_add(&w->heard, frame.data, frame.len, &w->why) == 0)
        w->has = true;
    stop(w);
}

static void on_close(void *arg, struct xos_conn *conn, const struct xos_error *why)
{
    struct attack_way *w = arg;
    (void)conn;
    w->over = true;
    if (w->why.code == XOS_NONE)
        w->why = *why;
    stop(w);
}

static const struct xos_conn_ops ops = {.on_frame = on_frame, .on_close = on_close};

/* Until the condition that a callback brings; XOS_TIMEOUT. */
static int wait_for(struct attack_way *w, const bool *what, struct xos_error *err)
{
    w->late_now = false;
    xos_timer_set(w->late, ATTACK_WAIT_MS);
    while (!*what && !w->over && !w->late_now)
        if (xos_loop_run(w->loop, err) < 0)
            return -1;
    xos_timer_cancel(w->late);
    if (*what)
        return 0;
    if (w->late_now)
        return xos_fail(err, XOS_TIMEOUT, "nothing came");
    return xos_fail(err, w->why.code ? w->why.code : XOS_UNAVAILABLE, "closed: %s", w->why.text);
}

static int connect_bulk(struct attack_way *w, const char *to, const struct party *as,
                        struct xos_error *err)
{
    struct xos_bulk_config c = {.chain = as->chain,
                                .chain_count = as->chain_count,
                                .key = as->stolen.key ? as->stolen.key : as->key,
                                .verify = believe,
                                .on_down = on_down,
                                .arg = w};
    char host[64];
    struct xos_bulk_dial d = {.host = host, .on_up = on_up, .on_down = on_down, .arg = w};
    if (attack_address(to, host, &d.port, err) < 0 ||
        xos_bulk_new(&w->bulk, w->loop, &c, err) < 0 ||
        xos_bulk_connect(&w->link, w->bulk, &d, err) < 0)
        return -1;
    return wait_for(w, &w->up, err);
}

int attack_connect(struct attack_way **out, const char *to, const struct party *as,
                   struct xos_error *err)
{
    struct attack_way *w = xos_alloc(sizeof(*w));
    int fd;
    if (!w)
        return xos_fail(err, XOS_NOMEM, "way");
    w->heard = XOS_BUF(XOS_ENVELOPE_BYTES_MAX);
    w->config = (struct xos_conn_config){
        .frame_max = XOS_ENVELOPE_BYTES_MAX, .output_max = 2 * XOS_ENVELOPE_BYTES_MAX, .ops = &ops};
    w->config.arg = w;
    if (xos_loop_new(&w->loop, xos_env_posix(), err) < 0 ||
        xos_timer_new(&w->late, w->loop, on_late, w, err) < 0)
        goto error;
    if (to[0] != '/') {
        if (connect_bulk(w, to, as, err) < 0)
            goto error;
    } else if ((fd = xos_env_unix_connect(xos_env_posix(), to, SOCK_STREAM, err)) < 0 ||
               xos_conn_new(&w->conn, w->loop, fd, &w->config, err) < 0) {
        goto error;
    }
    *out = w;
    return 0;
error:
    attack_leave(w);
    return -1;
}

/* Over TLS each request has a stream of its own. */
int attack_say(struct attack_way *w, struct xos_slice frame, struct xos_error *err)
{
    w->has = false;
    xos_buf_clear(&w->heard);
    if (!w->bulk)
        return xos_conn_send(w->conn, frame, err);
    xos_conn_free(w->conn);
    w->conn = NULL;
    w->over = false;
    if (!w->link)
        return xos_fail(err, XOS_UNAVAILABLE, "closed: %s", w->why.text);
    return xos_conn_dial(&w->conn, w->loop, w->link, frame, &w->config, err);
}

int attack_hear(struct attack_way *w, struct xos_buf *frame, struct xos_error *err)
{
    xos_conn_pause(w->conn, false);
    if (wait_for(w, &w->has, err) < 0)
        return -1;
    int rc = xos_buf_add(frame, w->heard.data, w->heard.len, err);
    w->has = false;
    xos_buf_clear(&w->heard);
    return rc;
}

void attack_leave(struct attack_way *w)
{
    if (!w)
        return;
    xos_conn_free(w->conn);
    xos_bulk_free(w->bulk);
    xos_timer_free(w->late);
    xos_loop_free(w->loop);
    xos_buf_free(&w->heard);
    xos_free(w);
}
