// SPDX-License-Identifier: Apache-2.0
/* The first byte says the slot and what the rest is: a leaf under the known CA as it comes; a leaf
 * that the known CA signs, so that the steps behind the signature are reached; or a CA and a leaf
 * one after the other. Nothing but the fixture's own certificates may pass. */
#include "tests/lib/fuzz_auth.h"

#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void verify(const struct xos_slice *chain, size_t count, enum auth_kind slot)
{
    struct auth_context ctx = fuzz_auth_world()->f.ctx;
    struct auth_principal p = {0};
    struct xos_error err;
    ctx.slot = slot;
    if (auth_verify(chain, count, &ctx, &p, &err) < 0 && err.code == XOS_NONE)
        abort();
    auth_principal_free(&p);
}

/* Have the CA sign whatever it is. */
static void signed_leaf(struct xos_slice der, enum auth_kind slot)
{
    const struct fixture *f = &fuzz_auth_world()->f;
    const uint8_t *at = der.data;
    X509 *x = d2i_X509(NULL, &at, (long)der.len);
    uint8_t *out = NULL;
    int len = x && X509_sign(x, xos_key_evp(f->ca.key), NULL) > 0 ? i2d_X509(x, &out) : 0;
    if (len > 0) {
        struct xos_slice chain[] = {{out, (size_t)len}, fixture_slice(&f->ca.der)};
        verify(chain, 2, slot);
    }
    OPENSSL_free(out);
    X509_free(x);
}

static void two(struct xos_slice both, enum auth_kind slot)
{
    const struct fixture *f = &fuzz_auth_world()->f;
    size_t first = both.len > 4 ? (size_t)both.data[2] << 8 | both.data[3] : 0;
    first = first + 4 < both.len ? first + 4 : both.len;
    struct xos_slice chain[] = {
        {both.data, first}, {both.data + first, both.len - first}, fixture_slice(&f->root.der)};
    verify(chain, slot == AUTH_KIND_CA ? 1 : 3, slot);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const struct fixture *f = &fuzz_auth_world()->f;
    const enum auth_kind slot = (enum auth_kind)(AUTH_KIND_USER + data[0] % 4);
    struct xos_slice der = {data + 1, size - 1};
    struct xos_slice chain[] = {der, fixture_slice(&f->ca.der), fixture_slice(&f->root.der)};
    switch (data[0] / 4 % 4) {
    case 0:
        verify(chain, slot == AUTH_KIND_CA ? 1 : 3, slot);
        break;
    case 1:
        two(der, slot);
        break;
    case 2: {
        struct auth_anchors set = {0};
        (void)auth_anchors_add(&set, "inria", der, NULL);
        auth_anchors_free(&set);
        break;
    }
    default:
        signed_leaf(der, slot);
    }
    return 0;
}
