// SPDX-License-Identifier: Apache-2.0
/* login_ssh.h - have the user's ssh-agent sign a login.
 *
 * Two questions over one connection: which keys, and sign with this one. The signature is checked
 * before it is handed on, so that a login never fails at the CA for what ssh-agent did. */
#ifndef VO_AUTH_AGENT_LOGIN_SSH_H
#define VO_AUTH_AGENT_LOGIN_SSH_H

#include "libxos/net/conn.h"
#include "vo-auth/agent/ssh_agent.h"

#define LOGIN_SSH_KEYS_MS_MAX 5000
#define LOGIN_SSH_SIGN_MS_MAX 30000 /* time to touch a hardware key, or to confirm */

struct login_ssh;

/* One of them comes, once, from the loop; it may free. What it gives is borrowed. */
struct login_ssh_ops {
    void (*on_keys)(void *arg, const struct ssh_agent_keys *keys);
    /* Both in SSH's form; the signature is over auth_login_blob (prove.h). */
    void (*on_signed)(void *arg, struct xos_slice key, struct xos_slice signature);
    void (*on_failed)(void *arg, const struct xos_error *why);
};

/* Everything is borrowed for the call. */
struct login_ssh_ask {
    const char *socket;                   /* $SSH_AUTH_SOCK */
    const struct auth_login_terms *terms; /* NULL: only the list of keys is wanted */
    struct xos_slice key;                 /* which; len 0: the best */
    uint64_t sign_ms_max;                 /* 0: LOGIN_SSH_SIGN_MS_MAX */
};

int login_ssh_begin(struct login_ssh **out, struct xos_loop *loop, const struct login_ssh_ask *ask,
                    const struct login_ssh_ops *ops, void *arg, struct xos_error *err);
void login_ssh_free(struct login_ssh *l);

#endif
