// SPDX-License-Identifier: Apache-2.0
/* gatebed.h - node n1.inria's gate behind its real rpc, for requests from anybody: from the bytes
 * of an envelope to the handler or the refusal.
 *
 * It trusts inria and vu, not cern; knows the VO climate@inria; its list of revocations takes back
 * carol@inria. The clock stands. */
#ifndef XOS_TESTS_GATEBED_H
#define XOS_TESTS_GATEBED_H

#include "libxos/wire/frame.h"
#include "tests/lib/home.h"
#include "tests/lib/vo_fixture.h"
#include "xosd/gate.h"

#define GATEBED_NODE "n1.inria"
#define GATEBED_BOOT 0x33   /* each byte of the boot id */
#define GATEBED_UP_MS 20000 /* so long ago it was started */
#define GATEBED_POLICY                                                                             \
    "allow institution:inria to job.list, unit.attach when own==yes\n"                             \
    "allow vo:climate@inria/prod:runner to job.signal when own==yes\n"                             \
    "allow institution:vu to job.*\n"                                                              \
    "deny bob@vu to job.watch\n"

enum gatebed_who {
    GATEBED_ALICE, /* alice@inria, with climate's attributes */
    GATEBED_CAROL, /* revoked */
    GATEBED_HEAD,  /* n1.inria */
    GATEBED_WORKER,
    GATEBED_BOB,      /* bob@vu */
    GATEBED_VU_HEAD,  /* n1.vu */
    GATEBED_STRANGER, /* alice@cern */
    GATEBED_UNIT,     /* inria-1042.3's own certificate */
    GATEBED_WHO
};

struct gatebed {
    struct vo_fixture v;
    struct fixture vu, cern;
    struct fixture_cert carol, worker, bob;
    struct clock_env clock;
    struct config config;
    struct auth_trust *trust;
    struct gate *gate;
    struct xos_loop *loop;
    struct xos_rpc *rpc;
    unsigned served;
    struct xos_caller caller; /* of the last request that was served */
};

/* `dir` is made, and emptied by gatebed_close. */
int gatebed_open(struct gatebed *b, const char *dir, struct xos_error *err);
void gatebed_close(struct gatebed *b); /* takes a half-open one */

/* One request, with everything in it that can be wrong. */
struct gatebed_ask {
    struct xos_request r;
    uint32_t version; /* 0: the real one */
    const struct xos_key *key;
    struct xos_slice chain[AUTH_CHAIN_MAX];
    size_t chain_count;
    struct xos_slice body;       /* what is signed */
    struct xos_slice sent;       /* what is sent; NULL: the same */
    struct xos_slice attributes; /* of the acting VO */
    unsigned flip;               /* this bit of the signature, from 1 */
    bool is_unsigned;
};

/* A good request by this party, with a fresh nonce. */
void gatebed_ask_init(struct gatebed_ask *a, const struct gatebed *b, enum gatebed_who who,
                      const char *verb);
int gatebed_pack(const struct gatebed_ask *a, struct xos_buf *envelope, struct xos_error *err);

struct gatebed_answer {
    bool closed; /* without an answer */
    enum xos_code code;
    char text[XOS_ERROR_TEXT_MAX];
};

/* Send these bytes as the one frame of a new connection, and wait for what comes. `peer`: a process
 * of this machine; NULL: from another one. */
int gatebed_send(struct gatebed *b, struct xos_slice envelope, const struct xos_peer *peer,
                 struct gatebed_answer *out, struct xos_error *err);

#endif
