// SPDX-License-Identifier: Apache-2.0
/* store.h - tables that survive: transactions, prepared statements and group commit, on SQLite or
 * on PostgreSQL. Callers never know which.
 *
 * One SQL text serves both engines: `?` for each value, types INTEGER (64 bits), TEXT (UTF-8,
 * ordered by its bytes) and BLOB, `… ) STRICT` at the end of a table. Every value goes through a
 * `?`: the SQL itself must be a literal, or the macros below do not compile. Where PostgreSQL
 * cannot tell a value's type, write CAST(? AS INTEGER); the same around sum().
 *
 * Changes go through batches: a function that one writer thread runs, together with the others
 * that wait, in one transaction. The owner's thread gets the results, in the order in which it
 * handed the batches in, when it calls xos_store_deliver(). One thread owns a store; only apply
 * functions run elsewhere. */
#ifndef XOS_STORE_STORE_H
#define XOS_STORE_STORE_H

#include "libxos/base/buf.h"

#include <string.h>

#define XOS_STORE_QUEUE_MAX 4096                    /* batches handed in and not yet delivered */
#define XOS_STORE_GROUP_MAX 256                     /* batches in one transaction */
#define XOS_STORE_DELIVER_MAX 256                   /* callbacks in one xos_store_deliver() */
#define XOS_STORE_FLUSH_MS_MAX 500                  /* ordered work waits this long for the disk */
#define XOS_STORE_RETRIES_MAX 10                    /* of a group that met another head's */
#define XOS_STORE_STATEMENTS_MAX 512                /* different SQL texts in one connection */
#define XOS_STORE_SAVEPOINTS_MAX 8                  /* one in another */
#define XOS_STORE_VALUES_MAX 64                     /* `?` in one statement */
#define XOS_STORE_VALUE_BYTES_MAX (8 * 1024 * 1024) /* one text or blob */
#define XOS_STORE_SQL_BYTES_MAX 65536               /* one statement or migration */

struct xos_env;
struct xos_store;
struct xos_tx;   /* a connection, as apply functions and readers see it */
struct xos_rows; /* an answer that is being read */

/* Values */

enum xos_value_type {
    XOS_VALUE_NONE,
    XOS_VALUE_NULL,
    XOS_VALUE_INT,
    XOS_VALUE_TEXT,
    XOS_VALUE_BLOB
};

struct xos_value {
    enum xos_value_type type;
    int64_t number;
    const void *data; /* borrowed until the call returns */
    size_t len;
};

static inline struct xos_value xos_v_null(void)
{
    return (struct xos_value){.type = XOS_VALUE_NULL};
}

static inline struct xos_value xos_v_int(int64_t number)
{
    return (struct xos_value){.type = XOS_VALUE_INT, .number = number};
}

/* NULL is SQL's null. */
static inline struct xos_value xos_v_text(const char *text)
{
    return text ? (struct xos_value){.type = XOS_VALUE_TEXT, .data = text, .len = strlen(text)}
                : xos_v_null();
}

/* No bytes are an empty blob, not a null. */
static inline struct xos_value xos_v_blob(const void *data, size_t len)
{
    return (struct xos_value){.type = XOS_VALUE_BLOB, .data = len ? data : "", .len = len};
}

