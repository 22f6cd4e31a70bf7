// SPDX-License-Identifier: Apache-2.0
#include "tests/lib/disc.h"

#include <stdio.h>
#include <string.h>

static const uint8_t signature[64] = "not a signature";

int disc_test_descriptor(struct descriptor *out, const char *name, const char *institution,
                         uint64_t seq, struct xos_error *err)
{
    struct xos_buf wire = XOS_BUF(DESCRIPTOR_BYTES_MAX);
    struct descriptor d = {.seq = seq, .expiry_ms = DISC_TEST_REAL_MS + 3600000};
    struct descriptor_reach reach = {.address_count = 1};
    (void)snprintf(d.node, sizeof(d.node), "%s.%s", name, institution);
    (void)snprintf(d.institution, sizeof(d.institution), "%s", institution);
    (void)snprintf(reach.addresses[0].host, sizeof(reach.addresses[0].host), "192.0.2.1");
    reach.addresses[0].overlay_port = 7401;
    reach.addresses[0].bulk_port = 7402;
    memset(reach.curve_key, 0x5a, sizeof(reach.curve_key));
    int rc = descriptor_state(&wire, &d, &reach, err);
    if (rc == 0)
        rc = descriptor_parse(out, (struct xos_slice){wire.data, wire.len},
                              (struct xos_slice){signature, sizeof(signature)}, err);
    xos_buf_free(&wire);
    return rc;
}

int disc_test_row(struct disc_test_row *out, const char *node, uint64_t incarnation, uint64_t seq,
                  int64_t expiry_ms, enum row_state state, const char *body, struct xos_error *err)
{
    struct xos_buf wire = XOS_BUF(ROW_BYTES_MAX);
    struct row_record r = {
        .node = node,
        .incarnation = incarnation,
        .seq = seq,
        .expiry_ms = expiry_ms,
        .state = state,
        .body = {(const uint8_t *)body, strlen(body)},
    };
    int rc = row_state_bytes(&wire, &r, err);
    if (rc == 0) {
        memcpy(out->bytes, wire.data, wire.len);
        rc = row_parse(&out->record, out->node, (struct xos_slice){out->bytes, wire.len},
                       (struct xos_slice){signature, sizeof(signature)}, err);
    }
    xos_buf_free(&wire);
    return rc;
}
