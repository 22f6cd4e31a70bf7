// SPDX-License-Identifier: Apache-2.0
#include "libxos/store/pagesum.h"

#include "libxos/store/walfile.h"

#include <assert.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define PAGE XOS_PAGESUM_PAGE_BYTES
#define SUMMED (PAGE - XOS_PAGESUM_RESERVED_BYTES)
#define HEADER_BYTES 100 /* of a database file, in page 1 */
/* SQLite never writes the page that holds its locks. */
#define LOCK_PAGE_OFFSET INT64_C(0x40000000)

/* The system's own file object lies right behind ours, as sqlite3_vfs.szOsFile promises. */
struct pagesum_file {
    sqlite3_file base;
    const char *path; /* SQLite's, lives as long as the file is open */
    bool wal;
    /* Frames from this offset on were written over in place inside an unfinished transaction:
     * their chain is mended by SQLite before the commit, not before. */
    int64_t unsettled_from;
    int64_t body_next; /* where the page goes whose frame header was just written */
    uint8_t scratch[XOS_WAL_FRAME_BYTES];
};

static sqlite3_vfs pagesum_vfs;
static sqlite3_vfs *system_vfs;
static uint64_t crc_table[8][256];
static _Thread_local char fault_text[512];
static _Atomic uint64_t syncs_done;
static _Atomic uint64_t sync_countdown;

const char *xos_pagesum_fault(void)
{
    return fault_text;
}

uint64_t xos_pagesum_syncs(void)
{
    return atomic_load(&syncs_done);
}

void xos_pagesum_fail_sync(uint64_t nth)
{
    atomic_store(&sync_countdown, nth);
}

static void crc_table_fill(void)
{
    for (unsigned i = 0; i < 256; i++) {
        uint64_t crc = i;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? UINT64_C(0xC96C5795D7870F42) : 0);
        crc_table[0][i] = crc;
    }
    for (unsigned i = 0; i < 256; i++)
        for (int k = 1; k < 8; k++)
            crc_table[k][i] = crc_table[k - 1][i] >> 8 ^ crc_table[0][crc_table[k - 1][i] & 0xff];
}

/* Slicing-by-8 (Kounavis and Berry 2005): 8 bytes a step. */
uint64_t xos_pagesum_crc(uint64_t crc, const void *data, size_t len)
{
    static pthread_once_t filled = PTHREAD_ONCE_INIT;
    pthread_once(&filled, crc_table_fill);
    const uint8_t *p = data;
    crc = ~crc;
    for (; len >= 8; p += 8, len -= 8) {
        uint64_t next = 0;
        for (int k = 0; k < 8; k++)
            next ^= crc_table[7 - k][(uint8_t)(crc >> 8 * k) ^ p[k]];
        crc = next;
    }
    for (; len; p++, len--)
        crc = crc >> 8 ^ crc_table[0][(uint8_t)crc ^ *p];
    return ~crc;
}

static void page_sum(const uint8_t *page, int64_t offset, uint8_t out[static 8])
{
    uint8_t number[8];
    uint64_t n = (uint64_t)(offset / PAGE) + 1;
    for (int i = 0; i < 8; i++)
        number[i] = (uint8_t)(n >> (56 - 8 * i));
    uint64_t crc = xos_pagesum_crc(xos_pagesum_crc(0, number, 8), page, SUMMED);
    for (int i = 0; i < 8; i++)
        out[i] = (uint8_t)(crc >> (56 - 8 * i));
}

static sqlite3_file *behind(sqlite3_file *file)
{
    return (sqlite3_file *)((struct pagesum_file *)file + 1);
}

static int fault(const struct pagesum_file *f, const char *what, int64_t number)
{
    (void)snprintf(fault_text, sizeof(fault_text), "%s %lld of %s", what, (long long)number,
                   f->path);
    return SQLITE_IOERR_DATA;
}

static int page_check(const struct pagesum_file *f, const uint8_t *page, int64_t offset)
{
    uint8_t sum[8];
    if (offset == LOCK_PAGE_OFFSET)
        return SQLITE_OK;
    page_sum(page, offset, sum);
    if (memcmp(sum, page + SUMMED, sizeof(sum)) == 0)
        return SQLITE_OK;
    return fault(f, "page", offset / PAGE + 1);
}

/* A part of a page is believed only when the whole page is sound. SQLite asks for such parts when
 * the file's header lies about the page size. */
