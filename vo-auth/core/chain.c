// SPDX-License-Identifier: Apache-2.0
/* Verification of a certificate chain.
 *
 * There are four slots (user, node, job, issuing CA) and a certificate fits exactly one of them: an
 * extended key usage of our own says which, and every other part of it must have the one form that
 * its kind has (profile.h). A chain has one shape, leaf - issuing CA - root, and one root per
 * institution is registered (anchor.h), so that there is nothing to search: the leaf's name says
 * the institution, that says the root, and each certificate must be signed by the next.
 *
 * The order of the steps: bounds first, then form, then names, all without a secret or a signature
 * and in bounded time; then signatures, so that whatever follows looks only at what the
 * institution's own CA has written; then time and revocation; the contents of our critical
 * extensions last. OpenSSL's own path validation runs too, strict, as a second opinion. It is asked
 * to leave time to us (one clock, given by the caller) and our critical extensions (which the form
 * step has accounted for one by one).
 *
 * A root is not looked at anew here: it was checked when it was registered. Its end counts. */
#include "vo-auth/core/chain.h"

#include "vo-auth/core/field.h"
#include "vo-auth/core/revoke.h"

#include <assert.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <string.h>

struct walk {
    const struct xos_slice *der;
    size_t count; /* as given */
    const struct auth_context *ctx;
    struct auth_link link[AUTH_CHAIN_MAX - 1]; /* below the root */
    size_t links;
    const struct auth_anchor *anchor;
    struct auth_principal *out;
    struct xos_error *err;
};

void auth_principal_free(struct auth_principal *p)
{
    auth_facts_free(p->memory);
    *p = (struct auth_principal){0};
}

static int step_count(struct walk *w)
{
    w->links = w->ctx->slot == AUTH_KIND_CA ? 1 : 2;
    if (w->count == w->links || w->count == w->links + 1)
        return 0;
    return xos_fail(w->err, XOS_DENIED, "%zu certificates where %zu, or %zu with the root, are due",
                    w->count, w->links, w->links + 1);
}

static int step_form(struct walk *w)
{
    for (size_t i = 0; i < w->links; i++) {
        enum auth_kind kind = i == 0 ? w->ctx->slot : AUTH_KIND_CA;
        if (auth_link_read(&w->link[i], w->der[i], kind, w->err) < 0)
            return xos_wrap(w->err, "certificate %zu", i);
    }
    return 0;
}

static int step_domain(struct walk *w)
{
    const char *leaf = w->link[0].name.institution;
    const char *ca = w->link[w->links - 1].name.institution;
    if (strcmp(leaf, ca) == 0)
        return 0;
    return xos_fail(w->err, XOS_DENIED, "a name of %s, signed by the CA of %s", leaf, ca);
}

static int step_root(struct walk *w)
{
    const char *institution = w->link[0].name.institution;
    uint8_t hash[XOS_HASH_BYTES];
    w->anchor = auth_anchors_find(w->ctx->anchors, institution);
    if (!w->anchor)
        return xos_fail(w->err, XOS_DENIED, "no root of %s is known here", institution);
    if (w->count == w->links)
        return 0;
    if (w->der[w->links].len > AUTH_CERT_BYTES_MAX ||
        xos_sha256(w->der[w->links], hash, w->err) < 0)
        return xos_fail(w->err, XOS_LIMIT, "a root of more than %d bytes", AUTH_CERT_BYTES_MAX);
    if (memcmp(hash, w->anchor->root_hash, sizeof(hash)) == 0)
        return 0;
    char known[2 * XOS_HASH_BYTES + 1], given[2 * XOS_HASH_BYTES + 1];
    xos_hex(w->anchor->root_hash, XOS_HASH_BYTES, known);
    xos_hex(hash, XOS_HASH_BYTES, given);
    return xos_fail(w->err, XOS_DENIED, "the root of %s is %s; sent was %s", institution, known,
                    given);
}

static int step_issuers(struct walk *w)
{
    for (size_t i = 0; i < w->links; i++) {
        const struct auth_link *issuer = i + 1 < w->links ? &w->link[i + 1] : &w->anchor->root;
        if (!auth_link_names_issuer(&w->link[i], issuer))
            return xos_fail(w->err, XOS_DENIED, "certificate %zu was issued by another CA", i);
    }
    return 0;
}

/* Our critical extensions are unknown to OpenSSL; the form step has seen to it that there are no
 * other ones. */
