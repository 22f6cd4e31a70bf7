// SPDX-License-Identifier: Apache-2.0
#include "jobmgr/exec/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define PLACE_BYTES_MAX (2 * EXECD_PATH_BYTES_MAX)

/* Where a path of the host lies below the private root that is being built. */
static int place(const struct order *o, const char *path, char out[static PLACE_BYTES_MAX])
{
    int n = snprintf(out, PLACE_BYTES_MAX, "%s%s", wire_blob_text(o, &o->blobs[ORDER_ROOT]), path);
    if (n < 0 || n >= PLACE_BYTES_MAX) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return 0;
}

static int put_mount(const struct order *o, const char *what, const char *path, const char *type,
                     unsigned long flags, const char *data)
{
    char at[PLACE_BYTES_MAX];
    return place(o, path, at) < 0 ? -1 : mount(what, at, type, flags, data);
}

static int each_path(const struct order *o, enum order_blob which,
                     int (*put)(const struct order *o, const char *path))
{
    const struct wire_blob *b = &o->blobs[which];
    const char *at = (const char *)o + b->offset;
    for (uint32_t i = 0; i < b->count; i++) {
        if (put(o, at) < 0)
            return -1;
        at += strlen(at) + 1;
    }
    return 0;
}

static int put_bind(const struct order *o, const char *path)
{
    return put_mount(o, path, path, NULL, MS_BIND | MS_REC, NULL);
}

static int put_root(const struct order *o)
{
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return -1;
    if (put_mount(o, "/", "", NULL, MS_BIND, NULL) < 0)
        return -1;
    return each_path(o, ORDER_BIND, put_bind);
}

static int put_proc(const struct order *o)
{
    if (put_mount(o, "proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
        return -1;
    return put_mount(o, "sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY,
                     NULL);
}

static const struct device_row {
    const char *path;
    unsigned major, minor;
} devices[] = {
    {"/dev/null", 1, 3},   {"/dev/zero", 1, 5},    {"/dev/full", 1, 7},
    {"/dev/random", 1, 8}, {"/dev/urandom", 1, 9}, {"/dev/tty", 5, 0},
};

static const struct link_row {
    const char *path, *to;
} links[] = {
    {"/dev/ptmx", "pts/ptmx"},          {"/dev/fd", "/proc/self/fd"},
    {"/dev/stdin", "/proc/self/fd/0"},  {"/dev/stdout", "/proc/self/fd/1"},
    {"/dev/stderr", "/proc/self/fd/2"},
};

static int put_devices(const struct order *o)
{
    char at[PLACE_BYTES_MAX];
    mode_t old = umask(0);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < sizeof(devices) / sizeof(devices[0]); i++) {
        dev_t number = makedev(devices[i].major, devices[i].minor);
        rc = place(o, devices[i].path, at);
        if (rc == 0)
            rc = mknod(at, S_IFCHR | 0666, number);
    }
    for (size_t i = 0; rc == 0 && i < sizeof(links) / sizeof(links[0]); i++) {
        rc = place(o, links[i].path, at);
        if (rc == 0)
            rc = symlink(links[i].to, at);
    }
    umask(old);
    return rc;
}

static int put_dir(const struct order *o, const char *path)
{
    char at[PLACE_BYTES_MAX];
    return place(o, path, at) < 0 ? -1 : mkdir(at, 0755);
}

static int put_dev(const struct order *o)
{
    if (put_mount(o, "xos-dev", "/dev", "tmpfs", MS_NOSUID, "mode=755,size=64k,nr_inodes=64") < 0)
        return -1;
    if (put_devices(o) < 0 || put_dir(o, "/dev/pts") < 0 || put_dir(o, "/dev/shm") < 0)
        return -1;
    if (put_mount(o, "devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC,
                  "newinstance,ptmxmode=0666,mode=0620,gid=5") < 0)
        return -1;
    return put_mount(o, "xos-shm", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777");
}

/* On a mount of its own (a tmpfs /run) it is not in the private root anyway. */
static int hide(const struct order *o, const char *path)
{
    int rc = put_mount(o, "xos-hidden", path, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY,
                       "mode=555,size=4k,nr_inodes=2");
    return rc < 0 && errno == ENOENT ? 0 : rc;
}

/* An init that lies on another mount than the root's is shown in /dev. */
static int put_init(const struct order *o)
{
    char at[PLACE_BYTES_MAX];
    const char *init = wire_blob_text(o, &o->blobs[ORDER_INIT]);
    if (place(o, init, at) < 0 || access(at, X_OK) == 0)
        return 0;
    if (place(o, LAUNCH_INIT_SPARE, at) < 0 || mknod(at, S_IFREG | 0555, 0) < 0)
        return -1;
    return mount(init, at, NULL, MS_BIND, NULL);
}

/* The unit's own scratch is bound before the directory that holds it is hidden. */
static int put_scratch(const struct order *o)
{
    const char *scratch = wire_blob_text(o, &o->blobs[ORDER_SCRATCH]);
    if (scratch && put_mount(o, scratch, "/xos/scratch", NULL, MS_BIND, NULL) < 0)
        return -1;
    return each_path(o, ORDER_HIDE, hide);
}

static int pivot(const struct order *o)
{
    if (chdir(wire_blob_text(o, &o->blobs[ORDER_ROOT])) < 0)
        return -1;
    if (syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0)
        return -1;
    return chdir("/");
}

const struct launch_step launch_root_steps[] = {
    {STAGE_ROOT, put_root}, {STAGE_PROC, put_proc},       {STAGE_DEV, put_dev},
    {STAGE_INIT, put_init}, {STAGE_SCRATCH, put_scratch}, {STAGE_PIVOT, pivot},
};
const unsigned launch_root_step_count = sizeof(launch_root_steps) / sizeof(launch_root_steps[0]);
