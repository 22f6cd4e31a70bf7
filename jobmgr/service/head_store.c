// SPDX-License-Identifier: Apache-2.0
/* head_store.c - a head's jobs in the store: one row per job, one per event, appended only. */
#include "jobmgr/service/owned.h"
#include "libxos/base/alloc.h"
#include "libxos/base/telemetry.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void batch_free(struct batch *b)
{
    if (!b)
        return;
    for (size_t i = 0; i < b->count; i++)
        xos_buf_free(&b->events[i].bytes);
    xos_free(b);
}

static int put_job(struct xos_tx *tx, const struct batch *b, struct xos_error *err)
{
    if (xos_tx_exec(tx, "INSERT INTO job (number, user_name, done, ended_ms) VALUES (?, ?, 0, 0)",
                    XOS_V(xos_v_int(b->number), xos_v_text(b->user)), NULL, err) < 0)
        return -1;
    if (!b->has_operation)
        return 0;
    return xos_tx_exec(tx, "INSERT INTO operation (id, job) VALUES (?, ?)",
                       XOS_V(xos_v_blob(b->operation.bytes, XOS_ID_BYTES), xos_v_int(b->number)),
                       NULL, err);
}

/* Runs in the store's thread; everything it reads is the batch's own. */
static int batch_apply(struct xos_tx *tx, void *arg, struct xos_error *err)
{
    const struct batch *b = arg;
    for (size_t i = 0; i < b->count; i++) {
        const struct batch_event *e = &b->events[i];
        if (e->kind == JOB_EVENT_SUBMITTED && put_job(tx, b, err) < 0)
            return -1;
        if (xos_tx_exec(tx, "INSERT INTO event (job, sequence, data) VALUES (?, ?, ?)",
                        XOS_V(xos_v_int(b->number), xos_v_int((int64_t)e->sequence),
                              xos_v_blob(e->bytes.data, e->bytes.len)),
                        NULL, err) < 0)
            return -1;
        if (e->kind == JOB_EVENT_DONE &&
            xos_tx_exec(tx, "UPDATE job SET done = 1, ended_ms = ? WHERE number = ?",
                        XOS_V(xos_v_int(b->ended_ms), xos_v_int(b->number)), NULL, err) < 0)
            return -1;
    }
    return 0;
}

static void batch_done(void *arg, const struct xos_error *result)
{
    struct batch *b = arg;
    if (owned_journalled(b->job, b, result))
        batch_free(b);
}

bool batch_submits(const struct batch *b)
{
    return b->count && b->events[0].kind == JOB_EVENT_SUBMITTED;
}

/* Losing one of these to a power cut would start a unit twice, or lose a job or its status. */
static bool must_sync(enum job_event_kind kind)
{
    return kind == JOB_EVENT_SUBMITTED || kind == JOB_EVENT_ASSIGNED || kind == JOB_EVENT_ENDED ||
           kind == JOB_EVENT_LOST || kind == JOB_EVENT_DONE;
}

static int batch_fill(struct batch *b, const struct owned *o, size_t first, size_t count,
                      bool *sync, struct xos_error *err)
{
    for (size_t i = 0; i < count; i++) {
        const struct job_event *ev = &o->queue.list[first + i].event;
        struct batch_event *e = &b->events[i];
        e->kind = ev->kind;
        e->sequence = ev->sequence;
        e->bytes = XOS_BUF(JOB_EVENT_BYTES_MAX);
        b->count = i + 1;
        *sync = *sync || must_sync(ev->kind);
        if (ev->kind == JOB_EVENT_DONE)
            b->ended_ms = ev->at_ms;
        if (ev->kind == JOB_EVENT_SUBMITTED && ev->operation_id.len == XOS_ID_BYTES) {
            b->has_operation = true;
            memcpy(b->operation.bytes, ev->operation_id.data, XOS_ID_BYTES);
        }
        if (job_event_encode(ev, &e->bytes, err) < 0)
            return -1;
    }
    return 0;
}

int head_journal(struct owned *o, size_t first, size_t count, struct xos_error *err)
{
    bool sync = false;
    assert(!o->batch);
    struct batch *b = xos_alloc(sizeof(*b) + count * sizeof(b->events[0]));
    if (!b)
        return xos_fail(err, XOS_NOMEM, "journal");
    b->job = o;
    b->number = o->number;
    memcpy(b->user, o->job->user, sizeof(b->user));
    if (batch_fill(b, o, first, count, &sync, err) < 0 ||
        xos_store_add(o->head->store, sync ? XOS_SYNCED : XOS_ORDERED, batch_apply, batch_done, b,
                      err) < 0) {
        batch_free(b);
        return -1;
    }
    o->batch = b;
    return 0;
}

void head_journal_again(struct owned *o)
{
    struct xos_error err = {0};
    assert(o->batch && o->batch_waits);
    if (xos_store_add(o->head->store, XOS_SYNCED, batch_apply, batch_done, o->batch, &err) < 0)
        xos_timer_set(o->rewrite, HEAD_REWRITE_MS);
    else
        o->batch_waits = false;
}

