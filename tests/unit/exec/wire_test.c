// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a request that is not well formed passes, or a shim of the previous build can
 * no longer be understood after an upgrade. */
#include "jobmgr/exec/execd_wire.h"
#include "jobmgr/exec/ledger.h"
#include "jobmgr/exec/order.h"
#include "jobmgr/exec/shim_wire.h"
#include "libxos/base/alloc.h"
#include "tests/lib/xtest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GOLDEN "tests/golden/exec-1/"

/* The bytes of version 1 are these, for ever. XOS_GOLDEN=write makes the files anew. */
static void golden(const char *name, const void *data, size_t bytes)
{
    char path[128];
    static uint8_t had[4096];
    const char *mode = getenv("XOS_GOLDEN");
    bool writes = mode && strcmp(mode, "write") == 0;
    (void)snprintf(path, sizeof(path), GOLDEN "%s", name);
    FILE *f = fopen(path, writes ? "we" : "re");
    if (!f)
        fail_msg("%s: run from the root of the sources", path);
    size_t n = writes ? fwrite(data, 1, bytes, f) : fread(had, 1, sizeof(had), f);
    fclose(f);
    if (n != bytes || (!writes && memcmp(had, data, bytes) != 0))
        fail_msg("%s differs", path);
}

static const char *const argv[] = {"cat", "-n", NULL};
static const char *const envp[] = {"PATH=/bin", "A=b", NULL};

static int make_request(void *packet, struct xos_error *err)
{
    struct execd_request *r = packet;
    *r = (struct execd_request){.verb = EXECD_START,
                                .flags = EXECD_FENCED | EXECD_PTY | EXECD_STDIN | EXECD_CPU_QUOTA,
                                .serial = 77,
                                .unit = "inria-1042.3",
                                .epoch = 5,
                                .deadline_ms = 123456789,
                                .walltime_ms = 3600000,
                                .grace_ms = 10000,
                                .spool_bytes = 1 << 30,
                                .mem_bytes = 256 << 20,
                                .cpu_milli = 1500,
                                .pids = 100,
                                .rows = 24,
                                .cols = 80};
    struct execd_blobs b = {.argv = argv, .envp = envp, .cwd = "/tmp"};
    return execd_request_finish(packet, &b, err);
}

static void a_request_is_what_it_was(void **state)
{
    (void)state;
    struct xos_error err = {0};
    uint8_t *packet = xos_alloc(EXECD_MESSAGE_BYTES_MAX);
    const char *list[8];
    XT_PTR(packet);
    XT_TRY(make_request(packet, &err));
    const struct execd_request *r = (const struct execd_request *)packet;
    XT_TRY(execd_request_check(packet, r->bytes, &err));
    golden("request-start.bin", packet, r->bytes);
    wire_blob_strings(packet, &r->blobs[EXECD_ARGV], list);
    assert_string_equal(list[0], "cat");
    assert_string_equal(list[1], "-n");
    assert_null(list[2]);
    assert_string_equal(wire_blob_text(packet, &r->blobs[EXECD_CWD]), "/tmp");
out:
    xos_free(packet);
}

/* No single bit of the head may be turned without being noticed, but in what is free to choose. */
static void free_bit_check(uint8_t *packet, size_t bytes)
{
    struct xos_error err = {0};
    static const struct {
        size_t from, bytes;
    } chosen[] = {{offsetof(struct execd_request, serial), 8},
                  {offsetof(struct execd_request, epoch), 56}, /* up to pids */
                  {offsetof(struct execd_request, rows), 4}};
    for (size_t i = 0; i < sizeof(struct execd_request) * 8; i++) {
        bool open_field = false;
        for (size_t c = 0; c < sizeof(chosen) / sizeof(chosen[0]); c++)
            open_field =
                open_field || (i / 8 >= chosen[c].from && i / 8 < chosen[c].from + chosen[c].bytes);
        /* Flags that START knows, another verb's number, another letter of the id. */
        size_t at = i / 8;
        open_field = open_field || at == offsetof(struct execd_request, flags) ||
                     (at >= offsetof(struct execd_request, unit) &&
                      at < offsetof(struct execd_request, unit) + EXEC_UNIT_BYTES);
        packet[at] ^= (uint8_t)(1 << (i % 8));
        if (!open_field && execd_request_check(packet, bytes, &err) == 0)
            fail_msg("bit %zu of byte %zu passes", i % 8, at);
        (void)execd_request_check(packet, bytes, &err);
        packet[at] ^= (uint8_t)(1 << (i % 8));
    }
}

