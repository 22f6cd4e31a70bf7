// SPDX-License-Identifier: Apache-2.0
/* head_watch.c - who hears a job's events: each exactly once, in order, when it is durable. */
#include "jobmgr/jobmgr.pb-c.h"
#include "jobmgr/service/owned.h"
#include "libxos/base/alloc.h"
#include "libxos/wire/pb.h"

#include <string.h>
#include <utlist.h>

static void watcher_free(struct watcher *w)
{
    DL_DELETE(w->job->watchers, w);
    xos_free(w);
}

static void on_gone(void *arg, struct xos_call *call)
{
    struct watcher *w = arg;
    struct owned *o = w->job;
    (void)call;
    watcher_free(w);
    owned_orphan_check(o);
    xos_loop_defer(o->head->loop, &o->run);
}

/* The answer that opens the stream: the job's id. */
static void watcher_begin(struct watcher *w)
{
    struct xos_buf body = XOS_BUF(256);
    struct xos_error err;
    Xos__Job__SubmittedPb m = XOS__JOB__SUBMITTED_PB__INIT;
    struct xos_slice bytes = {NULL, 0};
    m.job = xos_pb_text(w->job->job->id);
    if (xos_pb_pack(&m, &body, &err) == 0)
        bytes = (struct xos_slice){body.data, body.len};
    w->submitting = false;
    if (w->stays) {
        xos_call_begin(w->call, bytes, on_gone, w);
    } else {
        xos_call_answer(w->call, bytes);
        watcher_free(w);
    }
    xos_buf_free(&body);
}

/* Returns whether the watcher is still there afterwards. The specification is the submitter's own;
 * it does not travel back. */
static bool watcher_tell(struct watcher *w, enum job_event_kind kind, uint64_t sequence,
                         struct xos_slice bytes)
{
    struct xos_error err;
    if (sequence <= w->after)
        return true;
    w->after = sequence;
    if (kind == JOB_EVENT_SUBMITTED)
        return true;
    if (kind != JOB_EVENT_DONE && xos_call_event(w->call, bytes, &err) == 0)
        return true;
    if (kind == JOB_EVENT_DONE)
        xos_call_last(w->call, bytes);
    else /* too slow, or just gone: it comes back and says where it was */
        xos_call_fail(w->call, &err);
    watcher_free(w);
    return false;
}

void watchers_tell(struct owned *o, const struct batch *b)
{
    struct watcher *w, *after;
    DL_FOREACH_SAFE(o->watchers, w, after)
    {
        if (w->submitting) {
            bool stays = w->stays;
            watcher_begin(w);
            if (!stays)
                continue;
        }
        bool there = true;
        for (size_t i = 0; i < b->count && there; i++)
            there =
                watcher_tell(w, b->events[i].kind, b->events[i].sequence,
                             (struct xos_slice){b->events[i].bytes.data, b->events[i].bytes.len});
    }
}

void watchers_fail(struct owned *o, const struct xos_error *why)
{
    while (o->watchers) {
        struct watcher *w = o->watchers;
        xos_call_fail(w->call, why);
        watcher_free(w);
    }
}

void watchers_free(struct owned *o)
{
    while (o->watchers)
        watcher_free(o->watchers);
}

struct catching_up {
    struct watcher *watcher;
    bool over; /* the watcher is gone */
};

static int tell_past(void *arg, struct xos_slice bytes, struct xos_error *err)
{
    struct catching_up *c = arg;
    struct job_event ev;
    void *owner;
    if (c->over)
        return 0;
    if (job_event_decode(&ev, &owner, bytes, err) < 0)
        return -1;
    c->over = !watcher_tell(c->watcher, ev.kind, ev.sequence, bytes);
    job_event_free(owner);
    return 0;
}

int watcher_add(struct owned *o, struct xos_call *call, bool submitting, bool stays, uint64_t after,
                struct xos_error *err)
{
    struct watcher *w = xos_alloc(sizeof(*w));
    if (!w)
        return xos_fail(err, XOS_NOMEM, "watcher");
    *w = (struct watcher){
        .call = call, .job = o, .after = after, .submitting = submitting, .stays = stays};
    DL_APPEND(o->watchers, w);
    xos_timer_cancel(o->orphan);
    if (submitting)
        return 0;
    struct catching_up c = {.watcher = w};
    watcher_begin(w);
    if (!stays)
        return 0; /* it has its answer, and is gone */
    if (head_each_event(o->head, o->number, after, tell_past, &c, err) < 0 && !c.over) {
        xos_call_fail(call, err);
        watcher_free(w);
    }
    return 0;
}

/* A job that is over: its whole log at once */

static int tell_one(void *arg, struct xos_slice bytes, struct xos_error *err)
{
    struct catching_up *c = arg;
    struct watcher *w = c->watcher;
    struct job_event ev;
    void *owner;
    int rc = 0;
    if (job_event_decode(&ev, &owner, bytes, err) < 0)
        return -1;
    if (ev.kind == JOB_EVENT_DONE) {
        c->over = true;
        xos_call_last(w->call, bytes);
    } else if (ev.kind != JOB_EVENT_SUBMITTED && ev.sequence > w->after) {
        rc = xos_call_event(w->call, bytes, err);
    }
    job_event_free(owner);
    return rc;
}

static void on_past_gone(void *arg, struct xos_call *call)
{
    (void)arg;
    (void)call;
}

int watch_past(struct head *h, struct xos_call *call, const char *id, uint64_t after, bool stays,
               struct xos_error *err)
{
    struct job *job = NULL;
    struct job_spec *spec = NULL;
    int64_t number;
    if (head_past_job(h, id, &job, &spec, err) < 0)
        return -1;
    bool mine = job->done && xos_caller_reaches(xos_call_caller(call), job->user, job->vo);
    job_free(job);
    spec_free(spec);
    if (!mine || head_number_of(h, id, &number) < 0)
        return xos_fail(err, XOS_NOT_FOUND, "no job %.60s of %s", id, xos_call_caller(call)->name);
    struct xos_buf body = XOS_BUF(256);
    Xos__Job__SubmittedPb m = XOS__JOB__SUBMITTED_PB__INIT;
    m.job = xos_pb_text(id);
    if (xos_pb_pack(&m, &body, err) < 0)
        return -1;
    struct xos_slice bytes = {body.data, body.len};
    struct watcher w = {.call = call, .after = after};
    struct catching_up c = {.watcher = &w};
    if (!stays) {
        xos_call_answer(call, bytes);
    } else {
        xos_call_begin(call, bytes, on_past_gone, NULL);
        if (head_each_event(h, number, 0, tell_one, &c, err) < 0 && !c.over)
            xos_call_fail(call, err);
    }
    xos_buf_free(&body);
    return 0;
}
