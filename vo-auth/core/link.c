// SPDX-License-Identifier: Apache-2.0
#include "vo-auth/core/link.h"

#include "vo-auth/core/statement.h"

#include <assert.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>

#define KEY_ID_BYTES 20

struct reading {
    struct auth_link *link;
    struct xos_slice der;
    struct xos_error *err;
};

void auth_link_free(struct auth_link *link)
{
    X509_free(link->x509);
    *link = (struct auth_link){0};
}

static int step_size(struct reading *r)
{
    if (r->der.len == 0 || r->der.len > AUTH_CERT_BYTES_MAX)
        return xos_fail(r->err, XOS_LIMIT, "%zu bytes; at most %d", r->der.len,
                        AUTH_CERT_BYTES_MAX);
    return 0;
}

static int step_parse(struct reading *r)
{
    const uint8_t *at = r->der.data;
    r->link->x509 = d2i_X509(NULL, &at, (long)r->der.len);
    if (!r->link->x509)
        return xos_fail(r->err, XOS_PROTOCOL, "not an X.509 certificate");
    if (at != r->der.data + r->der.len)
        return xos_fail(r->err, XOS_PROTOCOL, "%zu bytes follow the certificate",
                        (size_t)(r->der.data + r->der.len - at));
    return 0;
}

/* OpenSSL keeps the bytes it parsed; i2d_re_X509_tbs makes it write the inner part anew. */
static int step_canonical(struct reading *r)
{
    uint8_t again[AUTH_CERT_BYTES_MAX], *at = again;
    if (i2d_re_X509_tbs(r->link->x509, NULL) > 0 &&
        i2d_X509(r->link->x509, NULL) == (int)r->der.len &&
        i2d_X509(r->link->x509, &at) == (int)r->der.len &&
        memcmp(again, r->der.data, r->der.len) == 0)
        return 0;
    return xos_fail(r->err, XOS_PROTOCOL, "not in the one encoding that DER allows");
}

static int step_version(struct reading *r)
{
    const ASN1_BIT_STRING *issuer_id, *subject_id;
    X509_get0_uids(r->link->x509, &issuer_id, &subject_id);
    if (X509_get_version(r->link->x509) != X509_VERSION_3 || issuer_id || subject_id)
        return xos_fail(r->err, XOS_DENIED, "not version 3, or with unique identifiers");
    return 0;
}

static int step_serial(struct reading *r)
{
    const ASN1_INTEGER *n = X509_get0_serialNumber(r->link->x509);
    r->link->serial = (struct xos_slice){ASN1_STRING_get0_data(n), (size_t)ASN1_STRING_length(n)};
    size_t len = r->link->serial.len;
    bool root = r->link->profile->kind == AUTH_KIND_ROOT;
    if (ASN1_STRING_type(n) != V_ASN1_INTEGER || len < (root ? 8 : AUTH_SERIAL_BYTES) ||
        len > (root ? AUTH_SERIAL_BYTES_MAX : AUTH_SERIAL_BYTES))
        return xos_fail(r->err, XOS_DENIED, "a serial number of %zu bytes", len);
    return 0;
}

static int step_algorithm(struct reading *r)
{
    int nid = X509_get_signature_nid(r->link->x509);
    bool leaf = r->link->profile->common == NULL;
    if (nid == NID_ED25519 || (!leaf && nid == NID_ecdsa_with_SHA256))
        return 0;
    return xos_fail(r->err, XOS_DENIED, "signed with %s", OBJ_nid2sn(nid));
}

/* A root may be of P-256, for a hardware module's sake. */
static bool is_p256(const X509 *x509)
{
    char group[16] = "";
    const EVP_PKEY *key = X509_get0_pubkey(x509);
    return key && EVP_PKEY_get_base_id(key) == EVP_PKEY_EC &&
           EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) == 1 &&
           strcmp(group, "prime256v1") == 0;
}

static int step_key(struct reading *r)
{
    uint8_t spki[128], *at = spki;
    X509_PUBKEY *key = X509_get_X509_PUBKEY(r->link->x509);
    int len = i2d_X509_PUBKEY(key, NULL);
    if (len <= 0 || (size_t)len > sizeof(spki) || i2d_X509_PUBKEY(key, &at) != len)
        return xos_fail(r->err, XOS_DENIED, "neither an Ed25519 nor a P-256 key");
    if (xos_sha256((struct xos_slice){spki, (size_t)len}, r->link->key_hash, r->err) < 0)
        return -1;
    r->link->has_key = auth_key_of_spki((struct xos_slice){spki, (size_t)len}, r->link->key);
    if (r->link->has_key || (r->link->profile->kind == AUTH_KIND_ROOT && is_p256(r->link->x509)))
        return 0;
    return xos_fail(r->err, XOS_DENIED, "the key is not an Ed25519 key");
}

