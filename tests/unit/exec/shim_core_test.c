// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a unit that its fence froze runs again, a job gets no grace or an endless one,
 * suspended time counts, or an end is told as another. */
#include "jobmgr/exec/shim_core.h"
#include "tests/lib/xtest.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

/* One step of a story: the event, the refusal, the actions as letters, the state after it.
 * s<n> signal, F freeze, T thaw, K kill, W write state, t tell, X finish, L leave. */
struct step {
    struct shim_event ev;
    enum xos_code code;
    const char *actions;
    enum unit_state state;
    uint64_t next_ms;
};

struct story {
    const char *what;
    struct fence fence;
    uint64_t walltime_ms, grace_ms;
    enum exit_how how;
    int value;
    uint64_t ran_ms;
    struct step steps[10];
};

#define AT(t) .now_ms = (t)
#define STARTED(t)                                                                                 \
    {                                                                                              \
        .kind = SHIM_EV_STARTED, AT(t)                                                             \
    }
#define TICK(t)                                                                                    \
    {                                                                                              \
        .kind = SHIM_EV_TICK, AT(t)                                                                \
    }
#define GONE(t, st)                                                                                \
    {                                                                                              \
        .kind = SHIM_EV_GONE, AT(t), .number = (st)                                                \
    }
#define ENDED(t, st)                                                                               \
    {                                                                                              \
        .kind = SHIM_EV_JOB_ENDED, AT(t), .number = (st)                                           \
    }
#define STOP(t)                                                                                    \
    {                                                                                              \
        .kind = SHIM_EV_STOP, AT(t)                                                                \
    }
#define CONT(t)                                                                                    \
    {                                                                                              \
        .kind = SHIM_EV_CONT, AT(t)                                                                \
    }
#define KILL(t, h, g)                                                                              \
    {                                                                                              \
        .kind = SHIM_EV_KILL, AT(t), .how = (h), .grace_ms = (g)                                   \
    }
#define FENCE(t, e, d)                                                                             \
    {                                                                                              \
        .kind = SHIM_EV_FENCE, AT(t), .epoch = (e), .deadline_ms = (d), .fenced = 1                \
    }
#define SIGNAL(t, n)                                                                               \
    {                                                                                              \
        .kind = SHIM_EV_SIGNAL, AT(t), .number = (n)                                               \
    }
#define ACK(t)                                                                                     \
    {                                                                                              \
        .kind = SHIM_EV_ACK, AT(t)                                                                 \
    }
#define EXITED(n) ((n) << 8)

