// SPDX-License-Identifier: Apache-2.0
#include "vo-auth/agent/ssh_agent.h"

#include "vo-auth/core/sshwire.h"

#include <string.h>

enum {
    SSH_AGENT_FAILURE = 5,
    SSH_AGENTC_REQUEST_IDENTITIES = 11,
    SSH_AGENT_IDENTITIES_ANSWER = 12,
    SSH_AGENTC_SIGN_REQUEST = 13,
    SSH_AGENT_SIGN_RESPONSE = 14,
};
#define SSH_AGENT_RSA_SHA2_512 4 /* flag */

static int put_type(struct xos_buf *out, uint8_t type, struct xos_error *err)
{
    return xos_buf_add(out, &type, 1, err);
}

int ssh_agent_ask_keys(struct xos_buf *out, struct xos_error *err)
{
    return put_type(out, SSH_AGENTC_REQUEST_IDENTITIES, err);
}

/* What is meant by an answer that is not the one that was asked for. */
static int other_answer(uint8_t type, struct xos_error *err)
{
    if (type == SSH_AGENT_FAILURE)
        return xos_fail(err, XOS_DENIED, "ssh-agent refused");
    return xos_fail(err, XOS_PROTOCOL, "ssh-agent: an answer of the unexpected type %u", type);
}

static int begin(struct xos_slice *message, uint8_t wanted, struct xos_error *err)
{
    uint8_t type;
    if (!auth_ssh_take_byte(message, &type))
        return xos_fail(err, XOS_PROTOCOL, "ssh-agent: an empty answer");
    return type == wanted ? 0 : other_answer(type, err);
}

/* Sorted by type; equal ones stay in their order. */
static void insert(struct ssh_agent_keys *keys, const struct ssh_agent_key *key)
{
    size_t i = keys->count++;
    for (; i > 0 && keys->at[i - 1].type > key->type; i--)
        keys->at[i] = keys->at[i - 1];
    keys->at[i] = *key;
}

static int take_key(struct ssh_agent_keys *keys, struct xos_slice *in, struct xos_error *err)
{
    struct ssh_agent_key k;
    if (!auth_ssh_take_string(in, &k.key) || !auth_ssh_take_string(in, &k.comment))
        return xos_fail(err, XOS_PROTOCOL, "ssh-agent: its list of keys is not well formed");
    if (k.comment.len > SSH_AGENT_COMMENT_BYTES_MAX)
        k.comment.len = SSH_AGENT_COMMENT_BYTES_MAX;
    k.type = auth_sshkey_type_of(k.key);
    struct xos_error why = {0};
    const int good = k.type ? auth_sshkey_check(k.key, &why) : -1;
    if (good < 0 && why.code == XOS_NOMEM)
        return xos_fail(err, XOS_NOMEM, "ssh-agent: keys");
    if (good < 0)
        keys->others++;
    else if (keys->count == SSH_AGENT_KEYS_MAX)
        return xos_fail(err, XOS_LIMIT, "SSH_AGENT_KEYS_MAX: ssh-agent has more than %d keys",
                        SSH_AGENT_KEYS_MAX);
    else
        insert(keys, &k);
    return 0;
}

int ssh_agent_read_keys(struct ssh_agent_keys *out, struct xos_slice message, struct xos_error *err)
{
    struct ssh_agent_keys keys = {.count = 0};
    uint32_t count;
    if (begin(&message, SSH_AGENT_IDENTITIES_ANSWER, err) < 0)
        return -1;
    if (!auth_ssh_take_u32(&message, &count) || count > SSH_AGENT_FRAME_BYTES_MAX / 8)
        return xos_fail(err, XOS_PROTOCOL, "ssh-agent: its list of keys is not well formed");
    for (uint32_t i = 0; i < count; i++)
        if (take_key(&keys, &message, err) < 0)
            return -1;
    if (message.len)
        return xos_fail(err, XOS_PROTOCOL, "ssh-agent: something follows its list of keys");
    *out = keys;
    return 0;
}

const struct ssh_agent_key *ssh_agent_choose(const struct ssh_agent_keys *keys,
                                             struct xos_slice wanted, struct xos_error *err)
{
    for (size_t i = 0; i < keys->count; i++)
        if (wanted.len == 0 || auth_slice_equal(keys->at[i].key, wanted))
            return &keys->at[i];
    if (keys->count)
        xos_fail(err, XOS_NOT_FOUND, "ssh-agent does not have that key: add it with ssh-add");
    else if (keys->others)
        xos_fail(err, XOS_UNSUPPORTED,
                 "ssh-agent has no key of a type that is taken (Ed25519, ECDSA, RSA from %d bits): "
                 "make one with ssh-keygen -t ed25519 and add it with ssh-add",
                 AUTH_SSHKEY_RSA_BITS_MIN);
    else
        xos_fail(err, XOS_NOT_FOUND,
                 "ssh-agent has no keys: add yours with ssh-add (or unlock it with ssh-add -X)");
    return NULL;
}

static int sign_put(struct xos_buf *out, const struct ssh_agent_key *key, struct xos_slice data,
                    struct xos_error *err)
{
    const uint32_t flags = key->type->family == AUTH_SSHKEY_RSA ? SSH_AGENT_RSA_SHA2_512 : 0;
    if (put_type(out, SSH_AGENTC_SIGN_REQUEST, err) < 0 ||
        auth_ssh_put_string(out, key->key, err) < 0 || auth_ssh_put_string(out, data, err) < 0)
        return -1;
    return auth_ssh_put_u32(out, flags, err);
}

int ssh_agent_ask_sign(struct xos_buf *out, const struct ssh_agent_key *key, struct xos_slice data,
                       struct xos_error *err)
{
    const size_t before = out->len;
    if (sign_put(out, key, data, err) == 0)
        return 0;
    xos_buf_cut(out, before);
    return -1;
}

int ssh_agent_read_signature(struct xos_slice *signature, struct xos_slice message,
                             struct xos_error *err)
{
    struct xos_slice s;
    if (begin(&message, SSH_AGENT_SIGN_RESPONSE, err) < 0)
        return -1;
    if (!auth_ssh_take_string(&message, &s) || message.len)
        return xos_fail(err, XOS_PROTOCOL, "ssh-agent: its signature is not well formed");
    *signature = s;
    return 0;
}
