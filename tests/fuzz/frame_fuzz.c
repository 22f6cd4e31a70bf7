// SPDX-License-Identifier: Apache-2.0
/* The first byte says in which pieces the stream comes. However it is cut, the same frames come
 * out, and the reader never keeps more than two of them. */
#include "libxos/wire/frame.h"

#include <stdlib.h>

#define PAYLOAD_MAX 300

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
    if (!good)
        abort();
}

/* A sum over all frames, and how the stream ended. */
static uint64_t read_in(size_t piece, const uint8_t *data, size_t size)
{
    struct xos_frame_reader r;
    struct xos_slice frame;
    uint64_t sum = 1469598103934665603u;
    int got = 0;
    xos_frame_reader_init(&r, PAYLOAD_MAX);
    for (size_t at = 0; at < size && got >= 0; at += piece) {
        size_t len = size - at < piece ? size - at : piece;
        must(xos_frame_feed(&r, (struct xos_slice){data + at, len}, NULL) == 0);
        while ((got = xos_frame_next(&r, &frame, NULL)) == 1) {
            must(frame.len <= PAYLOAD_MAX);
            sum = (sum ^ frame.len) * 1099511628211u;
            for (size_t i = 0; i < frame.len; i++)
                sum = (sum ^ frame.data[i]) * 1099511628211u;
        }
        must(r.buf.len <= 2 * (PAYLOAD_MAX + XOS_FRAME_HEAD_BYTES));
    }
    xos_frame_reader_free(&r);
    return got < 0 ? ~sum : sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    must(read_in(1 + data[0] % PAYLOAD_MAX, data + 1, size - 1) == read_in(7, data + 1, size - 1));
    return 0;
}
