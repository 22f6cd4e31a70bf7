// SPDX-License-Identifier: Apache-2.0
#include "vo-auth/core/cert.h"

#include "vo-auth/core/link.h"
#include "vo-auth/core/statement.h"

#include <assert.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <string.h>

#define KEY_ID_BYTES 20

/* Everything that one building holds. */
struct making {
    const struct auth_cert_request *request;
    const struct auth_profile *profile;
    const struct auth_issuer *issuer;
    struct auth_link signer; /* empty for a root */
    X509 *x509;
    struct xos_error *err;
};

static int failed(struct making *m, const char *what)
{
    return xos_fail(m->err, XOS_NOMEM, "%s", what);
}

static int check_request(struct making *m)
{
    const struct auth_cert_request *r = m->request;
    if (r->name.kind != m->profile->name_kind)
        return xos_fail(m->err, XOS_INVALID, "the name of a %s", auth_name_kind_text(r->name.kind));
    if ((r->node != NULL) != (r->kind == AUTH_KIND_NODE) ||
        (r->job != NULL) != (r->kind == AUTH_KIND_JOB))
        return xos_fail(m->err, XOS_INVALID, "the facts of another kind");
    if (r->job && !auth_name_equal(&r->job->unit, &r->name))
        return xos_fail(m->err, XOS_INVALID, "the facts of another unit");
    if (r->from_ms <= 0 || r->to_ms <= r->from_ms ||
        r->to_ms / 1000 - r->from_ms / 1000 > m->profile->life_ms_max / 1000)
        return xos_fail(m->err, XOS_INVALID, "it would not live, or longer than its kind may");
    return 0;
}

static int check_signer(struct making *m)
{
    const struct auth_cert_request *r = m->request;
    if (r->kind == AUTH_KIND_ROOT)
        return m->issuer->der.len == 0 ? 0 : xos_fail(m->err, XOS_INVALID, "a root has no issuer");
    if (auth_link_read(&m->signer, m->issuer->der,
                       r->kind == AUTH_KIND_CA ? AUTH_KIND_ROOT : AUTH_KIND_CA, m->err) < 0)
        return xos_wrap(m->err, "issuer");
    if (strcmp(m->signer.name.institution, r->name.institution) != 0)
        return xos_fail(m->err, XOS_INVALID, "the CA of %s cannot name anything of %s",
                        m->signer.name.institution, r->name.institution);
    if (r->to_ms / 1000 > m->signer.to_ms / 1000 || r->from_ms / 1000 < m->signer.from_ms / 1000)
        return xos_fail(m->err, XOS_INVALID, "it would outlive its issuer, or begin before it");
    if (X509_check_private_key(m->signer.x509, m->issuer->key) != 1)
        return xos_fail(m->err, XOS_INVALID, "the key is not that of the issuer's certificate");
    return 0;
}

static int put_serial(struct making *m)
{
    uint8_t serial[AUTH_SERIAL_BYTES];
    memcpy(serial, m->request->serial, sizeof(serial));
    serial[0] = (uint8_t)((serial[0] & 0x3f) | 0x40); /* positive, and always as long */
    if (X509_set_version(m->x509, X509_VERSION_3) != 1 ||
        ASN1_STRING_set(X509_get_serialNumber(m->x509), serial, sizeof(serial)) != 1)
        return failed(m, "serial");
    return 0;
}

static int put_times(struct making *m)
{
    if (!ASN1_TIME_set(X509_getm_notBefore(m->x509), (time_t)(m->request->from_ms / 1000)) ||
        !ASN1_TIME_set(X509_getm_notAfter(m->x509), (time_t)(m->request->to_ms / 1000)))
        return failed(m, "times");
    return 0;
}

static int put_name_entry(X509_NAME *name, const char *field, const char *text)
{
    return X509_NAME_add_entry_by_txt(name, field, MBSTRING_ASC, (const unsigned char *)text, -1,
                                      -1, 0) == 1
               ? 0
               : -1;
}

