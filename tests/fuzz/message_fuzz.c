// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a message of another node, of xos-ca or of an agent ends who reads it, or
 * means two things. The first byte names the message. */
#include "discovery/discovery.pb-c.h"
#include "jobmgr/jobmgr.pb-c.h"
#include "libxos/wire/pb.h"
#include "libxos/wire/wire.pb-c.h"
#include "vo-auth/agent/agent.pb-c.h"
#include "vo-auth/ca.pb-c.h"
#include "xosd/xosd.pb-c.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BUDGET ((size_t)1 << 20)

static const ProtobufCMessageDescriptor *const types[] = {
    &xos__node__hello_pb__descriptor,
    &xos__discovery__row_body__descriptor,
    &xos__discovery__statement_proof__descriptor,
    &xos__discovery__nodes_ask__descriptor,
    &xos__discovery__nodes__descriptor,
    &xos__discovery__remembered__descriptor,
    &xos__wire__answer_header_pb__descriptor,
    &ca__request__descriptor,
    &ca__answer__descriptor,
    &ca__nonce__descriptor,
    &ca__issued__descriptor,
    &ca__attr__descriptor,
    &ca__attr_list__descriptor,
    &ca__attr_request__descriptor,
    &ca__crl__descriptor,
    &ca__status__descriptor,
    &ca__stored_revocations__descriptor,
    &agent__answer__descriptor,
    &agent__status_answer__descriptor,
    &agent__verify_node_answer__descriptor,
    &xos__job__jobs_pb__descriptor,
    &xos__job__hold_pb__descriptor,
    &xos__job__hold_answer_pb__descriptor,
    &xos__job__claim_pb__descriptor,
    &xos__job__unit_report_pb__descriptor,
    &xos__job__attached_pb__descriptor,
};

static void must(bool good)
{
    if (!good)
        abort();
}

static void tolerant(const ProtobufCMessageDescriptor *type, struct xos_slice in)
{
    xos_pb_free(xos_pb_unpack(type, in, BUDGET, XOS_PB_TOLERANT, NULL));
}

/* One encoding: what is taken strictly is packed to the same bytes. */
static void strict(const ProtobufCMessageDescriptor *type, struct xos_slice in)
{
    struct xos_buf out = XOS_BUF(2 * BUDGET);
    ProtobufCMessage *m = xos_pb_unpack(type, in, BUDGET, XOS_PB_STRICT, NULL);
    if (m) {
        must(xos_pb_pack(m, &out, NULL) == 0 && out.len == in.len);
        must(!in.len || memcmp(out.data, in.data, in.len) == 0);
    }
    xos_pb_free(m);
    xos_buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    const ProtobufCMessageDescriptor *type = types[data[0] % (sizeof(types) / sizeof(types[0]))];
    tolerant(type, (struct xos_slice){data + 1, size - 1});
    strict(type, (struct xos_slice){data + 1, size - 1});
    return 0;
}
