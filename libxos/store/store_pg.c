// SPDX-License-Identifier: Apache-2.0
/* store_pg.c - the same tables on a PostgreSQL server.
 *
 * XOS_SYNCED is synchronous_commit = on (or the stronger remote_apply, where the server has it):
 * the commit returns when the server, and its synchronous standby, have it on disk. XOS_ORDERED is
 * synchronous_commit = off for that transaction: the server has it, its log follows within three
 * times wal_writer_delay. Where that is set long, our own flush bounds it: a synced transaction
 * that rewrites one row brings everything before it to disk (one that writes nothing would not be
 * waited for).
 *
 * A connection that breaks during COMMIT leaves the outcome unknown, so it makes the store DEAD;
 * who opens it again reads what is there. An error that the server answers is certain, also to a
 * COMMIT: the transaction did not happen. */
#include "libxos/store/store_pg.h"

#include "libxos/base/telemetry.h"

#ifdef XOS_HAVE_PQ

#include "libxos/base/alloc.h"
#include "libxos/store/prepared.h"
#include "libxos/store/sql.h"

#include <assert.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>

/* "xos" in ASCII and the schema lock's number. */
#define MIGRATE_LOCK_SQL "SELECT pg_advisory_xact_lock(7892851, 1)"

/* Types of answers, from the server's catalog/pg_type.dat. */
enum {
    OID_BOOL = 16,
    OID_BYTEA = 17,
    OID_NAME = 19,
    OID_INT8 = 20,
    OID_INT2 = 21,
    OID_INT4 = 23,
    OID_TEXT = 25,
    OID_VARCHAR = 1043
};

struct pg_tx {
    struct xos_tx base;
    PGconn *conn;
    struct xos_prepared_set prepared;
    char name[32]; /* the store's */
};

struct pg_rows {
    struct xos_rows base;
    PGresult *result;
    int row; /* -1 before the first */
};

static struct pg_tx *mine(struct xos_tx *tx)
{
    return (struct pg_tx *)tx;
}

/* Errors */

struct state_row {
    const char *state; /* a SQLSTATE or the class that it begins with */
    enum xos_code code;
    enum xos_tx_health health;
};

static const struct state_row state_table[] = {
    {"23505", XOS_EXISTS, XOS_TX_BROKEN},  {"23", XOS_INVALID, XOS_TX_BROKEN},
    {"22", XOS_INVALID, XOS_TX_BROKEN},    {"25006", XOS_DENIED, XOS_TX_BROKEN},
    {"42501", XOS_DENIED, XOS_TX_BROKEN},  {"40001", XOS_BUSY, XOS_TX_AGAIN},
    {"40P01", XOS_BUSY, XOS_TX_AGAIN},     {"40", XOS_IO, XOS_TX_GONE},
    {"55P03", XOS_BUSY, XOS_TX_BROKEN},    {"53100", XOS_IO, XOS_TX_BROKEN},
    {"53200", XOS_NOMEM, XOS_TX_BROKEN},   {"57014", XOS_CANCELLED, XOS_TX_BROKEN},
    {"57P", XOS_UNAVAILABLE, XOS_TX_DEAD}, {"08", XOS_UNAVAILABLE, XOS_TX_DEAD},
    {"28", XOS_DENIED, XOS_TX_DEAD},       {"3D", XOS_NOT_FOUND, XOS_TX_DEAD},
    {"XX001", XOS_CORRUPT, XOS_TX_BROKEN}, {"XX002", XOS_CORRUPT, XOS_TX_BROKEN},
    {"58", XOS_IO, XOS_TX_BROKEN},
};

static struct state_row state_find(const char *state)
{
    for (size_t i = 0; state && i < sizeof(state_table) / sizeof(state_table[0]); i++)
        if (strncmp(state, state_table[i].state, strlen(state_table[i].state)) == 0)
            return state_table[i];
    return (struct state_row){"", XOS_INTERNAL, XOS_TX_BROKEN};
}

/* The first line of what libpq has to say. */
static int fail_text(struct xos_error *err, enum xos_code code, const char *text)
{
    if (strncmp(text, "ERROR:  ", 8) == 0)
        text += 8;
    return xos_fail(err, code, "PostgreSQL: %.*s", (int)strcspn(text, "\n"), text);
}

