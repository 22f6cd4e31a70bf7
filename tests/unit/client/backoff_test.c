// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a command spins while xosd is away, or gives up while it is being upgraded. */
#include "client/backoff.h"
#include "tests/lib/xtest.h"

static void tries_often_then_less_then_gives_up(void **state)
{
    (void)state;
    struct client_backoff b = {0};
    uint64_t now = 1000, steps = 0, wait;
    assert_int_equal(client_backoff_next(&b, now, CLIENT_RECONNECT_MS_MAX), 20);
    while ((wait = client_backoff_next(&b, now, CLIENT_RECONNECT_MS_MAX)) != UINT64_MAX) {
        assert_in_range(wait, 20, CLIENT_BACKOFF_STEP_MS_MAX);
        now += wait;
        steps++;
    }
    assert_in_range(now - 1000, CLIENT_RECONNECT_MS_MAX, CLIENT_RECONNECT_MS_MAX + 500);
    assert_in_range(steps, 60, 80);
    client_backoff_reset(&b);
    assert_int_equal(client_backoff_next(&b, now, CLIENT_RECONNECT_MS_MAX), 20);
}

static const struct xt_test tests[] = {XT(tries_often_then_less_then_gives_up)};
XT_MAIN(tests)