static const struct story stories[] = {
    {"ends by itself",
     {0},
     0,
     10,
     EXIT_EXITED,
     7,
     50,
     {{STARTED(100), 0, "Wt", UNIT_RUNNING, 0},
      {ACK(110), XOS_BUSY, "", UNIT_RUNNING, 0},
      {ENDED(150, EXITED(7)), 0, "KWt", UNIT_KILLING, 200},
      {TICK(200), 0, "K", UNIT_KILLING, 250},
      {SIGNAL(201, 15), XOS_NOT_FOUND, "", UNIT_KILLING, 250},
      {GONE(210, 0), 0, "X", UNIT_ENDED, 0},
      {ACK(220), 0, "L", UNIT_ENDED, 0}}},
    {"ends by a signal",
     {0},
     0,
     10,
     EXIT_SIGNALLED,
     11,
     50,
     {{STARTED(100), 0, "Wt", UNIT_RUNNING, 0},
      {ENDED(150, SIGSEGV), 0, "KWt", UNIT_KILLING, 200},
      {GONE(160, 0), 0, "X", UNIT_ENDED, 0}}},
    {"its init is killed",
     {0},
     0,
     10,
     EXIT_SIGNALLED,
     9,
     60,
     {{STARTED(100), 0, "Wt", UNIT_RUNNING, 0}, {GONE(160, SIGKILL), 0, "X", UNIT_ENDED, 0}}},
    {"cannot start",
     {0},
     0,
     10,
     EXIT_START_FAILED,
     2,
     0,
     {{{.kind = SHIM_EV_START_FAILED, AT(100), .number = 2, .stage = STAGE_EXEC},
       0,
       "KWt",
       UNIT_KILLING,
       150},
      {GONE(160, 0), 0, "X", UNIT_ENDED, 0}}},
    {"killed with grace",
     {0},
     0,
     10,
     EXIT_KILLED,
     137,
     130,
     {{STARTED(100), 0, "Wt", UNIT_RUNNING, 0},
      {KILL(200, EXIT_KILLED, 30), 0, "s15s18Wt", UNIT_ENDING, 230},
      {KILL(201, EXIT_PREEMPTED, 50), 0, "", UNIT_ENDING, 230},
      {TICK(229), 0, "", UNIT_ENDING, 230},
      {TICK(230), 0, "KWt", UNIT_KILLING, 280},
      {GONE(240, SIGKILL), 0, "X", UNIT_ENDED, 0}}},
    {"a second kill shortens the grace",
     {0},
     0,
     10,
     EXIT_KILLED,
     143,
     105,
     {{STARTED(100), 0, "Wt", UNIT_RUNNING, 0},
      {KILL(200, EXIT_KILLED, 9000), 0, "s15s18Wt", UNIT_ENDING, 9200},
      {KILL(201, EXIT_KILLED, 100), 0, "", UNIT_ENDING, 301},
      {KILL(205, EXIT_KILLED, 0), 0, "KWt", UNIT_KILLING, 255},
      {ENDED(206, SIGTERM), 0, "", UNIT_KILLING, 255},
      {GONE(240, SIGKILL), 0, "X", UNIT_ENDED, 0}}},
    {"killed while it starts",
     {0},
     0,
     10,
     EXIT_KILLED,
     137,
     0,
     {{SIGNAL(90, 15), XOS_BUSY, "", UNIT_STARTING, 0},
      {KILL(100, EXIT_KILLED, 0), 0, "KWt", UNIT_KILLING, 150},
      {STARTED(101), 0, "", UNIT_KILLING, 150},
      {GONE(110, SIGKILL), 0, "X", UNIT_ENDED, 0}}},
    {"TERM waits for the start",
     {0},
     0,
     10,
     EXIT_KILLED,
     5,
     9,
     {{STOP(90), 0, "Ft", UNIT_STARTING, 0},
      {KILL(100, EXIT_KILLED, 5000), 0, "TWt", UNIT_STARTING, 5100},
      {STARTED(101), 0, "s15Wt", UNIT_ENDING, 5100},
      {ENDED(110, EXITED(5)), 0, "KWt", UNIT_KILLING, 160},
      {GONE(111, 0), 0, "X", UNIT_ENDED, 0}}},
    {"a start that takes longer than the grace",
     {0},
     0,
     10,
     EXIT_KILLED,
     137,
     0,
     {{KILL(100, EXIT_KILLED, 50), 0, "Wt", UNIT_STARTING, 150},
      {TICK(149), 0, "", UNIT_STARTING, 150},
      {TICK(150), 0, "KWt", UNIT_KILLING, 200},
      {GONE(160, SIGKILL), 0, "X", UNIT_ENDED, 0}}},
    {"suspended time is free",
     {0},
     100,
     20,
     EXIT_TIME_LIMIT,
     0,
     100,
     {{STARTED(1000), 0, "Wt", UNIT_RUNNING, 1100},
      {STOP(1060), 0, "Ft", UNIT_RUNNING, 0},
      {TICK(5000), 0, "", UNIT_RUNNING, 0},
      {CONT(6000), 0, "Tt", UNIT_RUNNING, 6040},
      {TICK(6040), 0, "s15s18Wt", UNIT_ENDING, 6060},
      {ENDED(6040, EXITED(0)), 0, "KWt", UNIT_KILLING, 6090},
      {GONE(6041, 0), 0, "X", UNIT_ENDED, 0}}},
    {"killed while suspended: thawed to catch TERM",
     {0},
     0,
     20,
     EXIT_KILLED,
     5,
     62,
     {{STARTED(1000), 0, "Wt", UNIT_RUNNING, 0},
      {STOP(1060), 0, "Ft", UNIT_RUNNING, 0},
      {KILL(2000, EXIT_KILLED, 30), 0, "s15Ts18Wt", UNIT_ENDING, 2030},
      {STOP(2001), XOS_NOT_FOUND, "", UNIT_ENDING, 2030},
      {ENDED(2002, EXITED(5)), 0, "KWt", UNIT_KILLING, 2052},
      {GONE(2003, 0), 0, "X", UNIT_ENDED, 0}}},
    {"fence freezes, renewal thaws",
     {1, 0, 5, 1100},
     0,
     20,
     EXIT_EXITED,
     0,
     150,
     {{STARTED(1000), 0, "Wt", UNIT_RUNNING, 1100},
      {TICK(1100), 0, "Ft", UNIT_RUNNING, 0},
      {FENCE(1200, 4, 9000), XOS_STALE, "", UNIT_RUNNING, 0},
      {STOP(1201), 0, "t", UNIT_RUNNING, 0},
      {FENCE(1300, 5, 2000), 0, "", UNIT_RUNNING, 2000},
      {CONT(1400), 0, "Tt", UNIT_RUNNING, 2000},
      {ENDED(1450, EXITED(0)), 0, "KWt", UNIT_KILLING, 1500},
      {FENCE(1451, 6, 9000), 0, "", UNIT_KILLING, 1500},
      {GONE(1460, 0), 0, "X", UNIT_ENDED, 0}}},
    {"killed behind its fence: never thawed",
     {1, 0, 5, 1100},
     0,
     20,
     EXIT_KILLED,
     137,
     100,
     {{STARTED(1000), 0, "Wt", UNIT_RUNNING, 1100},
      {TICK(1100), 0, "Ft", UNIT_RUNNING, 0},
      {KILL(1200, EXIT_KILLED, 5000), 0, "KWt", UNIT_KILLING, 1250},
      {GONE(1460, SIGKILL), 0, "X", UNIT_ENDED, 0}}},
    {"higher epoch behind its fence",
     {1, 0, 5, 1100},
     0,
     20,
     EXIT_NODE_LOST,
     137,
     100,
     {{STARTED(1000), 0, "Wt", UNIT_RUNNING, 1100},
      {TICK(1100), 0, "Ft", UNIT_RUNNING, 0},
      {FENCE(1200, 6, 9000), 0, "KWt", UNIT_KILLING, 1250},
      {GONE(1460, SIGKILL), 0, "X", UNIT_ENDED, 0}}},
    {"fence in the grace: stands still until it is killed",
     {1, 0, 5, 1100},
     0,
     20,
     EXIT_KILLED,
     137,
     100,
     {{STARTED(1000), 0, "Wt", UNIT_RUNNING, 1100},
      {KILL(1050, EXIT_KILLED, 500), 0, "s15s18Wt", UNIT_ENDING, 1100},
      {TICK(1100), 0, "Ft", UNIT_ENDING, 1550},
      {TICK(1550), 0, "KWt", UNIT_KILLING, 1600},
      {GONE(1600, SIGKILL), 0, "X", UNIT_ENDED, 0}}},
    {"deadline over before the start",
     {1, 0, 5, 900},
     0,
     20,
     EXIT_EXITED,
     0,
     20,
     {{TICK(950), 0, "Ft", UNIT_STARTING, 0},
      {FENCE(980, 5, 5000), 0, "Tt", UNIT_STARTING, 5000},
      {STARTED(1000), 0, "Wt", UNIT_RUNNING, 5000},
      {ENDED(1020, EXITED(0)), 0, "KWt", UNIT_KILLING, 1070},
      {GONE(1030, 0), 0, "X", UNIT_ENDED, 0}}},
    {"bad commands",
     {0},
     0,
     20,
     EXIT_EXITED,
     0,
     20,
     {{STARTED(1000), 0, "Wt", UNIT_RUNNING, 0},
      {SIGNAL(1001, 0), XOS_INVALID, "", UNIT_RUNNING, 0},
      {SIGNAL(1001, 65), XOS_INVALID, "", UNIT_RUNNING, 0},
      {KILL(1002, EXIT_EXITED, 0), XOS_INVALID, "", UNIT_RUNNING, 0},
      {KILL(1002, EXIT_SHIM_LOST, 0), XOS_INVALID, "", UNIT_RUNNING, 0},
      {SIGNAL(1003, 10), 0, "s10", UNIT_RUNNING, 0},
      {ENDED(1020, EXITED(0)), 0, "KWt", UNIT_KILLING, 1070},
      {GONE(1030, 0), 0, "X", UNIT_ENDED, 0}}},
};

