// SPDX-License-Identifier: Apache-2.0
/* sqlite_file.c - the files of a store on SQLite: open, claim, close, copy. */
#include "libxos/store/store_sqlite.h"

#include "libxos/base/alloc.h"
#include "libxos/base/telemetry.h"
#include "libxos/store/pagesum.h"
#include "libxos/store/walfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

static struct xos_sqlite *mine(struct xos_tx *tx)
{
    return (struct xos_sqlite *)tx;
}

const char *xos_store_sqlite_path(const char *url)
{
    return strncmp(url, "sqlite:", 7) == 0 ? url + 7 : NULL;
}

/* SQLite tells after each commit how long the log is; ours replaces its own checkpoint there. */
static int note_log(void *arg, sqlite3 *db, const char *schema, int frames)
{
    (void)db;
    (void)schema;
    ((struct xos_sqlite *)arg)->log_frames = frames;
    return SQLITE_OK;
}

static const char pragmas_writer[] =
    "PRAGMA synchronous = NORMAL; PRAGMA cache_size = -1024; PRAGMA mmap_size = 0;"
    "PRAGMA journal_size_limit = 16777216; PRAGMA temp_store = MEMORY; PRAGMA foreign_keys = ON;"
    "PRAGMA cell_size_check = ON";
static const char pragmas_reader[] =
    "PRAGMA query_only = ON; PRAGMA cache_size = -1024; PRAGMA mmap_size = 0;"
    "PRAGMA temp_store = MEMORY; PRAGMA cell_size_check = ON";

static int is_wal(void *arg, int columns, char **values, char **names)
{
    (void)names;
    *(bool *)arg = columns == 1 && values[0] && strcmp(values[0], "wal") == 0;
    return 0;
}

/* Make the file, if need be, with the mode that SQLite then gives to its log, too. */
static int file_make(const char *path, struct xos_error *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return xos_fail_errno(err, "open %s", path);
    close(fd);
    return 0;
}

static int lock_take(struct xos_sqlite *t, struct xos_error *err)
{
    char *name = xos_asprintf("%s.lock", t->path);
    if (!name)
        return xos_fail(err, XOS_NOMEM, "name of the lock of %s", t->path);
    int rc = 0;
    t->lock = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (t->lock < 0)
        rc = xos_fail_errno(err, "open %s", name);
    else if (flock(t->lock, LOCK_EX | LOCK_NB) < 0)
        rc = errno == EWOULDBLOCK
                 ? xos_fail(err, XOS_BUSY, "%s is in use by another process", t->path)
                 : xos_fail_errno(err, "lock %s", name);
    xos_free(name);
    return rc;
}

/* What only the first opener does: nobody else has the file. */
static int claim(struct xos_sqlite *t, const char *name, struct xos_error *err)
{
    struct xos_wal_state log;
    if (lock_take(t, err) < 0 || file_make(t->path, err) < 0 ||
        xos_wal_settle(t->path, &log, err) < 0)
        return -1;
    if (log.lost)
        xos_log(XOS_EV_STORE_FAILED,
                "store=%s log=%s-wal frame=%llu lost=%llu effect=\"the log is damaged there; "
                "the commits behind it are dropped\"",
                name, t->path, (unsigned long long)log.frames + 1, (unsigned long long)log.lost);
    return 0;
}

static int db_open(sqlite3 **out, const char *path)
{
    int rc = sqlite3_open_v2(path, out,
                             SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
                             XOS_PAGESUM_VFS);
    int reserved = XOS_PAGESUM_RESERVED_BYTES;
    if (rc == SQLITE_OK)
        rc = sqlite3_file_control(*out, "main", SQLITE_FCNTL_RESERVE_BYTES, &reserved);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(*out, "PRAGMA page_size = 4096", NULL, NULL, NULL);
    return rc;
}

