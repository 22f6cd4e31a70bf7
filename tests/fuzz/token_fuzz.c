// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: what somebody pastes as a join token ends xosd, or means two things. */
#include "vo-auth/prove.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
    if (!good)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[AUTH_TOKEN_TEXT_BYTES];
    struct auth_token token, again;
    struct xos_error err = {0};
    if (auth_token_parse(&token, (struct xos_slice){data, size}, &err) < 0) {
        must(err.code == XOS_INVALID && err.text[0]);
        return 0;
    }
    must(auth_token_print(&token, text, NULL) == 0);
    must(auth_token_parse(&again, (struct xos_slice){(const uint8_t *)text, strlen(text)}, NULL) ==
         0);
    must(memcmp(&token, &again, sizeof(token)) == 0);
    return 0;
}
