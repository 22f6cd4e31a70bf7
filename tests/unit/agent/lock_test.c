// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: whoever sits down at a locked machine signs as its user, or guesses the
 * passphrase at full speed. */
#include "tests/lib/xtest.h"
#include "vo-auth/agent/lock.h"

#include <string.h>

static const uint8_t salt[LOCK_SALT_BYTES] = {1, 2, 3};

static struct xos_slice text(const char *t)
{
    return (struct xos_slice){(const uint8_t *)t, strlen(t)};
}

static void only_its_passphrase_unlocks(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct lock l = {0};
    XT_TRY(lock_need_open(&l, &err));
    XT_REFUSED(lock_release(&l, text("a"), 0, &err), XOS_INVALID);
    XT_TRY(lock_set(&l, text("open sesame"), salt, 0, 1000, &err));
    XT_REFUSED(lock_need_open(&l, &err), XOS_DENIED);
    XT_REFUSED(lock_set(&l, text("mine"), salt, 0, 1000, &err), XOS_BUSY);
    XT_REFUSED(lock_release(&l, text("open sesamE"), 2000, &err), XOS_DENIED);
    XT_REFUSED(lock_release(&l, text("open sesame"), 2500, &err), XOS_BUSY);
    assert_true(l.locked);
    XT_TRY(lock_release(&l, text("open sesame"), 3000, &err));
    XT_TRY(lock_need_open(&l, &err));
    assert_int_equal(l.failures, 0);
out:
    lock_clear(&l);
}

static void wrong_ones_close_the_door_for_longer_and_longer(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct lock l = {0};
    uint64_t now = 0;
    static const uint64_t closed_s[] = {1, 2, 4, 8, 16, 32, 60, 60, 60};
    XT_TRY(lock_set(&l, text("right"), salt, 0, now, &err));
    for (size_t i = 0; i < sizeof(closed_s) / sizeof(closed_s[0]); i++) {
        XT_REFUSED(lock_release(&l, text("wrong"), now, &err), XOS_DENIED);
        assert_int_equal(l.closed_until_ms - now, closed_s[i] * 1000);
        XT_REFUSED(lock_release(&l, text("wrong"), l.closed_until_ms - 1, &err), XOS_BUSY);
        now = l.closed_until_ms;
    }
    assert_int_equal(l.failures, sizeof(closed_s) / sizeof(closed_s[0])); /* BUSY counts nothing */
out:
    lock_clear(&l);
}

static void a_lock_ends_by_itself(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct lock l = {0};
    assert_false(lock_over(&l, UINT64_MAX));
    XT_TRY(lock_set(&l, text("p"), salt, 5000, 100, &err));
    assert_false(lock_over(&l, 5099));
    assert_true(lock_over(&l, 5100));
    lock_clear(&l);
    XT_TRY(lock_set(&l, text("p"), salt, 0, 100, &err));
    assert_true(lock_over(&l, 100 + LOCK_WIPE_MS_MAX));
    assert_false(lock_over(&l, 99 + LOCK_WIPE_MS_MAX));
out:
    lock_clear(&l);
}

static void what_cannot_be_a_passphrase_is_refused(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct lock l = {0};
    static const uint8_t many[LOCK_PASSPHRASE_BYTES_MAX + 1] = {'x'};
    XT_REFUSED(lock_set(&l, text(""), salt, 0, 0, &err), XOS_INVALID);
    XT_REFUSED(lock_set(&l, (struct xos_slice){many, sizeof(many)}, salt, 0, 0, &err), XOS_LIMIT);
    XT_REFUSED(lock_set(&l, text("p"), salt, LOCK_WIPE_MS_MAX + 1, 0, &err), XOS_LIMIT);
    assert_false(l.locked);
    XT_TRY(lock_set(&l, (struct xos_slice){many, sizeof(many) - 1}, salt, 0, 0, &err));
    XT_REFUSED(lock_release(&l, (struct xos_slice){many, sizeof(many)}, 0, &err), XOS_LIMIT);
    assert_int_equal(l.failures, 0);
out:
    lock_clear(&l);
}

static const struct xt_test tests[] = {
    XT(only_its_passphrase_unlocks),
    XT(wrong_ones_close_the_door_for_longer_and_longer),
    XT(a_lock_ends_by_itself),
    XT(what_cannot_be_a_passphrase_is_refused),
};
XT_MAIN(tests)