static int only_our_extensions(int good, X509_STORE_CTX *store)
{
    return good || X509_STORE_CTX_get_error(store) == X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION;
}

static int openssl_verify(struct walk *w, X509_STORE_CTX *store, STACK_OF(X509) * untrusted,
                          STACK_OF(X509) * trusted)
{
    if (!store || !untrusted || !trusted || !sk_X509_push(trusted, w->anchor->root.x509) ||
        (w->links > 1 && !sk_X509_push(untrusted, w->link[1].x509)) ||
        X509_STORE_CTX_init(store, NULL, w->link[0].x509, untrusted) != 1)
        return xos_fail(w->err, XOS_NOMEM, "chain");
    X509_STORE_CTX_set0_trusted_stack(store, trusted);
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(store);
    X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_X509_STRICT | X509_V_FLAG_NO_CHECK_TIME);
    X509_VERIFY_PARAM_set_depth(param, AUTH_CHAIN_MAX - 1);
    X509_STORE_CTX_set_verify_cb(store, only_our_extensions);
    if (X509_verify_cert(store) == 1)
        return 0;
    return xos_fail(w->err, XOS_DENIED, "certificate %d: %s", X509_STORE_CTX_get_error_depth(store),
                    X509_verify_cert_error_string(X509_STORE_CTX_get_error(store)));
}

static int step_signatures(struct walk *w)
{
    X509_STORE_CTX *store = X509_STORE_CTX_new();
    STACK_OF(X509) *untrusted = sk_X509_new_null(), *trusted = sk_X509_new_null();
    int rc = openssl_verify(w, store, untrusted, trusted);
    X509_STORE_CTX_free(store);
    sk_X509_free(untrusted);
    sk_X509_free(trusted);
    return rc;
}

/* One that has ended passes where renewal is allowed, and with it the CA that signed it. */
static int check_life(struct walk *w, const struct auth_link *l, bool may_have_ended,
                      const char *noun)
{
    struct xos_error ignored;
    struct xos_error *err = w->err ? w->err : &ignored;
    int64_t ago = w->ctx->now_ms - l->to_ms;
    if (auth_span_check(l->from_ms, l->to_ms, w->ctx->now_ms, l->profile->life_ms_max, noun, err) ==
        0)
        return 0;
    if (err->code == XOS_EXPIRED && may_have_ended && ago <= w->ctx->expired_ms_max)
        return 0;
    return -1;
}

static int step_validity(struct walk *w)
{
    bool renewable = w->link[0].profile->renewable;
    for (size_t i = 0; i < w->links; i++)
        if (check_life(w, &w->link[i], renewable, w->link[i].profile->name) < 0)
            return -1;
    return check_life(w, &w->anchor->root, false, "the root");
}

static int check_revoked(struct walk *w, const struct auth_revocations *list,
                         const struct auth_link *l)
{
    uint8_t subject[XOS_HASH_BYTES];
    char uri[AUTH_NAME_BYTES_MAX + 1];
    if (auth_revoke_subject(&l->name, subject, w->err) < 0)
        return -1;
    const struct {
        enum auth_revoke_kind kind;
        const uint8_t *entry;
        const char *what;
    } entries[] = {
        {AUTH_REVOKE_SERIAL, l->serial.data, "certificate"},
        {AUTH_REVOKE_KEY, l->key_hash, "key"},
        {AUTH_REVOKE_SUBJECT, subject, "name"},
    };
    for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++)
        if (auth_revocations_has(list, entries[i].kind, entries[i].entry)) {
            auth_name_print_uri(&l->name, uri);
            return xos_fail(w->err, XOS_DENIED, "the %s of %s is revoked (list %llu of %s)",
                            entries[i].what, uri, (unsigned long long)list->seq, list->domain);
        }
    return 0;
}

static int step_revocation(struct walk *w)
{
    const struct auth_revocations *list = auth_context_revocations(w->ctx, w->anchor->institution);
    for (size_t i = 0; list && i < w->links; i++)
        if (check_revoked(w, list, &w->link[i]) < 0)
            return -1;
    return 0;
}

/* The extension's value is one OCTET STRING around the message. */
static int facts_bytes(struct walk *w, enum auth_extension ext, struct xos_slice *bytes)
{
    struct xos_slice in = w->link[0].ext[ext];
    if (auth_der_take(&in, 0x04, bytes) < 0 || in.len)
        return xos_fail(w->err, XOS_PROTOCOL, "%s: not an OCTET STRING", auth_extensions[ext].name);
    return 0;
}

