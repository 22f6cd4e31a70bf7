// SPDX-License-Identifier: Apache-2.0
/* name.h - the one parser of names.
 *
 * A name part is [a-z0-9], then [a-z0-9._-], at most 31 bytes, never "--", and not "-" at the end,
 * so that joining parts with dashes makes no "--" either. An institution is a
 * name part without a dot, so that in a node's name it is what follows the last dot. In a job's
 * name it is what precedes the last dash of the job. Numbers are decimal without leading zeros,
 * jobs count from 1. Every name has one spelling, so that equal names are equal bytes.
 *
 *     institution  inria                     VO     vo:climate@inria
 *     user         alice@inria               group  vo:climate@inria/prod
 *     node         n17.inria                 role   vo:climate@inria/prod:runner
 *     job          inria-1042                volume climate@inria/home, ~alice@inria/home
 *     unit         inria-1042.3              task   inria-1042[7]
 *     checkpoint   inria-1042@2
 *
 * One's own institution may be left out (`alice`, `1042.3`, `climate/home`). A node's may be left
 * out only where the node's own name has no dot. */
#ifndef VO_AUTH_CORE_NAME_H
#define VO_AUTH_CORE_NAME_H

#include "libxos/base/buf.h"

#include <stdint.h>

#define AUTH_PART_BYTES_MAX 31
#define AUTH_NAME_BYTES_MAX 159 /* the longest printed name or URI, with room */
#define AUTH_JOB_NUMBER_MAX INT64_MAX
#define AUTH_INDEX_MAX UINT32_MAX

enum auth_name_kind {
    AUTH_NAME_NONE,
    AUTH_NAME_INSTITUTION,
    AUTH_NAME_USER,
    AUTH_NAME_NODE,
    AUTH_NAME_VO,
    AUTH_NAME_GROUP,
    AUTH_NAME_ROLE,
    AUTH_NAME_JOB,
    AUTH_NAME_UNIT,
    AUTH_NAME_TASK,
    AUTH_NAME_CHECKPOINT,
    AUTH_NAME_VOLUME,
    AUTH_NAME_CA,   /* only as a URI */
    AUTH_NAME_ROOT, /* only as a URI */
    AUTH_NAME_KINDS
};

/* What a kind does not use is zero. */
struct auth_name {
    enum auth_name_kind kind;
    char institution[AUTH_PART_BYTES_MAX + 1];
    char part[AUTH_PART_BYTES_MAX + 1];  /* user, node, VO; a volume's owner */
    char group[AUTH_PART_BYTES_MAX + 1]; /* group, role */
    char role[AUTH_PART_BYTES_MAX + 1];
    char volume[AUTH_PART_BYTES_MAX + 1];
    bool of_user; /* a volume of a user, not of a VO */
    uint64_t job;
    uint64_t index; /* unit, task or checkpoint */
};

/* Parse one name of this kind. `institution` is what a name without one gets; NULL: it must have
 * one. XOS_INVALID says what is wrong; then *out is unchanged. */
int auth_name_parse(struct auth_name *out, enum auth_name_kind kind, struct xos_slice text,
                    const char *institution, struct xos_error *err);

/* A VO, group or role, whichever it is: what somebody acts as. */
int auth_name_parse_acting(struct auth_name *out, struct xos_slice text, const char *institution,
                           struct xos_error *err);

/* The form in certificates: xos://inria/user/alice, …/node/n17, …/job/1042 (a job), …/job/1042.3
 * (a unit), xos://inria/ca, xos://inria/root. */
int auth_name_parse_uri(struct auth_name *out, struct xos_slice uri, struct xos_error *err);

/* The full form, NUL-terminated. The kind must have that form (asserted). */
void auth_name_print(const struct auth_name *name, char text[static AUTH_NAME_BYTES_MAX + 1]);
void auth_name_print_uri(const struct auth_name *name, char uri[static AUTH_NAME_BYTES_MAX + 1]);

/* <0, 0, >0: by kind, institution, then the parts and numbers. */
int auth_name_compare(const struct auth_name *a, const struct auth_name *b);
bool auth_name_equal(const struct auth_name *a, const struct auth_name *b);

/* "user", "VO": for messages. */
const char *auth_name_kind_text(enum auth_name_kind kind);

bool auth_name_part_valid(struct xos_slice text);

/* For messages about text from outside: printable, cut. Returns `to`. */
#define AUTH_QUOTE_BYTES 48
const char *auth_quote(struct xos_slice text, char to[static AUTH_QUOTE_BYTES]);

/* The bytes of a NUL-terminated text. */
struct xos_slice auth_slice(const char *text);

#endif