static void a_turned_bit_is_noticed(void **state)
{
    (void)state;
    struct xos_error err = {0};
    uint8_t *packet = xos_alloc(EXECD_MESSAGE_BYTES_MAX);
    XT_PTR(packet);
    XT_TRY(make_request(packet, &err));
    free_bit_check(packet, ((struct execd_request *)packet)->bytes);
out:
    xos_free(packet);
}

static void other_verbs_carry_nothing(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct execd_request r = {.verb = EXECD_PROBE};
    uint8_t *packet = xos_alloc(EXECD_MESSAGE_BYTES_MAX);
    XT_PTR(packet);
    memcpy(packet, &r, sizeof(r));
    struct execd_request *p = (struct execd_request *)packet;
    XT_TRY(execd_request_finish(packet, &(struct execd_blobs){0}, &err));
    XT_TRY(execd_request_check(packet, p->bytes, &err));
    p->epoch = 1;
    XT_REFUSED(execd_request_check(packet, p->bytes, &err), XOS_PROTOCOL);
    p->epoch = 0;
    p->unit[0] = 'a';
    XT_REFUSED(execd_request_check(packet, p->bytes, &err), XOS_PROTOCOL);
    p->verb = EXECD_KILL;
    XT_TRY(execd_request_check(packet, p->bytes, &err));
    p->flags = EXECD_PTY;
    XT_REFUSED(execd_request_check(packet, p->bytes, &err), XOS_PROTOCOL);
    p->flags = 0;
    p->version = 2;
    XT_REFUSED(execd_request_check(packet, p->bytes, &err), XOS_VERSION);
    XT_TRY(execd_request_finish(packet, &(struct execd_blobs){.argv = argv}, &err));
    XT_REFUSED(execd_request_check(packet, p->bytes, &err), XOS_PROTOCOL);
    XT_REFUSED(execd_request_check(packet, EXECD_MESSAGE_BYTES_MAX + 1, &err), XOS_LIMIT);
    XT_REFUSED(execd_request_check(packet, 5, &err), XOS_PROTOCOL);
out:
    xos_free(packet);
}

static void too_much_is_refused_by_name(void **state)
{
    (void)state;
    struct xos_error err = {0};
    uint8_t *packet = xos_alloc(EXECD_MESSAGE_BYTES_MAX);
    char *big = xos_alloc(EXECD_MESSAGE_BYTES_MAX);
    XT_PTR(packet);
    XT_PTR(big);
    memset(big, 'a', EXECD_MESSAGE_BYTES_MAX - 1);
    const char *list[] = {big, NULL};
    XT_REFUSED(execd_request_finish(packet, &(struct execd_blobs){.argv = list}, &err), XOS_LIMIT);
    XT_REFUSED(execd_request_finish(packet, &(struct execd_blobs){.envp = list}, &err), XOS_LIMIT);
    XT_REFUSED(execd_request_finish(packet, &(struct execd_blobs){.cwd = big}, &err), XOS_LIMIT);
out:
    xos_free(big);
    xos_free(packet);
}

static void an_order_is_made_of_a_request(void **state)
{
    (void)state;
    struct xos_error err = {0};
    uint8_t *packet = xos_alloc(EXECD_MESSAGE_BYTES_MAX);
    struct order *o = xos_alloc(ORDER_BYTES_MAX);
    const char *hide[] = {"/run/xos", "/spool", NULL};
    XT_PTR(packet);
    XT_PTR(o);
    XT_TRY(make_request(packet, &err));
    memcpy(o->unit, "inria-1042.3", 13);
    struct order_paths paths = {.init = "/usr/lib/xos/xos-init", .hide = hide};
    assert_int_equal(order_finish(o, (struct execd_request *)packet, &paths), 0);
    assert_null(order_check(o, o->bytes));
    assert_string_equal(wire_blob_text(o, &o->blobs[ORDER_ARGV]), "cat");
    assert_null(wire_blob_text(o, &o->blobs[ORDER_SCRATCH]));
    assert_int_equal(o->blobs[ORDER_HIDE].count, 2);
    assert_non_null(order_check(o, o->bytes - 1));
    o->unit[0] = '/';
    assert_string_equal(order_check(o, o->bytes), "unit");
out:
    xos_free(o);
    xos_free(packet);
}

