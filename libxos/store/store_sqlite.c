// SPDX-License-Identifier: Apache-2.0
/* store_sqlite.c - one file, one writer, a write-ahead log.
 *
 * SQLite runs with synchronous = NORMAL: a commit appends to the log and waits for nothing, and
 * recovery keeps a prefix of the commits whatever the moment of a power loss. What must be durable
 * is made so by this file: one fdatasync of the log after the commit of a group that holds an
 * XOS_SYNCED batch (which is what synchronous = FULL does, page for page), or later, for what was
 * only ordered. Checkpoints never run inside a commit: upkeep moves pages from the log to the file
 * after the group's batches were completed.
 *
 * A sync that fails makes the connection DEAD: the kernel may drop the pages that it could not
 * write and report success the next time. A DEAD connection is closed without a checkpoint, so
 * that the file keeps its last sound state, and the next open first writes the log over itself and
 * syncs it (walfile.h) before anything is built upon it. */
#include "libxos/store/store_sqlite.h"

#include "libxos/base/alloc.h"
#include "libxos/store/pagesum.h"

#include <assert.h>

struct sqlite_rows {
    struct xos_rows base;
    sqlite3_stmt *stmt;
    struct xos_prepared *prepared; /* NULL: the statement is ours to drop */
};

static struct xos_sqlite *mine(struct xos_tx *tx)
{
    return (struct xos_sqlite *)tx;
}

/* Errors */

struct code_row {
    int sqlite; /* extended or primary; the first row that fits counts */
    enum xos_code code;
    enum xos_tx_health health; /* of the writer */
};

static const struct code_row code_table[] = {
    {SQLITE_CONSTRAINT_UNIQUE, XOS_EXISTS, XOS_TX_BROKEN},
    {SQLITE_CONSTRAINT_PRIMARYKEY, XOS_EXISTS, XOS_TX_BROKEN},
    {SQLITE_CONSTRAINT_ROWID, XOS_EXISTS, XOS_TX_BROKEN},
    {SQLITE_CONSTRAINT, XOS_INVALID, XOS_TX_BROKEN},
    {SQLITE_MISMATCH, XOS_INVALID, XOS_TX_BROKEN},
    {SQLITE_TOOBIG, XOS_LIMIT, XOS_TX_BROKEN},
    {SQLITE_READONLY, XOS_DENIED, XOS_TX_BROKEN},
    {SQLITE_BUSY, XOS_BUSY, XOS_TX_GONE},
    {SQLITE_LOCKED, XOS_BUSY, XOS_TX_GONE},
    {SQLITE_NOMEM, XOS_NOMEM, XOS_TX_GONE},
    {SQLITE_IOERR_NOMEM, XOS_NOMEM, XOS_TX_GONE},
    {SQLITE_FULL, XOS_IO, XOS_TX_GONE}, /* from a write, never from a sync: nothing is in doubt */
    {SQLITE_IOERR_DATA, XOS_CORRUPT, XOS_TX_DEAD},
    {SQLITE_CORRUPT, XOS_CORRUPT, XOS_TX_DEAD},
    {SQLITE_NOTADB, XOS_CORRUPT, XOS_TX_DEAD},
    {SQLITE_IOERR, XOS_IO, XOS_TX_DEAD},
    {SQLITE_CANTOPEN, XOS_IO, XOS_TX_DEAD},
};

static struct code_row code_find(int rc)
{
    for (size_t i = 0; i < sizeof(code_table) / sizeof(code_table[0]); i++)
        if (code_table[i].sqlite == rc || code_table[i].sqlite == (rc & 0xff))
            return code_table[i];
    return (struct code_row){rc, XOS_INTERNAL, XOS_TX_BROKEN};
}

int xos_sqlite_failed(struct xos_sqlite *t, int rc, struct xos_error *err)
{
    struct code_row row = code_find(rc);
    int number = sqlite3_system_errno(t->db);
    if (t->base.writer)
        xos_tx_raise(&t->base, row.health);
    else
        xos_tx_raise(&t->base, XOS_TX_BROKEN);
    if (t->base.open && sqlite3_get_autocommit(t->db))
        xos_tx_raise(&t->base, XOS_TX_GONE);
    if (rc == SQLITE_IOERR_DATA)
        return xos_fail(err, row.code, "%s does not match its checksum", xos_pagesum_fault());
    if (row.code == XOS_IO && number)
        return xos_fail(err, row.code, "%s: %s (SQLite %d, %s)", t->path, sqlite3_errstr(rc), rc,
                        strerror(number));
    if (row.code == XOS_IO || row.code == XOS_CORRUPT)
        return xos_fail(err, row.code, "%s: %s (SQLite %d)", t->path, sqlite3_errstr(rc), rc);
    return xos_fail(err, row.code, "%s", sqlite3_errmsg(t->db));
}

enum xos_code xos_sqlite_code(int rc)
{
    return code_find(rc).code;
}

/* Statements */

