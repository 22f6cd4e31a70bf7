// SPDX-License-Identifier: Apache-2.0
/* profile.h - the kinds of certificate, each with exactly one acceptable form.
 *
 * Each extension of ours or of RFC 5280 has one DER value per kind; building writes it and
 * verifying compares bytes, so that nothing is left to interpretation: no two usages, no other
 * name forms, no other path lengths.
 *
 *     OID (arc 1.3.6.1.4.1.58888)  meaning
 *     .1.1  .1.2  .1.3  .1.4  .1.5  extended key usage: user, node, job, issuing CA, root
 *     .2.1                          critical extension: NodeFacts in an OCTET STRING
 *     .2.2                          critical extension: JobFacts in an OCTET STRING
 *
 * 58888 is not a number that IANA gave to this project; taking a registered one changes
 * AUTH_OID_ARC alone, and every certificate issued before. */
#ifndef VO_AUTH_CORE_PROFILE_H
#define VO_AUTH_CORE_PROFILE_H

#include "vo-auth/core/name.h"

#define AUTH_OID_ARC 0x2b, 0x06, 0x01, 0x04, 0x01, 0x83, 0xcc, 0x08
#define AUTH_OID_ARC_TEXT "1.3.6.1.4.1.58888"
#define AUTH_CERT_BYTES_MAX 8192
#define AUTH_EXTENSIONS_MAX 16
#define AUTH_SERIAL_BYTES 16 /* of what we issue; a root may have 8 to 20 */
#define AUTH_SERIAL_BYTES_MAX 20

#define AUTH_SKEW_MS_MAX INT64_C(60000) /* two clocks may differ by this much */
#define AUTH_HOUR_MS INT64_C(3600000)
#define AUTH_DAY_MS (24 * AUTH_HOUR_MS)
#define AUTH_ROOT_LIFE_MS_MAX (3653 * AUTH_DAY_MS)
#define AUTH_CA_LIFE_MS_MAX (90 * AUTH_DAY_MS)
#define AUTH_NODE_LIFE_MS_MAX AUTH_DAY_MS
#define AUTH_USER_LIFE_MS_MAX (12 * AUTH_HOUR_MS)
#define AUTH_JOB_LIFE_MS_MAX (2 * AUTH_HOUR_MS)

enum auth_kind {
    AUTH_KIND_NONE,
    AUTH_KIND_USER,
    AUTH_KIND_NODE,
    AUTH_KIND_JOB,
    AUTH_KIND_CA,
    AUTH_KIND_ROOT,
    AUTH_KINDS
};

enum auth_extension {
    AUTH_EXT_BASIC,
    AUTH_EXT_USAGE,
    AUTH_EXT_EKU,
    AUTH_EXT_NAME,
    AUTH_EXT_KEY_ID,
    AUTH_EXT_ISSUER_ID,
    AUTH_EXT_NODE,
    AUTH_EXT_JOB,
    AUTH_EXTS
};

struct auth_extension_row {
    const char *name;
    struct xos_slice oid; /* content bytes */
    bool critical;
};

struct auth_profile {
    enum auth_kind kind;
    const char *name; /* "user certificate" */
    enum auth_name_kind name_kind;
    struct xos_slice basic; /* DER values */
    struct xos_slice usage;
    struct xos_slice eku;
    int facts; /* AUTH_EXT_NODE, AUTH_EXT_JOB, or -1 */
    int64_t life_ms_max;
    bool renewable;     /* may be renewed with its old key when it has expired */
    const char *common; /* CN of the subject, for CAs; NULL: the subject is empty */
};

extern const struct auth_extension_row auth_extensions[AUTH_EXTS];

/* kind is not NONE (asserted). */
const struct auth_profile *auth_profile_need(enum auth_kind kind);

/* Whose extended key usage is this? NULL: nobody's. */
const struct auth_profile *auth_profile_by_eku(struct xos_slice eku);

/* Must a certificate of this profile have the extension, may it not? */
bool auth_profile_has(const struct auth_profile *p, enum auth_extension ext);

bool auth_slice_equal(struct xos_slice a, struct xos_slice b);

/* Take one DER element with this one-byte tag off the front of *in: definite, shortest length,
 * below 64 KiB. 0, or -1 and nothing changed. */
int auth_der_take(struct xos_slice *in, uint8_t tag, struct xos_slice *content);

/* Append one DER element. */
int auth_der_add(struct xos_buf *out, uint8_t tag, struct xos_slice content, struct xos_error *err);

#endif