static int lost(struct pg_tx *t, struct xos_error *err)
{
    xos_tx_raise(&t->base, XOS_TX_DEAD);
    return fail_text(err, XOS_UNAVAILABLE, PQerrorMessage(t->conn));
}

/* Takes the result. */
static int failed(struct pg_tx *t, PGresult *result, struct xos_error *err)
{
    if (PQstatus(t->conn) != CONNECTION_OK) {
        lost(t, err);
    } else if (!result) {
        xos_tx_raise(&t->base, XOS_TX_BROKEN);
        xos_fail(err, XOS_NOMEM, "PostgreSQL: %.100s", PQerrorMessage(t->conn));
    } else {
        struct state_row row = state_find(PQresultErrorField(result, PG_DIAG_SQLSTATE));
        xos_tx_raise(&t->base, row.health);
        fail_text(err, row.code, PQresultErrorMessage(result));
    }
    PQclear(result);
    return -1;
}

static bool good(const PGresult *result)
{
    ExecStatusType s = PQresultStatus(result);
    return s == PGRES_COMMAND_OK || s == PGRES_TUPLES_OK;
}

static int simple(struct pg_tx *t, const char *sql, struct xos_error *err)
{
    PGresult *result = PQexec(t->conn, sql);
    if (!good(result))
        return failed(t, result, err);
    PQclear(result);
    return 0;
}

/* Statements */

static int translate(struct xos_buf *out, const char *sql, bool script, struct xos_error *err)
{
    *out = XOS_BUF(XOS_STORE_SQL_BYTES_MAX);
    if (xos_sql_for_pg(out, sql, script, err) == 0)
        return 0;
    xos_buf_free(out);
    return -1;
}

static void statement_name(const struct xos_prepared *p, char name[static 16])
{
    (void)snprintf(name, 16, "xos%u", p->number);
}

static int offer(struct pg_tx *t, struct xos_prepared *p, struct xos_error *err)
{
    struct xos_buf text;
    char name[16];
    if (translate(&text, p->sql, false, err) < 0)
        return -1;
    statement_name(p, name);
    PGresult *result = PQprepare(t->conn, name, (const char *)text.data, 0, NULL);
    xos_buf_free(&text);
    if (!good(result))
        return failed(t, result, err);
    PQclear(result);
    p->busy = true;
    return 0;
}

/* `busy` means here: the server has it. One that it did not take is offered again. */
static int statement_get(struct xos_prepared **out, struct pg_tx *t, const char *sql,
                         struct xos_error *err)
{
    *out = xos_prepared_find(&t->prepared, sql);
    if (!*out && xos_prepared_add(out, &t->prepared, sql, NULL, err) < 0)
        return -1;
    return (*out)->busy ? 0 : offer(t, *out, err);
}

struct parameters {
    const char *data[XOS_STORE_VALUES_MAX];
    int length[XOS_STORE_VALUES_MAX];
    int binary[XOS_STORE_VALUES_MAX];
    char number[XOS_STORE_VALUES_MAX][24];
};

/* Numbers go as text, so that they fit whatever integer the server takes the place for. */
static void parameters_set(struct parameters *p, const struct xos_value *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct xos_value *v = &values[i];
        p->data[i] = v->type == XOS_VALUE_NULL ? NULL : v->data;
        p->length[i] = (int)v->len;
        p->binary[i] = v->type == XOS_VALUE_BLOB;
        if (v->type == XOS_VALUE_INT) {
            (void)snprintf(p->number[i], sizeof(p->number[i]), "%lld", (long long)v->number);
            p->data[i] = p->number[i];
        }
    }
}

static PGresult *run(struct pg_tx *t, const char *sql, const struct xos_value *values, size_t count,
                     struct xos_error *err)
{
    struct xos_prepared *prepared;
    struct parameters p;
    char name[16];
    if (statement_get(&prepared, t, sql, err) < 0)
        return NULL;
    parameters_set(&p, values, count);
    statement_name(prepared, name);
    PGresult *result =
        PQexecPrepared(t->conn, name, (int)count, p.data, p.length, p.binary, 1 /* binary rows */);
    if (good(result))
        return result;
    failed(t, result, err);
    return NULL;
}

