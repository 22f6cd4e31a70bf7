// SPDX-License-Identifier: Apache-2.0
/* The frames of a ZAP request: each begins with its length in one byte. */
#include "libxos/net/zap.h"

#include <assert.h>

#define FRAMES_MAX 10

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct xos_slice frames[FRAMES_MAX];
    struct xos_zap_request request;
    struct xos_address address;
    struct xos_error err;
    size_t count = 0;
    while (size > 0 && count < FRAMES_MAX) {
        size_t len = data[0];
        data++;
        size--;
        if (len > size)
            len = size;
        frames[count++] = (struct xos_slice){data, len};
        data += len;
        size -= len;
    }
    if (xos_zap_parse(frames, count, &request, &err) == 0)
        assert(count == 7 && frames[6].len == sizeof(request.key) &&
               xos_address_parse(&address, request.address, NULL) == 0);
    return 0;
}
