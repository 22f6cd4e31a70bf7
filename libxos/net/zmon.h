// SPDX-License-Identifier: Apache-2.0
/* zmon.h - what happens to the connections of one ZeroMQ socket (zmq_socket_monitor, version 1 of
 * its events). Free it before the socket that it watches. */
#ifndef XOS_NET_ZMON_H
#define XOS_NET_ZMON_H

#include "libxos/net/zsock.h"

struct xos_zmon;

/* kind is ZMQ_EVENT_…; value is a descriptor, an errno, a ZAP status or a ZMQ_PROTOCOL_ERROR_…,
 * as the kind says. The monitor may be freed inside the call. */
typedef void (*xos_zmon_event_f)(void *arg, unsigned kind, unsigned value);

/* kinds: a set of ZMQ_EVENT_…. Call before the socket is bound or connected. */
int xos_zmon_new(struct xos_zmon **out, struct xos_loop *loop, void *context,
                 struct xos_zsock *watched, int kinds, xos_zmon_event_f on_event, void *arg,
                 struct xos_error *err);
void xos_zmon_free(struct xos_zmon *m);

/* Deliver now the events that have happened. */
void xos_zmon_drain(struct xos_zmon *m);

/* Why a handshake failed, in words; constant. */
const char *xos_zmon_reason(unsigned kind, unsigned value);

#endif
