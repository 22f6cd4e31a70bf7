// SPDX-License-Identifier: Apache-2.0
/* descriptor.h - how a node is reached: a small statement signed by that node.
 *
 * A core keeps the bytes to pass on and the few fields that it decides by. The signature is opaque
 * here: whoever hands a descriptor to a core has verified it, and has passed the names through the
 * name parser. */
#ifndef XOS_DISCOVERY_DESCRIPTOR_H
#define XOS_DISCOVERY_DESCRIPTOR_H

#include "libxos/base/buf.h"

#define NODE_NAME_BYTES_MAX 63    /* "n17.inria": a name part, a dot, a name part */
#define INSTITUTION_BYTES_MAX 31  /* one name part */
#define DESCRIPTOR_BYTES_MAX 2048 /* statement and signature, with the certificates behind it */
#define DESCRIPTOR_ADDRESSES_MAX 4
#define DESCRIPTOR_HOST_BYTES_MAX 253 /* RFC 1035, section 2.3.4 */
#define DESCRIPTOR_CURVE_KEY_BYTES 32

struct descriptor {
    char node[NODE_NAME_BYTES_MAX + 1];
    char institution[INSTITUTION_BYTES_MAX + 1];
    uint64_t seq;
    int64_t expiry_ms; /* since 1970 */
    uint16_t statement_bytes;
    uint16_t signature_bytes;
    uint8_t bytes[DESCRIPTOR_BYTES_MAX]; /* the statement, then the signature */
};

struct descriptor_address {
    char host[DESCRIPTOR_HOST_BYTES_MAX + 1];
    uint16_t overlay_port;
    uint16_t bulk_port;
};

/* What the shell needs to open a link. */
struct descriptor_reach {
    struct descriptor_address addresses[DESCRIPTOR_ADDRESSES_MAX];
    size_t address_count;
    uint8_t curve_key[DESCRIPTOR_CURVE_KEY_BYTES];
};

/* Read a statement into *out (copied). XOS_PROTOCOL or XOS_LIMIT, naming what is wrong with it. */
int descriptor_parse(struct descriptor *out, struct xos_slice statement, struct xos_slice signature,
                     struct xos_error *err);

/* Append the statement of d's node, institution, seq and expiry, and of reach: what is signed. */
int descriptor_state(struct xos_buf *out, const struct descriptor *d,
                     const struct descriptor_reach *reach, struct xos_error *err);

/* The addresses and the CURVE key of a parsed descriptor. */
int descriptor_reach(const struct descriptor *d, struct descriptor_reach *out,
                     struct xos_error *err);

struct xos_slice descriptor_statement(const struct descriptor *d); /* borrowed */
struct xos_slice descriptor_signature(const struct descriptor *d); /* borrowed */

/* Copies only the bytes in use. */
void descriptor_copy(struct descriptor *to, const struct descriptor *from);

/* Copy a name from the wire: 1 … max printable ASCII bytes without a space. */
int node_name_copy(char *to, size_t max, struct xos_slice from, struct xos_error *err);

/* FNV-1a, 64 bits, with a final mix (the finaliser of splitmix64), of a node's name. */
uint64_t node_name_hash(const char *name);
uint64_t hash_mix(uint64_t x);

#endif