static int db_set_up(struct xos_sqlite *t)
{
    bool wal = false;
    int rc = sqlite3_db_config(t->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_db_config(t->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    if (rc == SQLITE_OK) /* a "word" is a name and never a text, as on PostgreSQL */
        rc = sqlite3_db_config(t->db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_db_config(t->db, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_busy_timeout(t->db, XOS_SQLITE_BUSY_MS_MAX);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(t->db, "PRAGMA journal_mode = WAL", is_wal, &wal, NULL);
    if (rc == SQLITE_OK && !wal)
        rc = SQLITE_CANTOPEN;
    if (rc == SQLITE_OK)
        rc =
            sqlite3_exec(t->db, t->base.writer ? pragmas_writer : pragmas_reader, NULL, NULL, NULL);
    (void)sqlite3_wal_hook(t->db, note_log, t);
    return rc;
}

static void stmt_drop(void *handle)
{
    sqlite3_finalize(handle);
}

void xos_sqlite_close(struct xos_tx *tx)
{
    if (!tx)
        return;
    struct xos_sqlite *t = mine(tx);
    xos_sqlite_rollback(tx);
    xos_prepared_free(&t->prepared, stmt_drop);
    if (t->db && tx->health == XOS_TX_DEAD)
        (void)sqlite3_db_config(t->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    sqlite3_close(t->db);
    if (t->lock >= 0)
        close(t->lock);
    xos_free(t->path);
    xos_free(t);
}

static int path_check(const char *path, struct xos_error *err)
{
    if (*path == '\0' || *path == ':' || strncmp(path, "file:", 5) == 0)
        return xos_fail(err, XOS_INVALID, "sqlite:%s does not name a file", path);
    return 0;
}

int xos_sqlite_open(struct xos_tx **out, const struct xos_store_config *config, bool writer,
                    struct xos_error *err)
{
    const char *path = xos_store_sqlite_path(config->url);
    if (path_check(path, err) < 0 || xos_pagesum_register(err) < 0)
        return -1;
    struct xos_sqlite *t = xos_alloc(sizeof(*t));
    if (!t)
        return xos_fail(err, XOS_NOMEM, "connection to %s", path);
    t->base = (struct xos_tx){.engine = &xos_engine_sqlite, .writer = writer};
    t->lock = -1;
    t->log_frames_max = XOS_SQLITE_CHECKPOINT_FRAMES;
    t->path = xos_strdup(path);
    if (!t->path) {
        xos_fail(err, XOS_NOMEM, "connection to %s", path);
        goto error;
    }
    if (writer && claim(t, config->name, err) < 0)
        goto error;
    int rc = db_open(&t->db, path);
    if (rc == SQLITE_OK)
        rc = db_set_up(t);
    if (rc != SQLITE_OK) {
        xos_sqlite_failed(t, rc, err);
        goto error;
    }
    *out = &t->base;
    return 0;
error:
    xos_sqlite_close(&t->base);
    return -1;
}

/* Copies */

static int copy_pages(struct xos_sqlite *t, const char *path, struct xos_error *err)
{
    sqlite3 *to = NULL;
    int rc = db_open(&to, path);
    sqlite3_backup *b = rc == SQLITE_OK ? sqlite3_backup_init(to, "main", t->db, "main") : NULL;
    if (b) {
        (void)sqlite3_backup_step(b, -1); /* all pages under one read lock: one committed state */
        rc = sqlite3_backup_finish(b);
    } else if (rc == SQLITE_OK) {
        rc = sqlite3_errcode(to);
    }
    sqlite3_close(to);
    if (rc == SQLITE_OK)
        return 0;
    enum xos_code code = xos_sqlite_code(rc);
    if (rc == SQLITE_IOERR_DATA)
        return xos_fail(err, code, "%s does not match its checksum", xos_pagesum_fault());
    return xos_fail(err, code, "copy %s to %s: %s", t->path, path, sqlite3_errstr(rc));
}

/* Make a rename outlive a power loss. */
static int sync_folder(const char *path, struct xos_error *err)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash ? xos_strndup(path, (size_t)(slash - path) + 1) : xos_strdup(".");
    if (!folder)
        return xos_fail(err, XOS_NOMEM, "folder of %s", path);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd < 0 || fsync(fd) < 0 ? xos_fail_errno(err, "sync %s", folder) : 0;
    if (fd >= 0)
        close(fd);
    xos_free(folder);
    return rc;
}

int xos_sqlite_copy(struct xos_tx *tx, const char *path, struct xos_error *err)
{
    int rc = -1;
    char *part = xos_asprintf("%s.part", path);
    if (!part)
        return xos_fail(err, XOS_NOMEM, "name of a copy");
    if (unlink(part) < 0 && errno != ENOENT) {
        xos_fail_errno(err, "remove %s", part);
        goto out;
    }
    if (file_make(part, err) < 0 || copy_pages(mine(tx), part, err) < 0)
        goto out;
    if (rename(part, path) < 0) {
        xos_fail_errno(err, "rename %s", part);
        goto out;
    }
    rc = sync_folder(path, err);
out:
    if (rc < 0)
        (void)unlink(part);
    xos_free(part);
    return rc;
}

int xos_sqlite_keep(struct xos_tx *tx, const struct xos_store_config *config, unsigned schema,
                    struct xos_error *err)
{
    (void)config;
    char *path = xos_asprintf("%s.schema-%u.bak", mine(tx)->path, schema);
    if (!path)
        return xos_fail(err, XOS_NOMEM, "name of a copy");
    int rc = xos_sqlite_copy(tx, path, err);
    xos_free(path);
    return rc;
}
