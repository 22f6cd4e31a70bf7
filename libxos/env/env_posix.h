// SPDX-License-Identifier: Apache-2.0
/* env_posix.h - the parts of the real world: what each env_posix_*.c gives to the one table in
 * env_posix.c. Private to libxos/env; everybody else includes env.h. */
#ifndef XOS_ENV_ENV_POSIX_H
#define XOS_ENV_ENV_POSIX_H

#include "libxos/env/env.h"

int env_posix_random(struct xos_env *env, void *out, size_t len, struct xos_error *err);

int env_posix_dir_open(struct xos_env *env, const char *path, struct xos_error *err);
int env_posix_dir_make(struct xos_env *env, int dir, const char *path, mode_t mode,
                       struct xos_error *err);
int env_posix_dir_list(struct xos_env *env, int dir, const char *path, xos_env_entry_f each,
                       void *arg, struct xos_error *err);
int env_posix_file_open(struct xos_env *env, int dir, const char *path, unsigned flags, mode_t mode,
                        struct xos_error *err);
int env_posix_file_read(struct xos_env *env, int dir, const char *path, struct xos_buf *out,
                        struct xos_error *err);
int env_posix_file_replace(struct xos_env *env, int dir, const char *path, const void *data,
                           size_t len, mode_t mode, struct xos_error *err);
int env_posix_remove(struct xos_env *env, int dir, const char *path, struct xos_error *err);
int env_posix_link_read(struct xos_env *env, int dir, const char *path, struct xos_buf *out,
                        struct xos_error *err);
int env_posix_disk_free(struct xos_env *env, int dir, struct xos_disk *out, struct xos_error *err);
void env_posix_close(struct xos_env *env, int fd);

/* Open below `dir` as openat() does, but never leave it and never cross a symbolic link. Returns
 * a close-on-exec descriptor, or -1 with errno: EXDEV = it would leave, ELOOP = a link. */
int env_posix_beneath(int dir, const char *path, int flags, mode_t mode);

int env_posix_unix_listen(struct xos_env *env, const char *path, mode_t mode,
                          struct xos_error *err);
int env_posix_unix_connect(struct xos_env *env, const char *path, int type, struct xos_error *err);
int env_posix_tcp_listen(struct xos_env *env, const char *host, unsigned port,
                         struct xos_error *err);
int env_posix_tcp_connect(struct xos_env *env, const char *host, unsigned port, const char *from,
                          struct xos_error *err);
int env_posix_socket_peer(struct xos_env *env, int fd, struct xos_peer *out, struct xos_error *err);

int env_posix_spawn(struct xos_env *env, const struct xos_spawn *what, struct xos_child *out,
                    struct xos_error *err);
int env_posix_child_signal(struct xos_env *env, const struct xos_child *child, int signal,
                           struct xos_error *err);
int env_posix_child_reap(struct xos_env *env, struct xos_child *child, struct xos_exit *out,
                         struct xos_error *err);

#endif
