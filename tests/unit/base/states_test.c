// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a job goes from done back to running and nobody notices. */
#include "libxos/base/states.h"
#include "tests/lib/xtest.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DOOR_NONE, DOOR_OPEN, DOOR_SHUT, DOOR_GONE, DOOR_COUNT };
static const struct xos_state_row doors[DOOR_COUNT] = {
    [DOOR_NONE] = {"none", XOS_STATE(DOOR_OPEN), XOS_STATE_INITIAL},
    [DOOR_OPEN] = {"open", XOS_STATE(DOOR_SHUT) | XOS_STATE(DOOR_GONE), 0},
    [DOOR_SHUT] = {"shut", XOS_STATE(DOOR_OPEN) | XOS_STATE(DOOR_GONE), 0},
    [DOOR_GONE] = {"gone", 0, XOS_STATE_FINAL},
};

struct door {
    struct xos_states states;
    bool hinges;
};

static bool door_holds(const void *subject)
{
    const struct door *d = subject;
    return d->hinges || d->states.now == DOOR_GONE;
}

static void the_table_decides(void **state)
{
    (void)state;
    struct door d = {.hinges = true};
    xos_states_init(&d.states, "door", doors, DOOR_COUNT, DOOR_NONE, door_holds);
    for (unsigned from = 0; from < DOOR_COUNT; from++)
        for (unsigned to = 0; to < 40; to++) {
            d.states.now = from;
            bool listed = to < DOOR_COUNT && (doors[from].next & XOS_STATE(to));
            assert_int_equal(xos_states_can(&d.states, to), listed);
        }
    d.states.now = DOOR_NONE;
    xos_states_move(&d.states, DOOR_OPEN, &d);
    xos_states_move(&d.states, DOOR_SHUT, &d);
    assert_string_equal(xos_states_name(&d.states), "shut");
    assert_false(xos_states_final(&d.states));
    d.hinges = false;
    xos_states_move(&d.states, DOOR_GONE, &d);
    assert_true(xos_states_final(&d.states));
    assert_int_equal(xos_states_find(doors, DOOR_COUNT, "shut"), DOOR_SHUT);
    assert_int_equal(xos_states_find(doors, DOOR_COUNT, "ajar"), -1);
}

static char traced[100];
static void trace(const char *noun, const char *from, const char *to, const void *subject)
{
    assert_non_null(subject);
    (void)snprintf(traced, sizeof(traced), "%s: %s -> %s", noun, from, to);
}

static void moves_are_traced(void **state)
{
    (void)state;
    struct door d = {.hinges = true};
    xos_states_init(&d.states, "door", doors, DOOR_COUNT, DOOR_NONE, door_holds);
    xos_states_trace(trace);
    xos_states_move(&d.states, DOOR_OPEN, &d);
    xos_states_trace(NULL);
    assert_string_equal(traced, "door: none -> open");
    xos_states_move(&d.states, DOOR_SHUT, &d);
    assert_string_equal(traced, "door: none -> open");
}

static void move_badly(unsigned from, unsigned to, bool hinges)
{
    struct door d = {.hinges = true};
    xos_states_init(&d.states, "door", doors, DOOR_COUNT, DOOR_NONE, door_holds);
    d.states.now = from;
    d.hinges = hinges;
    xos_states_move(&d.states, to, &d);
}

static void our_own_mistakes_end_the_process(void **state)
{
    (void)state;
    static const struct {
        unsigned from, to;
        bool hinges;
    } table[] = {
        {DOOR_GONE, DOOR_OPEN, true},
        {DOOR_NONE, DOOR_SHUT, true},
        {DOOR_NONE, 99, true},
        {DOOR_NONE, DOOR_OPEN, false}, /* the invariant */
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        int status = 0;
        pid_t pid = fork();
        if (pid == 0) {
            signal(SIGABRT, SIG_DFL);
            close(STDERR_FILENO);
            move_badly(table[i].from, table[i].to, table[i].hinges);
            _exit(0);
        }
        waitpid(pid, &status, 0);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    }
}

static const struct xt_test tests[] = {
    XT(the_table_decides),
    XT(moves_are_traced),
    XT_PLAIN(our_own_mistakes_end_the_process),
};
XT_MAIN(tests)
