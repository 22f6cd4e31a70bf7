// SPDX-License-Identifier: Apache-2.0
#include "jobmgr/service/retention.h"

#include "libxos/base/alloc.h"
#include "libxos/base/telemetry.h"

#include <string.h>

/* The jobs of one batch, in the three tables that have something of them. */
#define OLD_JOBS                                                                                   \
    "SELECT number FROM job WHERE done = 1 AND ended_ms < ? AND number < "                         \
    "(SELECT MAX(number) FROM job) ORDER BY ended_ms, number LIMIT ?"

/* One unit whose output goes. */
struct removal {
    struct retention *r;
    bool used;
    char exec_id[EXEC_UNIT_BYTES];
};

struct retention {
    struct retention_config config;
    struct xos_env *env;
    struct xos_timer *timer;
    int64_t before_ms; /* of the jobs that go now */
    bool sweeping;     /* a batch of jobs is on its way to the store */
    unsigned removing; /* units that execd was asked to remove, or whose record goes */
    bool more;         /* there was a full batch, and something of it went */
    bool full;         /* the batch of units that is under way */
    struct removal removals[RETENTION_UNITS_MAX];
};

static int64_t limit_of(const struct retention *r, uint64_t kept_ms)
{
    int64_t now = xos_env_real_ms(r->env);
    return kept_ms && (uint64_t)now > kept_ms ? now - (int64_t)kept_ms : 0;
}

static void again(struct retention *r)
{
    if (r->sweeping || r->removing)
        return;
    xos_timer_set(r->timer, r->more ? RETENTION_MORE_MS : RETENTION_LOOK_MS);
    r->more = false;
}

/* History */

static int jobs_delete(struct xos_tx *tx, void *arg, struct xos_error *err)
{
    const struct retention *r = arg;
    const int64_t before = r->before_ms, most = RETENTION_JOBS_MAX;
    if (xos_tx_exec(tx, "DELETE FROM event WHERE job IN (" OLD_JOBS ")",
                    XOS_V(xos_v_int(before), xos_v_int(most)), NULL, err) < 0 ||
        xos_tx_exec(tx, "DELETE FROM operation WHERE job IN (" OLD_JOBS ")",
                    XOS_V(xos_v_int(before), xos_v_int(most)), NULL, err) < 0)
        return -1;
    return xos_tx_exec(tx, "DELETE FROM job WHERE number IN (" OLD_JOBS ")",
                       XOS_V(xos_v_int(before), xos_v_int(most)), NULL, err);
}

static void on_swept(void *arg, const struct xos_error *result)
{
    struct retention *r = arg;
    if (result->code != XOS_NONE)
        xos_log_error(XOS_EV_STORE_FAILED, result, "old jobs");
    r->more |= result->code == XOS_NONE;
    r->sweeping = false;
    again(r);
}

static bool has_old_jobs(struct retention *r)
{
    struct xos_rows *rows = NULL;
    struct xos_error err;
    if (xos_tx_query(&rows, xos_store_reader(r->config.store), OLD_JOBS,
                     XOS_V(xos_v_int(r->before_ms), xos_v_int(1)), &err) < 0)
        return false;
    bool found = xos_rows_next(rows, &err) == 1;
    xos_rows_free(rows);
    return found;
}

static void sweep_jobs(struct retention *r)
{
    struct xos_error err;
    r->before_ms = limit_of(r, r->config.history_ms);
    if (!has_old_jobs(r))
        return;
    r->sweeping = xos_store_add(r->config.store, XOS_ORDERED, jobs_delete, on_swept, r, &err) == 0;
}

/* Output: the file first, so that nothing is left of which nobody knows. */

static int record_delete(struct xos_tx *tx, void *arg, struct xos_error *err)
{
    const struct removal *x = arg;
    return xos_tx_exec(tx, "DELETE FROM unit WHERE exec_id = ?", XOS_V(xos_v_text(x->exec_id)),
                       NULL, err);
}

static void removal_done(struct removal *x)
{
    struct retention *r = x->r;
    x->used = false;
    r->removing--;
    again(r);
}

/* What could not be removed is not asked for again at once. */
static void on_deleted(void *arg, const struct xos_error *result)
{
    struct removal *x = arg;
    x->r->more |= x->r->full && result->code == XOS_NONE;
    removal_done(x);
}

static void on_removed(void *arg, const struct xos_error *result, const struct execd_answer *answer,
                       size_t bytes)
{
    struct removal *x = arg;
    struct xos_error err;
    (void)answer;
    (void)bytes;
    if (result->code != XOS_NONE ||
        xos_store_add(x->r->config.store, XOS_ORDERED, record_delete, on_deleted, x, &err) < 0)
        removal_done(x); /* an hour later, then */
}

static void remove_one(struct retention *r, const char exec_id[static EXEC_UNIT_BYTES])
{
    struct execd_request q = {.verb = EXECD_REMOVE};
    struct xos_error err;
    struct removal *x = r->removals;
    while (x->used)
        x++; /* no more are looked for than there are, and none while one is under way */
    *x = (struct removal){.r = r, .used = true};
    memcpy(x->exec_id, exec_id, sizeof(x->exec_id));
    memcpy(q.unit, exec_id, sizeof(q.unit));
    r->removing++;
    if (execd_link_ask(r->config.execd, &q, &(struct execd_blobs){0}, -1, on_removed, x, &err) <
        0) {
        r->removing--;
        x->used = false;
    }
}

static void sweep_output(struct retention *r)
{
    struct xos_rows *rows = NULL;
    struct xos_error err;
    char ids[RETENTION_UNITS_MAX][EXEC_UNIT_BYTES] = {{0}};
    size_t count = 0;
    if (xos_tx_query(
            &rows, xos_store_reader(r->config.store),
            "SELECT exec_id FROM unit WHERE told = 1 AND ended_ms < ? "
            "ORDER BY ended_ms LIMIT ?",
            XOS_V(xos_v_int(limit_of(r, r->config.output_ms)), xos_v_int(RETENTION_UNITS_MAX)),
            &err) < 0)
        return;
    while (count < RETENTION_UNITS_MAX && xos_rows_next(rows, &err) == 1) {
        const char *id = xos_rows_text(rows, 0);
        size_t len = strnlen(id, EXEC_UNIT_BYTES - 1);
        memcpy(ids[count++], id, len);
    }
    xos_rows_free(rows);
    r->full = count == RETENTION_UNITS_MAX;
    for (size_t i = 0; i < count; i++)
        remove_one(r, ids[i]);
}

static void on_timer(void *arg)
{
    struct retention *r = arg;
    if (r->config.history_ms && !r->sweeping)
        sweep_jobs(r);
    if (r->config.output_ms && r->config.execd && !r->removing)
        sweep_output(r);
    again(r);
}

int retention_new(struct retention **out, const struct retention_config *config,
                  struct xos_error *err)
{
    struct retention *r = xos_alloc(sizeof(*r));
    if (!r)
        return xos_fail(err, XOS_NOMEM, "retention");
    r->config = *config;
    r->env = xos_loop_env(config->loop);
    if (xos_timer_new(&r->timer, config->loop, on_timer, r, err) < 0) {
        xos_free(r);
        return -1;
    }
    xos_timer_set(r->timer, RETENTION_MORE_MS);
    *out = r;
    return 0;
}

void retention_limits(struct retention *r, uint64_t output_ms, uint64_t history_ms)
{
    r->config.output_ms = output_ms;
    r->config.history_ms = history_ms;
    r->more = true;
    again(r);
}

void retention_free(struct retention *r)
{
    if (!r)
        return;
    xos_timer_free(r->timer);
    xos_free(r);
}
