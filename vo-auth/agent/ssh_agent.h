// SPDX-License-Identifier: Apache-2.0
/* ssh_agent.h - what is said to an ssh-agent and what it answers (draft-miller-ssh-agent).
 *
 * Pure. Messages are here without their length, which is framed as our own frames are (four bytes,
 * big-endian). What an ssh-agent answers is checked as anything from outside. */
#ifndef VO_AUTH_AGENT_SSH_AGENT_H
#define VO_AUTH_AGENT_SSH_AGENT_H

#include "vo-auth/core/sshkey.h"
#include "vo-auth/prove.h"

#define SSH_AGENT_FRAME_BYTES_MAX ((size_t)256 << 10)
#define SSH_AGENT_KEYS_MAX 128
#define SSH_AGENT_COMMENT_BYTES_MAX 256 /* a longer one is cut */

struct ssh_agent_key {
    struct xos_slice key; /* SSH's form */
    struct xos_slice comment;
    const struct auth_sshkey_type *type;
};

/* Those that can be used, the best type first, else as the ssh-agent has them. */
struct ssh_agent_keys {
    struct ssh_agent_key at[SSH_AGENT_KEYS_MAX];
    size_t count;
    size_t others; /* DSA, certificates, unknown types, malformed */
};

int ssh_agent_ask_keys(struct xos_buf *out, struct xos_error *err);

/* *out borrows from the message. */
int ssh_agent_read_keys(struct ssh_agent_keys *out, struct xos_slice message,
                        struct xos_error *err);

/* The wanted key, or the best when none is (len 0); borrowed. NULL: the error says what to do. */
const struct ssh_agent_key *ssh_agent_choose(const struct ssh_agent_keys *keys,
                                             struct xos_slice wanted, struct xos_error *err);

int ssh_agent_ask_sign(struct xos_buf *out, const struct ssh_agent_key *key, struct xos_slice data,
                       struct xos_error *err);

/* *signature, in SSH's form, borrows from the message. XOS_DENIED: it refused. */
int ssh_agent_read_signature(struct xos_slice *signature, struct xos_slice message,
                             struct xos_error *err);

#endif