static int step_facts(struct walk *w)
{
    struct xos_slice bytes;
    int ext = w->link[0].profile->facts;
    if (ext < 0)
        return 0;
    if (facts_bytes(w, (enum auth_extension)ext, &bytes) < 0)
        return -1;
    if (ext == AUTH_EXT_NODE)
        return auth_node_facts_read(&w->out->node, bytes, w->err);
    if (auth_job_facts_read(&w->out->job, &w->out->memory, bytes, w->err) < 0)
        return -1;
    if (!auth_name_equal(&w->out->job.unit, &w->link[0].name))
        return xos_fail(w->err, XOS_DENIED, "the job facts are those of another unit");
    return 0;
}

static int64_t earliest(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int step_principal(struct walk *w)
{
    const struct auth_link *leaf = &w->link[0];
    struct auth_principal *p = w->out;
    int64_t ago = w->ctx->now_ms - leaf->to_ms;
    p->kind = leaf->profile->kind;
    p->name = leaf->name;
    memcpy(p->root_hash, w->anchor->root_hash, sizeof(p->root_hash));
    memcpy(p->key, leaf->key, sizeof(p->key));
    memcpy(p->key_hash, leaf->key_hash, sizeof(p->key_hash));
    assert(leaf->serial.len == sizeof(p->serial));
    memcpy(p->serial, leaf->serial.data, sizeof(p->serial));
    p->from_ms = leaf->from_ms;
    p->to_ms = leaf->to_ms;
    p->issuer_to_ms = w->link[w->links - 1].to_ms;
    p->until_ms = earliest(earliest(leaf->to_ms, p->issuer_to_ms), w->anchor->root.to_ms);
    p->expired_for_ms = ago > AUTH_SKEW_MS_MAX ? ago : 0;
    return 0;
}

struct step {
    const char *name;
    int (*run)(struct walk *w);
};

static const struct step steps[] = {
    {"count", step_count},           /* as many certificates as the slot has, root optional */
    {"form", step_form},             /* each is exactly of its kind's form (link.c) */
    {"domain", step_domain},         /* the leaf's institution is its CA's institution */
    {"root", step_root},             /* which has a registered root, the one that was sent */
    {"issuers", step_issuers},       /* each names the next as its issuer */
    {"signatures", step_signatures}, /* and the next has signed it */
    {"validity", step_validity},     /* all hold now */
    {"revocation", step_revocation}, /* none was taken back */
    {"facts", step_facts},           /* our extensions say something sensible */
    {"principal", step_principal},
};

int auth_verify(const struct xos_slice *der, size_t count, const struct auth_context *ctx,
                struct auth_principal *out, struct xos_error *err)
{
    assert(ctx->slot > AUTH_KIND_NONE && ctx->slot <= AUTH_KIND_CA);
    assert(ctx->expired_ms_max >= 0 && ctx->expired_ms_max <= AUTH_RENEWAL_MS_MAX);
    struct auth_principal p = {0};
    struct walk w = {.der = der, .count = count, .ctx = ctx, .out = &p, .err = err};
    const char *failed = NULL;
    if (ctx->recall && ctx->recall(ctx->recall_arg, der, count, ctx->slot, ctx->now_ms, out))
        return 0;
    ERR_set_mark();
    for (size_t i = 0; !failed && i < sizeof(steps) / sizeof(steps[0]); i++)
        if (steps[i].run(&w) < 0)
            failed = steps[i].name;
    for (size_t i = 0; i < AUTH_CHAIN_MAX - 1; i++)
        auth_link_free(&w.link[i]);
    ERR_pop_to_mark();
    if (failed) {
        auth_principal_free(&p);
        return xos_wrap(err, "%s", failed);
    }
    *out = p;
    return 0;
}

int auth_chain_hash(const struct xos_slice *der, size_t count, enum auth_kind slot,
                    uint8_t out[static XOS_HASH_BYTES], struct xos_error *err)
{
    uint8_t parts[(AUTH_CHAIN_MAX + 1) * XOS_HASH_BYTES] = {(uint8_t)slot, (uint8_t)count};
    if (count > AUTH_CHAIN_MAX)
        return xos_fail(err, XOS_LIMIT, "a chain of %zu certificates", count);
    for (size_t i = 0; i < count; i++)
        if (xos_sha256(der[i], parts + (i + 1) * XOS_HASH_BYTES, err) < 0)
            return -1;
    return xos_sha256((struct xos_slice){parts, (count + 1) * XOS_HASH_BYTES}, out, err);
}
