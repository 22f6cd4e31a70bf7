// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: output is dropped while a client waits for it, a job blocks with nobody
 * attached, stdin is repeated, or the disk fills. */
#include "jobmgr/exec/shim_in.h"
#include "jobmgr/exec/shim_out.h"
#include "tests/lib/xtest.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define MIB UINT64_C(1048576)

static void plans_are_as_the_table_says(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        struct shim_out o;
        enum out_step step;
        uint64_t bytes;
    } table[] = {
        {"fresh", {.keep_bytes = 10 * MIB}, OUT_WRITE, MIB},
        {"near the limit", {.keep_bytes = 10 * MIB, .written = 10 * MIB - 5}, OUT_WRITE, 5},
        {"at the limit", {.keep_bytes = 10 * MIB, .written = 10 * MIB}, OUT_DROP, 0},
        {"once dropped",
         {.keep_bytes = 10 * MIB, .written = 5, .why = SPOOL_AT_LIMIT},
         OUT_DROP,
         0},
        {"foreground", {.keep_bytes = 100 * MIB, .foreground = true}, OUT_WRITE, MIB},
        {"foreground, window nearly full",
         {.keep_bytes = 100 * MIB, .foreground = true, .written = SHIM_WINDOW_BYTES - 7},
         OUT_WRITE,
         7},
        {"foreground, window full",
         {.keep_bytes = 100 * MIB, .foreground = true, .written = SHIM_WINDOW_BYTES},
         OUT_WAIT,
         0},
        {"window full, but the unit is gone",
         {.keep_bytes = 100 * MIB,
          .foreground = true,
          .written = SHIM_WINDOW_BYTES,
          .draining = true},
         OUT_WRITE,
         MIB},
        {"foreground at the limit, acknowledged",
         {.keep_bytes = 4 * MIB, .foreground = true, .written = 4 * MIB, .acked = 4 * MIB - 1},
         OUT_PUNCH,
         MIB},
        {"foreground at the limit, a little acknowledged",
         {.keep_bytes = 4 * MIB, .foreground = true, .written = 4 * MIB, .acked = 9000},
         OUT_PUNCH,
         8192},
        {"foreground at the limit, nothing acknowledged",
         {.keep_bytes = 4 * MIB, .foreground = true, .written = 4 * MIB, .acked = 4095},
         OUT_WAIT,
         0},
        {"no holes here, foreground at the limit",
         {.keep_bytes = 4 * MIB,
          .foreground = true,
          .written = 4 * MIB,
          .acked = 4 * MIB,
          .no_punch = true},
         OUT_DROP,
         0},
        {"detached behind holes",
         {.keep_bytes = 4 * MIB, .written = 20 * MIB, .punched = 18 * MIB, .acked = 19 * MIB},
         OUT_WRITE,
         MIB},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct out_plan p = shim_out_plan(&table[i].o);
        if (p.step != table[i].step || p.bytes != table[i].bytes)
            fail_msg("%s: %d, %llu bytes", table[i].what, p.step, (unsigned long long)p.bytes);
    }
}

static void acknowledging_too_much_is_ignored(void **state)
{
    (void)state;
    struct shim_out o = {.in = -1, .written = 100, .acked = 50};
    shim_out_ack(&o, 101);
    assert_int_equal(o.acked, 50);
    shim_out_ack(&o, 40);
    assert_int_equal(o.acked, 50);
    shim_out_ack(&o, 100);
    assert_int_equal(o.acked, 100);
}

static struct shim_in in;

static void fresh_in(int ends[2])
{
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    memset(&in, 0, sizeof(in));
    in.fd = ends[1];
}

static void stdin_takes_each_byte_once(void **state)
{
    (void)state;
    int ends[2];
    char got[64] = "";
    fresh_in(ends);
    const uint8_t *text = (const uint8_t *)"abcdefghij";
    assert_int_equal(shim_in_take(&in, 0, text, 4), 0);
    assert_int_equal(shim_in_take(&in, 0, text, 4), 0);
    assert_int_equal(shim_in_take(&in, 2, text + 2, 4), 0);
    assert_int_equal(shim_in_take(&in, 8, text + 8, 2), 0); /* a gap: not taken */
    assert_int_equal(in.received, 6);
    assert_int_equal(shim_in_take(&in, 6, text + 6, 4), 0);
    assert_int_equal(shim_in_eof(&in, 5), -1);
    assert_int_equal(shim_in_eof(&in, 10), 0);
    assert_int_equal(shim_in_eof(&in, 10), 0);
    assert_int_equal(shim_in_eof(&in, 11), -1);
    assert_int_equal(shim_in_take(&in, 10, text, 1), -1);
    assert_true(shim_in_flush(&in));
    assert_int_equal(in.written, 10);
    assert_true(in.closed);
    assert_int_equal(read(ends[0], got, sizeof(got)), 10);
    assert_string_equal(got, "abcdefghij");
    assert_int_equal(read(ends[0], got, sizeof(got)), 0);
    close(ends[0]);
}

static void stdin_has_a_credit(void **state)
{
    (void)state;
    int ends[2];
    static uint8_t data[SHIM_STDIN_BYTES_MAX];
    uint64_t at = 0;
    fresh_in(ends);
    while (at + sizeof(data) <= SHIM_STDIN_CREDIT_BYTES) {
        assert_int_equal(shim_in_take(&in, at, data, sizeof(data)), 0);
        at += sizeof(data);
    }
    assert_int_equal(shim_in_take(&in, at, data, 1), -1);
    assert_true(shim_in_wants(&in));
    /* The reader goes: all is taken, into nowhere. */
    close(ends[0]);
    assert_true(shim_in_flush(&in));
    assert_true(in.closed && in.written == at);
    assert_int_equal(shim_in_take(&in, at, data, sizeof(data)), 0);
    assert_int_equal(in.written, at + sizeof(data));
    assert_false(shim_in_wants(&in));
}

static const struct xt_test tests[] = {
    XT(plans_are_as_the_table_says),
    XT(acknowledging_too_much_is_ignored),
    XT_PLAIN(stdin_takes_each_byte_once),
    XT_PLAIN(stdin_has_a_credit),
};
int main(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
    return xt_main(tests, sizeof(tests) / sizeof(tests[0]));
}
