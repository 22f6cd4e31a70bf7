// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a request that was overheard is carried out a second time. */
#include "libxos/wire/replay.h"
#include "tests/lib/xtest.h"

#include <string.h>

#define SKEW XOS_HEADER_SKEW_MS_MAX

static const uint8_t alice[XOS_KEY_PUBLIC_BYTES] = {1}, bob[XOS_KEY_PUBLIC_BYTES] = {2};

static struct xos_id nonce(uint32_t n)
{
    struct xos_id id = {{0}};
    memcpy(id.bytes, &n, sizeof(n));
    return id;
}

static int note(struct xos_replay *r, const uint8_t *who, uint32_t n, int64_t expires, int64_t now,
                struct xos_error *err)
{
    struct xos_id id = nonce(n);
    return xos_replay_note(r, who, &id, expires, now, err);
}

static void a_nonce_counts_once_per_signer(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_replay *r = NULL;
    XT_TRY(xos_replay_new(&r, 10, 10, &err));
    XT_TRY(note(r, alice, 1, 1000, 0, &err));
    XT_REFUSED(note(r, alice, 1, 1000, 0, &err), XOS_REPLAYED);
    XT_REFUSED(note(r, alice, 1, 9000, 5, &err), XOS_REPLAYED);
    XT_TRY(note(r, bob, 1, 1000, 0, &err));
    XT_TRY(note(r, alice, 2, 1000, 0, &err));
    assert_int_equal(xos_replay_count(r), 3);
out:
    xos_replay_free(r);
}

/* It is forgotten when the request could not be accepted any more, and not a moment before. */
static void only_what_is_over_is_forgotten(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_replay *r = NULL;
    XT_TRY(xos_replay_new(&r, 10, 10, &err));
    XT_TRY(note(r, alice, 1, 1000, 0, &err));
    XT_TRY(note(r, alice, 2, 5000, 0, &err));
    XT_REFUSED(note(r, alice, 1, 1000, 1000 + SKEW, &err), XOS_REPLAYED);
    XT_TRY(note(r, alice, 3, 9000, 1001 + SKEW, &err));
    assert_int_equal(xos_replay_count(r), 2);
    XT_TRY(note(r, alice, 1, 9000, 1001 + SKEW, &err));
    XT_REFUSED(note(r, alice, 2, 5000, 5000 + SKEW, &err), XOS_REPLAYED);
out:
    xos_replay_free(r);
}

static void a_full_cache_refuses_and_keeps_what_it_has(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_replay *r = NULL;
    XT_TRY(xos_replay_new(&r, 3, 3, &err));
    for (uint32_t i = 0; i < 3; i++)
        XT_TRY(note(r, alice, i, 1000 + i, 0, &err));
    XT_REFUSED(note(r, alice, 9, 1000, 0, &err), XOS_LIMIT);
    XT_REFUSED(note(r, bob, 9, 1000, 0, &err), XOS_LIMIT);
    for (uint32_t i = 0; i < 3; i++)
        XT_REFUSED(note(r, alice, i, 1000 + i, 0, &err), XOS_REPLAYED);
    XT_TRY(note(r, bob, 9, 9000, 1001 + SKEW, &err)); /* room for one */
    XT_REFUSED(note(r, bob, 10, 9000, 1001 + SKEW, &err), XOS_LIMIT);
out:
    xos_replay_free(r);
    xos_replay_free(NULL);
}

static void one_signer_does_not_fill_it_alone(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_replay *r = NULL;
    XT_TRY(xos_replay_new(&r, 5, 3, &err));
    for (uint32_t i = 0; i < 3; i++)
        XT_TRY(note(r, alice, i, 1000, 0, &err));
    XT_REFUSED(note(r, alice, 9, 1000, 0, &err), XOS_LIMIT);
    XT_TRY(note(r, bob, 9, 1000, 0, &err));
    XT_TRY(note(r, alice, 9, 5000, 1001 + SKEW, &err));
    assert_int_equal(xos_replay_count(r), 1);
out:
    xos_replay_free(r);
}

/* Many, in any order of their ends: every live one is known, every ended one is gone. */
static void many_are_remembered(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_replay *r = NULL;
    const uint32_t count = 5000;
    XT_TRY(xos_replay_new(&r, XOS_REPLAY_ENTRIES_MAX, XOS_REPLAY_ENTRIES_MAX, &err));
    for (uint32_t i = 0; i < count; i++)
        XT_TRY(note(r, i % 2 ? alice : bob, i, 1 + i * 7919 % count, 0, &err));
    for (uint32_t i = 0; i < count; i++)
        XT_REFUSED(note(r, i % 2 ? alice : bob, i, 1, 0, &err), XOS_REPLAYED);
    /* An entry that expires at e is over after e + SKEW: of 1 … count, those below now - SKEW. */
    for (int64_t now = SKEW + 1; now < SKEW + count; now += 500) {
        (void)note(r, alice, UINT32_MAX, 2 * SKEW, now, &err);
        assert_int_equal(xos_replay_count(r), count - (now - SKEW - 1) + 1);
    }
out:
    xos_replay_free(r);
}

static const struct xt_test tests[] = {
    XT(a_nonce_counts_once_per_signer),
    XT(only_what_is_over_is_forgotten),
    XT(a_full_cache_refuses_and_keeps_what_it_has),
    XT(one_signer_does_not_fill_it_alone),
    XT_PLAIN(many_are_remembered),
};
XT_MAIN(tests)
