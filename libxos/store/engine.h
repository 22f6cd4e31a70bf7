// SPDX-License-Identifier: Apache-2.0
/* engine.h - what store.c asks of SQLite and of PostgreSQL. Nobody outside this folder includes it.
 *
 * Both embed struct xos_tx and struct xos_rows at their start. */
#ifndef XOS_STORE_ENGINE_H
#define XOS_STORE_ENGINE_H

#include "libxos/store/store.h"

/* How far a failed statement reaches. An engine raises it, the face lowers it. */
enum xos_tx_health {
    XOS_TX_FINE,
    XOS_TX_BROKEN, /* undoing the savepoint mends it */
    XOS_TX_GONE,   /* the whole transaction is lost */
    XOS_TX_AGAIN,  /* the same, and a second run may succeed */
    XOS_TX_DEAD,   /* the connection or the disk: no outcome is certain any more */
};

enum xos_tx_kind { XOS_TX_NONE, XOS_TX_READ, XOS_TX_WRITE, XOS_TX_MIGRATE };

struct xos_tx {
    const struct xos_engine *engine;
    enum xos_tx_health health;
    enum xos_tx_kind open;
    unsigned savepoints;
    unsigned rows_open;
    bool writer;
};

struct xos_rows {
    struct xos_tx *tx;
};

struct xos_engine {
    const char *name;
    /* Does the table xos_schema exist? Answers one row with 0 or 1. */
    const char *schema_probe;
    int (*open)(struct xos_tx **out, const struct xos_store_config *config, bool writer,
                struct xos_error *err);
    void (*close)(struct xos_tx *tx); /* takes NULL; when DEAD, touches the disk no more */
    int (*begin)(struct xos_tx *tx, enum xos_tx_kind kind, struct xos_error *err);
    /* XOS_SYNCED: durable when it returns. */
    int (*commit)(struct xos_tx *tx, enum xos_promise promise, struct xos_error *err);
    void (*rollback)(struct xos_tx *tx);
    /* Make durable what was committed as XOS_ORDERED. */
    int (*flush)(struct xos_tx *tx, struct xos_error *err);
    /* Housekeeping between groups. Nobody waits for it. */
    int (*upkeep)(struct xos_tx *tx, struct xos_error *err);
    int (*copy)(struct xos_tx *tx, const char *path, struct xos_error *err);
    /* The copy before a migration from this schema. */
    int (*keep)(struct xos_tx *tx, const struct xos_store_config *config, unsigned schema,
                struct xos_error *err);
    /* Several statements without values. */
    int (*script)(struct xos_tx *tx, const struct xos_migration *m, struct xos_error *err);
    int (*control)(struct xos_tx *tx, const char *sql, struct xos_error *err);
    int (*exec)(struct xos_tx *tx, const char *sql, const struct xos_value *values, size_t count,
                uint64_t *changed, struct xos_error *err);
    int (*query)(struct xos_rows **out, struct xos_tx *tx, const char *sql,
                 const struct xos_value *values, size_t count, struct xos_error *err);
    int (*next)(struct xos_rows *rows, struct xos_error *err);
    int64_t (*get_int)(const struct xos_rows *rows, unsigned column);
    const char *(*get_text)(const struct xos_rows *rows, unsigned column);
    struct xos_slice (*get_blob)(const struct xos_rows *rows, unsigned column);
    bool (*get_null)(const struct xos_rows *rows, unsigned column);
    void (*free_rows)(struct xos_rows *rows);
};

extern const struct xos_engine xos_engine_sqlite, xos_engine_pg;

/* The file of "sqlite:PATH". */
const char *xos_store_sqlite_path(const char *url);

/* Raise a connection's health; the text and code are the engine's. */
void xos_tx_raise(struct xos_tx *tx, enum xos_tx_health health);

#endif