static int prepare(sqlite3_stmt **out, struct xos_sqlite *t, const char *sql, struct xos_error *err)
{
    int rc = sqlite3_prepare_v3(t->db, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL);
    return rc == SQLITE_OK ? 0 : xos_sqlite_failed(t, rc, err);
}

/* A statement that is being read already gets a twin, dropped after use. */
static int statement_get(struct sqlite_rows *r, struct xos_sqlite *t, const char *sql,
                         struct xos_error *err)
{
    r->prepared = xos_prepared_find(&t->prepared, sql);
    if (r->prepared && !r->prepared->busy) {
        r->stmt = r->prepared->handle;
        r->prepared->busy = true;
        return 0;
    }
    bool twin = r->prepared;
    r->prepared = NULL;
    if (prepare(&r->stmt, t, sql, err) < 0 || twin)
        return r->stmt ? 0 : -1;
    if (xos_prepared_add(&r->prepared, &t->prepared, sql, r->stmt, err) < 0) {
        sqlite3_finalize(r->stmt);
        return -1;
    }
    r->prepared->busy = true;
    return 0;
}

static void statement_put(struct sqlite_rows *r)
{
    if (r->prepared) {
        sqlite3_reset(r->stmt);
        sqlite3_clear_bindings(r->stmt);
        r->prepared->busy = false;
    } else {
        sqlite3_finalize(r->stmt);
    }
}

static int bind_one(sqlite3_stmt *stmt, int at, const struct xos_value *v,
                    sqlite3_destructor_type keep)
{
    switch (v->type) {
    case XOS_VALUE_INT:
        return sqlite3_bind_int64(stmt, at, v->number);
    case XOS_VALUE_TEXT:
        return sqlite3_bind_text64(stmt, at, v->data, v->len, keep, SQLITE_UTF8);
    case XOS_VALUE_BLOB:
        return sqlite3_bind_blob64(stmt, at, v->data, v->len, keep);
    default:
        return sqlite3_bind_null(stmt, at);
    }
}

static int bind_all(struct xos_sqlite *t, sqlite3_stmt *stmt, const struct xos_value *values,
                    size_t count, sqlite3_destructor_type keep, struct xos_error *err)
{
    assert((size_t)sqlite3_bind_parameter_count(stmt) == count); /* a `?` for each value */
    for (size_t i = 0; i < count; i++) {
        int rc = bind_one(stmt, (int)i + 1, &values[i], keep);
        if (rc != SQLITE_OK)
            return xos_sqlite_failed(t, rc, err);
    }
    return 0;
}

static int sqlite_exec(struct xos_tx *tx, const char *sql, const struct xos_value *values,
                       size_t count, uint64_t *changed, struct xos_error *err)
{
    struct xos_sqlite *t = mine(tx);
    struct sqlite_rows r = {.base.tx = tx};
    if (statement_get(&r, t, sql, err) < 0)
        return -1;
    sqlite3_int64 before = sqlite3_total_changes64(t->db);
    int rc = bind_all(t, r.stmt, values, count, SQLITE_STATIC, err);
    if (rc == 0) {
        int step;
        while ((step = sqlite3_step(r.stmt)) == SQLITE_ROW)
            continue;
        rc = step == SQLITE_DONE ? 0 : xos_sqlite_failed(t, step, err);
    }
    if (rc == 0)
        *changed =
            sqlite3_total_changes64(t->db) == before ? 0 : (uint64_t)sqlite3_changes64(t->db);
    statement_put(&r);
    return rc;
}

static int sqlite_control(struct xos_tx *tx, const char *sql, struct xos_error *err)
{
    uint64_t changed;
    return sqlite_exec(tx, sql, NULL, 0, &changed, err);
}

static int sqlite_query(struct xos_rows **out, struct xos_tx *tx, const char *sql,
                        const struct xos_value *values, size_t count, struct xos_error *err)
{
    struct sqlite_rows *r = xos_alloc(sizeof(*r));
    if (!r)
        return xos_fail(err, XOS_NOMEM, "rows");
    r->base.tx = tx;
    if (statement_get(r, mine(tx), sql, err) < 0) {
        xos_free(r);
        return -1;
    }
    if (bind_all(mine(tx), r->stmt, values, count, SQLITE_TRANSIENT, err) < 0) {
        statement_put(r);
        xos_free(r);
        return -1;
    }
    *out = &r->base;
    return 0;
}

static int sqlite_next(struct xos_rows *rows, struct xos_error *err)
{
    int rc = sqlite3_step(((struct sqlite_rows *)rows)->stmt);
    if (rc == SQLITE_ROW)
        return 1;
    return rc == SQLITE_DONE ? 0 : xos_sqlite_failed(mine(rows->tx), rc, err);
}

static sqlite3_stmt *stmt_of(const struct xos_rows *rows, unsigned column)
{
    sqlite3_stmt *stmt = ((const struct sqlite_rows *)rows)->stmt;
    assert(column < (unsigned)sqlite3_data_count(stmt));
    return stmt;
}