static void spell(const struct shim_actions *a, char text[static 64])
{
    static const char letters[] = {0, 0, 'F', 'T', 'K', 'W', 't', 'X', 'L'};
    size_t at = 0;
    text[0] = 0;
    for (unsigned i = 0; i < a->count; i++) {
        const struct shim_action *one = &a->list[i];
        int n = one->kind == SHIM_DO_SIGNAL
                    ? snprintf(text + at, 64 - at, "s%d", one->number)
                    : snprintf(text + at, 64 - at, "%c", letters[one->kind]);
        at += (size_t)n;
    }
}

static void play(const struct story *s)
{
    struct shim_core c;
    shim_core_init(&c, &s->fence, s->walltime_ms, s->grace_ms);
    for (size_t i = 0; i < 10 && s->steps[i].actions; i++) {
        const struct step *step = &s->steps[i];
        struct shim_actions out = {0};
        char text[64];
        enum xos_code code = shim_step(&c, &step->ev, &out);
        spell(&out, text);
        if (code != step->code || strcmp(text, step->actions) != 0 || c.state != step->state ||
            shim_core_next_ms(&c) != step->next_ms)
            fail_msg("%s, step %zu: code %d, actions \"%s\", state %d, next %llu", s->what, i, code,
                     text, c.state, (unsigned long long)shim_core_next_ms(&c));
    }
    struct exit_record r = {0};
    assert_int_equal(c.state, UNIT_ENDED);
    shim_core_verdict(&c, &r);
    if (r.how != s->how || r.value != s->value || r.ran_ms != s->ran_ms)
        fail_msg("%s: %s %d after %llu ms", s->what, exit_how_name(r.how), r.value,
                 (unsigned long long)r.ran_ms);
}

