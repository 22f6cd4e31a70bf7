// SPDX-License-Identifier: Apache-2.0
/* vo.h - a VO that is kept here: its keys' public halves, administrators, members. Pure.
 *
 * The manifest and the statements are made from it each time; its number goes up with each change,
 * and both carry it. */
#ifndef VO_AUTH_CA_VO_H
#define VO_AUTH_CA_VO_H

#include "vo-auth/auth.h"

#define CA_VO_MEMBERS_MAX 4096
#define CA_VO_ADMINS_MAX AUTH_SET_ENTRIES_MAX
#define CA_VO_BYTES_MAX ((size_t)4 << 20)
#define CA_RIGHTS_BYTES_MAX 1023

struct ca_member {
    struct auth_name user;
    char rights[CA_RIGHTS_BYTES_MAX +
                1]; /* groups and roles, parted by spaces: "prod prod:runner" */
};

struct ca_vo {
    struct auth_name name;
    uint64_t seq;
    int64_t changed_ms;
    uint8_t root_key[XOS_KEY_PUBLIC_BYTES];
    uint8_t key[XOS_KEY_PUBLIC_BYTES];
    struct auth_name admins[CA_VO_ADMINS_MAX];
    size_t admin_count;
    struct ca_member *members;
    size_t count;
};

void ca_vo_free(struct ca_vo *vo); /* what it holds; leaves it empty */

/* Add a member or replace what one has. Rights must be well formed; a role brings its group. */
int ca_vo_add(struct ca_vo *vo, const struct auth_name *user, const char *rights, int64_t now_ms,
              struct xos_error *err);
int ca_vo_remove(struct ca_vo *vo, const struct auth_name *user, int64_t now_ms,
                 struct xos_error *err);

/* The statement about a member, to be signed; it borrows from the VO. XOS_DENIED: no member. */
int ca_vo_attr(struct auth_attr *out, const struct ca_vo *vo, const struct auth_principal *subject,
               int64_t now_ms, struct xos_error *err);

/* The manifest, to be signed; `text` holds the administrators' names. */
struct ca_vo_names {
    char at[CA_VO_ADMINS_MAX][AUTH_NAME_BYTES_MAX + 1];
};
int ca_vo_manifest(struct auth_manifest *out, const struct ca_vo *vo, struct ca_vo_names *text,
                   struct xos_error *err);

int ca_vo_encode(const struct ca_vo *vo, struct xos_buf *out, struct xos_error *err);
/* *vo must be empty. */
int ca_vo_decode(struct ca_vo *vo, struct xos_slice bytes, struct xos_error *err);

#endif
