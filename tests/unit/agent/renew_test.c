// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: users are thrown out in the middle of their day, or all agents of an
 * institution come to its CA in the same second. */
#include "tests/lib/xtest.h"
#include "vo-auth/agent/renew.h"

#include <string.h>

#define HOUR INT64_C(3600000)

static struct renew_event installed(int64_t from, int64_t to, int64_t session, uint32_t random)
{
    return (struct renew_event){.kind = RENEW_INSTALLED,
                                .now_ms = from,
                                .random = random,
                                .from_ms = from,
                                .to_ms = to,
                                .session_until_ms = session};
}

static enum renew_action tick(struct renew *r, int64_t now)
{
    const struct renew_event ev = {.kind = RENEW_TICK, .now_ms = now};
    return renew_step(r, &ev);
}

static enum renew_action failed(struct renew *r, int64_t now, uint32_t random)
{
    const struct renew_event ev = {.kind = RENEW_FAILED, .now_ms = now, .random = random};
    return renew_step(r, &ev);
}

static void half_way_give_or_take_a_tenth(void **state)
{
    (void)state;
    static const struct {
        uint32_t random;
        int64_t min, max; /* per mille of the life */
    } rows[] = {{0, 400, 400}, {UINT32_MAX / 2, 499, 501}, {UINT32_MAX, 599, 600}};
    for (size_t i = 0; i < 3; i++) {
        struct renew r = {0};
        const struct renew_event ev = installed(1000, 1000 + 12 * HOUR, 200 * HOUR, rows[i].random);
        assert_int_equal(renew_step(&r, &ev), RENEW_WAIT);
        const int64_t part = (r.due_ms - 1000) * 1000 / (12 * HOUR);
        assert_true(part >= rows[i].min && part <= rows[i].max);
        assert_int_equal(tick(&r, r.due_ms - 1), RENEW_WAIT);
        assert_int_equal(tick(&r, r.due_ms), RENEW_ASK);
        assert_int_equal(tick(&r, r.due_ms + 1), RENEW_WAIT); /* one question at a time */
    }
}

static void failures_back_off_until_the_session_ends(void **state)
{
    (void)state;
    struct renew r = {0};
    const int64_t session = 20 * HOUR;
    const struct renew_event ev = installed(0, 12 * HOUR, session, 1u << 31);
    int64_t now, expected = RENEW_RETRY_FIRST_MS;
    unsigned tries = 0;
    renew_step(&r, &ev);
    for (now = r.due_ms; r.due_ms; now = r.due_ms, tries++) {
        assert_int_equal(tick(&r, now), RENEW_ASK);
        assert_true(now < session);
        failed(&r, now, tries % 2 ? UINT32_MAX : 0);
        if (r.due_ms) {
            assert_true(r.due_ms - now >= expected / 2 && r.due_ms - now <= expected * 3 / 2);
            assert_true(r.due_ms - now <= RENEW_RETRY_MS_MAX * 3 / 2);
        }
        expected = expected * 2 < RENEW_RETRY_MS_MAX ? expected * 2 : RENEW_RETRY_MS_MAX;
    }
    assert_true(tries > 40); /* also past the certificate's end */
    assert_int_equal(tick(&r, session + HOUR), RENEW_WAIT);
}

static void success_starts_again_from_the_new_certificate(void **state)
{
    (void)state;
    struct renew r = {0};
    struct renew_event ev = installed(0, 12 * HOUR, 100 * HOUR, 0);
    renew_step(&r, &ev);
    assert_int_equal(tick(&r, r.due_ms), RENEW_ASK);
    failed(&r, r.due_ms, 0);
    assert_int_equal(tick(&r, r.due_ms), RENEW_ASK);
    ev = installed(5 * HOUR, 17 * HOUR, 100 * HOUR, 0);
    renew_step(&r, &ev);
    assert_false(r.asking);
    assert_int_equal(r.retry_ms, 0);
    assert_true(r.due_ms > 9 * HOUR && r.due_ms < 13 * HOUR);
    failed(&r, 6 * HOUR, 0); /* of a question that was given up */
    assert_true(r.due_ms > 9 * HOUR);
}

static void what_reaches_to_the_sessions_end_is_not_renewed(void **state)
{
    (void)state;
    struct renew r = {0};
    struct renew_event ev = installed(0, 12 * HOUR, 12 * HOUR, 0);
    renew_step(&r, &ev);
    assert_int_equal(r.due_ms, 0);
    assert_int_equal(tick(&r, 11 * HOUR), RENEW_WAIT);
    ev = installed(0, 0, 12 * HOUR, 0);
    renew_step(&r, &ev);
    assert_int_equal(r.due_ms, 0);
    ev = installed(0, 12 * HOUR, 24 * HOUR, 0);
    renew_step(&r, &ev);
    assert_int_equal(tick(&r, 24 * HOUR), RENEW_WAIT); /* slept through it */
    assert_int_equal(r.due_ms, 0);
    renew_step(&r, &ev);
    ev.kind = RENEW_FORGOTTEN;
    renew_step(&r, &ev);
    assert_int_equal(r.due_ms, 0);
}

static void no_certificate_outlives_the_session(void **state)
{
    (void)state;
    const struct renew r = {.session_until_ms = 10 * HOUR};
    assert_int_equal(renew_life(&r, 0, 12 * HOUR), 10 * HOUR);
    assert_int_equal(renew_life(&r, 0, 4 * HOUR), 4 * HOUR);
    assert_int_equal(renew_life(&r, 11 * HOUR, 4 * HOUR), 1);
}

static const struct xt_test tests[] = {
    XT(half_way_give_or_take_a_tenth),
    XT(failures_back_off_until_the_session_ends),
    XT(success_starts_again_from_the_new_certificate),
    XT(what_reaches_to_the_sessions_end_is_not_renewed),
    XT(no_certificate_outlives_the_session),
};
XT_MAIN(tests)
