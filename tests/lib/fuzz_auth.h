// SPDX-License-Identifier: Apache-2.0
/* fuzz_auth.h - the world in which signed statements are fuzzed: one VO fixture, made once. */
#ifndef XOS_TESTS_FUZZ_AUTH_H
#define XOS_TESTS_FUZZ_AUTH_H

#include "tests/lib/vo_fixture.h"

/* Borrowed, lives for ever; aborts when it cannot be made. */
struct vo_fixture *fuzz_auth_world(void);

/* The payload inside signed bytes that are for `domain`, signed by `key`: so that the fuzzer's
 * bytes reach what lies behind the signature. Replaces what is in out. */
void fuzz_auth_sign(struct xos_buf *out, const uint8_t *payload, size_t len, const char *domain,
                    const struct xos_key *key);

#endif
