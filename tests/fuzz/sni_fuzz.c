// SPDX-License-Identifier: Apache-2.0
/* A stranger's first bytes at a gateway. */
#include "libxos/net/sni.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char name[XOS_SNI_NAME_BYTES];
    struct xos_error err;
    int whole = xos_sni_peek((struct xos_slice){data, len}, name, &err);
    if (whole == 1)
        assert(strlen(name) < XOS_SNI_NAME_BYTES);
    /* A verdict does not change when more comes, but from "more" to one of the others. */
    int half = xos_sni_peek((struct xos_slice){data, len / 2}, name, &err);
    assert(half == 0 || half == whole || (half == 1 && len > XOS_SNI_BYTES_MAX));
    return 0;
}
