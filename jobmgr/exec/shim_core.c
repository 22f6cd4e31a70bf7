// SPDX-License-Identifier: Apache-2.0
#include "jobmgr/exec/shim_core.h"

#include <assert.h>
#include <signal.h>
#include <sys/wait.h>

static void act(struct shim_actions *out, enum shim_action_kind kind, int number,
                enum shim_scope scope)
{
    assert(out->count < SHIM_ACTIONS_MAX);
    out->list[out->count++] = (struct shim_action){.kind = kind, .number = number, .scope = scope};
}

static bool core_alive(const struct shim_core *c)
{
    return c->state == UNIT_STARTING || c->state == UNIT_RUNNING || c->state == UNIT_ENDING;
}

bool shim_core_must_freeze(const struct shim_core *c)
{
    return core_alive(c) && (c->suspended || c->fence.frozen);
}

static void clock_stop(struct shim_core *c, uint64_t now_ms)
{
    if (c->since_ms && now_ms > c->since_ms)
        c->ran_ms += now_ms - c->since_ms;
    c->since_ms = 0;
}

static void clock_run(struct shim_core *c, uint64_t now_ms)
{
    if (!c->since_ms)
        c->since_ms = now_ms ? now_ms : 1;
}

static void refreeze(struct shim_core *c, bool was, uint64_t now_ms, struct shim_actions *out)
{
    bool want = shim_core_must_freeze(c);
    if (want == was)
        return;
    if (want)
        clock_stop(c, now_ms);
    else if (c->state != UNIT_STARTING)
        clock_run(c, now_ms);
    act(out, want ? SHIM_DO_FREEZE : SHIM_DO_THAW, 0, SHIM_ALL);
}

static void start_killing(struct shim_core *c, uint64_t now_ms, struct shim_actions *out)
{
    clock_stop(c, now_ms);
    c->state = UNIT_KILLING;
    c->kill_at_ms = now_ms + SHIM_KILL_AGAIN_MS;
    act(out, SHIM_DO_KILL, SIGKILL, SHIM_ALL);
    act(out, SHIM_DO_SAVE, 0, SHIM_ALL);
    act(out, SHIM_DO_TELL, 0, SHIM_ALL);
}

static void send_term(struct shim_core *c, struct shim_actions *out)
{
    c->state = UNIT_ENDING;
    act(out, SHIM_DO_SIGNAL, SIGTERM, SHIM_GROUP);
}

/* End the unit for this reason. A unit that its fence froze must not run again, not even to catch
 * TERM; one that the user suspended is thawed so that it can; one that is about to start gets TERM
 * when it has started. */
static void order_end(struct shim_core *c, enum exit_how how, uint64_t grace_ms, uint64_t now_ms,
                      struct shim_actions *out)
{
    if (c->ordered == EXIT_NONE)
        c->ordered = how;
    if (grace_ms == 0 || c->fence.frozen) {
        start_killing(c, now_ms, out);
        return;
    }
    uint64_t at_ms = now_ms + grace_ms;
    if (c->kill_at_ms) {
        if (at_ms < c->kill_at_ms)
            c->kill_at_ms = at_ms;
        return;
    }
    bool was = shim_core_must_freeze(c), starting = c->state == UNIT_STARTING;
    c->suspended = false;
    c->kill_at_ms = at_ms;
    if (!starting)
        send_term(c, out);
    refreeze(c, was, now_ms, out);
    if (!starting)
        act(out, SHIM_DO_SIGNAL, SIGCONT, SHIM_GROUP);
    act(out, SHIM_DO_SAVE, 0, SHIM_ALL);
    act(out, SHIM_DO_TELL, 0, SHIM_ALL);
}

static uint64_t walltime_end_ms(const struct shim_core *c)
{
    if (c->state != UNIT_RUNNING || !c->walltime_ms || !c->since_ms)
        return 0;
    return c->walltime_ms > c->ran_ms ? c->since_ms + (c->walltime_ms - c->ran_ms) : c->since_ms;
}

static enum xos_code on_fence(struct shim_core *c, const struct fence_event *ev,
                              struct shim_actions *out)
{
    bool was = shim_core_must_freeze(c);
    enum fence_action action = fence_step(&c->fence, ev);
    if (action == FENCE_STALE)
        return XOS_STALE;
    if (!core_alive(c))
        return XOS_NONE;
    if (action == FENCE_SUPERSEDED) {
        order_end(c, EXIT_NODE_LOST, 0, ev->now_ms, out);
        return XOS_NONE;
    }
    refreeze(c, was, ev->now_ms, out);
    if (was != shim_core_must_freeze(c))
        act(out, SHIM_DO_TELL, 0, SHIM_ALL);
    return XOS_NONE;
}

