// SPDX-License-Identifier: Apache-2.0
/* The first byte says which: a key blob, a signature under a fixed key, an authorized_keys text, a
 * join token's text. */
#include "tests/lib/ssh_forge.h"
#include "vo-auth/ca/authkeys.h"
#include "vo-auth/core/sshkey.h"
#include "vo-auth/prove.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
    if (!good)
        abort();
}

static void key(struct xos_slice in)
{
    if (auth_sshkey_check(in, NULL) == 0)
        must(auth_sshkey_type_of(in) != NULL && in.len <= AUTH_SSHKEY_BYTES_MAX);
}

static void signature(struct xos_slice in)
{
    static struct ssh_forge_bytes keys[3];
    const enum ssh_forge_kind kinds[] = {SSH_ED25519, SSH_P256, SSH_RSA};
    const size_t i = in.len % 3;
    if (!keys[i].len)
        ssh_forge_blob(&keys[i], kinds[i]);
    /* Nobody signs by chance. */
    must(auth_sshkey_verify(ssh_forge_slice(&keys[i]), (struct xos_slice){in.data, in.len / 2}, in,
                            NULL) < 0);
}

static void enrolled(struct xos_slice in)
{
    static struct ssh_forge_bytes blob;
    if (!blob.len)
        ssh_forge_blob(&blob, SSH_ED25519);
    must(!ca_authkeys_has(in, ssh_forge_slice(&blob)));
    must(ca_authkeys_count(in) <= in.len / 16);
}

static void token(struct xos_slice in)
{
    struct auth_token t;
    char text[AUTH_TOKEN_TEXT_BYTES];
    if (auth_token_parse(&t, in, NULL) < 0)
        return;
    must(auth_token_print(&t, text, NULL) == 0 && in.len >= strlen(text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const readers[])(struct xos_slice) = {key, signature, enrolled, token};
    if (size > 0)
        readers[data[0] % 4]((struct xos_slice){data + 1, size - 1});
    return 0;
}
