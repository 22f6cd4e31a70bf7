// SPDX-License-Identifier: Apache-2.0
/* xos-agent - holds a user's key and signs what the user's commands ask for.
 *
 * One per user and machine; all nodes of the machine are served by it. The promises:
 *
 * - The key is made here, lies in locked memory and leaves it in no form: not on disk, not in a
 *   core dump, not through ptrace, not in an answer. It is wiped at logout, when a lock lasts too
 *   long, and at the end. A new login gets a new key; the old one signs until the new one has its
 *   certificate.
 * - Only processes of the same uid are heard (SO_PEERCRED).
 * - It never signs bytes that it is given. A request's header and a grant come as fields; the agent
 *   builds them, puts in who signs and when, and signs under their own domain separators, so that
 *   nobody can make it sign one thing that means another. Whoever may ask can still ask for any
 *   request or grant: the agent keeps the key from being taken, not from being used while its user
 *   is there. `lock` is for when the user is not.
 * - Certificates that it is given are checked: good under their own root, of a user, now, for a key
 *   of its own.
 * - It trusts no path and no answer of an ssh-agent.
 *
 * Tour: verbs (what can be asked, one table), identity (key and certificate), lock, renew (when)
 * and renewer (how), ssh_agent (messages) and login_ssh (the conversation), guard (the process). */
#include "vo-auth/agent/agent.h"

#include "libxos/base/alloc.h"
#include "libxos/base/telemetry.h"
#include "libxos/net/local.h"

#include <openssl/crypto.h>
#include <string.h>

struct peer {
    struct agent *agent;
    struct xos_conn *conn;
    struct login_ssh *ssh;             /* its request waits for an ssh-agent */
    uint8_t key[XOS_KEY_PUBLIC_BYTES]; /* that it is to sign for */
    struct peer *prev, *next;
};

struct agent {
    struct xos_loop *loop;
    struct agent_state state;
    struct renewer *renewer;
    struct xos_local *local;
    struct xos_timer *timer;
    uid_t uid;
    struct peer *peers;
    size_t peer_count;
};

static void peer_free(struct peer *p)
{
    struct agent *a = p->agent;
    if (p->prev)
        p->prev->next = p->next;
    else
        a->peers = p->next;
    if (p->next)
        p->next->prev = p->prev;
    a->peer_count--;
    login_ssh_free(p->ssh);
    xos_conn_free(p->conn);
    xos_free(p);
}

/* The clock is looked at once a minute while something will be due: timers stop when the machine
 * sleeps, certificates do not. */
static void schedule(struct agent *a)
{
    const struct agent_state *s = &a->state;
    const uint64_t boot = xos_env_boot_ms(s->env);
    uint64_t wait = AGENT_TICK_MS_MAX;
    if (s->lock.locked && s->lock.wipe_ms < boot + wait)
        wait = s->lock.wipe_ms > boot ? s->lock.wipe_ms - boot : 0;
    if (s->lock.locked || (a->renewer && s->renew.due_ms))
        xos_timer_set(a->timer, wait);
    else
        xos_timer_cancel(a->timer);
}

static void tick(struct agent *a)
{
    if (lock_over(&a->state.lock, xos_env_boot_ms(a->state.env))) {
        verbs_wipe(&a->state);
        xos_log(XOS_EV_LIMIT, "limit=wipe_after_ms");
    }
    if (a->renewer)
        renewer_tick(a->renewer);
}

static void on_tick(void *arg)
{
    struct agent *a = arg;
    tick(a);
    schedule(a);
}

static void peer_send(struct peer *p, const struct xos_buf *answer)
{
    struct xos_error err;
    if (answer->len &&
        xos_conn_send(p->conn, (struct xos_slice){answer->data, answer->len}, &err) == 0)
        return;
    peer_free(p); /* it does not read what it asked for, or there is no memory */
}

/* A request that waits for an ssh-agent */

static void ssh_over(struct peer *p, const struct xos_buf *answer)
{
    login_ssh_free(p->ssh);
    p->ssh = NULL;
    xos_conn_pause(p->conn, false);
    peer_send(p, answer);
}

static void on_ssh_keys(void *arg, const struct ssh_agent_keys *keys)
{
    struct xos_buf answer = XOS_BUF(AGENT_FRAME_BYTES_MAX);
    verbs_answer_keys(&answer, keys);
    ssh_over(arg, &answer);
    xos_buf_free(&answer);
}