static enum xos_code do_tick(struct shim_core *c, const struct shim_event *ev,
                             struct shim_actions *out)
{
    (void)on_fence(c, &(struct fence_event){.kind = FENCE_TICK, .now_ms = ev->now_ms}, out);
    uint64_t end_ms = walltime_end_ms(c);
    if (end_ms && ev->now_ms >= end_ms)
        order_end(c, EXIT_TIME_LIMIT, c->grace_ms, ev->now_ms, out);
    else if (core_alive(c) && c->kill_at_ms && ev->now_ms >= c->kill_at_ms)
        start_killing(c, ev->now_ms, out);
    else if (c->state == UNIT_KILLING && ev->now_ms >= c->kill_at_ms) {
        c->kill_at_ms = ev->now_ms + SHIM_KILL_AGAIN_MS;
        act(out, SHIM_DO_KILL, SIGKILL, SHIM_ALL);
    }
    return XOS_NONE;
}

static enum xos_code do_started(struct shim_core *c, const struct shim_event *ev,
                                struct shim_actions *out)
{
    if (c->state != UNIT_STARTING)
        return XOS_NONE;
    c->state = UNIT_RUNNING;
    if (c->kill_at_ms)
        send_term(c, out);
    if (!shim_core_must_freeze(c))
        clock_run(c, ev->now_ms);
    act(out, SHIM_DO_SAVE, 0, SHIM_ALL);
    act(out, SHIM_DO_TELL, 0, SHIM_ALL);
    return XOS_NONE;
}

static enum xos_code do_start_failed(struct shim_core *c, const struct shim_event *ev,
                                     struct shim_actions *out)
{
    if (c->state != UNIT_STARTING)
        return XOS_NONE;
    c->ordered = EXIT_START_FAILED;
    c->stage = ev->stage;
    c->start_errno = ev->number;
    start_killing(c, ev->now_ms, out);
    return XOS_NONE;
}

static enum xos_code do_job_ended(struct shim_core *c, const struct shim_event *ev,
                                  struct shim_actions *out)
{
    if (c->ended || c->state == UNIT_ENDED)
        return XOS_NONE;
    c->ended = true;
    c->status = ev->number;
    if (c->state != UNIT_KILLING)
        start_killing(c, ev->now_ms, out);
    return XOS_NONE;
}

static enum xos_code do_gone(struct shim_core *c, const struct shim_event *ev,
                             struct shim_actions *out)
{
    if (c->state == UNIT_ENDED)
        return XOS_NONE;
    clock_stop(c, ev->now_ms);
    if (!c->ended && c->ordered == EXIT_NONE) {
        /* The init died under its job: what killed it killed the unit. */
        c->ended = true;
        c->status = WIFSIGNALED(ev->number) ? ev->number : SIGKILL;
    }
    c->state = UNIT_ENDED;
    act(out, SHIM_DO_FINISH, 0, SHIM_ALL);
    return XOS_NONE;
}

static enum xos_code do_signal(struct shim_core *c, const struct shim_event *ev,
                               struct shim_actions *out)
{
    if (ev->number < 1 || ev->number > 64)
        return XOS_INVALID;
    if (c->state != UNIT_RUNNING && c->state != UNIT_ENDING)
        return c->state == UNIT_STARTING ? XOS_BUSY : XOS_NOT_FOUND;
    act(out, SHIM_DO_SIGNAL, ev->number, ev->scope);
    return XOS_NONE;
}

static enum xos_code suspend(struct shim_core *c, const struct shim_event *ev, bool on,
                             struct shim_actions *out)
{
    if (c->state != UNIT_STARTING && c->state != UNIT_RUNNING)
        return on || c->state != UNIT_ENDING ? XOS_NOT_FOUND : XOS_NONE;
    if (on && c->kill_at_ms)
        return XOS_NOT_FOUND;
    bool was = shim_core_must_freeze(c);
    c->suspended = on;
    refreeze(c, was, ev->now_ms, out);
    act(out, SHIM_DO_TELL, 0, SHIM_ALL);
    return XOS_NONE;
}

static enum xos_code do_stop(struct shim_core *c, const struct shim_event *ev,
                             struct shim_actions *out)
{
    return suspend(c, ev, true, out);
}

static enum xos_code do_cont(struct shim_core *c, const struct shim_event *ev,
                             struct shim_actions *out)
{
    return suspend(c, ev, false, out);
}