static void stories_go_as_told(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(stories) / sizeof(stories[0]); i++)
        play(&stories[i]);
}

static void oom_is_told_apart_from_kill(void **state)
{
    (void)state;
    static const struct {
        int status;
        uint32_t kills;
        enum exit_how how;
    } table[] = {{SIGKILL, 1, EXIT_OOM},
                 {SIGKILL, 0, EXIT_SIGNALLED},
                 {SIGSEGV, 1, EXIT_SIGNALLED},
                 {EXITED(1), 1, EXIT_EXITED}};
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct shim_core c;
        struct shim_actions out = {0};
        struct exit_record r = {0};
        shim_core_init(&c, &(struct fence){0}, 0, 0);
        (void)shim_step(&c, &(struct shim_event)STARTED(1), &out);
        (void)shim_step(&c, &(struct shim_event)ENDED(2, table[i].status), &out);
        c.oom_kills = table[i].kills;
        (void)shim_step(&c, &(struct shim_event)GONE(3, 0), &out);
        shim_core_verdict(&c, &r);
        assert_int_equal(r.how, table[i].how);
    }
}

/* Any order of any events: the machine never breaks its own rules, and a fenced unit past its
 * deadline is never left running. */
static void no_order_of_events_breaks_it(void **state)
{
    (void)state;
    uint64_t x = 88172645463325252ULL;
    for (int run = 0; run < 3000; run++) {
        struct shim_core c;
        uint64_t now = 1000;
        bool frozen = false;
        shim_core_init(&c, &(struct fence){.fenced = run % 2, .epoch = 3, .deadline_ms = 1500}, 400,
                       100);
        for (int i = 0; i < 60; i++) {
            x ^= x << 13, x ^= x >> 7, x ^= x << 17;
            now += x % 97;
            struct shim_event ev = {.kind = (enum shim_event_kind)(x % SHIM_EVENTS),
                                    .now_ms = now,
                                    .number = (int)(x >> 20) % 70,
                                    .how = (enum exit_how)((x >> 8) % EXIT_HOWS),
                                    .grace_ms = (x >> 12) % 200,
                                    .epoch = 2 + (x >> 16) % 3,
                                    .deadline_ms = now + (x >> 24) % 300,
                                    .fenced = (x >> 5) & 1,
                                    .scope = SHIM_GROUP};
            struct shim_actions out = {0};
            (void)shim_step(&c, &ev, &out);
            for (unsigned a = 0; a < out.count; a++) {
                frozen = out.list[a].kind == SHIM_DO_FREEZE ? true
                         : out.list[a].kind == SHIM_DO_THAW ? false
                                                            : frozen;
            }
            bool alive = c.state < UNIT_KILLING;
            assert_true(!alive || frozen == shim_core_must_freeze(&c));
            struct shim_actions tick = {0};
            (void)shim_step(&c, &(struct shim_event){.kind = SHIM_EV_TICK, .now_ms = now}, &tick);
            for (unsigned a = 0; a < tick.count; a++)
                frozen = frozen || tick.list[a].kind == SHIM_DO_FREEZE;
            alive = c.state < UNIT_KILLING;
            assert_true(!alive || !c.fence.fenced || now < c.fence.deadline_ms || frozen);
        }
    }
}

static const struct xt_test tests[] = {
    XT(stories_go_as_told),
    XT(oom_is_told_apart_from_kill),
    XT(no_order_of_events_breaks_it),
};
XT_MAIN(tests)
