// SPDX-License-Identifier: Apache-2.0
#include "libxos/store/migrate.h"

#include "libxos/base/telemetry.h"

#include <assert.h>

/* On PostgreSQL several stores may share a database, so the number stands beside a name. */
static const struct xos_migration schema_table = {
    .description = "the schema's number",
    .sql = "CREATE TABLE IF NOT EXISTS xos_schema ("
           "store TEXT NOT NULL PRIMARY KEY, number INTEGER NOT NULL) STRICT",
};

/* Frees the rows. No row leaves *out as it is. */
static int take_number(struct xos_rows *rows, int64_t *out, struct xos_error *err)
{
    int rc = xos_rows_next(rows, err);
    if (rc > 0)
        *out = xos_rows_int(rows, 0);
    xos_rows_free(rows);
    return rc < 0 ? -1 : 0;
}

static int schema_read(struct xos_tx *tx, const char *name, int64_t *out, struct xos_error *err)
{
    struct xos_rows *rows;
    int64_t there = 0;
    *out = 0;
    if ((xos_tx_query)(&rows, tx, tx->engine->schema_probe, XOS_V(), err) < 0 ||
        take_number(rows, &there, err) < 0)
        return -1;
    if (!there)
        return 0;
    if (xos_tx_query(&rows, tx, "SELECT number FROM xos_schema WHERE store = ?",
                     XOS_V(xos_v_text(name)), err) < 0)
        return -1;
    return take_number(rows, out, err);
}

/* A file holds one store; another one's must not be taken for a new one. */
static int check_owner(struct xos_tx *tx, const char *name, struct xos_error *err)
{
    struct xos_rows *rows;
    if (xos_tx_query(&rows, tx, "SELECT store FROM xos_schema WHERE store <> ? LIMIT 1",
                     XOS_V(xos_v_text(name)), err) < 0)
        return -1;
    int rc = xos_rows_next(rows, err);
    if (rc > 0 && tx->engine == &xos_engine_sqlite)
        rc = xos_fail(err, XOS_INVALID, "this file holds the store %s", xos_rows_text(rows, 0));
    xos_rows_free(rows);
    return rc < 0 ? -1 : 0;
}

static int schema_write(struct xos_tx *tx, const char *name, size_t number, struct xos_error *err)
{
    return xos_tx_exec(tx,
                       "INSERT INTO xos_schema (store, number) VALUES (?, ?) "
                       "ON CONFLICT (store) DO UPDATE SET number = excluded.number",
                       XOS_V(xos_v_text(name), xos_v_int((int64_t)number)), NULL, err);
}

static int step(struct xos_tx *tx, const struct xos_migration *m, struct xos_error *err)
{
    if (((m->sql || m->sql_pg) && tx->engine->script(tx, m, err) < 0) ||
        (m->run && m->run(tx, err) < 0))
        return xos_wrap(err, "schema %u (%s)", m->number, m->description);
    assert(tx->health == XOS_TX_FINE && tx->savepoints == 0 && tx->rows_open == 0);
    return 0;
}

static int refuse_newer(const struct xos_store_config *c, int64_t schema, struct xos_error *err)
{
    if (schema <= (int64_t)c->count)
        return 0;
    return xos_fail(err, XOS_VERSION,
                    "schema %lld is newer than this program's %zu: run a newer xosd",
                    (long long)schema, c->count);
}

/* Inside the transaction that holds every other migrator off. */
static int forward(struct xos_tx *tx, const struct xos_store_config *c, int64_t *from,
                   struct xos_error *err)
{
    if (tx->engine->script(tx, &schema_table, err) < 0 || check_owner(tx, c->name, err) < 0 ||
        schema_read(tx, c->name, from, err) < 0 || refuse_newer(c, *from, err) < 0)
        return -1;
    for (size_t i = (size_t)*from; i < c->count; i++)
        if (step(tx, &c->migrations[i], err) < 0)
            return -1;
    return schema_write(tx, c->name, c->count, err);
}

int xos_migrate(struct xos_tx *tx, const struct xos_store_config *c, struct xos_error *err)
{
    int64_t from;
    for (size_t i = 0; i < c->count; i++)
        assert(c->migrations[i].number == i + 1);
    if (schema_read(tx, c->name, &from, err) < 0 || refuse_newer(c, from, err) < 0)
        return -1;
    if (from > 0 && from == (int64_t)c->count)
        return 0;
    if (from > 0 && tx->engine->keep(tx, c, (unsigned)from, err) < 0)
        return -1;
    if (tx->engine->begin(tx, XOS_TX_MIGRATE, err) < 0)
        return -1;
    if (forward(tx, c, &from, err) < 0 || tx->engine->commit(tx, XOS_SYNCED, err) < 0) {
        tx->engine->rollback(tx);
        return -1;
    }
    if (from > 0 && from < (int64_t)c->count)
        xos_log(XOS_EV_STORE_MIGRATED, "store=%s from=%lld to=%zu", c->name, (long long)from,
                c->count);
    return 0;
}