/* CAs have a distinguished name, the others none: what counts is the URI. */
static int put_names(struct making *m)
{
    X509_NAME *subject = X509_get_subject_name(m->x509);
    if (m->profile->common && (put_name_entry(subject, "O", m->request->name.institution) < 0 ||
                               put_name_entry(subject, "CN", m->profile->common) < 0))
        return failed(m, "subject");
    const X509_NAME *issuer = m->signer.x509 ? X509_get_subject_name(m->signer.x509) : subject;
    return X509_set_issuer_name(m->x509, issuer) == 1 ? 0 : failed(m, "issuer");
}

static int put_key(struct making *m)
{
    EVP_PKEY *key =
        EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, m->request->key, XOS_KEY_PUBLIC_BYTES);
    int rc = key ? X509_set_pubkey(m->x509, key) : 0;
    EVP_PKEY_free(key);
    return rc == 1 ? 0 : failed(m, "key");
}

/* A P-256 root brings its own key: it signs itself. */
static int put_root_key(struct making *m)
{
    return X509_set_pubkey(m->x509, m->issuer->key) == 1 ? 0 : failed(m, "key");
}

static ASN1_OBJECT *object_of(struct xos_slice oid)
{
    struct xos_buf der = XOS_BUF(64);
    ASN1_OBJECT *o = NULL;
    if (auth_der_add(&der, 0x06, oid, NULL) == 0) {
        const uint8_t *at = der.data;
        o = d2i_ASN1_OBJECT(NULL, &at, (long)der.len);
    }
    xos_buf_free(&der);
    return o;
}

static int put_extension(struct making *m, enum auth_extension ext, struct xos_slice value)
{
    const struct auth_extension_row *row = &auth_extensions[ext];
    ASN1_OBJECT *o = object_of(row->oid);
    ASN1_OCTET_STRING *octets = ASN1_OCTET_STRING_new();
    X509_EXTENSION *e = NULL;
    int good = 0;
    if (o && octets && ASN1_OCTET_STRING_set(octets, value.data, (int)value.len) == 1)
        e = X509_EXTENSION_create_by_OBJ(NULL, o, row->critical, octets);
    if (e)
        good = X509_add_ext(m->x509, e, -1);
    X509_EXTENSION_free(e);
    ASN1_OCTET_STRING_free(octets);
    ASN1_OBJECT_free(o);
    return good ? 0 : failed(m, row->name);
}

static int put_wrapped(struct making *m, enum auth_extension ext, uint8_t tag,
                       struct xos_slice content, uint8_t outer)
{
    struct xos_buf inner = XOS_BUF(AUTH_CERT_BYTES_MAX), whole = XOS_BUF(AUTH_CERT_BYTES_MAX);
    int rc = auth_der_add(&inner, tag, content, m->err);
    if (rc == 0 && outer)
        rc = auth_der_add(&whole, outer, (struct xos_slice){inner.data, inner.len}, m->err);
    const struct xos_buf *value = outer ? &whole : &inner;
    if (rc == 0)
        rc = put_extension(m, ext, (struct xos_slice){value->data, value->len});
    xos_buf_free(&inner);
    xos_buf_free(&whole);
    return rc;
}

/* RFC 7093: 160 bits of the SHA-256 of the SubjectPublicKeyInfo. */
static int put_key_ids(struct making *m)
{
    uint8_t spki[128], hash[XOS_HASH_BYTES], *at = spki;
    X509_PUBKEY *key = X509_get_X509_PUBKEY(m->x509);
    int len = i2d_X509_PUBKEY(key, NULL);
    if (len <= 0 || (size_t)len > sizeof(spki) || i2d_X509_PUBKEY(key, &at) != len)
        return xos_fail(m->err, XOS_INVALID, "the key is of no kind that is used here");
    if (xos_sha256((struct xos_slice){spki, (size_t)len}, hash, m->err) < 0 ||
        put_wrapped(m, AUTH_EXT_KEY_ID, 0x04, (struct xos_slice){hash, KEY_ID_BYTES}, 0) < 0)
        return -1;
    if (!m->signer.x509)
        return 0;
    struct xos_slice of_signer = m->signer.ext[AUTH_EXT_KEY_ID], id;
    if (auth_der_take(&of_signer, 0x04, &id) < 0)
        return xos_fail(m->err, XOS_INVALID, "the issuer's key identifier");
    return put_wrapped(m, AUTH_EXT_ISSUER_ID, 0x80, id, 0x30);
}

