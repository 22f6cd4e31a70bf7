// SPDX-License-Identifier: Apache-2.0
/* store_sqlite.h - the engine behind sqlite:PATH. engine.h has its calls; this is what tests and
 * documents name of its files.
 *
 * PATH, PATH-wal and PATH-shm are SQLite's; PATH.lock is held while a process has the store open
 * (a second one is refused) and stays behind, empty; PATH.schema-N.bak are copies from before a
 * migration. All are made with mode 0600. */
#ifndef XOS_STORE_STORE_SQLITE_H
#define XOS_STORE_STORE_SQLITE_H

#include "libxos/store/engine.h"
#include "libxos/store/prepared.h"

#include <sqlite3.h>

#define XOS_SQLITE_CHECKPOINT_FRAMES 1000 /* pages in the log before they move to the file */
#define XOS_SQLITE_BUSY_MS_MAX 5000       /* wait for another tool that holds the file */

struct xos_sqlite {
    struct xos_tx base;
    sqlite3 *db;
    char *path;
    int lock; /* writer: descriptor of PATH.lock; else -1 */
    struct xos_prepared_set prepared;
    int log_frames;     /* in the log after the last commit */
    int log_frames_max; /* from here on upkeep has work */
};

/* Set *err and the connection's health from SQLite's result code. Returns -1. */
int xos_sqlite_failed(struct xos_sqlite *t, int rc, struct xos_error *err);
enum xos_code xos_sqlite_code(int rc);

/* sqlite_file.c: the files of a store. */
int xos_sqlite_open(struct xos_tx **out, const struct xos_store_config *config, bool writer,
                    struct xos_error *err);
void xos_sqlite_close(struct xos_tx *tx);
void xos_sqlite_rollback(struct xos_tx *tx);
int xos_sqlite_copy(struct xos_tx *tx, const char *path, struct xos_error *err);
int xos_sqlite_keep(struct xos_tx *tx, const struct xos_store_config *config, unsigned schema,
                    struct xos_error *err);

#endif
