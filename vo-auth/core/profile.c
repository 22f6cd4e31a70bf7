// SPDX-License-Identifier: Apache-2.0
#include "vo-auth/core/profile.h"

#include <assert.h>
#include <string.h>

#define BYTES(...)                                                                                 \
    {                                                                                              \
        (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})                     \
    }
/* ExtKeyUsageSyntax with the one purpose .1.n */
#define EKU(n) BYTES(0x30, 0x0c, 0x06, 0x0a, AUTH_OID_ARC, 0x01, n)
#define CERTIFICATE_EXTENSION(n) BYTES(0x55, 0x1d, n)

/* BasicConstraints: not a CA; a CA with pathlen 0; a CA with pathlen 1. */
#define BASIC_LEAF BYTES(0x30, 0x00)
#define BASIC_CA BYTES(0x30, 0x06, 0x01, 0x01, 0xff, 0x02, 0x01, 0x00)
#define BASIC_ROOT BYTES(0x30, 0x06, 0x01, 0x01, 0xff, 0x02, 0x01, 0x01)
/* KeyUsage: digitalSignature; keyCertSign and cRLSign. */
#define USAGE_LEAF BYTES(0x03, 0x02, 0x07, 0x80)
#define USAGE_CA BYTES(0x03, 0x02, 0x01, 0x06)

const struct auth_extension_row auth_extensions[AUTH_EXTS] = {
    [AUTH_EXT_BASIC] = {"basic constraints", CERTIFICATE_EXTENSION(0x13), true},
    [AUTH_EXT_USAGE] = {"key usage", CERTIFICATE_EXTENSION(0x0f), true},
    [AUTH_EXT_EKU] = {"extended key usage", CERTIFICATE_EXTENSION(0x25), true},
    [AUTH_EXT_NAME] = {"subject alternative name", CERTIFICATE_EXTENSION(0x11), true},
    [AUTH_EXT_KEY_ID] = {"subject key identifier", CERTIFICATE_EXTENSION(0x0e), false},
    [AUTH_EXT_ISSUER_ID] = {"authority key identifier", CERTIFICATE_EXTENSION(0x23), false},
    [AUTH_EXT_NODE] = {"node facts", BYTES(AUTH_OID_ARC, 0x02, 0x01), true},
    [AUTH_EXT_JOB] = {"job facts", BYTES(AUTH_OID_ARC, 0x02, 0x02), true},
};

static const struct auth_profile profiles[AUTH_KINDS] = {
    [AUTH_KIND_USER] = {AUTH_KIND_USER, "user certificate", AUTH_NAME_USER, BASIC_LEAF, USAGE_LEAF,
                        EKU(1), -1, AUTH_USER_LIFE_MS_MAX, true, NULL},
    [AUTH_KIND_NODE] = {AUTH_KIND_NODE, "node certificate", AUTH_NAME_NODE, BASIC_LEAF, USAGE_LEAF,
                        EKU(2), AUTH_EXT_NODE, AUTH_NODE_LIFE_MS_MAX, true, NULL},
    [AUTH_KIND_JOB] = {AUTH_KIND_JOB, "job certificate", AUTH_NAME_UNIT, BASIC_LEAF, USAGE_LEAF,
                       EKU(3), AUTH_EXT_JOB, AUTH_JOB_LIFE_MS_MAX, false, NULL},
    [AUTH_KIND_CA] = {AUTH_KIND_CA, "CA certificate", AUTH_NAME_CA, BASIC_CA, USAGE_CA, EKU(4), -1,
                      AUTH_CA_LIFE_MS_MAX, false, "XOS issuing CA"},
    [AUTH_KIND_ROOT] = {AUTH_KIND_ROOT, "root certificate", AUTH_NAME_ROOT, BASIC_ROOT, USAGE_CA,
                        EKU(5), -1, AUTH_ROOT_LIFE_MS_MAX, false, "XOS root"},
};

const struct auth_profile *auth_profile_need(enum auth_kind kind)
{
    assert(kind > AUTH_KIND_NONE && kind < AUTH_KINDS);
    return &profiles[kind];
}

bool auth_slice_equal(struct xos_slice a, struct xos_slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

const struct auth_profile *auth_profile_by_eku(struct xos_slice eku)
{
    for (unsigned i = AUTH_KIND_NONE + 1; i < AUTH_KINDS; i++)
        if (auth_slice_equal(profiles[i].eku, eku))
            return &profiles[i];
    return NULL;
}

bool auth_profile_has(const struct auth_profile *p, enum auth_extension ext)
{
    if (ext == AUTH_EXT_NODE || ext == AUTH_EXT_JOB)
        return p->facts == (int)ext;
    return ext != AUTH_EXT_ISSUER_ID || p->kind != AUTH_KIND_ROOT;
}

int auth_der_take(struct xos_slice *in, uint8_t tag, struct xos_slice *content)
{
    if (in->len < 2 || in->data[0] != tag)
        return -1;
    size_t len = in->data[1], used = 2;
    if (len == 0x81 && in->len >= 3 && in->data[2] >= 0x80) {
        len = in->data[2];
        used = 3;
    } else if (len == 0x82 && in->len >= 4 && in->data[2] > 0) {
        len = (size_t)in->data[2] << 8 | in->data[3];
        used = 4;
    } else if (len >= 0x80)
        return -1;
    if (in->len - used < len)
        return -1;
    *content = (struct xos_slice){in->data + used, len};
    *in = (struct xos_slice){in->data + used + len, in->len - used - len};
    return 0;
}

int auth_der_add(struct xos_buf *out, uint8_t tag, struct xos_slice content, struct xos_error *err)
{
    const size_t n = content.len;
    assert(n <= UINT16_MAX);
    uint8_t head[4] = {tag, (uint8_t)n, 0, 0};
    size_t used = 2;
    if (n >= 0x100) {
        memcpy(head + 1, (const uint8_t[]){0x82, (uint8_t)(n >> 8), (uint8_t)n}, 3);
        used = 4;
    } else if (n >= 0x80) {
        memcpy(head + 1, (const uint8_t[]){0x81, (uint8_t)n}, 2);
        used = 3;
    }
    if (!xos_buf_room(out, used + n, err))
        return -1;
    if (xos_buf_add(out, head, used, err) < 0)
        return -1;
    return xos_buf_add(out, content.data, n, err);
}
