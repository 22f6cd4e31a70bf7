// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: bytes on a connection end a node, or are served as somebody's who has not
 * signed them. The first byte says from where they come and whether alice signs what they hold; the
 * rest is an envelope. */
#include "tests/lib/gatebed.h"
#include "tests/lib/xtest.h"

#include "libxos/base/telemetry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
    if (!good)
        abort();
}

static void quiet(enum xos_log_level level, const char *line, void *arg)
{
    (void)level;
    (void)line;
    (void)arg;
}

static struct gatebed *bed(void)
{
    static struct gatebed b;
    static bool made;
    char dir[128];
    (void)snprintf(dir, sizeof(dir), "%s/gate", xt_dir());
    if (!made) {
        xos_log_sink(quiet, NULL);
        must(gatebed_open(&b, dir, NULL) == 0);
    }
    made = true;
    return &b;
}

/* The envelope with alice's chain and her signature over its header: NULL when it is none. */
static bool sign(const struct gatebed *b, struct xos_slice in, struct xos_buf *out)
{
    struct xos_envelope e = {.kind = XOS_ENVELOPE_NONE};
    uint8_t signature[XOS_SIGNATURE_BYTES];
    struct gatebed_ask alice;
    bool good = xos_envelope_decode(&e, in, NULL) == 0;
    if (good) {
        gatebed_ask_init(&alice, b, GATEBED_ALICE, "");
        memcpy(e.chain, alice.chain, sizeof(e.chain));
        e.chain_count = 2;
        must(xos_key_sign(alice.key, XOS_REQUEST_DOMAIN, e.header, signature, NULL) == 0);
        e.signature = (struct xos_slice){signature, sizeof(signature)};
        good = xos_envelope_encode(&e, out, NULL) == 0;
    }
    xos_envelope_free(&e);
    return good;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct xos_peer me = {.uid = 7};
    struct gatebed *b = bed();
    struct gatebed_answer answer;
    struct xos_buf resigned = XOS_BUF(XOS_ENVELOPE_BYTES_MAX);
    unsigned served = b->served;
    if (size < 1)
        return 0;
    struct xos_slice in = {data + 1, size - 1};
    bool by_alice = (data[0] & 2) && sign(b, in, &resigned);
    if (by_alice)
        in = fixture_slice(&resigned);
    must(gatebed_send(b, in, data[0] & 1 ? &me : NULL, &answer, NULL) == 0);
    if (b->served > served) {
        must(b->served == served + 1 && answer.code == XOS_NONE);
        /* What is in the corpus as another's is signed by him, and fresh once only. */
        must(b->caller.kind == XOS_CALLER_LOCAL || b->caller.kind == XOS_CALLER_SIGNED);
        must(!by_alice || b->caller.kind != XOS_CALLER_SIGNED ||
             strcmp(b->caller.name, "alice@inria") == 0);
    }
    xos_buf_free(&resigned);
    return 0;
}