static int pg_exec(struct xos_tx *tx, const char *sql, const struct xos_value *values, size_t count,
                   uint64_t *changed, struct xos_error *err)
{
    PGresult *result = run(mine(tx), sql, values, count, err);
    if (!result)
        return -1;
    *changed = strtoull(PQcmdTuples(result), NULL, 10);
    PQclear(result);
    return 0;
}

static int pg_control(struct xos_tx *tx, const char *sql, struct xos_error *err)
{
    return simple(mine(tx), sql, err);
}

static int pg_query(struct xos_rows **out, struct xos_tx *tx, const char *sql,
                    const struct xos_value *values, size_t count, struct xos_error *err)
{
    struct pg_rows *r = xos_alloc(sizeof(*r));
    if (!r)
        return xos_fail(err, XOS_NOMEM, "rows");
    *r = (struct pg_rows){.base.tx = tx, .row = -1};
    r->result = run(mine(tx), sql, values, count, err);
    if (!r->result) {
        xos_free(r);
        return -1;
    }
    *out = &r->base;
    return 0;
}

static int pg_next(struct xos_rows *rows, struct xos_error *err)
{
    (void)err;
    struct pg_rows *r = (struct pg_rows *)rows;
    if (r->row + 1 >= PQntuples(r->result))
        return 0;
    r->row++;
    return 1;
}

struct cell {
    const uint8_t *data; /* NULL: a null */
    size_t len;
    Oid type;
};

static struct cell cell_at(const struct xos_rows *rows, unsigned column)
{
    const struct pg_rows *r = (const struct pg_rows *)rows;
    assert(r->row >= 0 && column < (unsigned)PQnfields(r->result));
    int c = (int)column;
    if (PQgetisnull(r->result, r->row, c))
        return (struct cell){NULL, 0, PQftype(r->result, c)};
    return (struct cell){(const uint8_t *)PQgetvalue(r->result, r->row, c),
                         (size_t)PQgetlength(r->result, r->row, c), PQftype(r->result, c)};
}

static int64_t pg_get_int(const struct xos_rows *rows, unsigned column)
{
    struct cell c = cell_at(rows, column);
    /* Another type is a CAST that our SQL lacks. */
    assert(c.type == OID_INT8 || c.type == OID_INT4 || c.type == OID_INT2 || c.type == OID_BOOL);
    uint64_t value = c.len && c.type != OID_BOOL && c.data[0] & 0x80 ? UINT64_MAX : 0;
    for (size_t i = 0; i < c.len; i++)
        value = value << 8 | c.data[i];
    return (int64_t)value;
}

static const char *pg_get_text(const struct xos_rows *rows, unsigned column)
{
    struct cell c = cell_at(rows, column);
    assert(c.type == OID_TEXT || c.type == OID_VARCHAR || c.type == OID_NAME);
    return (const char *)c.data;
}

static struct xos_slice pg_get_blob(const struct xos_rows *rows, unsigned column)
{
    struct cell c = cell_at(rows, column);
    assert(c.type == OID_BYTEA || c.type == OID_TEXT);
    return (struct xos_slice){c.data, c.len};
}

static bool pg_get_null(const struct xos_rows *rows, unsigned column)
{
    return !cell_at(rows, column).data;
}

static void pg_free_rows(struct xos_rows *rows)
{
    PQclear(((struct pg_rows *)rows)->result);
    xos_free(rows);
}

/* Transactions */

static const char *const begin_sql[] = {
    [XOS_TX_READ] = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    [XOS_TX_WRITE] = "BEGIN ISOLATION LEVEL SERIALIZABLE",
    [XOS_TX_MIGRATE] = "BEGIN; " MIGRATE_LOCK_SQL,
};

static int pg_begin(struct xos_tx *tx, enum xos_tx_kind kind, struct xos_error *err)
{
    if (simple(mine(tx), begin_sql[kind], err) < 0)
        return -1;
    tx->open = kind;
    return 0;
}

