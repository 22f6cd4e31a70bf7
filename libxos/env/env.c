// SPDX-License-Identifier: Apache-2.0
/* env.c - the calls of env.h, handed to the world that stands behind them. */
#include "libxos/env/env.h"

int64_t xos_env_real_ms(struct xos_env *env)
{
    return env->ops->real_ms(env);
}

uint64_t xos_env_mono_ms(struct xos_env *env)
{
    return env->ops->mono_ms(env);
}

uint64_t xos_env_boot_ms(struct xos_env *env)
{
    return env->ops->boot_ms(env);
}

int xos_env_random(struct xos_env *env, void *out, size_t len, struct xos_error *err)
{
    return env->ops->random(env, out, len, err);
}

int xos_env_dir_open(struct xos_env *env, const char *path, struct xos_error *err)
{
    return env->ops->dir_open(env, path, err);
}

int xos_env_dir_make(struct xos_env *env, int dir, const char *path, mode_t mode,
                     struct xos_error *err)
{
    return env->ops->dir_make(env, dir, path, mode, err);
}

int xos_env_dir_list(struct xos_env *env, int dir, const char *path, xos_env_entry_f each,
                     void *arg, struct xos_error *err)
{
    return env->ops->dir_list(env, dir, path, each, arg, err);
}

int xos_env_file_open(struct xos_env *env, int dir, const char *path, unsigned flags, mode_t mode,
                      struct xos_error *err)
{
    return env->ops->file_open(env, dir, path, flags, mode, err);
}

int xos_env_file_read(struct xos_env *env, int dir, const char *path, struct xos_buf *out,
                      struct xos_error *err)
{
    return env->ops->file_read(env, dir, path, out, err);
}

int xos_env_file_replace(struct xos_env *env, int dir, const char *path, const void *data,
                         size_t len, mode_t mode, struct xos_error *err)
{
    return env->ops->file_replace(env, dir, path, data, len, mode, err);
}

int xos_env_remove(struct xos_env *env, int dir, const char *path, struct xos_error *err)
{
    return env->ops->remove(env, dir, path, err);
}

int xos_env_link_read(struct xos_env *env, int dir, const char *path, struct xos_buf *out,
                      struct xos_error *err)
{
    return env->ops->link_read(env, dir, path, out, err);
}

int xos_env_disk_free(struct xos_env *env, int dir, struct xos_disk *out, struct xos_error *err)
{
    return env->ops->disk_free(env, dir, out, err);
}

void xos_env_close(struct xos_env *env, int fd)
{
    env->ops->close(env, fd);
}

int xos_env_unix_listen(struct xos_env *env, const char *path, mode_t mode, struct xos_error *err)
{
    return env->ops->unix_listen(env, path, mode, err);
}

int xos_env_unix_connect(struct xos_env *env, const char *path, int type, struct xos_error *err)
{
    return env->ops->unix_connect(env, path, type, err);
}

int xos_env_tcp_listen(struct xos_env *env, const char *host, unsigned port, struct xos_error *err)
{
    return env->ops->tcp_listen(env, host, port, err);
}

int xos_env_tcp_connect(struct xos_env *env, const char *host, unsigned port, const char *from,
                        struct xos_error *err)
{
    return env->ops->tcp_connect(env, host, port, from, err);
}

int xos_env_socket_peer(struct xos_env *env, int fd, struct xos_peer *out, struct xos_error *err)
{
    return env->ops->socket_peer(env, fd, out, err);
}

int xos_env_user(struct xos_env *env, struct xos_user *out, struct xos_error *err)
{
    return env->ops->user(env, out, err);
}

int xos_env_spawn(struct xos_env *env, const struct xos_spawn *what, struct xos_child *out,
                  struct xos_error *err)
{
    return env->ops->spawn(env, what, out, err);
}

int xos_env_child_signal(struct xos_env *env, const struct xos_child *child, int signal,
                         struct xos_error *err)
{
    return env->ops->child_signal(env, child, signal, err);
}

int xos_env_child_reap(struct xos_env *env, struct xos_child *child, struct xos_exit *out,
                       struct xos_error *err)
{
    return env->ops->child_reap(env, child, out, err);
}
