// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a node that was broken into takes over the terminals of those who watch it. */
#include "client/job_event.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text)
{
    size_t len = strnlen(text, CLIENT_EVENT_TEXT_MAX);
    assert(len < CLIENT_EVENT_TEXT_MAX);
    for (size_t i = 0; i < len; i++)
        assert(text[i] >= 0x20 && text[i] < 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct client_job_event e;
    struct xos_error err;
    if (client_job_event_decode(&e, (struct xos_slice){data, size}, &err) < 0)
        return 0;
    check_text(e.event.node);
    check_text(e.event.reason);
    check_text(e.event.user);
    assert(xos_unit_end_name(e.event.end));
    return 0;
}
