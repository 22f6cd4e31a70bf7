// SPDX-License-Identifier: Apache-2.0
/* zap.h - who may finish a CURVE handshake: the handler of the ZeroMQ Authentication Protocol
 * (RFC 27/ZAP), in the same loop as the sockets that it guards.
 *
 * libzmq asks with one message per handshake, made of what a stranger sent: nothing in it is
 * trusted before xos_zap_parse has been over it. An admitted connection's User-Id, which libzmq
 * then puts on each of its messages, is the hexadecimal text of the key. */
#ifndef XOS_NET_ZAP_H
#define XOS_NET_ZAP_H

#include "libxos/net/address.h"
#include "libxos/net/curve.h"

#define XOS_ZAP_SEQUENCE_BYTES_MAX 255
#define XOS_ZAP_USER_ID_CHARS (2 * XOS_CURVE_KEY_BYTES)

struct xos_zap_request {
    struct xos_slice sequence; /* borrowed from the frames; goes back in the answer */
    char address[XOS_ADDRESS_TEXT_MAX];
    uint8_t key[XOS_CURVE_KEY_BYTES];
};

/* Check the frames of one request, from the version on: version, sequence, domain, address,
 * routing id, mechanism, key. XOS_PROTOCOL names the frame that is wrong. Pure. */
int xos_zap_parse(const struct xos_slice *frames, size_t count, struct xos_zap_request *out,
                  struct xos_error *err);

enum xos_zap_verdict {
    XOS_ZAP_REFUSE, /* told so at once */
    XOS_ZAP_ADMIT,
    XOS_ZAP_IGNORE, /* never answered: the handshake runs into its own deadline */
};
typedef enum xos_zap_verdict (*xos_zap_decide_f)(void *arg, const struct xos_zap_request *request);

/* Told of what xos_zap_parse refused. */
typedef void (*xos_zap_malformed_f)(void *arg, const struct xos_error *why);

struct xos_zap;

/* Answer all requests of this context. Make it before any socket that asks. XOS_UNSUPPORTED when
 * libzmq was built without CURVE. */
int xos_zap_new(struct xos_zap **out, struct xos_loop *loop, void *context, xos_zap_decide_f decide,
                xos_zap_malformed_f malformed, void *arg, struct xos_error *err);
void xos_zap_free(struct xos_zap *zap);

#endif