static int extension_find(const X509_EXTENSION *e)
{
    const ASN1_OBJECT *o = X509_EXTENSION_get_object((X509_EXTENSION *)(uintptr_t)e);
    struct xos_slice oid = {OBJ_get0_data(o), OBJ_length(o)};
    for (int i = 0; i < AUTH_EXTS; i++)
        if (auth_slice_equal(auth_extensions[i].oid, oid))
            return i;
    return -1;
}

static int extension_take(struct reading *r, X509_EXTENSION *e)
{
    const ASN1_OCTET_STRING *value = X509_EXTENSION_get_data(e);
    int i = extension_find(e);
    if (i < 0)
        return xos_fail(r->err, XOS_DENIED, "an unknown extension");
    if (r->link->ext[i].data)
        return xos_fail(r->err, XOS_DENIED, "%s twice", auth_extensions[i].name);
    if (X509_EXTENSION_get_critical(e) != (auth_extensions[i].critical ? 1 : 0))
        return xos_fail(r->err, XOS_DENIED, "%s must%s be critical", auth_extensions[i].name,
                        auth_extensions[i].critical ? "" : " not");
    r->link->ext[i] =
        (struct xos_slice){ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value)};
    return 0;
}

/* Known, none twice, critical as it should be. */
static int step_extensions(struct reading *r)
{
    int count = X509_get_ext_count(r->link->x509);
    if (count > AUTH_EXTENSIONS_MAX)
        return xos_fail(r->err, XOS_LIMIT, "%d; at most %d", count, AUTH_EXTENSIONS_MAX);
    for (int i = 0; i < count; i++)
        if (extension_take(r, X509_get_ext(r->link->x509, i)) < 0)
            return -1;
    return 0;
}

static int step_usage_kind(struct reading *r)
{
    const struct xos_slice eku = r->link->ext[AUTH_EXT_EKU];
    const struct auth_profile *want = r->link->profile, *is = auth_profile_by_eku(eku);
    if (is == want)
        return 0;
    if (is)
        return xos_fail(r->err, XOS_DENIED, "a %s where a %s is needed", is->name, want->name);
    return xos_fail(r->err, XOS_DENIED, "%s that of a %s alone",
                    eku.data ? "the extended key usage is not" : "there is none; it must be",
                    want->name);
}

static int step_presence(struct reading *r)
{
    for (int i = 0; i < AUTH_EXTS; i++) {
        bool has = r->link->ext[i].data != NULL;
        if (has != auth_profile_has(r->link->profile, (enum auth_extension)i))
            return xos_fail(r->err, XOS_DENIED, "a %s with%s %s", r->link->profile->name,
                            has ? "" : "out", auth_extensions[i].name);
    }
    return 0;
}

static int step_basic(struct reading *r)
{
    if (auth_slice_equal(r->link->ext[AUTH_EXT_BASIC], r->link->profile->basic))
        return 0;
    return xos_fail(r->err, XOS_DENIED, "not those of a %s (is it a CA, how long may the path be)",
                    r->link->profile->name);
}

static int step_usage(struct reading *r)
{
    if (auth_slice_equal(r->link->ext[AUTH_EXT_USAGE], r->link->profile->usage))
        return 0;
    return xos_fail(r->err, XOS_DENIED, "not that of a %s", r->link->profile->name);
}

/* SEQUENCE { [6] IA5String }: one name, and that a URI of the right kind. */
static int step_name(struct reading *r)
{
    struct xos_slice in = r->link->ext[AUTH_EXT_NAME], names, uri;
    if (auth_der_take(&in, 0x30, &names) < 0 || in.len)
        return xos_fail(r->err, XOS_DENIED, "the subject alternative name is not well formed");
    if (auth_der_take(&names, 0x86, &uri) < 0)
        return xos_fail(r->err, XOS_DENIED, "the subject alternative name is not a URI");
    if (names.len)
        return xos_fail(r->err, XOS_DENIED, "more than one subject alternative name");
    if (auth_name_parse_uri(&r->link->name, uri, r->err) < 0) {
        if (r->err)
            r->err->code = XOS_DENIED;
        return -1;
    }
    if (r->link->name.kind != r->link->profile->name_kind)
        return xos_fail(r->err, XOS_DENIED, "the name of a %s in a %s",
                        auth_name_kind_text(r->link->name.kind), r->link->profile->name);
    return 0;
}

/* Only CAs have a distinguished name: somebody must be named as the issuer. */
static int step_subject(struct reading *r)
{
    int entries = X509_NAME_entry_count(X509_get_subject_name(r->link->x509));
    if ((entries > 0) != (r->link->profile->common != NULL))
        return xos_fail(r->err, XOS_DENIED, "a distinguished name of %d entries", entries);
    return 0;
}