static void on_ssh_signed(void *arg, struct xos_slice ssh_key, struct xos_slice signature)
{
    struct peer *p = arg;
    struct xos_buf answer = XOS_BUF(AGENT_FRAME_BYTES_MAX);
    verbs_answer_proof(&answer, p->key, ssh_key, signature);
    ssh_over(p, &answer);
    xos_buf_free(&answer);
}

static void on_ssh_failed(void *arg, const struct xos_error *why)
{
    struct xos_buf answer = XOS_BUF(AGENT_FRAME_BYTES_MAX);
    verbs_answer_error(&answer, why);
    ssh_over(arg, &answer);
    xos_buf_free(&answer);
}

static int begin_ssh(void *arg, const struct login_ssh_ask *ask, struct xos_error *err)
{
    static const struct login_ssh_ops ops = {on_ssh_keys, on_ssh_signed, on_ssh_failed};
    struct peer *p = arg;
    if (ask->terms)
        memcpy(p->key, ask->terms->key, sizeof(p->key));
    if (login_ssh_begin(&p->ssh, p->agent->loop, ask, &ops, p, err) < 0)
        return -1;
    xos_conn_pause(p->conn, true); /* answers come in order */
    return 0;
}

/* Connections */

static void on_frame(void *arg, struct xos_conn *conn, struct xos_slice frame)
{
    struct peer *p = arg;
    struct agent *a = p->agent;
    struct xos_buf answer = XOS_BUF(AGENT_FRAME_BYTES_MAX);
    (void)conn;
    tick(a); /* nothing is signed past the time at which it should have been wiped */
    /* The frame lies in the connection's own buffer, which nobody else reads. */
    if (verbs_run(&a->state, (uint8_t *)(uintptr_t)frame.data, frame.len, begin_ssh, p, &answer))
        peer_send(p, &answer);
    schedule(a);
    xos_buf_free(&answer);
}

static void on_close(void *arg, struct xos_conn *conn, const struct xos_error *why)
{
    (void)conn;
    if (why->code)
        xos_log_error(XOS_EV_PEER_REFUSED, why, "socket=agent");
    peer_free(arg);
}

static void on_connect(void *arg, int fd, const struct xos_peer *who)
{
    static const struct xos_conn_ops ops = {.on_frame = on_frame, .on_close = on_close};
    struct agent *a = arg;
    struct xos_error err;
    if (who->uid != a->uid || a->peer_count == AGENT_PEERS_MAX) {
        xos_log(XOS_EV_PEER_REFUSED, "uid=%u pid=%d peers=%zu", who->uid, (int)who->pid,
                a->peer_count);
        xos_env_close(a->state.env, fd);
        return;
    }
    struct peer *p = xos_alloc(sizeof(*p));
    if (!p) {
        xos_env_close(a->state.env, fd);
        return;
    }
    const struct xos_conn_config config = {
        .frame_max = AGENT_FRAME_BYTES_MAX, .ops = &ops, .arg = p};
    *p = (struct peer){.agent = a, .next = a->peers};
    if (a->peers)
        a->peers->prev = p;
    a->peers = p;
    a->peer_count++;
    if (xos_conn_new(&p->conn, a->loop, fd, &config, &err) < 0)
        peer_free(p);
}

int agent_new(struct agent **out, const struct agent_config *config, struct xos_error *err)
{
    struct agent *a = xos_alloc(sizeof(*a));
    if (!a)
        return xos_fail(err, XOS_NOMEM, "agent");
    a->loop = config->loop;
    a->uid = config->uid;
    a->state.env = xos_loop_env(config->loop);
    a->state.trust_dir = config->trust_dir;
    if (xos_timer_new(&a->timer, a->loop, on_tick, a, err) < 0 ||
        (config->transport &&
         renewer_new(&a->renewer, a->loop, &a->state, config->transport, err) < 0) ||
        xos_local_listen(&a->local, a->loop, config->socket, 0600, on_connect, a, err) < 0) {
        agent_free(a);
        return -1;
    }
    *out = a;
    return 0;
}

void agent_free(struct agent *a)
{
    if (!a)
        return;
    xos_local_free(a->local);
    while (a->peers)
        peer_free(a->peers);
    renewer_free(a->renewer);
    xos_timer_free(a->timer);
    verbs_wipe(&a->state);
    auth_trust_free(a->state.trust);
    xos_free(a);
}

struct renewer *agent_renewer(struct agent *a)
{
    return a->renewer;
}
