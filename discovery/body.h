// SPDX-License-Identifier: Apache-2.0
/* body.h - the body of a row on the wire: attributes by name, devices, addresses, roles. Pure.
 *
 * Writing leaves out what does not fit, devices first: a row that is too long would be no row. */
#ifndef XOS_DISCOVERY_BODY_H
#define XOS_DISCOVERY_BODY_H

#include "discovery/discovery.h"
#include "discovery/query/row.h"

#define BODY_BYTES_MAX 2400 /* what a row has room for beside its statement and proof */
#define BODY_READ_BYTES_MAX 4096
#define BODY_ATTRIBUTES_MAX 64

struct node_body {
    struct xql_row row;
    struct discovery_reach reach;
    uint32_t roles;
};

void node_body_free(struct node_body *b); /* what it holds; leaves it empty */

int node_body_write(struct xos_buf *out, const struct node_body *b, struct xos_error *err);

/* Put right what a node does not say of itself: its name, its institution, and more roles than its
 * certificate has. */
void node_body_certify(struct node_body *b, const char *node, uint32_t roles);

/* *out must be empty. What this build does not know is skipped; texts are cut and cleaned as rows
 * have them. XOS_PROTOCOL, XOS_LIMIT. */
int node_body_read(struct node_body *out, struct xos_slice bytes, struct xos_error *err);

#endif