static int read_part(struct pagesum_file *f, void *out, int amount, int64_t offset)
{
    sqlite3_file *real = behind(&f->base);
    int64_t start = offset / PAGE * PAGE;
    if (offset - start + amount > PAGE)
        return fault(f, "page", offset / PAGE + 1);
    int rc = real->pMethods->xRead(real, f->scratch, PAGE, start);
    if (rc == SQLITE_IOERR_SHORT_READ)
        return fault(f, "page", offset / PAGE + 1);
    if (rc == SQLITE_OK)
        rc = page_check(f, f->scratch, start);
    if (rc == SQLITE_OK)
        memcpy(out, f->scratch + (offset - start), (size_t)amount);
    return rc;
}

static int read_page(struct pagesum_file *f, void *out, int amount, int64_t offset)
{
    sqlite3_file *real = behind(&f->base);
    /* The header, read before the log is known: a checkpoint that a power cut tore may have left
     * page 1 unsound here and sound in the log. SQLite takes the page size from it, no more. */
    if (offset + amount <= HEADER_BYTES)
        return real->pMethods->xRead(real, out, amount, offset);
    if (amount != PAGE || offset % PAGE != 0)
        return read_part(f, out, amount, offset);
    int rc = real->pMethods->xRead(real, out, amount, offset);
    if (rc == SQLITE_IOERR_SHORT_READ) /* SQLite would take a file cut short for zeros */
        return fault(f, "page", offset / PAGE + 1);
    return rc == SQLITE_OK ? page_check(f, out, offset) : rc;
}

/* A page out of the log: read its frame whole and prove it against the frame before. */
static int read_frame(struct pagesum_file *f, void *out, int64_t offset)
{
    sqlite3_file *real = behind(&f->base);
    uint8_t header[XOS_WAL_HEADER_BYTES], before[8];
    int64_t start = offset - XOS_WAL_FRAME_HEADER_BYTES;
    int64_t before_at = start == XOS_WAL_HEADER_BYTES
                            ? XOS_WAL_HEADER_BYTES - 8
                            : start - XOS_WAL_FRAME_BYTES + XOS_WAL_FRAME_HEADER_BYTES - 8;
    int rc = real->pMethods->xRead(real, f->scratch, XOS_WAL_FRAME_BYTES, start);
    if (rc == SQLITE_OK)
        rc = real->pMethods->xRead(real, header, sizeof(header), 0);
    if (rc == SQLITE_OK)
        rc = real->pMethods->xRead(real, before, sizeof(before), before_at);
    if (rc != SQLITE_OK)
        return rc;
    if (!xos_wal_frame_sound(header, before, f->scratch))
        return fault(f, "frame", (start - XOS_WAL_HEADER_BYTES) / XOS_WAL_FRAME_BYTES + 1);
    memcpy(out, f->scratch + XOS_WAL_FRAME_HEADER_BYTES, PAGE);
    return SQLITE_OK;
}

static bool frame_body_at(int64_t offset)
{
    int64_t from_first = offset - XOS_WAL_HEADER_BYTES - XOS_WAL_FRAME_HEADER_BYTES;
    return from_first >= 0 && from_first % XOS_WAL_FRAME_BYTES == 0;
}

static int file_read(sqlite3_file *file, void *out, int amount, sqlite3_int64 offset)
{
    struct pagesum_file *f = (struct pagesum_file *)file;
    if (!f->wal)
        return read_page(f, out, amount, offset);
    if (amount == PAGE && frame_body_at(offset) && offset < f->unsettled_from)
        return read_frame(f, out, offset);
    return behind(file)->pMethods->xRead(behind(file), out, amount, offset);
}

/* SQLite writes a frame as header, then page. A page alone replaces one of its own transaction
 * and leaves the chain broken until the headers from there on are written again. */
static void note_frame_write(struct pagesum_file *f, int amount, int64_t offset)
{
    if (amount == XOS_WAL_FRAME_HEADER_BYTES) {
        f->body_next = offset + amount;
        if (f->body_next <= f->unsettled_from)
            f->unsettled_from = INT64_MAX;
    } else if (amount == PAGE && offset != f->body_next && offset < f->unsettled_from)
        f->unsettled_from = offset;
}

static int file_write(sqlite3_file *file, const void *data, int amount, sqlite3_int64 offset)
{
    struct pagesum_file *f = (struct pagesum_file *)file;
    sqlite3_file *real = behind(file);
    if (f->wal) {
        note_frame_write(f, amount, offset);
        return real->pMethods->xWrite(real, data, amount, offset);
    }
    if (amount != PAGE || offset % PAGE != 0)
        return SQLITE_IOERR_WRITE; /* not our page size: never store what cannot be proved */
    memcpy(f->scratch, data, SUMMED);
    page_sum(f->scratch, offset, f->scratch + SUMMED);
    return real->pMethods->xWrite(real, f->scratch, amount, offset);
}

