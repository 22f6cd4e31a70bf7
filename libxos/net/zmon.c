// SPDX-License-Identifier: Apache-2.0
#include "libxos/net/zmon.h"

#include "libxos/base/alloc.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define EVENT_BYTES 6 /* 16 bits kind, 32 bits value, in the machine's order */

struct xos_zmon {
    struct xos_zsock *watched; /* borrowed */
    struct xos_zsock *events;
    xos_zmon_event_f on_event;
    void *arg;
};

static _Atomic unsigned next_name; /* inproc names are unique in a context; here in the process */

static const struct {
    unsigned value;
    const char *text;
} protocol_errors[] = {
    {ZMQ_PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC, "the keys do not fit"},
    {ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH, "the peer does not speak CURVE"},
    {ZMQ_PROTOCOL_ERROR_ZMTP_INVALID_METADATA, "bad metadata in the handshake"},
    {ZMQ_PROTOCOL_ERROR_ZMTP_UNEXPECTED_COMMAND, "unexpected command in the handshake"},
    {ZMQ_PROTOCOL_ERROR_ZMTP_INVALID_SEQUENCE, "nonces out of order"},
};

const char *xos_zmon_reason(unsigned kind, unsigned value)
{
    if (kind == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH)
        return "the peer does not admit this key";
    if (kind != ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL)
        return "no handshake in time, or the connection broke in it";
    for (size_t i = 0; i < sizeof(protocol_errors) / sizeof(protocol_errors[0]); i++)
        if (protocol_errors[i].value == value)
            return protocol_errors[i].text;
    return "malformed handshake";
}

static void on_message(void *arg, zmq_msg_t *frames, size_t count)
{
    struct xos_zmon *m = arg;
    uint16_t kind;
    uint32_t value;
    if (count != 2 || zmq_msg_size(&frames[0]) != EVENT_BYTES)
        return;
    const uint8_t *data = zmq_msg_data(&frames[0]);
    memcpy(&kind, data, sizeof(kind));
    memcpy(&value, data + sizeof(kind), sizeof(value));
    m->on_event(m->arg, kind, value);
}

/* No high water mark: at one libzmq's I/O thread would wait for us, with a lock held that
 * xos_zmon_free needs. An event is a few bytes, and the loop reads them as they come. */
int xos_zmon_new(struct xos_zmon **out, struct xos_loop *loop, void *context,
                 struct xos_zsock *watched, int kinds, xos_zmon_event_f on_event, void *arg,
                 struct xos_error *err)
{
    char name[48];
    struct xos_zmon *m = xos_alloc(sizeof(*m));
    if (!m)
        return xos_fail(err, XOS_NOMEM, "monitor");
    *m = (struct xos_zmon){.watched = watched, .on_event = on_event, .arg = arg};
    (void)snprintf(name, sizeof(name), "inproc://xos-monitor-%u", atomic_fetch_add(&next_name, 1));
    if (zmq_socket_monitor(xos_zsock_raw(watched), name, kinds) < 0) {
        xos_zsock_fail(err, "zmq_socket_monitor");
        goto error;
    }
    if (xos_zsock_new(&m->events, loop, context, ZMQ_PAIR, on_message, m, err) < 0 ||
        xos_zsock_set(m->events, ZMQ_LINGER, 0, err) < 0 ||
        xos_zsock_set(m->events, ZMQ_RCVHWM, 0, err) < 0 ||
        xos_zsock_connect(m->events, name, err) < 0)
        goto error;
    *out = m;
    return 0;
error:
    xos_zmon_free(m);
    return -1;
}

void xos_zmon_free(struct xos_zmon *m)
{
    if (!m)
        return;
    (void)zmq_socket_monitor(xos_zsock_raw(m->watched), NULL, 0);
    xos_zsock_free(m->events);
    xos_free(m);
}

void xos_zmon_drain(struct xos_zmon *m)
{
    xos_zsock_drain(m->events);
}