int head_each_event(struct head *h, int64_t job, uint64_t after,
                    int (*each)(void *arg, struct xos_slice bytes, struct xos_error *err),
                    void *arg, struct xos_error *err)
{
    struct xos_rows *rows = NULL;
    int got, rc = 0;
    if (xos_tx_query(&rows, xos_store_reader(h->store),
                     "SELECT data FROM event WHERE job = ? AND sequence > ? ORDER BY sequence",
                     XOS_V(xos_v_int(job), xos_v_int((int64_t)after)), err) < 0)
        return -1;
    while (rc == 0 && (got = xos_rows_next(rows, err)) != 0)
        rc = got < 0 ? -1 : each(arg, xos_rows_blob(rows, 0), err);
    xos_rows_free(rows);
    return rc;
}

/* Reading back */

struct loading {
    struct head *head;
    int64_t number;
    struct owned *owned;
};

static int load_event(void *arg, struct xos_slice bytes, struct xos_error *err)
{
    struct loading *l = arg;
    struct job_event ev;
    void *owner;
    if (job_event_decode(&ev, &owner, bytes, err) < 0)
        return -1;
    int rc = 0;
    if (!l->owned)
        rc = owned_new(&l->owned, l->head, l->number, ev.spec, ev.grant, err);
    if (rc == 0)
        rc = job_apply(l->owned->job, &ev, err);
    job_event_free(owner);
    return rc;
}

static int load_job(struct head *h, int64_t number, struct xos_error *err)
{
    struct loading l = {.head = h, .number = number};
    if (head_each_event(h, number, 0, load_event, &l, err) < 0)
        return xos_wrap(err, "job %s-%" PRId64, h->config.institution, number);
    if (!l.owned)
        return xos_fail(err, XOS_CORRUPT, "job %s-%" PRId64 " has no events", h->config.institution,
                        number);
    owned_orphan_check(l.owned);
    head_hold_live(l.owned);
    return owned_step(l.owned, &(struct job_input){.kind = JOB_IN_AGAIN}, err);
}

static int load_last_number(struct head *h, struct xos_error *err)
{
    struct xos_rows *rows = NULL;
    if (xos_tx_query(&rows, xos_store_reader(h->store), "SELECT max(number) FROM job", XOS_V(),
                     err) < 0)
        return -1;
    int got = xos_rows_next(rows, err);
    if (got == 1)
        h->last_number = xos_rows_int(rows, 0);
    xos_rows_free(rows);
    return got < 0 ? -1 : 0;
}

int head_load(struct head *h, struct xos_error *err)
{
    struct xos_rows *rows = NULL;
    int64_t *numbers = NULL;
    size_t count = 0;
    int got, rc = -1;
    if (load_last_number(h, err) < 0 ||
        xos_tx_query(&rows, xos_store_reader(h->store), "SELECT number FROM job WHERE done = 0",
                     XOS_V(), err) < 0)
        return -1;
    while ((got = xos_rows_next(rows, err)) == 1) {
        int64_t *more = xos_realloc_array(numbers, count + 1, sizeof(*numbers));
        if (!more) {
            got = xos_fail(err, XOS_NOMEM, "jobs");
            break;
        }
        numbers = more;
        numbers[count++] = xos_rows_int(rows, 0);
    }
    xos_rows_free(rows);
    if (got == 0)
        rc = 0;
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = load_job(h, numbers[i], err);
    xos_free(numbers);
    return rc;
}

/* Jobs of the past */

struct past {
    const char *id;
    struct job *job;
    struct job_spec *spec;
};

static int past_event(void *arg, struct xos_slice bytes, struct xos_error *err)
{
    struct past *p = arg;
    struct job_event ev;
    struct job_shape shape;
    void *owner;
    if (job_event_decode(&ev, &owner, bytes, err) < 0)
        return -1;
    int rc = 0;
    if (!p->job) {
        rc = spec_decode(&p->spec, ev.spec, err);
        if (rc == 0) {
            spec_shape(p->spec, &shape);
            rc = job_new(&p->job, p->id, &shape, err);
        }
    }
    if (rc == 0)
        rc = job_apply(p->job, &ev, err);
    job_event_free(owner);
    return rc;
}

int head_number_of(const struct head *h, const char *id, int64_t *number)
{
    size_t n = strlen(h->config.institution);
    char *end;
    if (strncmp(id, h->config.institution, n) != 0 || id[n] != '-' || id[n + 1] < '1' ||
        id[n + 1] > '9' || strlen(id) > n + 19)
        return -1;
    *number = strtoll(id + n + 1, &end, 10);
    return *end == '\0' ? 0 : -1;
}

int head_past_job(struct head *h, const char *id, struct job **out, struct job_spec **spec,
                  struct xos_error *err)
{
    struct past p = {.id = id};
    int64_t number;
    if (head_number_of(h, id, &number) < 0)
        return xos_fail(err, XOS_NOT_FOUND, "no job %.60s at %s", id, h->config.institution);
    int rc = head_each_event(h, number, 0, past_event, &p, err);
    if (rc == 0 && !p.job)
        rc = xos_fail(err, XOS_NOT_FOUND, "no job %.60s", id);
    if (rc < 0) {
        job_free(p.job);
        spec_free(p.spec);
        return -1;
    }
    *out = p.job;
    *spec = p.spec;
    return 0;
}