static void records_are_what_they_were(void **state)
{
    (void)state;
    struct state_record st = {.state = UNIT_RUNNING,
                              .unit = "inria-1042.3",
                              .epoch = 5,
                              .boot_id = {1, 2, 3},
                              .shim_start = 11,
                              .init_start = 12,
                              .shim_pid = 100,
                              .init_pid = 101,
                              .started_boot_ms = 13,
                              .started_real_ms = 14};
    struct exit_record ex = {.how = EXIT_SIGNALLED,
                             .unit = "inria-1042.3",
                             .epoch = 5,
                             .value = 9,
                             .started_real_ms = 14,
                             .ended_real_ms = 20,
                             .ran_ms = 6,
                             .user_us = 7,
                             .system_us = 8,
                             .peak_bytes = 4096,
                             .out_bytes = 1,
                             .err_bytes = 2,
                             .out_dropped = 3,
                             .err_dropped = 4,
                             .dropped_why = SPOOL_AT_LIMIT,
                             .oom_kills = 0};
    state_record_seal(&st);
    exit_record_seal(&ex);
    golden("state.bin", &st, sizeof(st));
    golden("exit.bin", &ex, sizeof(ex));
    assert_int_equal(state_record_check(&st, sizeof(st)), 0);
    assert_int_equal(exit_record_check(&ex, sizeof(ex)), 0);
    assert_int_equal(state_record_check(&st, sizeof(st) - 1), -1);
    assert_int_equal(exit_record_check(&ex, sizeof(ex) + 1), -1);
    for (size_t i = 0; i < sizeof(ex) * 8; i++) {
        ((uint8_t *)&ex)[i / 8] ^= (uint8_t)(1 << (i % 8));
        assert_int_equal(exit_record_check(&ex, sizeof(ex)), -1);
        ((uint8_t *)&ex)[i / 8] ^= (uint8_t)(1 << (i % 8));
    }
    for (size_t i = 0; i < sizeof(st) * 8; i++) {
        ((uint8_t *)&st)[i / 8] ^= (uint8_t)(1 << (i % 8));
        assert_int_equal(state_record_check(&st, sizeof(st)), -1);
        ((uint8_t *)&st)[i / 8] ^= (uint8_t)(1 << (i % 8));
    }
}

static void frames_go_one_way(void **state)
{
    (void)state;
    uint8_t packet[SHIM_FRAME_BYTES_MAX + 1] __attribute__((aligned(8))) = {0};
    struct shim_frame *f = (struct shim_frame *)packet;
    *f = (struct shim_frame){
        .magic = SHIM_MAGIC, .version = SHIM_VERSION, .type = SHIM_STDIN, .bytes = 5, .a = 1000};
    memcpy(f + 1, "hello", 5);
    golden("frame-stdin.bin", packet, sizeof(*f) + 5);
    assert_int_equal(shim_frame_check_command(packet, sizeof(*f) + 5), 0);
    assert_int_equal(shim_frame_check_event(packet, sizeof(*f) + 5), -1);
    assert_int_equal(shim_frame_check_command(packet, sizeof(*f) + 4), -1);
    assert_int_equal(shim_frame_check_command(packet, sizeof(*f) - 1), -1);
    f->bytes = SHIM_STDIN_BYTES_MAX + 1;
    assert_int_equal(shim_frame_check_command(packet, sizeof(*f) + f->bytes), -1);
    f->bytes = 0;
    assert_int_equal(shim_frame_check_command(packet, sizeof(*f)), -1);
    for (unsigned type = 0; type < SHIM_TYPES + 3; type++) {
        *f = (struct shim_frame){
            .magic = SHIM_MAGIC, .version = SHIM_VERSION, .type = (uint16_t)type};
        size_t bytes = sizeof(*f);
        if (type == SHIM_STDIN)
            f->bytes = 1;
        if (type == SHIM_STATUS)
            f->bytes = sizeof(struct shim_status);
        if (type == SHIM_EXIT)
            f->bytes = sizeof(struct exit_record);
        bytes += f->bytes;
        bool command = type > SHIM_NONE && type < SHIM_REPLY;
        bool event = type >= SHIM_REPLY && type < SHIM_TYPES;
        assert_int_equal(shim_frame_check_command(packet, bytes), command ? 0 : -1);
        assert_int_equal(shim_frame_check_event(packet, bytes), event ? 0 : -1);
        f->a = UINT64_MAX;
        assert_int_equal(shim_frame_check_command(packet, bytes), type == SHIM_FENCE ? 0 : -1);
    }
}

