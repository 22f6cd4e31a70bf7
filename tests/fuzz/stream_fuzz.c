// SPDX-License-Identifier: Apache-2.0
/* The frames of an attached stream, and every other body that a client may send: decoding is
 * tolerant, and what decodes can be packed again. */
#include "jobmgr/jobmgr.pb-c.h"
#include "libxos/wire/pb.h"

#include <stdlib.h>

#define BODY_BYTES_MAX ((size_t)1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const ProtobufCMessageDescriptor *const types[] = {
    &xos__job__stream_pb__descriptor,      &xos__job__attach_pb__descriptor,
    &xos__job__submit_pb__descriptor,      &xos__job__list_pb__descriptor,
    &xos__job__signal_pb__descriptor,      &xos__job__claim_pb__descriptor,
    &xos__job__hold_pb__descriptor,        &xos__job__start_pb__descriptor,
    &xos__job__unit_report_pb__descriptor, &xos__job__jobs_pb__descriptor,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct xos_buf again = XOS_BUF(2 * BODY_BYTES_MAX);
    if (size == 0)
        return 0;
    void *m = xos_pb_unpack(types[data[0] % (sizeof(types) / sizeof(types[0]))],
                            (struct xos_slice){data + 1, size - 1}, BODY_BYTES_MAX, XOS_PB_TOLERANT,
                            NULL);
    if (m && xos_pb_pack(m, &again, NULL) < 0)
        abort();
    xos_pb_free(m);
    xos_buf_free(&again);
    return 0;
}