static void pg_rollback(struct xos_tx *tx)
{
    struct pg_tx *t = mine(tx);
    if (PQtransactionStatus(t->conn) == PQTRANS_INTRANS ||
        PQtransactionStatus(t->conn) == PQTRANS_INERROR)
        (void)simple(t, "ROLLBACK", NULL);
    if (PQstatus(t->conn) != CONNECTION_OK)
        xos_tx_raise(tx, XOS_TX_DEAD);
    tx->open = XOS_TX_NONE;
    tx->savepoints = 0;
    if (tx->health != XOS_TX_DEAD)
        tx->health = XOS_TX_FINE;
}

/* The server answers COMMIT of a broken transaction with success and the tag ROLLBACK. */
static int pg_commit(struct xos_tx *tx, enum xos_promise promise, struct xos_error *err)
{
    struct pg_tx *t = mine(tx);
    if (promise == XOS_ORDERED && simple(t, "SET LOCAL synchronous_commit = off", err) < 0)
        return -1;
    PGresult *result = PQexec(t->conn, "COMMIT");
    if (!good(result)) {
        xos_tx_raise(tx, XOS_TX_GONE);
        return failed(t, result, err);
    }
    bool done = strcmp(PQcmdStatus(result), "COMMIT") == 0;
    PQclear(result);
    tx->open = XOS_TX_NONE;
    tx->savepoints = 0;
    return done ? 0 : xos_fail(err, XOS_INTERNAL, "PostgreSQL rolled back a broken transaction");
}

static int pg_flush(struct xos_tx *tx, struct xos_error *err)
{
    uint64_t changed;
    struct xos_value name = xos_v_text(mine(tx)->name);
    if (pg_exec(tx, "UPDATE xos_schema SET number = number WHERE store = ?", &name, 1, &changed,
                err) == 0)
        return 0;
    xos_tx_raise(tx, XOS_TX_DEAD);
    return -1;
}

static int pg_upkeep(struct xos_tx *tx, struct xos_error *err)
{
    (void)tx;
    (void)err;
    return 0; /* the server keeps its own house */
}

static int pg_copy(struct xos_tx *tx, const char *path, struct xos_error *err)
{
    (void)tx;
    return xos_fail(err, XOS_UNSUPPORTED,
                    "%s: a store on PostgreSQL is copied with the server's means (pg_dump, "
                    "pg_basebackup)",
                    path);
}

static int pg_keep(struct xos_tx *tx, const struct xos_store_config *config, unsigned schema,
                   struct xos_error *err)
{
    (void)tx;
    (void)err;
    xos_log(XOS_EV_STORE_MIGRATED,
            "store=%s from=%u to=%zu copy=none: the server's own backups hold the state before",
            config->name, schema, config->count);
    return 0;
}

static int pg_script(struct xos_tx *tx, const struct xos_migration *m, struct xos_error *err)
{
    struct xos_buf text;
    if (m->sql_pg)
        return simple(mine(tx), m->sql_pg, err);
    if (translate(&text, m->sql, true, err) < 0)
        return -1;
    int rc = simple(mine(tx), (const char *)text.data, err);
    xos_buf_free(&text);
    return rc;
}

/* Opening */

struct setting_row {
    const char *name;
    const char *wanted;
    const char *why;
};

static const struct setting_row setting_table[] = {
    {"fsync", "on", "nothing would survive a power loss"},
    {"full_page_writes", "on", "a power loss could tear pages"},
    {"server_encoding", "UTF8", "texts are UTF-8"},
};

static int check_setting(struct pg_tx *t, const struct setting_row *row, struct xos_error *err)
{
    const char *values[] = {row->name};
    PGresult *result =
        PQexecParams(t->conn, "SELECT current_setting($1)", 1, NULL, values, NULL, NULL, 0);
    if (!good(result))
        return failed(t, result, err);
    int rc = 0;
    if (strcmp(PQgetvalue(result, 0, 0), row->wanted) != 0)
        rc = xos_fail(err, XOS_UNSUPPORTED, "the server runs with %s = %s: %s", row->name,
                      PQgetvalue(result, 0, 0), row->why);
    PQclear(result);
    return rc;
}

/* What waits for less than the disk, and the standby's, is raised to that. */
static const char session_sql[] =
    "SET client_min_messages = warning;"
    "SELECT set_config('synchronous_commit', 'on', false)"
    " WHERE current_setting('synchronous_commit') IN ('off', 'local', 'remote_write')";

