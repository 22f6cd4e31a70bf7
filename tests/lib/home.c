// SPDX-License-Identifier: Apache-2.0
#include "tests/lib/home.h"

#include <stdio.h>
#include <string.h>

static int key_of(struct xos_key **out, uint8_t seed, struct xos_error *err)
{
    uint8_t secret[XOS_KEY_SECRET_BYTES];
    memset(secret, seed, sizeof(secret));
    return xos_key_from_secret(out, secret, err);
}

static int issue(const struct home *h, struct auth_cert_request *r, struct xos_buf *out,
                 struct xos_error *err)
{
    struct auth_issuer by = {{h->ca.data, h->ca.len}, h->ca_key ? xos_key_evp(h->ca_key) : NULL};
    if (r->kind == AUTH_KIND_ROOT)
        by = (struct auth_issuer){{NULL, 0}, xos_key_evp(h->root_key)};
    else if (r->kind == AUTH_KIND_CA)
        by = (struct auth_issuer){{h->root.data, h->root.len}, xos_key_evp(h->root_key)};
    (void)snprintf(r->name.institution, sizeof(r->name.institution), "inria");
    memset(r->serial, (int)r->kind, sizeof(r->serial));
    return auth_cert_issue(out, r, &by, err);
}

static int authority(struct home *h, enum auth_kind kind, const struct xos_key *key,
                     int64_t life_ms, struct xos_buf *out, struct xos_error *err)
{
    struct auth_cert_request r = {.kind = kind,
                                  .from_ms = h->now_ms - AUTH_HOUR_MS,
                                  .to_ms = h->now_ms - AUTH_HOUR_MS + life_ms};
    r.name.kind = kind == AUTH_KIND_ROOT ? AUTH_NAME_ROOT : AUTH_NAME_CA;
    memcpy(r.key, xos_key_public(key), sizeof(r.key));
    *out = XOS_BUF(AUTH_CERT_BYTES_MAX);
    return issue(h, &r, out, err);
}

int home_open(struct home *h, int64_t now_ms, uint8_t seed, struct xos_error *err)
{
    *h = (struct home){.now_ms = now_ms};
    if (key_of(&h->root_key, (uint8_t)(seed + 1), err) < 0 ||
        key_of(&h->ca_key, (uint8_t)(seed + 2), err) < 0 ||
        key_of(&h->vo_key, (uint8_t)(seed + 3), err) < 0 ||
        authority(h, AUTH_KIND_ROOT, h->root_key, AUTH_ROOT_LIFE_MS_MAX, &h->root, err) < 0 ||
        authority(h, AUTH_KIND_CA, h->ca_key, AUTH_CA_LIFE_MS_MAX, &h->ca, err) < 0 ||
        auth_anchors_add(&h->anchors, "inria", (struct xos_slice){h->root.data, h->root.len}, err) <
            0)
        return -1;
    memcpy(h->root_hash, h->anchors.at[0].root_hash, sizeof(h->root_hash));
    h->ctx =
        (struct auth_context){.anchors = &h->anchors, .now_ms = now_ms, .slot = AUTH_KIND_USER};
    return 0;
}

void home_close(struct home *h)
{
    xos_key_free(h->root_key);
    xos_key_free(h->ca_key);
    xos_key_free(h->vo_key);
    xos_buf_free(&h->root);
    xos_buf_free(&h->ca);
    auth_anchors_free(&h->anchors);
}

int home_certify(const struct home *h, enum auth_kind kind, const char *name,
                 const uint8_t key[static XOS_KEY_PUBLIC_BYTES], int64_t from_ms, int64_t life_ms,
                 struct xos_buf *out, struct xos_error *err)
{
    static const struct auth_node_facts node = {.curve_key = {1}, .roles = AUTH_NODE_WORKER};
    struct auth_cert_request r = {.kind = kind,
                                  .from_ms = from_ms,
                                  .to_ms = from_ms + life_ms,
                                  .node = kind == AUTH_KIND_NODE ? &node : NULL};
    r.name.kind = kind == AUTH_KIND_NODE ? AUTH_NAME_NODE : AUTH_NAME_USER;
    (void)snprintf(r.name.part, sizeof(r.name.part), "%s", name);
    memcpy(r.key, key, sizeof(r.key));
    return issue(h, &r, out, err);
}

int home_attributes(const struct home *h, const char *user,
                    const uint8_t key[static XOS_KEY_PUBLIC_BYTES], struct xos_buf *out,
                    struct xos_error *err)
{
    struct auth_attr a = {.issued_ms = h->now_ms, .expires_ms = h->now_ms + AUTH_HOUR_MS, .seq = 1};
    if (auth_name_parse(&a.vo, AUTH_NAME_VO, auth_slice("vo:climate@inria"), NULL, err) < 0 ||
        auth_name_parse(&a.subject, AUTH_NAME_USER, auth_slice(user), "inria", err) < 0 ||
        auth_key_hash(key, a.subject_key_hash, err) < 0 ||
        auth_set_add(&a.groups, auth_slice("prod"), err) < 0 ||
        auth_set_add(&a.roles, auth_slice("prod:runner"), err) < 0)
        return -1;
    memcpy(a.subject_root_hash, h->root_hash, sizeof(a.subject_root_hash));
    return auth_attr_sign(out, &a, h->vo_key, err);
}

void home_chain(const struct home *h, const struct xos_buf *leaf, struct xos_slice chain[3])
{
    chain[0] = (struct xos_slice){leaf->data, leaf->len};
    chain[1] = (struct xos_slice){h->ca.data, h->ca.len};
    chain[2] = (struct xos_slice){h->root.data, h->root.len};
}

static int64_t standing_real_ms(struct xos_env *env)
{
    return ((struct clock_env *)env)->real_ms;
}

static uint64_t standing_boot_ms(struct xos_env *env)
{
    return ((struct clock_env *)env)->boot_ms;
}

struct xos_env *clock_env_init(struct clock_env *c, int64_t real_ms)
{
    *c = (struct clock_env){.ops = *xos_env_posix()->ops, .real_ms = real_ms, .boot_ms = 1000};
    c->ops.real_ms = standing_real_ms;
    c->ops.boot_ms = standing_boot_ms;
    c->env.ops = &c->ops;
    return &c->env;
}
