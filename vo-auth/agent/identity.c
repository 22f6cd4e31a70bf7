// SPDX-License-Identifier: Apache-2.0
#include "vo-auth/agent/identity.h"

#include "libxos/wire/pb.h"
#include "vo-auth/auth.pb-c.h"
#include "vo-auth/ca.pb-c.h"
#include "vo-auth/core/field.h"

#include <string.h>

static void attributes_free(struct identity_attributes *a)
{
    xos_buf_free(&a->bytes);
    xos_pb_free(a->memory);
    *a = (struct identity_attributes){0};
}

static void papers_free(struct identity *id)
{
    auth_principal_free(&id->who);
    for (size_t i = 0; i < AUTH_CHAIN_MAX; i++)
        xos_buf_free(&id->chain[i]);
    for (size_t i = 0; i < id->attribute_count; i++)
        attributes_free(&id->attributes[i]);
}

void identity_wipe(struct identity *id)
{
    xos_key_free(id->key);
    xos_key_free(id->next);
    papers_free(id);
    *id = (struct identity){0};
}

int identity_public(struct identity *id, uint8_t key[static XOS_KEY_PUBLIC_BYTES],
                    struct xos_error *err)
{
    if (!id->next && xos_key_generate(&id->next, err) < 0)
        return -1;
    memcpy(key, xos_key_public(id->next), XOS_KEY_PUBLIC_BYTES);
    return 0;
}

/* Taking a certificate */

/* The chain is held against its own root: which root that is, the user has signed at login. */
static int chain_verify(struct auth_principal *who, const struct identity_offer *offer,
                        int64_t now_ms, struct xos_error *err)
{
    struct auth_anchors anchors = {0};
    struct auth_link root = {0};
    int rc = -1;
    if (offer->chain_count != AUTH_CHAIN_MAX)
        return xos_fail(err, XOS_DENIED, "a chain of %zu certificates instead of %d",
                        offer->chain_count, AUTH_CHAIN_MAX);
    const struct auth_context ctx = {.anchors = &anchors, .now_ms = now_ms, .slot = AUTH_KIND_USER};
    if (auth_link_read(&root, offer->chain[2], AUTH_KIND_ROOT, err) == 0 &&
        auth_anchors_add(&anchors, root.name.institution, offer->chain[2], err) == 0)
        rc = auth_verify(offer->chain, offer->chain_count, &ctx, who, err);
    auth_link_free(&root);
    auth_anchors_free(&anchors);
    return rc;
}

static int chain_copy(struct identity *to, const struct identity_offer *offer,
                      struct xos_error *err)
{
    for (size_t i = 0; i < AUTH_CHAIN_MAX; i++) {
        to->chain[i] = XOS_BUF(AUTH_CERT_BYTES_MAX);
        if (xos_buf_add(&to->chain[i], offer->chain[i].data, offer->chain[i].len, err) < 0)
            return -1;
    }
    return 0;
}

/* "prod:runner" */
static bool role_valid(struct xos_slice role)
{
    const uint8_t *colon = role.len ? memchr(role.data, ':', role.len) : NULL;
    const size_t group = colon ? (size_t)(colon - role.data) : 0;
    return colon && auth_name_part_valid((struct xos_slice){role.data, group}) &&
           auth_name_part_valid((struct xos_slice){colon + 1, role.len - group - 1});
}

static int attributes_fit(const struct auth_principal *who, const Auth__Attributes *m,
                          struct identity_attributes *a, struct xos_error *err)
{
    struct auth_name subject;
    if (auth_field_name(&a->vo, AUTH_NAME_VO, m->vo, "VO", err) ||
        auth_field_name(&subject, AUTH_NAME_USER, m->subject, "subject", err) ||
        auth_field_time(&a->expires_ms, m->expires_ms, "expires", err) ||
        auth_set_read(&a->groups, m->n_groups, m->groups, auth_name_part_valid, "groups", err) ||
        auth_set_read(&a->roles, m->n_roles, m->roles, role_valid, "roles", err))
        return -1;
    if (auth_name_equal(&subject, &who->name) && m->subject_key_hash.len == XOS_HASH_BYTES &&
        memcmp(m->subject_key_hash.data, who->key_hash, XOS_HASH_BYTES) == 0)
        return 0;
    return xos_fail(err, XOS_DENIED, "of another user, or of another key");
}

