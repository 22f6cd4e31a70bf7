// SPDX-License-Identifier: Apache-2.0
/* institution.h - making an institution, and renewing its issuing CA.
 *
 * The root's key lies in a directory of its own (root.key, root.der), which is taken offline after
 * use. A renewal makes a new CA key in a new slot and then replaces ca.der: one rename decides, and
 * what the old CA signed holds until its own end. */
#ifndef VO_AUTH_CA_INSTITUTION_H
#define VO_AUTH_CA_INSTITUTION_H

#include "vo-auth/ca/slots.h"

#define CA_ENDS_SOON_MS (30 * AUTH_DAY_MS)

/* What the state directory says of the institution. */
struct ca_institution {
    char name[AUTH_PART_BYTES_MAX + 1];
    uint8_t root_hash[XOS_HASH_BYTES];
    struct xos_buf root, ca; /* DER */
    struct auth_anchors anchors;
    struct auth_link link; /* of the CA */
    int64_t root_to_ms;
    char slot[CA_SLOT_NAME_BYTES]; /* the CA's key */
};

/* Read root.der, ca.der and the peers' roots, and check that they fit. */
int ca_institution_open(struct ca_institution *i, struct ca_state *state, struct xos_error *err);
void ca_institution_close(struct ca_institution *i); /* what it holds; leaves it empty */

/* Make root and CA. root_dir is there, 0700, and holds no root. */
int ca_institution_create(struct ca_state *state, const char *name, const char *root_dir,
                          struct xos_error *err);
int ca_institution_renew(struct ca_state *state, const char *root_dir, struct xos_error *err);

#endif
