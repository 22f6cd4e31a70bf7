// SPDX-License-Identifier: Apache-2.0
/* store.c - the face: what store.h offers, over one of two engines.
 *
 * A store is two connections. The writer belongs to the group (group.c) and runs in its thread;
 * the reader belongs to the owner and cannot write. Both are struct xos_tx, and every statement of
 * either goes through this file, which keeps the rules that hold on both engines:
 *
 * - Values are checked here, so that what one engine would refuse, the other does too.
 * - A connection has a health. A statement that fails leaves its transaction BROKEN until the
 *   savepoint around it is undone, which is what PostgreSQL does by itself and what SQLite is
 *   held to. GONE and AGAIN end the transaction, DEAD ends the store: after an error that leaves
 *   the outcome open (a sync that failed, a connection lost) no later success is believed.
 * - What is durable when: ORDERED is in the log of the engine when it completes and on the disk at
 *   most XOS_STORE_FLUSH_MS_MAX plus one sync later; SYNCED is on the disk when it completes. On
 *   SQLite that is an fdatasync of the write-ahead log (store_sqlite.c), on PostgreSQL
 *   synchronous_commit per transaction (store_pg.c), where ORDERED survives the end of every
 *   client but not of the server itself within that time.
 *
 * Reading order: store.h, group.c, store_sqlite.c with pagesum.c and walfile.c, store_pg.c with
 * sql.c, migrate.c. */
#include "libxos/store/store.h"

#include "libxos/base/alloc.h"
#include "libxos/base/telemetry.h"
#include "libxos/store/engine.h"
#include "libxos/store/group.h"
#include "libxos/store/migrate.h"
#include "libxos/store/sql.h"

#include <assert.h>

#undef xos_tx_exec
#undef xos_tx_query

struct xos_store {
    char name[32];
    struct xos_tx *writer;
    struct xos_tx *reader;
    struct xos_group *group;
};

/* Statements */

void xos_tx_raise(struct xos_tx *tx, enum xos_tx_health health)
{
    if (health > tx->health)
        tx->health = health;
}

/* A statement outside a transaction takes its failure with it. The group tells of the writer's. */
static int settled(struct xos_tx *tx, int rc, const struct xos_error *err)
{
    if (rc < 0 && !tx->writer && err && (err->code == XOS_CORRUPT || err->code == XOS_IO))
        xos_log_error(XOS_EV_STORE_FAILED, err, "while=reading");
    if (!tx->open && tx->health != XOS_TX_DEAD)
        tx->health = XOS_TX_FINE;
    return rc;
}

static int check_health(const struct xos_tx *tx, struct xos_error *err)
{
    if (tx->health == XOS_TX_FINE)
        return 0;
    if (tx->health == XOS_TX_DEAD)
        return xos_fail(err, XOS_IO, "the store failed before and must be opened again");
    return xos_fail(err, XOS_INTERNAL, "an earlier statement of this transaction failed");
}

static int check_values(const struct xos_value *values, size_t count, struct xos_error *err)
{
    assert(count <= XOS_STORE_VALUES_MAX);
    for (size_t i = 0; i < count; i++) {
        const struct xos_value *v = &values[i];
        assert(v->type != XOS_VALUE_NONE);
        if (v->len > XOS_STORE_VALUE_BYTES_MAX)
            return xos_fail(err, XOS_LIMIT, "a value of %zu bytes: at most %d (value_bytes_max)",
                            v->len, XOS_STORE_VALUE_BYTES_MAX);
        if (v->type == XOS_VALUE_TEXT && !xos_sql_text_valid(v->data, v->len))
            return xos_fail(err, XOS_INVALID, "a text that is not UTF-8");
    }
    return 0;
}

int xos_tx_exec(struct xos_tx *tx, const char *sql, const struct xos_value *values, size_t count,
                uint64_t *changed, struct xos_error *err)
{
    uint64_t touched;
    if (check_health(tx, err) < 0 || check_values(values, count, err) < 0)
        return -1;
    return settled(tx, tx->engine->exec(tx, sql, values, count, changed ? changed : &touched, err),
                   err);
}

int xos_tx_query(struct xos_rows **out, struct xos_tx *tx, const char *sql,
                 const struct xos_value *values, size_t count, struct xos_error *err)
{
    if (check_health(tx, err) < 0 || check_values(values, count, err) < 0)
        return -1;
    if (settled(tx, tx->engine->query(out, tx, sql, values, count, err), err) < 0)
        return -1;
    tx->rows_open++;
    return 0;
}

int xos_rows_next(struct xos_rows *rows, struct xos_error *err)
{
    if (check_health(rows->tx, err) < 0)
        return -1;
    return settled(rows->tx, rows->tx->engine->next(rows, err), err);
}

int64_t xos_rows_int(const struct xos_rows *rows, unsigned column)
{
    return rows->tx->engine->get_int(rows, column);
}

const char *xos_rows_text(const struct xos_rows *rows, unsigned column)
{
    return rows->tx->engine->get_text(rows, column);
}

struct xos_slice xos_rows_blob(const struct xos_rows *rows, unsigned column)
{
    return rows->tx->engine->get_blob(rows, column);
}

bool xos_rows_null(const struct xos_rows *rows, unsigned column)
{
    return rows->tx->engine->get_null(rows, column);
}

void xos_rows_free(struct xos_rows *rows)
{
    if (!rows)
        return;
    assert(rows->tx->rows_open > 0);
    rows->tx->rows_open--;
    rows->tx->engine->free_rows(rows);
}

/* Savepoints */

struct savepoint_row {
    const char *set, *release, *undo;
};

#define SAVEPOINT(n)                                                                               \
    {                                                                                              \
        "SAVEPOINT xos" #n, "RELEASE SAVEPOINT xos" #n, "ROLLBACK TO SAVEPOINT xos" #n             \
    }
