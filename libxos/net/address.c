// SPDX-License-Identifier: Apache-2.0
#include "libxos/net/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define PORT_MAX 65535u

static const uint8_t v4_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

/* The text without its brackets; false when it is too long or its brackets do not match. */
static bool unbracket(char out[static XOS_ADDRESS_TEXT_MAX], const char *text)
{
    size_t len = strlen(text);
    bool open = len > 0 && text[0] == '[', close = len > 1 && text[len - 1] == ']';
    if (open != close || len >= XOS_ADDRESS_TEXT_MAX)
        return false;
    size_t skip = open ? 1 : 0;
    memcpy(out, text + skip, len - 2 * skip);
    out[len - 2 * skip] = '\0';
    return true;
}

int xos_address_parse(struct xos_address *out, const char *text, struct xos_error *err)
{
    char bare[XOS_ADDRESS_TEXT_MAX];
    struct xos_address a;
    if (!unbracket(bare, text))
        return xos_fail(err, XOS_INVALID, "'%.64s' is not an IP address", text);
    if (inet_pton(AF_INET, bare, a.bytes + sizeof(v4_prefix)) == 1) {
        memcpy(a.bytes, v4_prefix, sizeof(v4_prefix));
    } else {
        bare[strcspn(bare, "%")] = '\0';
        if (inet_pton(AF_INET6, bare, a.bytes) != 1)
            return xos_fail(err, XOS_INVALID, "'%.64s' is not an IP address", text);
    }
    *out = a;
    return 0;
}

bool xos_address_is_v4(const struct xos_address *a)
{
    return memcmp(a->bytes, v4_prefix, sizeof(v4_prefix)) == 0;
}

bool xos_address_equal(const struct xos_address *a, const struct xos_address *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

/* Appends "HOST:PORT", with brackets where the host has colons; the caller has parsed the host. */
static void put_host(char *out, size_t size, const char *host, unsigned port)
{
    size_t used = strlen(out);
    bool bare_v6 = strchr(host, ':') && host[0] != '[';
    (void)snprintf(out + used, size - used, bare_v6 ? "[%s]:%u" : "%s:%u", host, port);
}

int xos_address_endpoint(char out[static XOS_ENDPOINT_TEXT_MAX], const char *from, const char *host,
                         unsigned port, struct xos_error *err)
{
    struct xos_address near, far;
    if (xos_address_parse(&far, host, err) < 0)
        return -1;
    if (port > PORT_MAX)
        return xos_fail(err, XOS_INVALID, "%u is not a port", port);
    if (from && xos_address_parse(&near, from, err) < 0)
        return -1;
    if (from && xos_address_is_v4(&near) != xos_address_is_v4(&far))
        return xos_fail(err, XOS_INVALID, "%s and %s are of different families", from, host);
    (void)snprintf(out, XOS_ENDPOINT_TEXT_MAX, "tcp://");
    if (from) {
        put_host(out, XOS_ENDPOINT_TEXT_MAX, from, 0);
        size_t used = strlen(out);
        (void)snprintf(out + used, XOS_ENDPOINT_TEXT_MAX - used, ";");
    }
    put_host(out, XOS_ENDPOINT_TEXT_MAX, host, port);
    return 0;
}