static enum xos_code do_kill(struct shim_core *c, const struct shim_event *ev,
                             struct shim_actions *out)
{
    if (ev->how < EXIT_TIME_LIMIT || ev->how > EXIT_NODE_LOST)
        return XOS_INVALID;
    if (c->state == UNIT_ENDED || c->state == UNIT_KILLING)
        return XOS_NONE;
    order_end(c, ev->how, ev->grace_ms, ev->now_ms, out);
    return XOS_NONE;
}

static enum xos_code do_fence(struct shim_core *c, const struct shim_event *ev,
                              struct shim_actions *out)
{
    return on_fence(c,
                    &(struct fence_event){.kind = FENCE_RENEW,
                                          .now_ms = ev->now_ms,
                                          .epoch = ev->epoch,
                                          .deadline_ms = ev->deadline_ms,
                                          .fenced = ev->fenced},
                    out);
}

static enum xos_code do_frozen(struct shim_core *c, const struct shim_event *ev,
                               struct shim_actions *out)
{
    bool frozen = ev->number != 0;
    if (c->frozen != frozen)
        act(out, SHIM_DO_TELL, 0, SHIM_ALL);
    c->frozen = frozen;
    return XOS_NONE;
}

static enum xos_code do_ack(struct shim_core *c, const struct shim_event *ev,
                            struct shim_actions *out)
{
    (void)ev;
    if (c->state != UNIT_ENDED)
        return XOS_BUSY;
    act(out, SHIM_DO_LEAVE, 0, SHIM_ALL);
    return XOS_NONE;
}

enum xos_code shim_step(struct shim_core *c, const struct shim_event *ev, struct shim_actions *out)
{
    typedef enum xos_code (*step_f)(struct shim_core *, const struct shim_event *,
                                    struct shim_actions *);
    static const step_f table[SHIM_EVENTS] = {
        [SHIM_EV_TICK] = do_tick,
        [SHIM_EV_STARTED] = do_started,
        [SHIM_EV_START_FAILED] = do_start_failed,
        [SHIM_EV_JOB_ENDED] = do_job_ended,
        [SHIM_EV_GONE] = do_gone,
        [SHIM_EV_SIGNAL] = do_signal,
        [SHIM_EV_STOP] = do_stop,
        [SHIM_EV_CONT] = do_cont,
        [SHIM_EV_KILL] = do_kill,
        [SHIM_EV_FENCE] = do_fence,
        [SHIM_EV_FROZEN] = do_frozen,
        [SHIM_EV_ACK] = do_ack,
    };
    assert((unsigned)ev->kind < SHIM_EVENTS);
    enum xos_code code = table[ev->kind](c, ev, out);
    assert(c->state != UNIT_ENDED || !c->since_ms);
    return code;
}

void shim_core_init(struct shim_core *c, const struct fence *fence, uint64_t walltime_ms,
                    uint64_t grace_ms)
{
    *c = (struct shim_core){
        .state = UNIT_STARTING, .fence = *fence, .walltime_ms = walltime_ms, .grace_ms = grace_ms};
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    if (!a || !b)
        return a ? a : b;
    return a < b ? a : b;
}

uint64_t shim_core_next_ms(const struct shim_core *c)
{
    uint64_t next_ms = core_alive(c) ? fence_next_ms(&c->fence) : 0;
    next_ms = earlier(next_ms, walltime_end_ms(c));
    if (c->state != UNIT_ENDED)
        next_ms = earlier(next_ms, c->kill_at_ms);
    return next_ms;
}

/* The status as a shell shows it. */
static int shell_status(int status)
{
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

void shim_core_verdict(const struct shim_core *c, struct exit_record *out)
{
    assert(c->state == UNIT_ENDED);
    out->epoch = c->fence.epoch;
    out->ran_ms = c->ran_ms;
    out->oom_kills = c->oom_kills;
    if (c->ordered == EXIT_START_FAILED) {
        out->how = EXIT_START_FAILED;
        out->stage = c->stage;
        out->value = c->start_errno;
    } else if (c->ordered != EXIT_NONE) {
        out->how = (uint16_t)c->ordered;
        out->value = c->ended ? shell_status(c->status) : 128 + SIGKILL;
    } else if (WIFSIGNALED(c->status)) {
        bool oom = WTERMSIG(c->status) == SIGKILL && c->oom_kills > 0;
        out->how = oom ? EXIT_OOM : EXIT_SIGNALLED;
        out->value = WTERMSIG(c->status);
    } else {
        out->how = EXIT_EXITED;
        out->value = WEXITSTATUS(c->status);
    }
}
