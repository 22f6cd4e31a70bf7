// SPDX-License-Identifier: Apache-2.0
/* overlay.c - a ZeroMQ client of another make at a node's overlay port. */
#include "tests/lib/attack/attack.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

#define WATCH "inproc://watch"

/* What the connection came to, from the socket's own monitor: "in", "refused", "nothing". */
static const char *outcome(void *watch)
{
    zmq_pollitem_t item = {.socket = watch, .events = ZMQ_POLLIN};
    int64_t end = attack_now_ms() + 3000;
    while (attack_now_ms() < end) {
        uint8_t event[16] = {0};
        char address[256];
        if (zmq_poll(&item, 1, 100) <= 0 || zmq_recv(watch, event, sizeof(event), 0) < 2)
            continue;
        unsigned kind = event[0] | (unsigned)event[1] << 8;
        (void)zmq_recv(watch, address, sizeof(address), 0);
        if (kind == ZMQ_EVENT_HANDSHAKE_SUCCEEDED)
            return "in";
        if (kind == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH ||
            kind == ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL ||
            kind == ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL || kind == ZMQ_EVENT_DISCONNECTED)
            return "refused";
    }
    return "nothing";
}

static int keys(void *socket, const struct party *as, const char *state, const char *node,
                struct xos_error *err)
{
    struct credential server = {.key = NULL};
    uint8_t public_key[XOS_CURVE_KEY_BYTES], secret[XOS_CURVE_KEY_BYTES];
    int rc = credential_open(&server, xos_env_posix(), state, node, err);
    memcpy(public_key, as->stolen.curve_public, sizeof(public_key));
    memcpy(secret, as->stolen.curve_secret, sizeof(secret));
    if (rc == 0 && !as->stolen.key)
        rc = xos_curve_keypair(public_key, secret, err);
    if (rc == 0 &&
        (zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, public_key, sizeof(public_key)) < 0 ||
         zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, secret, sizeof(secret)) < 0 ||
         zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, server.curve_public,
                        sizeof(server.curve_public)) < 0))
        rc = xos_fail_errno(err, "keys");
    credential_close(&server);
    return rc;
}

static int try_it(void *context, char **argv, const struct party *as, struct xos_error *err)
{
    int none = 0, rc = 0;
    char endpoint[128];
    void *socket = zmq_socket(context, ZMQ_DEALER), *watch = zmq_socket(context, ZMQ_PAIR);
    (void)snprintf(endpoint, sizeof(endpoint), "tcp://%s", argv[0]);
    (void)zmq_setsockopt(socket, ZMQ_LINGER, &none, sizeof(none));
    (void)zmq_setsockopt(watch, ZMQ_LINGER, &none, sizeof(none));
    if (strcmp(argv[1], "curve") == 0)
        rc = keys(socket, as, argv[3], argv[4], err);
    if (rc == 0 && (zmq_socket_monitor(socket, WATCH, ZMQ_EVENT_ALL) < 0 ||
                    zmq_connect(watch, WATCH) < 0 || zmq_connect(socket, endpoint) < 0))
        rc = xos_fail_errno(err, "%s", endpoint);
    if (rc == 0) {
        (void)zmq_send(socket, "let me in", 9, ZMQ_DONTWAIT);
        printf("%s\n", outcome(watch));
    }
    (void)zmq_socket_monitor(socket, NULL, 0);
    zmq_close(watch);
    zmq_close(socket);
    return rc;
}

/* HOST:PORT null|curve AS SERVER-STATE SERVER-NODE */
int attack_overlay(char **argv, struct xos_error *err)
{
    struct party as;
    void *context = zmq_ctx_new();
    int rc = party_open(&as, argv[2], err);
    if (rc == 0)
        rc = try_it(context, argv, &as, err);
    zmq_ctx_term(context);
    party_close(&as);
    return rc;
}