/* The values of a statement, as two arguments: XOS_V(xos_v_int(7), xos_v_text(name)), XOS_V(). */
#define XOS_V(...)                                                                                 \
    (const struct xos_value[]){{XOS_VALUE_NONE, 0, NULL, 0}, ##__VA_ARGS__} + 1,                   \
        sizeof((const struct xos_value[]){{XOS_VALUE_NONE, 0, NULL, 0}, ##__VA_ARGS__}) /          \
                sizeof(struct xos_value) -                                                         \
            1

/* Statements */

/* Run a statement that answers no rows. *changed (may be NULL) is how many rows it touched.
 * XOS_EXISTS: a unique key is taken. XOS_INVALID: another constraint. XOS_CORRUPT names the page.
 * After a statement failed, nothing runs in its transaction until the savepoint around it is
 * rolled back (the rule of PostgreSQL, kept on both engines). */
int xos_tx_exec(struct xos_tx *tx, const char *sql, const struct xos_value *values, size_t count,
                uint64_t *changed, struct xos_error *err);

/* Ask; free the rows before the transaction ends. PostgreSQL holds the whole answer in memory:
 * page long ones with LIMIT. */
int xos_tx_query(struct xos_rows **out, struct xos_tx *tx, const char *sql,
                 const struct xos_value *values, size_t count, struct xos_error *err);

/* Only literals. A table of SQL texts calls (xos_tx_exec)(…) and is looked at in review. */
#define xos_tx_exec(tx, sql, ...) xos_tx_exec(tx, "" sql, __VA_ARGS__)
#define xos_tx_query(out, tx, sql, ...) xos_tx_query(out, tx, "" sql, __VA_ARGS__)

/* 1: a row is there, 0: no more, -1: failed. */
int xos_rows_next(struct xos_rows *rows, struct xos_error *err);

/* Columns from 0. Text and bytes are borrowed until the next row. A null reads as 0, as NULL, as
 * no bytes. */
int64_t xos_rows_int(const struct xos_rows *rows, unsigned column);
const char *xos_rows_text(const struct xos_rows *rows, unsigned column);
struct xos_slice xos_rows_blob(const struct xos_rows *rows, unsigned column);
bool xos_rows_null(const struct xos_rows *rows, unsigned column);
void xos_rows_free(struct xos_rows *rows); /* takes NULL */

/* Inside an apply function, one in another: what comes after the savepoint is kept or undone.
 * Undoing is also the way on after a statement failed. */
int xos_tx_savepoint(struct xos_tx *tx, struct xos_error *err);
int xos_tx_release(struct xos_tx *tx, struct xos_error *err);
int xos_tx_undo(struct xos_tx *tx, struct xos_error *err);

/* The store */

/* One step of the schema. Numbers run 1, 2, 3 … without a gap; a released one never changes. */
struct xos_migration {
    unsigned number;
    const char *description; /* "jobs get a priority" */
    const char *sql;         /* statements with `;` between them, or NULL */
    const char *sql_pg;      /* what PostgreSQL runs instead, or NULL: the same, translated */
    int (*run)(struct xos_tx *tx, struct xos_error *err); /* after the SQL, or NULL */
};

struct xos_store_config {
    const char *url;  /* sqlite:PATH, postgresql://… or libpq's "host=… dbname=…" */
    const char *name; /* "jobs": in errors and in the store itself; at most 31 bytes */
    const struct xos_migration *migrations; /* borrowed for the call */
    size_t count;
    struct xos_env *env; /* its steady clock times the flush; borrowed. NULL: the system's */
    bool no_thread;      /* batches run inside xos_store_deliver(): for simulations and tools */
    /* On PostgreSQL too nobody else may have it, under this name; an SQLite file is always its
     * opener's alone. Ends with the connection, and with it whatever could still have been written.
     */
    bool exclusive;
};

/* Open, and bring the schema to migrations[count - 1] in one transaction; on SQLite a copy of the
 * store as it was is first put beside it (PATH.schema-N.bak), on PostgreSQL that is left to the
 * server's own backups. XOS_VERSION: the schema is newer than this program. XOS_BUSY: another
 * process has it alone. XOS_UNSUPPORTED: this build lacks the engine. */
int xos_store_open(struct xos_store **out, const struct xos_store_config *config,
                   struct xos_error *err);

/* Commits what was handed in, runs the callbacks that are due, closes. What a callback then hands
 * in is XOS_CANCELLED. Takes NULL; not from inside a callback; all rows must be freed. */
void xos_store_close(struct xos_store *s);

enum xos_promise {
    XOS_PROMISE_NONE,
    XOS_ORDERED, /* survives kill -9 when completed, and power loss 1 s later */
    XOS_SYNCED,  /* survives power loss when completed */
};

/* Runs in the writer's thread. May run again when its transaction met another head's: it depends
 * on nothing but tx and arg, and leaves arg such that a second run is as good as the first.
 * Failing undoes this batch alone. */
typedef int (*xos_apply_f)(struct xos_tx *tx, void *arg, struct xos_error *err);

/* Runs in the owner's thread; result->code is XOS_NONE when the promise holds from now on. */
typedef void (*xos_applied_f)(void *arg, const struct xos_error *result);

/* Hand in a batch. arg is the caller's until done was called; done may be NULL. XOS_LIMIT: the
 * queue is full. After the store failed (event STORE_FAILED) every batch gets that error until
 * the store is closed and opened again: a disk that once lost a write is not believed. A full
 * disk fails the batches that meet it, no others. */
int xos_store_add(struct xos_store *s, enum xos_promise promise, xos_apply_f apply,
                  xos_applied_f done, void *arg, struct xos_error *err);

/* Has the store failed for good? If not, a batch that failed may be handed in again. */
bool xos_store_failed(const struct xos_store *s);

/* Hand in a batch and wait until its promise holds. For start-up and tools. */
int xos_store_run(struct xos_store *s, enum xos_promise promise, xos_apply_f apply, void *arg,
                  struct xos_error *err);

/* Readable when xos_store_deliver() has something to do. */
int xos_store_fd(const struct xos_store *s);
void xos_store_deliver(struct xos_store *s);

/* The owner's reader: sees what is committed, refuses to write. A statement by itself sees one
 * state; between begin and end all of them see the same one. */
struct xos_tx *xos_store_reader(struct xos_store *s);
int xos_tx_begin(struct xos_tx *reader, struct xos_error *err);
void xos_tx_end(struct xos_tx *reader);

/* Copy the whole store, one committed state of it, into a new file; writers go on. PostgreSQL:
 * XOS_UNSUPPORTED, the server has its own means. */
int xos_store_copy(struct xos_store *s, const char *path, struct xos_error *err);

#endif
