// SPDX-License-Identifier: Apache-2.0
/* address.h - numeric IP addresses, compared as what they mean and not as they are written.
 *
 * IPv4 is kept in its IPv6-mapped form (RFC 4291, section 2.5.5.2), so that 127.0.0.2 and
 * ::ffff:127.0.0.2, which a dual-stack socket shows for one and the same peer, are equal. Names
 * are not resolved here: a resolver blocks, and whoever owns a name has a better place for that. */
#ifndef XOS_NET_ADDRESS_H
#define XOS_NET_ADDRESS_H

#include "libxos/base/error.h"

#include <stdint.h>

#define XOS_ADDRESS_BYTES 16
#define XOS_ADDRESS_TEXT_MAX 64   /* bytes with the NUL; a scope ("%eth0") included */
#define XOS_ENDPOINT_TEXT_MAX 160 /* bytes with the NUL */

struct xos_address {
    uint8_t bytes[XOS_ADDRESS_BYTES];
};

/* "10.0.0.1", "fe80::1", "fe80::1%eth0" (the scope is not compared), with or without brackets. */
int xos_address_parse(struct xos_address *out, const char *text, struct xos_error *err);
bool xos_address_is_v4(const struct xos_address *a);
bool xos_address_equal(const struct xos_address *a, const struct xos_address *b);

/* libzmq's endpoint: "tcp://HOST:PORT", or "tcp://FROM:0;HOST:PORT" when from is not NULL. Both
 * must be numeric and of one family. */
int xos_address_endpoint(char out[static XOS_ENDPOINT_TEXT_MAX], const char *from, const char *host,
                         unsigned port, struct xos_error *err);

#endif