/* Whether the VO signed it is for those to check who act on it; they have its manifest. */
static int attributes_read(struct identity_attributes *a, struct xos_slice bytes,
                           const struct auth_principal *who, struct xos_error *err)
{
    Auth__Signed *outer =
        xos_pb_unpack(&auth__signed__descriptor, bytes, AUTH_ATTR_BYTES_MAX, XOS_PB_STRICT, err);
    if (!outer)
        return -1;
    a->memory = xos_pb_unpack(&auth__attributes__descriptor, xos_pb_slice(outer->payload),
                              AUTH_ATTR_BYTES_MAX, XOS_PB_STRICT, err);
    xos_pb_free(outer);
    a->bytes = XOS_BUF(AUTH_ATTR_BYTES_MAX);
    if (!a->memory || attributes_fit(who, a->memory, a, err) < 0)
        return -1;
    return xos_buf_add(&a->bytes, bytes.data, bytes.len, err);
}

static int attributes_take(struct identity *to, const struct identity_offer *offer,
                           struct xos_error *err)
{
    if (offer->attribute_count > IDENTITY_ATTRIBUTES_MAX)
        return xos_fail(err, XOS_LIMIT, "IDENTITY_ATTRIBUTES_MAX: attributes of %zu VOs",
                        offer->attribute_count);
    for (size_t i = 0; i < offer->attribute_count; i++) {
        to->attribute_count = i + 1;
        if (attributes_read(&to->attributes[i], offer->attributes[i], &to->who, err) < 0)
            return xos_wrap(err, "attributes");
    }
    return 0;
}

static bool is_key(const struct xos_key *key, const uint8_t public[static XOS_KEY_PUBLIC_BYTES])
{
    return key && memcmp(xos_key_public(key), public, XOS_KEY_PUBLIC_BYTES) == 0;
}

static int64_t session_end(const struct identity *id, const struct identity *news, int64_t wanted,
                           int64_t now_ms)
{
    const int64_t latest = now_ms + IDENTITY_SESSION_MS_MAX;
    if (wanted > 0)
        return wanted < latest ? wanted : latest;
    return id->key && auth_name_equal(&id->who.name, &news->who.name) ? id->session_until_ms
                                                                      : latest;
}

static int offer_read(struct identity *news, const struct identity *id,
                      const struct identity_offer *offer, int64_t now_ms, struct xos_error *err)
{
    if (chain_verify(&news->who, offer, now_ms, err) < 0)
        return -1;
    if (!is_key(id->next, news->who.key) && !is_key(id->key, news->who.key))
        return xos_fail(err, XOS_DENIED, "the certificate is for a key that is not this agent's");
    if (chain_copy(news, offer, err) < 0)
        return -1;
    auth_name_print(&news->who.name, news->user);
    news->session_until_ms = session_end(id, news, offer->session_until_ms, now_ms);
    return attributes_take(news, offer, err);
}

int identity_install(struct identity *id, const struct identity_offer *offer, int64_t now_ms,
                     struct xos_error *err)
{
    struct identity news = {0};
    if (offer_read(&news, id, offer, now_ms, err) < 0) {
        papers_free(&news);
        return xos_wrap(err, "install");
    }
    if (is_key(id->next, news.who.key)) {
        xos_key_free(id->key);
        news.key = id->next;
    } else {
        news.key = id->key;
        news.next = id->next;
    }
    papers_free(id);
    *id = news;
    return 0;
}

/* Signing */

int identity_need(const struct identity *id, int64_t now_ms, struct xos_error *err)
{
    if (!id->key)
        return xos_fail(err, XOS_NO_LOGIN, "nobody is logged in: run xos login");
    if (now_ms > id->who.to_ms)
        return xos_fail(err, XOS_EXPIRED, "the login of %s ended %lld s ago: run xos login",
                        id->user, (long long)(now_ms - id->who.to_ms) / 1000);
    return 0;
}

/* What is signed is read back first, by the reader that the other side has. */
static int header_write(struct xos_buf *out, const struct xos_request *r, struct xos_error *err)
{
    struct xos_buf header = XOS_BUF(XOS_HEADER_BYTES_MAX);
    struct xos_request again;
    int rc = xos_request_encode(r, &header, err);
    if (rc == 0)
        rc = xos_request_decode(&again, (struct xos_slice){header.data, header.len}, err);
    if (rc == 0)
        rc = xos_buf_add(out, header.data, header.len, err);
    xos_buf_free(&header);
    return rc;
}

