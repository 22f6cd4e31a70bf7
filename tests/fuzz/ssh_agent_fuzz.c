// SPDX-License-Identifier: Apache-2.0
/* What an ssh-agent answers: the first byte says whether it is a list of keys, a signature, or a
 * key (behind one length byte) with a signature by it. */
#include "vo-auth/agent/ssh_agent.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
    if (!good)
        abort();
}

static void list(struct xos_slice message)
{
    static struct ssh_agent_keys keys;
    struct xos_buf out = XOS_BUF(SSH_AGENT_FRAME_BYTES_MAX);
    if (ssh_agent_read_keys(&keys, message, NULL) < 0)
        return;
    must(keys.count <= SSH_AGENT_KEYS_MAX);
    for (size_t i = 0; i < keys.count; i++) {
        const struct ssh_agent_key *k = ssh_agent_choose(&keys, keys.at[i].key, NULL);
        must(k && auth_sshkey_check(k->key, NULL) == 0);
        must(i == 0 || keys.at[i - 1].type <= keys.at[i].type);
        must(ssh_agent_ask_sign(&out, k, message, NULL) == 0 || message.len > 1000);
        xos_buf_clear(&out);
    }
    xos_buf_free(&out);
}

static void signature(struct xos_slice message)
{
    struct xos_slice s;
    if (ssh_agent_read_signature(&s, message, NULL) == 0)
        must(s.len + 5 == message.len);
}

/* Whoever chooses the key can sign; this looks for what reading does to memory. */
static void verify(struct xos_slice in)
{
    const size_t at = in.len ? in.data[0] : 0;
    if (in.len < 1 + at)
        return;
    (void)auth_sshkey_verify((struct xos_slice){in.data + 1, at}, in,
                             (struct xos_slice){in.data + 1 + at, in.len - 1 - at}, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const parts[])(struct xos_slice) = {list, signature, verify};
    if (size > 0)
        parts[data[0] % 3]((struct xos_slice){data + 1, size - 1});
    return 0;
}
