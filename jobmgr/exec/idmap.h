// SPDX-License-Identifier: Apache-2.0
/* idmap.h - which uid a (VO, user) has on this node: from the reserved range, never shared, never
 * 0, and after a release not given to another for IDMAP_REST_S.
 *
 * The table is what its records say, applied in order (idmap_apply); idmap_plan says which record
 * must be written so that somebody has a uid. The caller writes it durably, then applies it. Pure.
 */
#ifndef XOS_EXEC_IDMAP_H
#define XOS_EXEC_IDMAP_H

#include "libxos/base/error.h"

#include <stdint.h>

#define IDMAP_UID_MIN UINT32_C(1900000000)
#define IDMAP_UID_MAX UINT32_C(1999999999)
#define IDMAP_NAME_BYTES 96 /* "climate@inria": two name parts of 31, with its NUL */
#define IDMAP_ENTRIES_MAX 65536
#define IDMAP_REST_S INT64_C(2592000) /* 30 days */

enum idmap_kind { IDMAP_NONE, IDMAP_ASSIGN, IDMAP_RELEASE };

struct idmap_record {
    uint32_t magic;
    uint16_t version;
    uint16_t kind;
    uint32_t uid;
    uint32_t zero;
    int64_t at_s; /* since 1970 */
    char vo[IDMAP_NAME_BYTES];
    char user[IDMAP_NAME_BYTES];
    uint32_t zero2;
    uint32_t crc;
};

struct idmap;

int idmap_new(struct idmap **out, uint32_t uid_min, uint32_t uid_max, struct xos_error *err);
void idmap_free(struct idmap *m);

/* The uid that (vo, user) has now; 0: none. */
uint32_t idmap_find(const struct idmap *m, const char *vo, const char *user);

/* Fill in the record that gives (vo, user) a uid: the one it had, if nobody got it since; else one
 * never used; else, when the range is used up, the one that has rested longest and long enough.
 * XOS_EXISTS: it has one. XOS_LIMIT: none is free, or the table is full. */
int idmap_plan(const struct idmap *m, const char *vo, const char *user, int64_t now_s,
               struct idmap_record *out, struct xos_error *err);
int idmap_plan_release(const struct idmap *m, const char *vo, const char *user, int64_t now_s,
                       struct idmap_record *out, struct xos_error *err);

/* Seal, check, apply one record. A record that contradicts the table (a uid that another has) is
 * XOS_CORRUPT and changes nothing. */
void idmap_record_seal(struct idmap_record *r);
int idmap_record_check(const void *data, size_t bytes);
int idmap_apply(struct idmap *m, const struct idmap_record *r, struct xos_error *err);

#endif
