// SPDX-License-Identifier: Apache-2.0
#include "client/text.h"

#include "libxos/base/alloc.h"

#include <string.h>

const char *client_text_put(char **to, ProtobufCBinaryData from)
{
    char *at = *to;
    if (from.len)
        memcpy(at, from.data, from.len);
    at[from.len] = '\0';
    *to += from.len + 1;
    return at;
}

char *client_text_dup(ProtobufCBinaryData from)
{
    char *text = xos_alloc(from.len + 1), *end = text;
    if (text)
        (void)client_text_put(&end, from);
    return text;
}
