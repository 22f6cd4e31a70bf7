// SPDX-License-Identifier: Apache-2.0
/* The first byte says whether a request's or an answer's header follows. What decodes has one form:
 * encoded again it is the same bytes; an answer's unknown code alone may come back as another. */
#include "libxos/wire/header.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
    if (!good)
        abort();
}

static void request(struct xos_slice in)
{
    struct xos_request r;
    struct xos_request_context here = {.node = "n1.inria", .institution = "inria"};
    struct xos_buf again = XOS_BUF(XOS_HEADER_BYTES_MAX);
    if (xos_request_decode(&r, in, NULL) < 0)
        return;
    must(r.has_boot_id != r.has_operation_id);
    must(xos_request_encode(&r, &again, NULL) == 0);
    must(again.len == in.len && memcmp(again.data, in.data, in.len) == 0);
    here.now_ms = r.issued_ms;
    if (xos_request_check(&r, &here, NULL) == 0)
        must(r.expires_ms - r.issued_ms <= XOS_HEADER_LIFE_MS_MAX);
    xos_buf_free(&again);
}

static void answer(struct xos_slice in)
{
    struct xos_answer a;
    struct xos_buf again = XOS_BUF(XOS_HEADER_BYTES_MAX);
    if (xos_answer_decode(&a, in, NULL) < 0)
        return;
    must(xos_answer_encode(&a, &again, NULL) == 0);
    if (a.code != XOS_INTERNAL)
        must(again.len == in.len && memcmp(again.data, in.data, in.len) == 0);
    xos_buf_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct xos_slice in = {data + 1, size - 1};
    if (data[0] % 2)
        answer(in);
    else
        request(in);
    return 0;
}
