// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: what one node says of itself ends the others, does not fit when it is passed
 * on, or counts without that node's signature. The first byte: a row's body, or a row with its
 * proof (two bytes of length, the statement, the proof). */
#include "discovery/body.h"
#include "discovery/proof.h"
#include "tests/lib/gatebed.h"
#include "tests/lib/xtest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
    if (!good)
        abort();
}

static struct auth_trust *trust(void)
{
    static struct gatebed b;
    static bool made;
    char dir[128];
    (void)snprintf(dir, sizeof(dir), "%s/row", xt_dir());
    must(made || gatebed_open(&b, dir, NULL) == 0);
    made = true;
    return b.trust;
}

static void body(struct xos_slice in)
{
    struct node_body b = {.roles = 0}, again = {.roles = 0};
    struct xos_buf out = XOS_BUF(BODY_READ_BYTES_MAX);
    if (node_body_read(&b, in, NULL) == 0 && node_body_write(&out, &b, NULL) == 0) {
        must(out.len <= BODY_BYTES_MAX);
        must(node_body_read(&again, (struct xos_slice){out.data, out.len}, NULL) == 0);
        must(b.roles == again.roles && b.reach.count == again.reach.count);
    }
    node_body_free(&b);
    node_body_free(&again);
    xos_buf_free(&out);
}

/* Nobody who made these bytes has a key: a row that passes is one of the corpus, whole. */
static void row(struct xos_slice in)
{
    char node[NODE_NAME_BYTES_MAX + 1];
    struct row_record r;
    if (in.len < 2)
        return;
    size_t len = (size_t)in.data[0] << 8 | in.data[1];
    if (len > in.len - 2)
        return;
    struct xos_slice statement = {in.data + 2, len}, proof = {in.data + 2 + len, in.len - 2 - len};
    if (row_parse(&r, node, statement, proof, NULL) == 0 &&
        proof_check_row(trust(), &r, FIXTURE_NOW_MS, NULL) == 0)
        must(strcmp(r.node, GATEBED_NODE) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    (data[0] & 1 ? row : body)((struct xos_slice){data + 1, size - 1});
    return 0;
}