static int session_set_up(struct pg_tx *t, struct xos_error *err)
{
    if (simple(t, session_sql, err) < 0)
        return -1;
    if (!t->base.writer)
        return simple(t, "SET default_transaction_read_only = on", err);
    for (size_t i = 0; i < sizeof(setting_table) / sizeof(setting_table[0]); i++)
        if (check_setting(t, &setting_table[i], err) < 0)
            return -1;
    return 0;
}

/* An advisory lock of the session: the server drops it with the connection, before anybody else can
 * take it, and a writer that lost its connection writes no more. */
static int take_alone(struct pg_tx *t, struct xos_error *err)
{
    const char *values[] = {t->name};
    PGresult *r =
        PQexecParams(t->conn, "SELECT pg_try_advisory_lock(hashtext('xos'), hashtext($1))", 1, NULL,
                     values, NULL, NULL, 0);
    if (!good(r))
        return failed(t, r, err);
    bool alone = strcmp(PQgetvalue(r, 0, 0), "t") == 0;
    PQclear(r);
    return alone ? 0 : xos_fail(err, XOS_BUSY, "store %s: another process has it", t->name);
}

static void drop_notice(void *arg, const PGresult *result)
{
    (void)arg;
    (void)result;
}

static PGconn *connect_to(const struct xos_store_config *config)
{
    /* What stands before dbname, which holds the url, may be overruled by it. */
    const char *keys[] = {"connect_timeout", "tcp_user_timeout", "application_name",
                          "dbname",          "client_encoding",  NULL};
    const char *values[] = {
        XOS_PG_CONNECT_S_MAX, XOS_PG_SILENCE_MS_MAX, "xos", config->url, "UTF8", NULL};
    return PQconnectdbParams(keys, values, 1);
}

static void pg_close(struct xos_tx *tx)
{
    if (!tx)
        return;
    xos_prepared_free(&mine(tx)->prepared, NULL);
    PQfinish(mine(tx)->conn);
    xos_free(tx);
}

static int pg_open(struct xos_tx **out, const struct xos_store_config *config, bool writer,
                   struct xos_error *err)
{
    struct pg_tx *t = xos_alloc(sizeof(*t));
    if (!t)
        return xos_fail(err, XOS_NOMEM, "connection to PostgreSQL");
    t->base = (struct xos_tx){.engine = &xos_engine_pg, .writer = writer};
    memcpy(t->name, config->name, strlen(config->name)); /* checked by store.c */
    t->conn = connect_to(config);
    if (PQstatus(t->conn) != CONNECTION_OK) {
        lost(t, err);
        goto error;
    }
    PQsetNoticeReceiver(t->conn, drop_notice, NULL);
    if (session_set_up(t, err) < 0 || (writer && config->exclusive && take_alone(t, err) < 0))
        goto error;
    *out = &t->base;
    return 0;
error:
    pg_close(&t->base);
    return -1;
}

const struct xos_engine xos_engine_pg = {
    .name = "PostgreSQL",
    .schema_probe = "SELECT count(*) FROM pg_class WHERE oid = to_regclass('xos_schema')",
    .open = pg_open,
    .close = pg_close,
    .begin = pg_begin,
    .commit = pg_commit,
    .rollback = pg_rollback,
    .flush = pg_flush,
    .upkeep = pg_upkeep,
    .copy = pg_copy,
    .keep = pg_keep,
    .script = pg_script,
    .control = pg_control,
    .exec = pg_exec,
    .query = pg_query,
    .next = pg_next,
    .get_int = pg_get_int,
    .get_text = pg_get_text,
    .get_blob = pg_get_blob,
    .get_null = pg_get_null,
    .free_rows = pg_free_rows,
};

#else

static int pg_open(struct xos_tx **out, const struct xos_store_config *config, bool writer,
                   struct xos_error *err)
{
    (void)out;
    (void)config;
    (void)writer;
    return xos_fail(err, XOS_UNSUPPORTED,
                    "this build has no PostgreSQL: use sqlite:PATH, or build with libpq");
}

const struct xos_engine xos_engine_pg = {.name = "PostgreSQL", .open = pg_open};

#endif