int identity_sign_request(const struct identity *id, const struct xos_request *fields,
                          int64_t life_ms, int64_t now_ms, struct xos_buf *header,
                          uint8_t signature[static XOS_SIGNATURE_BYTES], struct xos_error *err)
{
    const size_t before = header->len;
    struct xos_request r = *fields;
    if (identity_need(id, now_ms, err) < 0)
        return -1;
    if (life_ms < 0 || life_ms > XOS_HEADER_LIFE_MS_MAX)
        return xos_fail(err, XOS_LIMIT, "XOS_HEADER_LIFE_MS_MAX: a request for %lld ms",
                        (long long)life_ms);
    memcpy(r.signer, id->user, strlen(id->user) + 1);
    r.issued_ms = now_ms;
    r.expires_ms = now_ms + (life_ms ? life_ms : XOS_HEADER_LIFE_MS_MAX);
    if (header_write(header, &r, err) < 0)
        return -1;
    if (xos_key_sign(id->key, XOS_REQUEST_DOMAIN,
                     (struct xos_slice){header->data + before, header->len - before}, signature,
                     err) == 0)
        return 0;
    xos_buf_cut(header, before);
    return -1;
}

int identity_sign_grant(const struct identity *id, const struct auth_grant *fields, int64_t now_ms,
                        struct xos_buf *out, struct xos_error *err)
{
    struct auth_grant g = *fields;
    if (identity_need(id, now_ms, err) < 0)
        return -1;
    g.user = id->who.name;
    memcpy(g.root_hash, id->who.root_hash, sizeof(g.root_hash));
    g.issued_ms = now_ms;
    return auth_grant_sign(out, &g, id->key, err);
}

/* The claim, signed by the old key, and the new key's signature over that. */
static int claim_sign(const struct identity *id, const uint8_t nonce[static AUTH_NONCE_BYTES],
                      int64_t life_ms, struct xos_buf *statement,
                      uint8_t possession[static XOS_SIGNATURE_BYTES], struct xos_error *err)
{
    char name[AUTH_NAME_BYTES_MAX + 1];
    Ca__RenewClaim claim = CA__RENEW_CLAIM__INIT;
    auth_name_print_uri(&id->who.name, name);
    claim.nonce = auth_field_of_bytes(nonce, AUTH_NONCE_BYTES);
    claim.root_hash = auth_field_of_bytes(id->who.root_hash, XOS_HASH_BYTES);
    claim.key = auth_field_of_bytes(xos_key_public(id->next), XOS_KEY_PUBLIC_BYTES);
    claim.name = xos_pb_text(name);
    claim.life_ms = (uint64_t)life_ms;
    return auth_claim_sign(statement, possession, &auth_renew_format, &claim.base, id->key,
                           id->next, err);
}

int identity_prove_renewal(struct identity *id, const uint8_t nonce[static AUTH_NONCE_BYTES],
                           int64_t life_ms, struct xos_buf *out, struct xos_error *err)
{
    struct xos_buf statement = XOS_BUF(AUTH_CLAIM_BYTES_MAX);
    uint8_t next[XOS_KEY_PUBLIC_BYTES], possession[XOS_SIGNATURE_BYTES];
    ProtobufCBinaryData chain[IDENTITY_SHOWN];
    Ca__Renew m = CA__RENEW__INIT;
    if (!id->key)
        return xos_fail(err, XOS_NO_LOGIN, "nobody is logged in: run xos login");
    int rc = identity_public(id, next, err);
    if (rc == 0)
        rc = claim_sign(id, nonce, life_ms, &statement, possession, err);
    if (rc == 0) {
        for (size_t i = 0; i < IDENTITY_SHOWN; i++)
            chain[i] = auth_field_of_bytes(id->chain[i].data, id->chain[i].len);
        m.statement = auth_field_of_bytes(statement.data, statement.len);
        m.possession = auth_field_of_bytes(possession, sizeof(possession));
        m.n_chain = IDENTITY_SHOWN;
        m.chain = chain;
        rc = xos_pb_pack(&m.base, out, err);
    }
    xos_buf_free(&statement);
    return rc;
}

const struct identity_attributes *identity_attributes_of(const struct identity *id,
                                                         struct xos_slice vo, int64_t now_ms)
{
    struct auth_name name;
    if (auth_name_parse(&name, AUTH_NAME_VO, vo, NULL, NULL) < 0)
        return NULL;
    for (size_t i = 0; i < id->attribute_count; i++)
        if (auth_name_equal(&name, &id->attributes[i].vo) && now_ms <= id->attributes[i].expires_ms)
            return &id->attributes[i];
    return NULL;
}
