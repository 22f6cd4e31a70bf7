// SPDX-License-Identifier: Apache-2.0
/* What decodes is within its limits, and comes back when it is encoded and decoded again. */
#include "libxos/wire/envelope.h"
#include "libxos/wire/key.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
    if (!good)
        abort();
}

static bool same(struct xos_slice a, struct xos_slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static void check(const struct xos_envelope *e)
{
    must(e->kind >= XOS_ENVELOPE_REQUEST && e->kind <= XOS_ENVELOPE_CANCEL);
    must(e->chain_count <= XOS_CHAIN_MAX && e->header.len <= XOS_HEADER_BYTES_MAX);
    must(e->signature.len == 0 || e->signature.len == XOS_SIGNATURE_BYTES);
    must(e->body.len <= XOS_BODY_BYTES_MAX);
    for (size_t i = 0; i < e->chain_count; i++)
        must(e->chain[i].len <= XOS_CERTIFICATE_BYTES_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct xos_envelope e, again;
    struct xos_buf bytes = XOS_BUF(XOS_ENVELOPE_BYTES_MAX);
    if (xos_envelope_decode(&e, (struct xos_slice){data, size}, NULL) < 0)
        return 0;
    check(&e);
    must(xos_envelope_encode(&e, &bytes, NULL) == 0);
    must(xos_envelope_decode(&again, (struct xos_slice){bytes.data, bytes.len}, NULL) == 0);
    must(again.kind == e.kind && again.call == e.call && again.chain_count == e.chain_count);
    must(same(again.header, e.header) && same(again.body, e.body));
    for (size_t i = 0; i < e.chain_count; i++)
        must(same(again.chain[i], e.chain[i]));
    xos_envelope_free(&again);
    xos_envelope_free(&e);
    xos_buf_free(&bytes);
    return 0;
}
