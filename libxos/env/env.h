// SPDX-License-Identifier: Apache-2.0
/* env.h - the seam to the world: clocks, random bits, files, sockets, processes.
 *
 * Cores call nothing of this; services reach the system only through it, and a test may give them
 * another world. The tidy test fails on a core or service that calls past it.
 *
 * Files are named by a directory handle and a path below it. The path never leaves the directory
 * and never crosses a symbolic link (openat2 with RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS), so
 * that a path from outside cannot lead elsewhere. */
#ifndef XOS_ENV_ENV_H
#define XOS_ENV_ENV_H

#include "libxos/base/buf.h"

#include <signal.h>
#include <sys/types.h>

struct xos_env;

/* What a process is started with. Everything is borrowed for the call. */
struct xos_spawn {
    const char *path;        /* absolute; never searched */
    const char *const *argv; /* NULL-terminated */
    const char *const *envp; /* NULL-terminated; the whole environment */
    const int *fds;          /* fds[i] becomes descriptor i in the child; all others are closed */
    size_t fd_count;         /* -1 among the fds, and those below 3 not given, are /dev/null */
    const char *cwd;         /* NULL: unchanged */
    bool new_session;
    int parent_death_signal; /* 0: none */
};

struct xos_child {
    pid_t pid;
    int pidfd; /* close-on-exec, the caller's */
};

struct xos_exit {
    bool signalled;
    int value; /* exit status, or the signal's number */
};

struct xos_peer {
    pid_t pid;
    uid_t uid;
    gid_t gid;
};

/* Room on a file system, as an unprivileged writer sees it. */
struct xos_disk {
    uint64_t free_bytes;
    uint64_t all_bytes;
    double free_ratio; /* 0 … 1 */
};

/* Whom this process runs as. */
struct xos_user {
    uid_t uid;
    char login[64]; /* empty when the system has no name for it */
};

enum xos_open {
    XOS_OPEN_READ = 1,
    XOS_OPEN_WRITE = 2,
    XOS_OPEN_CREATE = 4,
    XOS_OPEN_EXCLUSIVE = 8,
    XOS_OPEN_APPEND = 16,
    XOS_OPEN_TRUNCATE = 32,
};

/* Called per entry with its name (without . and ..); nonzero stops the listing. */
typedef int (*xos_env_entry_f)(const char *name, void *arg);

struct xos_env_ops {
    int64_t (*real_ms)(struct xos_env *env);
    uint64_t (*mono_ms)(struct xos_env *env);
    uint64_t (*boot_ms)(struct xos_env *env);
    int (*random)(struct xos_env *env, void *out, size_t len, struct xos_error *err);

    int (*dir_open)(struct xos_env *env, const char *path, struct xos_error *err);
    int (*dir_make)(struct xos_env *env, int dir, const char *path, mode_t mode,
                    struct xos_error *err);
    int (*dir_list)(struct xos_env *env, int dir, const char *path, xos_env_entry_f each, void *arg,
                    struct xos_error *err);
    int (*file_open)(struct xos_env *env, int dir, const char *path, unsigned flags, mode_t mode,
                     struct xos_error *err);
    int (*file_read)(struct xos_env *env, int dir, const char *path, struct xos_buf *out,
                     struct xos_error *err);
    int (*file_replace)(struct xos_env *env, int dir, const char *path, const void *data,
                        size_t len, mode_t mode, struct xos_error *err);
    int (*remove)(struct xos_env *env, int dir, const char *path, struct xos_error *err);
    int (*link_read)(struct xos_env *env, int dir, const char *path, struct xos_buf *out,
                     struct xos_error *err);
    int (*disk_free)(struct xos_env *env, int dir, struct xos_disk *out, struct xos_error *err);
    void (*close)(struct xos_env *env, int fd);

    int (*unix_listen)(struct xos_env *env, const char *path, mode_t mode, struct xos_error *err);
    int (*unix_connect)(struct xos_env *env, const char *path, int type, struct xos_error *err);
    int (*tcp_listen)(struct xos_env *env, const char *host, unsigned port, struct xos_error *err);
    int (*tcp_connect)(struct xos_env *env, const char *host, unsigned port, const char *from,
                       struct xos_error *err);
    int (*socket_peer)(struct xos_env *env, int fd, struct xos_peer *out, struct xos_error *err);

    int (*user)(struct xos_env *env, struct xos_user *out, struct xos_error *err);
    int (*spawn)(struct xos_env *env, const struct xos_spawn *what, struct xos_child *out,
                 struct xos_error *err);
    int (*child_signal)(struct xos_env *env, const struct xos_child *child, int signal,
                        struct xos_error *err);
    int (*child_reap)(struct xos_env *env, struct xos_child *child, struct xos_exit *out,
                      struct xos_error *err);
};