static int file_sync(sqlite3_file *file, int flags)
{
    if (atomic_load(&sync_countdown) && atomic_fetch_sub(&sync_countdown, 1) == 1)
        return SQLITE_IOERR_FSYNC;
    int rc = behind(file)->pMethods->xSync(behind(file), flags);
    if (rc == SQLITE_OK)
        atomic_fetch_add(&syncs_done, 1);
    return rc;
}

static int file_close(sqlite3_file *file)
{
    return behind(file)->pMethods->xClose(behind(file));
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    return behind(file)->pMethods->xTruncate(behind(file), size);
}

static int file_size(sqlite3_file *file, sqlite3_int64 *size)
{
    return behind(file)->pMethods->xFileSize(behind(file), size);
}

static int file_lock(sqlite3_file *file, int level)
{
    return behind(file)->pMethods->xLock(behind(file), level);
}

static int file_unlock(sqlite3_file *file, int level)
{
    return behind(file)->pMethods->xUnlock(behind(file), level);
}

static int file_check_lock(sqlite3_file *file, int *held)
{
    return behind(file)->pMethods->xCheckReservedLock(behind(file), held);
}

static int file_control(sqlite3_file *file, int op, void *arg)
{
    return behind(file)->pMethods->xFileControl(behind(file), op, arg);
}

static int file_sector(sqlite3_file *file)
{
    return behind(file)->pMethods->xSectorSize(behind(file));
}

static int file_traits(sqlite3_file *file)
{
    return behind(file)->pMethods->xDeviceCharacteristics(behind(file));
}

static int file_shm_map(sqlite3_file *file, int region, int size, int extend, void volatile **out)
{
    return behind(file)->pMethods->xShmMap(behind(file), region, size, extend, out);
}

static int file_shm_lock(sqlite3_file *file, int offset, int n, int flags)
{
    return behind(file)->pMethods->xShmLock(behind(file), offset, n, flags);
}

static void file_shm_barrier(sqlite3_file *file)
{
    behind(file)->pMethods->xShmBarrier(behind(file));
}

static int file_shm_unmap(sqlite3_file *file, int remove)
{
    return behind(file)->pMethods->xShmUnmap(behind(file), remove);
}

/* Version 2: without xFetch, so that no page comes in unproved through a memory map. */
static const sqlite3_io_methods file_methods = {
    .iVersion = 2,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_check_lock,
    .xFileControl = file_control,
    .xSectorSize = file_sector,
    .xDeviceCharacteristics = file_traits,
    .xShmMap = file_shm_map,
    .xShmLock = file_shm_lock,
    .xShmBarrier = file_shm_barrier,
    .xShmUnmap = file_shm_unmap,
};

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out)
{
    (void)vfs;
    if (!(flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL)))
        return system_vfs->xOpen(system_vfs, name, file, flags, out);
    struct pagesum_file *f = (struct pagesum_file *)file;
    *f = (struct pagesum_file){
        .path = name, .wal = flags & SQLITE_OPEN_WAL, .unsettled_from = INT64_MAX};
    int rc = system_vfs->xOpen(system_vfs, name, behind(file), flags, out);
    if (rc == SQLITE_OK || behind(file)->pMethods)
        f->base.pMethods = &file_methods;
    return rc;
}

static void vfs_make(void)
{
    system_vfs = sqlite3_vfs_find(NULL);
    if (!system_vfs)
        return;
    pagesum_vfs = *system_vfs; /* all else goes to the system's functions, with its own state */
    pagesum_vfs.zName = XOS_PAGESUM_VFS;
    pagesum_vfs.pNext = NULL;
    pagesum_vfs.szOsFile = (int)sizeof(struct pagesum_file) + system_vfs->szOsFile;
    pagesum_vfs.xOpen = vfs_open;
    if (sqlite3_vfs_register(&pagesum_vfs, 0) != SQLITE_OK)
        system_vfs = NULL;
}

int xos_pagesum_register(struct xos_error *err)
{
    static pthread_once_t made = PTHREAD_ONCE_INIT;
    pthread_once(&made, vfs_make);
    return system_vfs ? 0 : xos_fail(err, XOS_NOMEM, "SQLite did not take the page checksum VFS");
}