static bool key_id(struct xos_slice in, uint8_t outer, uint8_t tag, struct xos_slice *id)
{
    if (outer) {
        struct xos_slice rest = in;
        if (auth_der_take(&rest, outer, &in) < 0 || rest.len)
            return false;
    }
    return auth_der_take(&in, tag, id) == 0 && in.len == 0 && id->len == KEY_ID_BYTES;
}

static int step_identifiers(struct reading *r)
{
    const struct xos_slice *ext = r->link->ext;
    struct xos_slice id;
    if (!key_id(ext[AUTH_EXT_KEY_ID], 0, 0x04, &id) ||
        (ext[AUTH_EXT_ISSUER_ID].data && !key_id(ext[AUTH_EXT_ISSUER_ID], 0x30, 0x80, &id)))
        return xos_fail(r->err, XOS_DENIED, "the key identifiers are not well formed");
    return 0;
}

/* Days from 1970-01-01 to a date of the Gregorian calendar (H. Hinnant, days_from_civil). */
static int64_t days(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    const int64_t era = year / 400, of_era = year - era * 400;
    const int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static int64_t two(const uint8_t *at)
{
    return (at[0] - '0') * 10 + (at[1] - '0');
}

/* The two forms of RFC 5280, 4.1.2.5: YYMMDDhhmmssZ to 2049, YYYYMMDDhhmmssZ from 2050 on. */
static int time_read(const ASN1_TIME *t, int64_t *seconds)
{
    const uint8_t *at = ASN1_STRING_get0_data(t);
    int len = ASN1_STRING_length(t);
    bool utc = ASN1_STRING_type(t) == V_ASN1_UTCTIME;
    if (len != (utc ? 13 : 15) || at[len - 1] != 'Z')
        return -1;
    for (int i = 0; i < len - 1; i++)
        if (at[i] < '0' || at[i] > '9')
            return -1;
    int64_t year = utc ? two(at) + (two(at) < 50 ? 2000 : 1900) : two(at) * 100 + two(at + 2);
    at += utc ? 2 : 4;
    const int64_t month = two(at), day = two(at + 2), hour = two(at + 4), minute = two(at + 6),
                  second = two(at + 8);
    if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 59 ||
        year < 1970 || (!utc && year < 2050))
        return -1;
    if (days(year, month, day) >= days(year + month / 12, month % 12 + 1, 1))
        return -1;
    *seconds = ((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
    return 0;
}

static int step_times(struct reading *r)
{
    int64_t from, to;
    if (time_read(X509_get0_notBefore(r->link->x509), &from) < 0 ||
        time_read(X509_get0_notAfter(r->link->x509), &to) < 0)
        return xos_fail(r->err, XOS_DENIED, "not in the one form of RFC 5280");
    r->link->from_ms = from * 1000;
    r->link->to_ms = to * 1000;
    return 0;
}

struct step {
    const char *name;
    int (*run)(struct reading *r);
};

/* Each step may rely on those before it. */
static const struct step steps[] = {
    {"size", step_size},
    {"encoding", step_parse},
    {"encoding", step_canonical},
    {"version", step_version},
    {"serial", step_serial},
    {"algorithm", step_algorithm},
    {"key", step_key},
    {"extensions", step_extensions},
    {"extended key usage", step_usage_kind},
    {"extensions", step_presence},
    {"basic constraints", step_basic},
    {"key usage", step_usage},
    {"name", step_name},
    {"subject", step_subject},
    {"key identifiers", step_identifiers},
    {"times", step_times},
};

int auth_link_read(struct auth_link *out, struct xos_slice der, enum auth_kind kind,
                   struct xos_error *err)
{
    struct auth_link link = {.profile = auth_profile_need(kind)};
    struct reading r = {&link, der, err};
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
        if (steps[i].run(&r) < 0) {
            auth_link_free(&link);
            return xos_wrap(err, "%s", steps[i].name);
        }
    *out = link;
    return 0;
}

static struct xos_slice name_der(const X509_NAME *name)
{
    const uint8_t *data = NULL;
    size_t len = 0;
    (void)X509_NAME_get0_der(name, &data, &len);
    return (struct xos_slice){data, len};
}

bool auth_link_names_issuer(const struct auth_link *link, const struct auth_link *issuer)
{
    struct xos_slice said, is;
    if (!auth_slice_equal(name_der(X509_get_issuer_name(link->x509)),
                          name_der(X509_get_subject_name(issuer->x509))))
        return false;
    if (!link->ext[AUTH_EXT_ISSUER_ID].data)
        return link->profile->kind == AUTH_KIND_ROOT;
    return key_id(link->ext[AUTH_EXT_ISSUER_ID], 0x30, 0x80, &said) &&
           key_id(issuer->ext[AUTH_EXT_KEY_ID], 0, 0x04, &is) && auth_slice_equal(said, is);
}
