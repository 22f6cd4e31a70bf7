// SPDX-License-Identifier: Apache-2.0
#include "tests/lib/forge.h"

#include "libxos/wire/pb.h"
#include "vo-auth/auth.pb-c.h"

#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

static void must(bool good)
{
    if (!good)
        abort();
}

X509 *forge_parse(const struct xos_buf *der)
{
    const uint8_t *at = der->data;
    X509 *x = d2i_X509(NULL, &at, (long)der->len);
    must(x != NULL);
    return x;
}

int forge_sign(X509 *x, const struct xos_key *key, struct xos_buf *out, struct xos_error *err)
{
    uint8_t *der = NULL;
    must(X509_sign(x, xos_key_evp(key), NULL) > 0);
    int len = i2d_X509(x, &der);
    must(len > 0);
    xos_buf_clear(out);
    int rc = xos_buf_add(out, der, (size_t)len, err);
    OPENSSL_free(der);
    X509_free(x);
    return rc;
}

void forge_extension_remove(X509 *x, const char *oid)
{
    ASN1_OBJECT *o = OBJ_txt2obj(oid, 1);
    int at = X509_get_ext_by_OBJ(x, o, -1);
    if (at >= 0)
        X509_EXTENSION_free(X509_delete_ext(x, at));
    ASN1_OBJECT_free(o);
}

void forge_extension_add(X509 *x, const char *oid, bool critical, struct xos_slice value)
{
    ASN1_OBJECT *o = OBJ_txt2obj(oid, 1);
    ASN1_OCTET_STRING *octets = ASN1_OCTET_STRING_new();
    must(o && octets && ASN1_OCTET_STRING_set(octets, value.data, (int)value.len));
    X509_EXTENSION *e = X509_EXTENSION_create_by_OBJ(NULL, o, critical, octets);
    must(e && X509_add_ext(x, e, -1));
    X509_EXTENSION_free(e);
    ASN1_OCTET_STRING_free(octets);
    ASN1_OBJECT_free(o);
}

void forge_extension(X509 *x, const char *oid, bool critical, struct xos_slice value)
{
    forge_extension_remove(x, oid);
    if (value.data)
        forge_extension_add(x, oid, critical, value);
}

void forge_extension_last(X509 *x, const char *oid)
{
    ASN1_OBJECT *o = OBJ_txt2obj(oid, 1);
    X509_EXTENSION *e = X509_delete_ext(x, X509_get_ext_by_OBJ(x, o, -1));
    must(e && X509_add_ext(x, e, -1));
    X509_EXTENSION_free(e);
    ASN1_OBJECT_free(o);
}

void forge_uri(X509 *x, const char *uri)
{
    uint8_t value[256];
    size_t len = strlen(uri);
    must(len < 120);
    value[0] = 0x30;
    value[1] = (uint8_t)(len + 2);
    value[2] = 0x86;
    value[3] = (uint8_t)len;
    memcpy(value + 4, uri, len);
    forge_extension(x, FORGE_NAME, true, (struct xos_slice){value, len + 4});
}

void forge_times(X509 *x, int64_t from_ms, int64_t to_ms)
{
    must(ASN1_TIME_set(X509_getm_notBefore(x), (time_t)(from_ms / 1000)) != NULL);
    must(ASN1_TIME_set(X509_getm_notAfter(x), (time_t)(to_ms / 1000)) != NULL);
}

int forge_statement(struct xos_buf *out, const struct xos_buf *statement, struct xos_slice extra,
                    const char *domain, const struct xos_key *key, struct xos_error *err)
{
    struct xos_buf payload = XOS_BUF(1 << 20);
    uint8_t signature[XOS_SIGNATURE_BYTES];
    Auth__Signed *s = auth__signed__unpack(NULL, statement->len, statement->data);
    must(s != NULL);
    int rc = -1;
    if (xos_buf_add(&payload, s->payload.data, s->payload.len, err) == 0 &&
        xos_buf_add(&payload, extra.data, extra.len, err) == 0 &&
        xos_key_sign(key, domain, fixture_slice(&payload), signature, err) == 0) {
        Auth__Signed again = AUTH__SIGNED__INIT;
        again.signer_key_hash = s->signer_key_hash;
        again.payload = xos_pb_bytes(fixture_slice(&payload));
        again.signature = (ProtobufCBinaryData){sizeof(signature), signature};
        xos_buf_clear(out);
        rc = xos_pb_pack(&again, out, err);
    }
    auth__signed__free_unpacked(s, NULL);
    xos_buf_free(&payload);
    return rc;
}