static const struct savepoint_row savepoints[] = {SAVEPOINT(0), SAVEPOINT(1), SAVEPOINT(2),
                                                  SAVEPOINT(3), SAVEPOINT(4), SAVEPOINT(5),
                                                  SAVEPOINT(6), SAVEPOINT(7)};
static_assert(sizeof(savepoints) / sizeof(savepoints[0]) == XOS_STORE_SAVEPOINTS_MAX, "a row each");

int xos_tx_savepoint(struct xos_tx *tx, struct xos_error *err)
{
    assert(tx->open == XOS_TX_WRITE || tx->open == XOS_TX_MIGRATE);
    if (tx->savepoints == XOS_STORE_SAVEPOINTS_MAX)
        return xos_fail(err, XOS_LIMIT, "%d savepoints in one another (savepoints_max)",
                        XOS_STORE_SAVEPOINTS_MAX);
    if (check_health(tx, err) < 0 ||
        tx->engine->control(tx, savepoints[tx->savepoints].set, err) < 0)
        return -1;
    tx->savepoints++;
    return 0;
}

int xos_tx_release(struct xos_tx *tx, struct xos_error *err)
{
    assert(tx->savepoints > 0);
    if (check_health(tx, err) < 0 ||
        tx->engine->control(tx, savepoints[tx->savepoints - 1].release, err) < 0)
        return -1;
    tx->savepoints--;
    return 0;
}

int xos_tx_undo(struct xos_tx *tx, struct xos_error *err)
{
    assert(tx->savepoints > 0);
    if (tx->health > XOS_TX_BROKEN)
        return check_health(tx, err);
    tx->health = XOS_TX_FINE;
    const struct savepoint_row *row = &savepoints[tx->savepoints - 1];
    if (tx->engine->control(tx, row->undo, err) < 0 ||
        tx->engine->control(tx, row->release, err) < 0)
        return -1;
    tx->savepoints--;
    return 0;
}

/* The store */

static const struct xos_engine *engine_of(const char *url)
{
    if (xos_store_sqlite_path(url))
        return &xos_engine_sqlite;
    if (strncmp(url, "postgresql://", 13) == 0 || strncmp(url, "postgres://", 11) == 0 ||
        strchr(url, '='))
        return &xos_engine_pg;
    return NULL;
}

static int check_config(const struct xos_store_config *c, struct xos_error *err)
{
    assert(c->name && c->name[0] && strlen(c->name) < sizeof(((struct xos_store *)0)->name));
    if (!engine_of(c->url)) /* not shown: it may hold a password */
        return xos_fail(err, XOS_INVALID,
                        "store %s: its url is neither sqlite:PATH nor postgresql://HOST/DATABASE",
                        c->name);
    return 0;
}

int xos_store_open(struct xos_store **out, const struct xos_store_config *config,
                   struct xos_error *err)
{
    if (check_config(config, err) < 0)
        return -1;
    const struct xos_engine *engine = engine_of(config->url);
    struct xos_store *s = xos_alloc(sizeof(*s));
    if (!s)
        return xos_fail(err, XOS_NOMEM, "store %s", config->name);
    memcpy(s->name, config->name, strlen(config->name));
    if (engine->open(&s->writer, config, true, err) < 0 ||
        xos_migrate(s->writer, config, err) < 0 ||
        engine->open(&s->reader, config, false, err) < 0) {
        xos_wrap(err, "open store %s", s->name);
        goto error;
    }
    if (xos_group_new(&s->group, s->writer, config, err) < 0)
        goto error;
    *out = s;
    return 0;
error:
    xos_store_close(s);
    return -1;
}

void xos_store_close(struct xos_store *s)
{
    if (!s)
        return;
    xos_group_free(s->group);
    bool dead = s->writer && s->writer->health == XOS_TX_DEAD;
    if (s->reader) {
        assert(s->reader->rows_open == 0);
        if (dead)
            xos_tx_raise(s->reader, XOS_TX_DEAD);
        s->reader->engine->close(s->reader);
    }
    if (s->writer)
        s->writer->engine->close(s->writer);
    xos_free(s);
}

int xos_store_add(struct xos_store *s, enum xos_promise promise, xos_apply_f apply,
                  xos_applied_f done, void *arg, struct xos_error *err)
{
    return xos_group_add(s->group, promise, apply, done, arg, err);
}

int xos_store_run(struct xos_store *s, enum xos_promise promise, xos_apply_f apply, void *arg,
                  struct xos_error *err)
{
    return xos_group_run(s->group, promise, apply, arg, err);
}

int xos_store_fd(const struct xos_store *s)
{
    return xos_group_fd(s->group);
}

bool xos_store_failed(const struct xos_store *s)
{
    return xos_group_failed(s->group);
}

void xos_store_deliver(struct xos_store *s)
{
    xos_group_deliver(s->group);
}

struct xos_tx *xos_store_reader(struct xos_store *s)
{
    return s->reader;
}

int xos_tx_begin(struct xos_tx *reader, struct xos_error *err)
{
    assert(!reader->writer && !reader->open);
    if (check_health(reader, err) < 0)
        return -1;
    return settled(reader, reader->engine->begin(reader, XOS_TX_READ, err), err);
}

void xos_tx_end(struct xos_tx *reader)
{
    assert(!reader->writer && reader->open && reader->rows_open == 0);
    reader->engine->rollback(reader);
}

int xos_store_copy(struct xos_store *s, const char *path, struct xos_error *err)
{
    assert(!s->reader->open);
    if (s->reader->engine->copy(s->reader, path, err) < 0)
        return xos_wrap(err, "copy store %s", s->name);
    return 0;
}
