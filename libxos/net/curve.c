// SPDX-License-Identifier: Apache-2.0
#include "libxos/net/curve.h"

#include <string.h>

/* A draft option in libzmq 4.3.4's header, but not in its library: Debian 12 has it at run time. */
#ifndef ZMQ_ZAP_ENFORCE_DOMAIN
#define ZMQ_ZAP_ENFORCE_DOMAIN 93
#endif

#define Z85_KEY_CHARS 40

struct option {
    int option;
    int value;
};

static int set_all(struct xos_zsock *z, const struct option *options, size_t count,
                   struct xos_error *err)
{
    for (size_t i = 0; i < count; i++)
        if (xos_zsock_set(z, options[i].option, options[i].value, err) < 0)
            return -1;
    return 0;
}

static int set_bounds(struct xos_zsock *z, const struct xos_curve *curve, struct xos_error *err)
{
    const struct option options[] = {
        {ZMQ_LINGER, XOS_OVERLAY_LINGER_MS},
        {ZMQ_HANDSHAKE_IVL, XOS_OVERLAY_HANDSHAKE_MS},
        {ZMQ_HEARTBEAT_IVL, XOS_OVERLAY_HEARTBEAT_MS},
        {ZMQ_HEARTBEAT_TIMEOUT, XOS_OVERLAY_SILENCE_MS},
        {ZMQ_CONNECT_TIMEOUT, XOS_OVERLAY_HANDSHAKE_MS},
        {ZMQ_RECONNECT_IVL, -1}, /* link.c reconnects: libzmq gives up after a refusal */
        {ZMQ_SNDHWM, (int)curve->high_water + 1}, /* and the greeting */
        {ZMQ_RCVHWM, (int)curve->high_water},
    };
    int64_t frame_max = (int64_t)curve->message_bytes_max + XOS_CURVE_OVERHEAD_BYTES;
    if (xos_zsock_set_bytes(z, ZMQ_MAXMSGSIZE, &frame_max, sizeof(frame_max), err) < 0)
        return -1;
    return set_all(z, options, sizeof(options) / sizeof(options[0]), err);
}

int xos_curve_serve(struct xos_zsock *router, const struct xos_curve *curve, struct xos_error *err)
{
    static const struct option options[] = {
        {ZMQ_CURVE_SERVER, 1},
        {ZMQ_ROUTER_MANDATORY, 1},
        {ZMQ_ROUTER_HANDOVER, 0},
        {ZMQ_ZAP_ENFORCE_DOMAIN, 1},
    };
    if (set_bounds(router, curve, err) < 0 ||
        xos_zsock_set_bytes(router, ZMQ_CURVE_SECRETKEY, curve->secret_key, XOS_CURVE_KEY_BYTES,
                            err) < 0 ||
        xos_zsock_set_bytes(router, ZMQ_ZAP_DOMAIN, XOS_CURVE_ZAP_DOMAIN,
                            strlen(XOS_CURVE_ZAP_DOMAIN), err) < 0)
        return -1;
    return set_all(router, options, sizeof(options) / sizeof(options[0]), err);
}

int xos_curve_dial(struct xos_zsock *dealer, const struct xos_curve *curve,
                   const uint8_t server_key[static XOS_CURVE_KEY_BYTES], struct xos_error *err)
{
    const struct {
        int option;
        const uint8_t *key;
    } keys[] = {
        {ZMQ_CURVE_PUBLICKEY, curve->public_key},
        {ZMQ_CURVE_SECRETKEY, curve->secret_key},
        {ZMQ_CURVE_SERVERKEY, server_key},
    };
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        if (xos_zsock_set_bytes(dealer, keys[i].option, keys[i].key, XOS_CURVE_KEY_BYTES, err) < 0)
            return -1;
    return set_bounds(dealer, curve, err);
}

int xos_curve_keypair(uint8_t public_key[static XOS_CURVE_KEY_BYTES],
                      uint8_t secret_key[static XOS_CURVE_KEY_BYTES], struct xos_error *err)
{
    char public_text[Z85_KEY_CHARS + 1], secret_text[Z85_KEY_CHARS + 1];
    if (zmq_curve_keypair(public_text, secret_text) < 0)
        return xos_fail(err, XOS_UNSUPPORTED, "this libzmq was built without CURVE");
    bool decoded =
        zmq_z85_decode(public_key, public_text) && zmq_z85_decode(secret_key, secret_text);
    explicit_bzero(secret_text, sizeof(secret_text));
    return decoded ? 0 : xos_fail(err, XOS_INTERNAL, "libzmq made a key that is not Z85");
}

int xos_curve_public(const uint8_t secret_key[static XOS_CURVE_KEY_BYTES],
                     uint8_t public_key[static XOS_CURVE_KEY_BYTES], struct xos_error *err)
{
    char public_text[Z85_KEY_CHARS + 1], secret_text[Z85_KEY_CHARS + 1];
    if (!zmq_z85_encode(secret_text, secret_key, XOS_CURVE_KEY_BYTES) ||
        zmq_curve_public(public_text, secret_text) < 0)
        return xos_fail(err, XOS_UNSUPPORTED, "this libzmq was built without CURVE");
    explicit_bzero(secret_text, sizeof(secret_text));
    return zmq_z85_decode(public_key, public_text)
               ? 0
               : xos_fail(err, XOS_INTERNAL, "libzmq made a key that is not Z85");
}