static int put_facts(struct making *m)
{
    struct xos_buf facts = XOS_BUF(AUTH_FACTS_BYTES_MAX);
    const struct auth_cert_request *r = m->request;
    int rc = 0;
    if (r->node)
        rc = auth_node_facts_write(&facts, r->node, m->err);
    else if (r->job)
        rc = auth_job_facts_write(&facts, r->job, m->err);
    if (rc == 0 && m->profile->facts >= 0)
        rc = put_wrapped(m, (enum auth_extension)m->profile->facts, 0x04,
                         (struct xos_slice){facts.data, facts.len}, 0);
    xos_buf_free(&facts);
    return rc;
}

/* Our own extension comes last: OpenSSL's path validation looks at no critical extension behind the
 * first one that it does not know, and would miss that the name is critical. */
static int put_extensions(struct making *m)
{
    char uri[AUTH_NAME_BYTES_MAX + 1];
    auth_name_print_uri(&m->request->name, uri);
    if (put_extension(m, AUTH_EXT_BASIC, m->profile->basic) < 0 ||
        put_extension(m, AUTH_EXT_USAGE, m->profile->usage) < 0 ||
        put_extension(m, AUTH_EXT_EKU, m->profile->eku) < 0 ||
        put_wrapped(m, AUTH_EXT_NAME, 0x86, auth_slice(uri), 0x30) < 0 || put_key_ids(m) < 0)
        return -1;
    return put_facts(m);
}

static int sign(struct making *m, struct xos_buf *out)
{
    bool ed25519 = EVP_PKEY_get_base_id(m->issuer->key) == EVP_PKEY_ED25519;
    struct auth_link again;
    uint8_t *der = NULL;
    if (X509_sign(m->x509, m->issuer->key, ed25519 ? NULL : EVP_sha256()) <= 0)
        return xos_fail(m->err, XOS_SYSTEM, "sign");
    int len = i2d_X509(m->x509, &der);
    if (len <= 0)
        return failed(m, "encoding");
    int rc = auth_link_read(&again, (struct xos_slice){der, (size_t)len}, m->request->kind, m->err);
    if (rc == 0) {
        auth_link_free(&again);
        rc = xos_buf_add(out, der, (size_t)len, m->err);
    }
    OPENSSL_free(der);
    return rc;
}

int auth_cert_issue(struct xos_buf *out, const struct auth_cert_request *request,
                    const struct auth_issuer *issuer, struct xos_error *err)
{
    struct making m = {request, auth_profile_need(request->kind), issuer, {0}, X509_new(), err};
    bool foreign_root =
        request->kind == AUTH_KIND_ROOT && EVP_PKEY_get_base_id(issuer->key) != EVP_PKEY_ED25519;
    int rc = -1;
    ERR_set_mark();
    if (!m.x509)
        xos_fail(err, XOS_NOMEM, "certificate");
    else if (check_request(&m) == 0 && check_signer(&m) == 0 && put_serial(&m) == 0 &&
             put_times(&m) == 0 && put_names(&m) == 0 &&
             (foreign_root ? put_root_key(&m) : put_key(&m)) == 0 && put_extensions(&m) == 0)
        rc = sign(&m, out);
    auth_link_free(&m.signer);
    X509_free(m.x509);
    ERR_pop_to_mark();
    return rc < 0 ? xos_wrap(err, "%s", m.profile->name) : 0;
}
