// SPDX-License-Identifier: Apache-2.0
#include "vo-auth/agent/login_ssh.h"

#include "libxos/base/alloc.h"

#include <string.h>
#include <sys/socket.h>

#define NO_AGENT "ssh-agent is not running: start it and add your key with ssh-add"

struct login_ssh {
    struct xos_conn *conn;
    struct xos_timer *timer;
    const struct login_ssh_ops *ops;
    void *arg;
    uint64_t sign_ms_max;
    struct xos_buf message; /* what is signed; len 0: only the keys are wanted */
    struct xos_buf wanted;
    struct xos_buf key; /* signing is under way with it */
    const struct auth_sshkey_type *type;
};

void login_ssh_free(struct login_ssh *l)
{
    if (!l)
        return;
    xos_conn_free(l->conn);
    xos_timer_free(l->timer);
    xos_buf_free(&l->message);
    xos_buf_free(&l->wanted);
    xos_buf_free(&l->key);
    xos_free(l);
}

static void failed(struct login_ssh *l, const struct xos_error *why)
{
    xos_timer_cancel(l->timer);
    l->ops->on_failed(l->arg, why);
}

static struct xos_slice slice(const struct xos_buf *b)
{
    return (struct xos_slice){b->data, b->len};
}

static int ask_sign(struct login_ssh *l, const struct ssh_agent_key *key, struct xos_error *err)
{
    struct xos_buf frame = XOS_BUF(SSH_AGENT_FRAME_BYTES_MAX);
    int rc = ssh_agent_ask_sign(&frame, key, slice(&l->message), err);
    if (rc == 0)
        rc = xos_buf_add(&l->key, key->key.data, key->key.len, err);
    if (rc == 0)
        rc = xos_conn_send(l->conn, slice(&frame), err);
    l->type = key->type;
    xos_timer_set(l->timer, l->sign_ms_max);
    xos_buf_free(&frame);
    return rc;
}

static int on_keys(struct login_ssh *l, struct xos_slice frame, struct xos_error *err)
{
    struct ssh_agent_keys keys;
    if (ssh_agent_read_keys(&keys, frame, err) < 0)
        return -1;
    const struct ssh_agent_key *key = ssh_agent_choose(&keys, slice(&l->wanted), err);
    if (!key)
        return -1;
    if (l->message.len)
        return ask_sign(l, key, err);
    xos_timer_cancel(l->timer);
    l->ops->on_keys(l->arg, &keys);
    return 0;
}

static int on_signature(struct login_ssh *l, struct xos_slice frame, struct xos_error *err)
{
    struct xos_slice signature;
    if (ssh_agent_read_signature(&signature, frame, err) < 0)
        return err->code != XOS_DENIED
                   ? -1
                   : xos_fail(err, XOS_DENIED,
                              "ssh-agent refused to sign with your %s key: it is locked, the key "
                              "is gone, or you declined (see ssh-add -l)",
                              l->type->name);
    if (auth_sshkey_verify(slice(&l->key), slice(&l->message), signature, err) < 0)
        return xos_wrap(err, "what ssh-agent signed with your %s key does not hold", l->type->name);
    xos_timer_cancel(l->timer);
    l->ops->on_signed(l->arg, slice(&l->key), signature);
    return 0;
}

static void on_frame(void *arg, struct xos_conn *conn, struct xos_slice frame)
{
    (void)conn;
    struct login_ssh *l = arg;
    struct xos_error err = {0};
    if ((l->key.len ? on_signature(l, frame, &err) : on_keys(l, frame, &err)) < 0)
        failed(l, &err);
}

static void on_close(void *arg, struct xos_conn *conn, const struct xos_error *why)
{
    (void)conn;
    struct xos_error err;
    xos_fail(&err, XOS_UNAVAILABLE, "ssh-agent went away%s%s", why->code ? ": " : "",
             why->code ? why->text : "");
    failed(arg, &err);
}

static void on_late(void *arg)
{
    struct login_ssh *l = arg;
    struct xos_error err;
    if (l->key.len && l->type->hardware)
        xos_fail(&err, XOS_TIMEOUT, "nobody touched the hardware key within %llu s: try again",
                 (unsigned long long)l->sign_ms_max / 1000);
    else if (l->key.len)
        xos_fail(&err, XOS_TIMEOUT,
                 "ssh-agent did not sign within %llu s: does it wait for you to confirm?",
                 (unsigned long long)l->sign_ms_max / 1000);
    else
        xos_fail(&err, XOS_TIMEOUT, "ssh-agent did not list its keys within %d s",
                 LOGIN_SSH_KEYS_MS_MAX / 1000);
    l->ops->on_failed(l->arg, &err);
}

static int prepare(struct login_ssh *l, const struct login_ssh_ask *ask, struct xos_error *err)
{
    l->message = XOS_BUF(AUTH_LOGIN_BLOB_BYTES_MAX);
    l->wanted = XOS_BUF(AUTH_SSHKEY_BYTES_MAX);
    l->key = XOS_BUF(AUTH_SSHKEY_BYTES_MAX);
    l->sign_ms_max = ask->sign_ms_max ? ask->sign_ms_max : LOGIN_SSH_SIGN_MS_MAX;
    if (ask->terms && auth_login_blob(&l->message, ask->terms, err) < 0)
        return -1;
    return xos_buf_add(&l->wanted, ask->key.data, ask->key.len, err);
}

static int open_agent(struct login_ssh *l, struct xos_loop *loop, const char *socket,
                      struct xos_error *err)
{
    static const struct xos_conn_ops conn_ops = {.on_frame = on_frame, .on_close = on_close};
    const struct xos_conn_config config = {
        .frame_max = SSH_AGENT_FRAME_BYTES_MAX, .ops = &conn_ops, .arg = l};
    struct xos_error why = {0};
    if (!socket[0])
        return xos_fail(err, XOS_UNAVAILABLE, NO_AGENT);
    int fd = xos_env_unix_connect(xos_loop_env(loop), socket, SOCK_STREAM, &why);
    if (fd < 0)
        return xos_fail(err, XOS_UNAVAILABLE, NO_AGENT " (%s)", why.text);
    return xos_conn_new(&l->conn, loop, fd, &config, err);
}

int login_ssh_begin(struct login_ssh **out, struct xos_loop *loop, const struct login_ssh_ask *ask,
                    const struct login_ssh_ops *ops, void *arg, struct xos_error *err)
{
    struct xos_buf frame = XOS_BUF(16);
    struct login_ssh *l = xos_alloc(sizeof(*l));
    if (!l)
        return xos_fail(err, XOS_NOMEM, "ssh-agent");
    *l = (struct login_ssh){.ops = ops, .arg = arg};
    if (prepare(l, ask, err) < 0 || open_agent(l, loop, ask->socket, err) < 0 ||
        xos_timer_new(&l->timer, loop, on_late, l, err) < 0 ||
        ssh_agent_ask_keys(&frame, err) < 0 || xos_conn_send(l->conn, slice(&frame), err) < 0)
        goto error;
    xos_buf_free(&frame);
    xos_timer_set(l->timer, LOGIN_SSH_KEYS_MS_MAX);
    *out = l;
    return 0;
error:
    xos_buf_free(&frame);
    login_ssh_free(l);
    return -1;
}