static void statuses_are_those_of_a_shell(void **state)
{
    (void)state;
    static const struct {
        struct exit_record r;
        int status;
    } table[] = {
        {{.how = EXIT_EXITED, .value = 0}, 0},
        {{.how = EXIT_EXITED, .value = 7}, 7},
        {{.how = EXIT_SIGNALLED, .value = 15}, 143},
        {{.how = EXIT_OOM, .value = 9}, 137},
        {{.how = EXIT_KILLED, .value = 143}, 143},
        {{.how = EXIT_KILLED, .value = 0}, 143},
        {{.how = EXIT_TIME_LIMIT, .value = 137}, 137},
        {{.how = EXIT_SHIM_LOST}, 125},
        {{.how = EXIT_NODE_LOST}, 125},
        {{.how = EXIT_START_FAILED, .stage = STAGE_EXEC, .value = 2}, 127},
        {{.how = EXIT_START_FAILED, .stage = STAGE_EXEC, .value = 20}, 127},
        {{.how = EXIT_START_FAILED, .stage = STAGE_EXEC, .value = 13}, 126},
        {{.how = EXIT_START_FAILED, .stage = STAGE_DIRECTORY, .value = 2}, 125},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        assert_int_equal(exit_record_status(&table[i].r), table[i].status);
    assert_string_equal(exec_stage_name(STAGE_IDENTITY), "identity");
    assert_string_equal(exec_stage_name((enum exec_stage)99), "none");
    assert_string_equal(exit_how_name(EXIT_TIME_LIMIT), "time-limit");
    assert_string_equal(exit_how_name((enum exit_how)99), "none");
    assert_string_equal(execd_isolation_name(EXECD_CGROUP1), "cgroup1");
    assert_string_equal(execd_isolation_name((enum execd_isolation)9), "none");
}

static void ids_are_names_of_directories(void **state)
{
    (void)state;
    static const char *const good[] = {"a", "inria-1042.3", "inria-1042[7]", "0"};
    static const char *const bad[] = {"", ".", "..", "a/b", "A", "-a", ".a", "[a", "a b", "a\n"};
    char unit[EXEC_UNIT_BYTES];
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        memset(unit, 0, sizeof(unit));
        memcpy(unit, good[i], strlen(good[i]));
        assert_true(exec_unit_valid(unit));
        unit[EXEC_UNIT_BYTES - 1] = 'x';
        assert_false(exec_unit_valid(unit));
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        memset(unit, 0, sizeof(unit));
        memcpy(unit, bad[i], strlen(bad[i]));
        assert_false(exec_unit_valid(unit));
    }
    memset(unit, 'a', sizeof(unit));
    assert_false(exec_unit_valid(unit));
}

static void answers_are_checked(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct {
        struct execd_answer a;
        struct execd_entry e[2];
    } p = {.a = {.magic = EXECD_MAGIC, .version = EXECD_VERSION, .bytes = sizeof(p), .count = 2}};
    assert_int_equal(execd_answer_check(&p, sizeof(p), &err), 0);
    golden("answer.bin", &p, sizeof(p));
    XT_REFUSED(execd_answer_check(&p, sizeof(p) - 1, &err), XOS_PROTOCOL);
    p.a.count = 3;
    XT_REFUSED(execd_answer_check(&p, sizeof(p), &err), XOS_PROTOCOL);
    p.a.count = 2;
    memset(p.a.text, 'x', sizeof(p.a.text));
    XT_REFUSED(execd_answer_check(&p, sizeof(p), &err), XOS_PROTOCOL);
    p.a.version = 9;
    XT_REFUSED(execd_answer_check(&p, sizeof(p), &err), XOS_VERSION);
}

static const struct xt_test tests[] = {
    XT(a_request_is_what_it_was),
    XT(a_turned_bit_is_noticed),
    XT(other_verbs_carry_nothing),
    XT(too_much_is_refused_by_name),
    XT(an_order_is_made_of_a_request),
    XT(records_are_what_they_were),
    XT(frames_go_one_way),
    XT(statuses_are_those_of_a_shell),
    XT(ids_are_names_of_directories),
    XT(answers_are_checked),
};
XT_MAIN(tests)
