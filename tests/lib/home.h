// SPDX-License-Identifier: Apache-2.0
/* home.h - a user's home institution at a time of the test's choice, and a clock to go with it. */
#ifndef XOS_TESTS_HOME_H
#define XOS_TESTS_HOME_H

#include "libxos/env/env.h"
#include "vo-auth/auth.h"

struct home {
    int64_t now_ms;
    struct xos_key *root_key, *ca_key, *vo_key;
    struct xos_buf root, ca; /* DER */
    uint8_t root_hash[XOS_HASH_BYTES];
    struct auth_anchors anchors;
    struct auth_context ctx; /* slot USER, at now_ms */
};

/* Institution inria; seed tells apart two with that name. */
int home_open(struct home *h, int64_t now_ms, uint8_t seed, struct xos_error *err);
void home_close(struct home *h); /* takes a half-open one */

/* Append a certificate of this kind (USER or NODE) for NAME@inria or NAME.inria. */
int home_certify(const struct home *h, enum auth_kind kind, const char *name,
                 const uint8_t key[static XOS_KEY_PUBLIC_BYTES], int64_t from_ms, int64_t life_ms,
                 struct xos_buf *out, struct xos_error *err);

/* Append what vo:climate@inria says of a user with this key: prod, prod:runner. */
int home_attributes(const struct home *h, const char *user,
                    const uint8_t key[static XOS_KEY_PUBLIC_BYTES], struct xos_buf *out,
                    struct xos_error *err);

/* leaf, CA, root. */
void home_chain(const struct home *h, const struct xos_buf *leaf, struct xos_slice chain[3]);

/* The real world with a clock that stands where it is put. */
struct clock_env {
    struct xos_env env; /* first */
    struct xos_env_ops ops;
    int64_t real_ms;
    uint64_t boot_ms;
};
struct xos_env *clock_env_init(struct clock_env *c, int64_t real_ms);

#endif
