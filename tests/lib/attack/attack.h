// SPDX-License-Identifier: Apache-2.0
/* attack.h - a client that keeps no rule but those it is told to keep, for tests/t.
 *
 * It has institutions of its own, made from their names and $ATTACK_BORN (milliseconds, the same in
 * every run of one test), and whatever identity was stolen from a node's state directory. */
#ifndef XOS_TESTS_ATTACK_H
#define XOS_TESTS_ATTACK_H

#include "libxos/wire/envelope.h"
#include "libxos/wire/header.h"
#include "vo-auth/auth.h"
#include "xosd/credential.h"

#define ATTACK_WAIT_MS 8000

/* Who somebody claims to be:
 *
 *     none                       nobody
 *     INST:user:NAME[:FLAW]      of an institution of our own (also one that calls itself INST)
 *     INST:node:NAME[:FLAW]      FLAW: expired, future
 *     @STATE:NODE                a node's stolen state directory */
struct party {
    char name[AUTH_NAME_BYTES_MAX + 1]; /* "mallory@evil"; empty: nobody */
    struct xos_buf root, ca, leaf;
    struct xos_key *root_key, *ca_key, *key;
    struct credential stolen;
    struct xos_slice chain[AUTH_CHAIN_MAX];
    size_t chain_count;
};

int party_open(struct party *p, const char *text, struct xos_error *err);
void party_close(struct party *p);

/* One request, and what was done to it (attack_ask.c lists the flaws). Appends the envelope. */
struct attack_request {
    const struct party *signer;
    const char *verb, *to_institution, *to_node, *flaw;
    struct xos_slice body;
};
int attack_pack(const struct attack_request *r, struct xos_buf *envelope, struct xos_error *err);

/* A frame by frame connection to a Unix socket ("/path") or, over TLS, to "HOST:PORT". */
struct attack_way;
int attack_connect(struct attack_way **out, const char *to, const struct party *as,
                   struct xos_error *err);
int attack_say(struct attack_way *w, struct xos_slice frame, struct xos_error *err);
/* The next frame, appended: 0, or -1: the connection ended, or nothing came in time. */
int attack_hear(struct attack_way *w, struct xos_buf *frame, struct xos_error *err);
void attack_leave(struct attack_way *w);

/* "HOST:PORT" taken apart. */
int attack_address(const char *text, char host[static 64], unsigned *port, struct xos_error *err);
int64_t attack_born_ms(void);
int64_t attack_now_ms(void);

/* The commands: 0, or -1 and *err. */
int attack_root(char **argv, struct xos_error *err);
int attack_ask(char **argv, struct xos_error *err);
int attack_flip(char **argv, struct xos_error *err);
int attack_overlay(char **argv, struct xos_error *err);
int attack_flood(char **argv, struct xos_error *err);
int attack_middle(char **argv, struct xos_error *err);
int attack_ca(char **argv, struct xos_error *err);
int attack_http(char **argv, struct xos_error *err);
int attack_expire(char **argv, struct xos_error *err);

#endif