static int64_t sqlite_get_int(const struct xos_rows *rows, unsigned column)
{
    return sqlite3_column_int64(stmt_of(rows, column), (int)column);
}

static const char *sqlite_get_text(const struct xos_rows *rows, unsigned column)
{
    return (const char *)sqlite3_column_text(stmt_of(rows, column), (int)column);
}

static struct xos_slice sqlite_get_blob(const struct xos_rows *rows, unsigned column)
{
    sqlite3_stmt *stmt = stmt_of(rows, column);
    const void *data = sqlite3_column_blob(stmt, (int)column);
    return (struct xos_slice){data, (size_t)sqlite3_column_bytes(stmt, (int)column)};
}

static bool sqlite_get_null(const struct xos_rows *rows, unsigned column)
{
    return sqlite3_column_type(stmt_of(rows, column), (int)column) == SQLITE_NULL;
}

static void sqlite_free_rows(struct xos_rows *rows)
{
    statement_put((struct sqlite_rows *)rows);
    xos_free(rows);
}

/* Transactions */

static int sqlite_begin(struct xos_tx *tx, enum xos_tx_kind kind, struct xos_error *err)
{
    if (sqlite_control(tx, kind == XOS_TX_READ ? "BEGIN" : "BEGIN IMMEDIATE", err) < 0)
        return -1;
    tx->open = kind;
    return 0;
}

void xos_sqlite_rollback(struct xos_tx *tx)
{
    if (tx->open && !sqlite3_get_autocommit(mine(tx)->db))
        (void)sqlite3_exec(mine(tx)->db, "ROLLBACK", NULL, NULL, NULL);
    tx->open = XOS_TX_NONE;
    tx->savepoints = 0;
    if (tx->health != XOS_TX_DEAD)
        tx->health = XOS_TX_FINE;
}

static int sqlite_flush(struct xos_tx *tx, struct xos_error *err)
{
    struct xos_sqlite *t = mine(tx);
    sqlite3_file *log = NULL;
    int rc = sqlite3_file_control(t->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
    if (rc == SQLITE_OK && log && log->pMethods)
        rc = log->pMethods->xSync(log, SQLITE_SYNC_NORMAL | SQLITE_SYNC_DATAONLY);
    if (rc == SQLITE_OK)
        return 0;
    xos_tx_raise(tx, XOS_TX_DEAD);
    return xos_fail(err, XOS_IO, "sync %s-wal: %s (SQLite %d)", t->path, sqlite3_errstr(rc), rc);
}

static int sqlite_commit(struct xos_tx *tx, enum xos_promise promise, struct xos_error *err)
{
    if (sqlite_control(tx, "COMMIT", err) < 0)
        return -1;
    tx->open = XOS_TX_NONE;
    tx->savepoints = 0;
    return promise == XOS_SYNCED ? sqlite_flush(tx, err) : 0;
}

static int sqlite_upkeep(struct xos_tx *tx, struct xos_error *err)
{
    struct xos_sqlite *t = mine(tx);
    if (t->log_frames < t->log_frames_max)
        return 0;
    int log = 0, moved = 0;
    int rc = sqlite3_wal_checkpoint_v2(t->db, NULL, SQLITE_CHECKPOINT_PASSIVE, &log, &moved);
    t->log_frames_max = XOS_SQLITE_CHECKPOINT_FRAMES;
    if (rc != SQLITE_OK || moved < log) /* a reader needs the rest: later again */
        t->log_frames_max += t->log_frames;
    t->log_frames = 0;
    if (rc == SQLITE_OK || rc == SQLITE_BUSY)
        return 0;
    xos_sqlite_failed(t, rc, err);
    if (tx->health != XOS_TX_DEAD)
        tx->health = XOS_TX_FINE; /* the log has everything; a full disk may have room again */
    return -1;
}

static int sqlite_script(struct xos_tx *tx, const struct xos_migration *m, struct xos_error *err)
{
    int rc = m->sql ? sqlite3_exec(mine(tx)->db, m->sql, NULL, NULL, NULL) : SQLITE_OK;
    return rc == SQLITE_OK ? 0 : xos_sqlite_failed(mine(tx), rc, err);
}

const struct xos_engine xos_engine_sqlite = {
    .name = "SQLite",
    .schema_probe =
        "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'xos_schema'",
    .open = xos_sqlite_open,
    .close = xos_sqlite_close,
    .begin = sqlite_begin,
    .commit = sqlite_commit,
    .rollback = xos_sqlite_rollback,
    .flush = sqlite_flush,
    .upkeep = sqlite_upkeep,
    .copy = xos_sqlite_copy,
    .keep = xos_sqlite_keep,
    .script = sqlite_script,
    .control = sqlite_control,
    .exec = sqlite_exec,
    .query = sqlite_query,
    .next = sqlite_next,
    .get_int = sqlite_get_int,
    .get_text = sqlite_get_text,
    .get_blob = sqlite_get_blob,
    .get_null = sqlite_get_null,
    .free_rows = sqlite_free_rows,
};
