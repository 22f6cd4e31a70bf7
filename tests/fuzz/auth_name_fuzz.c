// SPDX-License-Identifier: Apache-2.0
/* The first byte is the kind, the rest the text. What parses prints back to the same bytes. */
#include "vo-auth/core/name.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
    if (!good)
        abort();
}

static void one(enum auth_name_kind kind, struct xos_slice text)
{
    struct auth_name n, again;
    char printed[AUTH_NAME_BYTES_MAX + 1];
    if (auth_name_parse(&n, kind, text, "inria", NULL) < 0)
        return;
    auth_name_print(&n, printed);
    must(auth_name_parse(&again, kind, auth_slice(printed), NULL, NULL) == 0);
    must(auth_name_equal(&n, &again));
    if (auth_name_parse(&again, kind, text, NULL, NULL) == 0)
        must(strlen(printed) == text.len && memcmp(printed, text.data, text.len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char quoted[AUTH_QUOTE_BYTES], printed[AUTH_NAME_BYTES_MAX + 1];
    struct auth_name n;
    if (size == 0)
        return 0;
    struct xos_slice text = {data + 1, size - 1};
    one((enum auth_name_kind)(AUTH_NAME_INSTITUTION +
                              data[0] % (AUTH_NAME_VOLUME - AUTH_NAME_INSTITUTION + 1)),
        text);
    (void)auth_name_parse_acting(&n, text, "inria", NULL);
    if (auth_name_parse_uri(&n, text, NULL) == 0) {
        auth_name_print_uri(&n, printed);
        must(strlen(printed) == text.len && memcmp(printed, text.data, text.len) == 0);
    }
    must(strlen(auth_quote(text, quoted)) < AUTH_QUOTE_BYTES);
    return 0;
}
