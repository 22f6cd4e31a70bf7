// SPDX-License-Identifier: Apache-2.0
#include "jobmgr/exec/rmtree.h"

#include "jobmgr/exec/execsys.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_close_range
#define SYS_close_range 436
#endif

#define TRASH ".trash"
#define FEW_ENTRIES 32        /* what is removed on the spot: so many files, … */
#define FEW_BLOCKS (2 * 1024) /* … none of them above 1 MiB */

static int remove_in(int dir, const char *name, dev_t device, int depth);

static int remove_content(int fd, dev_t device, int depth)
{
    DIR *d = fdopendir(fd);
    if (!d) {
        close(fd);
        return -1;
    }
    struct dirent *e;
    int rc = 0;
    while ((e = readdir(d)))
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
            remove_in(dirfd(d), e->d_name, device, depth + 1) < 0)
            rc = -1;
    int saved = errno;
    closedir(d);
    errno = saved;
    return rc;
}

static int remove_in(int dir, const char *name, dev_t device, int depth)
{
    struct stat st;
    if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR && errno != EPERM)
        return -1;
    if (depth > RMTREE_DEPTH_MAX) {
        errno = ELOOP;
        return -1;
    }
    int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno == EACCES && fchmodat(dir, name, 0700, 0) == 0)
        fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -1;
    if (fstat(fd, &st) < 0 || st.st_dev != device) {
        close(fd);
        errno = EXDEV;
        return -1;
    }
    if (!(st.st_mode & S_IWUSR))
        (void)fchmod(fd, 0700);
    if (remove_content(fd, device, depth) < 0)
        return -1;
    return unlinkat(dir, name, AT_REMOVEDIR);
}

int rmtree(int dir, const char *name, struct xos_error *err)
{
    struct stat st;
    if (fstat(dir, &st) < 0 || remove_in(dir, name, st.st_dev, 0) < 0)
        return xos_fail_errno(err, "remove %s", name);
    return 0;
}

/* A child, so that execd serves on; it keeps nothing of execd's but the directory. */
static void remove_in_child(int dir, const char *name)
{
    pid_t pid = fork();
    if (pid != 0)
        return;
    if (dup2(dir, 3) < 0)
        _exit(1);
    (void)syscall(SYS_close_range, 4u, ~0u, 0);
    _exit(rmtree(3, name, NULL) < 0);
}

static bool entry_is_small(int dir, const char *name)
{
    struct stat st;
    return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISDIR(st.st_mode) &&
           st.st_blocks <= FEW_BLOCKS;
}

/* Most units leave a handful of small files: the fork for them would cost more than they do. False:
 * something is left. */
static bool remove_few(int dir, const char *name)
{
    struct stat above, st;
    int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d) {
        if (fd >= 0)
            close(fd);
        return false;
    }
    bool few = fstat(dir, &above) == 0 && fstat(fd, &st) == 0 && above.st_dev == st.st_dev;
    struct dirent *e;
    for (int count = 0; few && (e = readdir(d));) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        few = count++ < FEW_ENTRIES && entry_is_small(fd, e->d_name) &&
              unlinkat(fd, e->d_name, 0) == 0;
    }
    closedir(d);
    return few && unlinkat(dir, name, AT_REMOVEDIR) == 0;
}

int rmtree_later(int dir, const char *name, struct xos_error *err)
{
    char to[64];
    static unsigned count;
    if (mkdirat(dir, TRASH, 0700) < 0 && errno != EEXIST)
        return xos_fail_errno(err, "%s", TRASH);
    (void)snprintf(to, sizeof(to), TRASH "/%llx-%d-%u", (unsigned long long)sys_boot_ms(),
                   (int)getpid(), count++);
    if (renameat(dir, name, dir, to) < 0)
        return errno == ENOENT ? 0 : xos_fail_errno(err, "remove %s", name);
    if (!remove_few(dir, to))
        remove_in_child(dir, to);
    return 0;
}

void rmtree_trash(int dir)
{
    struct stat st;
    if (fstatat(dir, TRASH, &st, AT_SYMLINK_NOFOLLOW) == 0)
        remove_in_child(dir, TRASH);
}
