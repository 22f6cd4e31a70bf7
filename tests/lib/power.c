// SPDX-License-Identifier: Apache-2.0
#include "tests/lib/power.h"

#include <assert.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILES_MAX 8
#define SECTOR 512

struct change {
    struct change *next;
    bool truncate;
    size_t at, len;
    uint8_t data[];
};

struct disk_file {
    char name[512]; /* empty: free */
    uint8_t *bytes; /* what is on the disk */
    size_t len, cap;
    struct change *first, **end; /* what is not, in order */
};

struct power_file {
    sqlite3_file base;
    struct disk_file *disk;
};

static sqlite3_vfs power_vfs;
static sqlite3_vfs *system_vfs;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct disk_file files[FILES_MAX];
static unsigned long countdown;
static uint32_t chance;
static char cut_dir[256];

static uint32_t roll(void)
{
    chance = chance * 1664525u + 1013904223u;
    return chance >> 8;
}

static sqlite3_file *behind(sqlite3_file *file)
{
    return (sqlite3_file *)((struct power_file *)file + 1);
}

static struct disk_file *disk_find(const char *name)
{
    for (int i = 0; i < FILES_MAX; i++)
        if (strcmp(files[i].name, name) == 0)
            return &files[i];
    return NULL;
}

static void disk_forget(struct disk_file *d)
{
    while (d->first) {
        struct change *c = d->first;
        d->first = c->next;
        free(c);
    }
    d->end = &d->first;
}

static void disk_size(struct disk_file *d, size_t len)
{
    if (len > d->cap) {
        d->cap = len * 2;
        d->bytes = realloc(d->bytes, d->cap);
        assert(d->bytes);
    }
    if (len > d->len)
        memset(d->bytes + d->len, 0, len - d->len);
    d->len = len;
}

static void apply_write(struct disk_file *d, const struct change *c, uint32_t percent)
{
    for (size_t done = 0; done < c->len;) {
        size_t n = SECTOR - (c->at + done) % SECTOR;
        n = n < c->len - done ? n : c->len - done;
        if (roll() % 100 < percent) {
            if (d->len < c->at + done + n)
                disk_size(d, c->at + done + n);
            memcpy(d->bytes + c->at + done, c->data + done, n);
        }
        done += n;
    }
}

static void apply(struct disk_file *d, const struct change *c, uint32_t percent)
{
    if (!c->truncate)
        apply_write(d, c, percent);
    else if (roll() % 100 < percent)
        disk_size(d, c->at);
}

static void cut(void)
{
    static const uint32_t percents[] = {0, 100, 50, 95};
    for (int i = 0; i < FILES_MAX; i++) {
        struct disk_file *d = &files[i];
        char path[1024];
        if (!d->name[0])
            continue;
        uint32_t file_percent = roll() % 5;
        for (const struct change *c = d->first; c; c = c->next)
            apply(d, c, file_percent < 4 ? percents[file_percent] : percents[roll() % 4]);
        (void)snprintf(path, sizeof(path), "%s%s", cut_dir, strrchr(d->name, '/'));
        FILE *f = fopen(path, "we");
        if (!f || (d->len && fwrite(d->bytes, d->len, 1, f) != 1) || fclose(f) != 0)
            _exit(1);
    }
    _exit(XT_POWER_EXIT);
}

static void tick(void)
{
    if (--countdown == 0)
        cut();
}

static void change_add(struct disk_file *d, bool truncate, const void *data, size_t len, size_t at)
{
    struct change *c = malloc(sizeof(*c) + len);
    assert(c);
    *c = (struct change){.truncate = truncate, .at = at, .len = len};
    if (len)
        memcpy(c->data, data, len);
    *d->end = c;
    d->end = &c->next;
}

static int file_write(sqlite3_file *file, const void *data, int n, sqlite3_int64 at)
{
    pthread_mutex_lock(&lock);
    change_add(((struct power_file *)file)->disk, false, data, (size_t)n, (size_t)at);
    tick();
    pthread_mutex_unlock(&lock);
    return behind(file)->pMethods->xWrite(behind(file), data, n, at);
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    pthread_mutex_lock(&lock);
    change_add(((struct power_file *)file)->disk, true, NULL, 0, (size_t)size);
    pthread_mutex_unlock(&lock);
    return behind(file)->pMethods->xTruncate(behind(file), size);
}

static int file_sync(sqlite3_file *file, int flags)
{
    (void)flags;
    struct disk_file *d = ((struct power_file *)file)->disk;
    pthread_mutex_lock(&lock);
    tick();
    for (const struct change *c = d->first; c; c = c->next)
        apply(d, c, 100);
    disk_forget(d);
    pthread_mutex_unlock(&lock);
    return SQLITE_OK;
}

static int file_close(sqlite3_file *file)
{
    return behind(file)->pMethods->xClose(behind(file));
}

static int file_read(sqlite3_file *file, void *out, int n, sqlite3_int64 at)
{
    return behind(file)->pMethods->xRead(behind(file), out, n, at);
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

static int shm_map(sqlite3_file *file, int region, int size, int extend, void volatile **out)
{
    return behind(file)->pMethods->xShmMap(behind(file), region, size, extend, out);
}

static int shm_lock(sqlite3_file *file, int offset, int n, int flags)
{
    return behind(file)->pMethods->xShmLock(behind(file), offset, n, flags);
}

static void shm_barrier(sqlite3_file *file)
{
    behind(file)->pMethods->xShmBarrier(behind(file));
}

static int shm_unmap(sqlite3_file *file, int delete_it)
{
    return behind(file)->pMethods->xShmUnmap(behind(file), delete_it);
}

static const sqlite3_io_methods methods = {
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
    .xShmMap = shm_map,
    .xShmLock = shm_lock,
    .xShmBarrier = shm_barrier,
    .xShmUnmap = shm_unmap,
};

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out)
{
    (void)vfs;
    struct power_file *f = (struct power_file *)file;
    if (!name)
        return system_vfs->xOpen(system_vfs, name, file, flags, out);
    *f = (struct power_file){0};
    int rc = system_vfs->xOpen(system_vfs, name, behind(file), flags, out);
    if (rc != SQLITE_OK)
        return rc;
    pthread_mutex_lock(&lock);
    f->disk = disk_find(name);
    if (!f->disk) {
        f->disk = disk_find("");
        assert(f->disk);
        (void)snprintf(f->disk->name, sizeof(f->disk->name), "%s", name);
        f->disk->end = &f->disk->first;
    }
    pthread_mutex_unlock(&lock);
    f->base.pMethods = &methods;
    return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *name, int sync_dir)
{
    (void)vfs;
    pthread_mutex_lock(&lock);
    struct disk_file *d = disk_find(name);
    if (d) {
        disk_forget(d);
        free(d->bytes);
        *d = (struct disk_file){0};
    }
    pthread_mutex_unlock(&lock);
    return system_vfs->xDelete(system_vfs, name, sync_dir);
}

void xt_power_cut_at(unsigned long nth, unsigned seed, const char *into)
{
    countdown = nth;
    chance = seed;
    (void)snprintf(cut_dir, sizeof(cut_dir), "%s", into);
    system_vfs = sqlite3_vfs_find(NULL);
    power_vfs = *system_vfs;
    power_vfs.zName = "xt-power";
    power_vfs.pNext = NULL;
    power_vfs.szOsFile = (int)sizeof(struct power_file) + system_vfs->szOsFile;
    power_vfs.xOpen = vfs_open;
    power_vfs.xDelete = vfs_delete;
    if (sqlite3_vfs_register(&power_vfs, 1) != SQLITE_OK)
        abort();
}