struct xos_env {
    const struct xos_env_ops *ops;
};

/* The real world. Borrowed, lives for ever. */
struct xos_env *xos_env_posix(void);

/* Clocks, in milliseconds: real = since 1970 and may jump; mono = steady, stops in suspend;
 * boot = steady, runs on in suspend (deadlines that two machines share are kept on it). */
int64_t xos_env_real_ms(struct xos_env *env);
uint64_t xos_env_mono_ms(struct xos_env *env);
uint64_t xos_env_boot_ms(struct xos_env *env);

/* Unpredictable bytes. */
int xos_env_random(struct xos_env *env, void *out, size_t len, struct xos_error *err);

/* A path below that leaves its directory or crosses a symbolic link is XOS_DENIED, and so is a
 * file_open or file_read of a pipe, socket or block device that somebody planted there.
 *
 * Open a directory that the administrator named (may be absolute, may cross links): the root
 * that the calls below stay under. Returns a descriptor, or -1. */
int xos_env_dir_open(struct xos_env *env, const char *path, struct xos_error *err);

/* Make a directory with exactly this mode; one that exists is fine and keeps its own. */
int xos_env_dir_make(struct xos_env *env, int dir, const char *path, mode_t mode,
                     struct xos_error *err);
int xos_env_dir_list(struct xos_env *env, int dir, const char *path, xos_env_entry_f each,
                     void *arg, struct xos_error *err);

/* Returns a descriptor (close-on-exec), or -1. flags: enum xos_open. A directory may be opened for
 * reading, to go on below it. */
int xos_env_file_open(struct xos_env *env, int dir, const char *path, unsigned flags, mode_t mode,
                      struct xos_error *err);

/* Append the whole file to out; a file that does not fit out->max is XOS_LIMIT. */
int xos_env_file_read(struct xos_env *env, int dir, const char *path, struct xos_buf *out,
                      struct xos_error *err);

/* Replace or make a file so that after a crash either the old or the new one is there, whole:
 * temporary file, fsync, rename, fsync of the directory. */
int xos_env_file_replace(struct xos_env *env, int dir, const char *path, const void *data,
                         size_t len, mode_t mode, struct xos_error *err);

/* A file, a link (never what it points to) or an empty directory. */
int xos_env_remove(struct xos_env *env, int dir, const char *path, struct xos_error *err);

/* Append where a symbolic link points: only its last part may be a link. */
int xos_env_link_read(struct xos_env *env, int dir, const char *path, struct xos_buf *out,
                      struct xos_error *err);
int xos_env_disk_free(struct xos_env *env, int dir, struct xos_disk *out, struct xos_error *err);
void xos_env_close(struct xos_env *env, int fd); /* takes -1 */

/* Sockets: non-blocking, close-on-exec. A stale Unix socket file that nobody listens on is
 * replaced; a live one is XOS_BUSY, another kind of file XOS_EXISTS. tcp_connect returns while the
 * connection is being made: it is made, or SO_ERROR says why not, when it is writable. host is an
 * address or a name; port 0 lets the system choose; `from` binds the near side (NULL: any). type is
 * SOCK_STREAM, SOCK_SEQPACKET or SOCK_DGRAM; a path to connect to that begins with "@" is abstract.
 */
int xos_env_unix_listen(struct xos_env *env, const char *path, mode_t mode, struct xos_error *err);
int xos_env_unix_connect(struct xos_env *env, const char *path, int type, struct xos_error *err);
int xos_env_tcp_listen(struct xos_env *env, const char *host, unsigned port, struct xos_error *err);
int xos_env_tcp_connect(struct xos_env *env, const char *host, unsigned port, const char *from,
                        struct xos_error *err);
int xos_env_socket_peer(struct xos_env *env, int fd, struct xos_peer *out, struct xos_error *err);

int xos_env_user(struct xos_env *env, struct xos_user *out, struct xos_error *err);

/* Start a process with every signal at its default and unblocked; a path that cannot be executed is
 * an error here, not an exit status. */
int xos_env_spawn(struct xos_env *env, const struct xos_spawn *what, struct xos_child *out,
                  struct xos_error *err);
int xos_env_child_signal(struct xos_env *env, const struct xos_child *child, int signal,
                         struct xos_error *err);

/* Collect a child that has ended (its pidfd is readable) and close the pidfd. XOS_BUSY: it runs. */
int xos_env_child_reap(struct xos_env *env, struct xos_child *child, struct xos_exit *out,
                       struct xos_error *err);

#endif
