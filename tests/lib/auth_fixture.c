// SPDX-License-Identifier: Apache-2.0
#include "tests/lib/auth_fixture.h"

#include <stdio.h>
#include <string.h>

struct xos_slice fixture_slice(const struct xos_buf *b)
{
    return (struct xos_slice){b->data, b->len};
}

int fixture_key(struct xos_key **out, uint8_t seed, struct xos_error *err)
{
    uint8_t secret[XOS_KEY_SECRET_BYTES];
    memset(secret, seed, sizeof(secret));
    return xos_key_from_secret(out, secret, err);
}

int fixture_issue(const struct fixture *f, struct xos_buf *out, struct auth_cert_request *request,
                  struct xos_error *err)
{
    bool root = request->kind == AUTH_KIND_ROOT;
    const struct fixture_cert *by = request->kind <= AUTH_KIND_JOB ? &f->ca : &f->root;
    struct auth_issuer issuer = {root ? (struct xos_slice){NULL, 0} : fixture_slice(&by->der),
                                 xos_key_evp(by->key)};
    return auth_cert_issue(out, request, &issuer, err);
}

void fixture_chain(const struct fixture *f, const struct xos_buf *leaf, struct xos_slice chain[3])
{
    chain[0] = fixture_slice(leaf);
    chain[1] = fixture_slice(&f->ca.der);
    chain[2] = fixture_slice(&f->root.der);
}

static void name_it(struct auth_cert_request *r, const struct fixture *f)
{
    static const struct {
        enum auth_name_kind kind;
        const char *part;
    } names[AUTH_KINDS] = {
        [AUTH_KIND_USER] = {AUTH_NAME_USER, "alice"}, [AUTH_KIND_NODE] = {AUTH_NAME_NODE, "n1"},
        [AUTH_KIND_JOB] = {AUTH_NAME_UNIT, ""},       [AUTH_KIND_CA] = {AUTH_NAME_CA, ""},
        [AUTH_KIND_ROOT] = {AUTH_NAME_ROOT, ""},
    };
    r->name.kind = names[r->kind].kind;
    (void)snprintf(r->name.part, sizeof(r->name.part), "%s", names[r->kind].part);
    (void)snprintf(r->name.institution, sizeof(r->name.institution), "%s", f->institution);
    if (r->kind == AUTH_KIND_JOB) {
        r->name.job = 1042;
        r->name.index = 3;
    }
}

static int make(struct fixture *f, struct fixture_cert *c, enum auth_kind kind, uint8_t seed,
                int64_t life_ms, struct xos_error *err)
{
    static const struct auth_node_facts node = {.curve_key = {0xc0, 0xc1, 0xc2, 0xc3},
                                                .roles = AUTH_NODE_HEAD | AUTH_NODE_WORKER};
    struct auth_cert_request r = {.kind = kind,
                                  .from_ms = FIXTURE_NOW_MS - 600000,
                                  .to_ms = FIXTURE_NOW_MS - 600000 + life_ms,
                                  .node = kind == AUTH_KIND_NODE ? &node : NULL,
                                  .job = kind == AUTH_KIND_JOB ? &f->job_facts : NULL};
    c->der = XOS_BUF(AUTH_CERT_BYTES_MAX);
    if (fixture_key(&c->key, seed, err) < 0)
        return -1;
    memcpy(r.key, xos_key_public(c->key), sizeof(r.key));
    memset(r.serial, seed, sizeof(r.serial));
    name_it(&r, f);
    return fixture_issue(f, &c->der, &r, err);
}

static int fill_rights(struct auth_rights *r, struct xos_error *err)
{
    if (auth_set_add(&r->actions, auth_slice("job.run"), err) < 0 ||
        auth_set_add(&r->actions, auth_slice("fs.read"), err) < 0 ||
        auth_set_add(&r->rw, auth_slice("/climate@inria/home/alice"), err) < 0)
        return -1;
    return auth_set_add(&r->ro, auth_slice("/climate@inria/data"), err);
}

static int fill_job(struct fixture *f, struct xos_error *err)
{
    struct auth_cert_request unit = {.kind = AUTH_KIND_JOB}, node = {.kind = AUTH_KIND_NODE},
                             user = {.kind = AUTH_KIND_USER};
    name_it(&unit, f);
    name_it(&node, f);
    name_it(&user, f);
    f->job_facts.unit = unit.name;
    f->job_facts.node = node.name;
    f->job_facts.user = user.name;
    f->job_facts.epoch = 7;
    memset(f->job_facts.grant_hash, 0x77, sizeof(f->job_facts.grant_hash));
    if (auth_name_parse(&f->job_facts.acting, AUTH_NAME_ROLE,
                        auth_slice("vo:climate@inria/prod:runner"), NULL, err) < 0)
        return -1;
    return fill_rights(&f->job_facts.rights, err);
}

int fixture_open(struct fixture *f, const char *institution, uint8_t seed, struct xos_error *err)
{
    const uint8_t s = (uint8_t)(seed * 16);
    *f = (struct fixture){0};
    (void)snprintf(f->institution, sizeof(f->institution), "%s", institution);
    if (fill_job(f, err) < 0 ||
        make(f, &f->root, AUTH_KIND_ROOT, (uint8_t)(s + 1), AUTH_ROOT_LIFE_MS_MAX, err) < 0 ||
        make(f, &f->ca, AUTH_KIND_CA, (uint8_t)(s + 2), AUTH_CA_LIFE_MS_MAX, err) < 0 ||
        make(f, &f->user, AUTH_KIND_USER, (uint8_t)(s + 3), AUTH_USER_LIFE_MS_MAX, err) < 0 ||
        make(f, &f->node, AUTH_KIND_NODE, (uint8_t)(s + 4), AUTH_NODE_LIFE_MS_MAX, err) < 0 ||
        make(f, &f->job, AUTH_KIND_JOB, (uint8_t)(s + 5), AUTH_JOB_LIFE_MS_MAX, err) < 0 ||
        auth_anchors_add(&f->anchors, institution, fixture_slice(&f->root.der), err) < 0)
        return -1;
    f->ctx = (struct auth_context){
        .anchors = &f->anchors, .now_ms = FIXTURE_NOW_MS, .slot = AUTH_KIND_USER};
    return 0;
}

void fixture_close(struct fixture *f)
{
    struct fixture_cert *all[] = {&f->root, &f->ca, &f->user, &f->node, &f->job};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        xos_key_free(all[i]->key);
        xos_buf_free(&all[i]->der);
    }
    auth_anchors_free(&f->anchors);
}

int fixture_grant(const struct fixture *f, struct auth_grant *g, struct xos_error *err)
{
    *g = (struct auth_grant){
        .user = f->job_facts.user,
        .acting = f->job_facts.acting,
        .rights = f->job_facts.rights,
        .owner = {.kind = AUTH_NAME_INSTITUTION},
        .selector = auth_slice("cpu.cores>=4"),
        .limits = {4, UINT64_C(1) << 30, 1, 3600000, 8},
        .issued_ms = FIXTURE_NOW_MS,
        .expires_ms = FIXTURE_NOW_MS + 2 * AUTH_DAY_MS,
    };
    memset(g->id, 0x10, sizeof(g->id));
    memset(g->operation, 0x11, sizeof(g->operation));
    memset(g->nonce, 0x12, sizeof(g->nonce));
    memcpy(g->owner.institution, f->institution, sizeof(g->owner.institution));
    memcpy(g->root_hash, f->anchors.at[0].root_hash, sizeof(g->root_hash));
    return xos_sha256(auth_slice(FIXTURE_SPEC), g->spec_hash, err);
}

int fixture_assignment(const struct fixture *f, const struct auth_grant *g,
                       struct auth_assignment *a, struct xos_error *err)
{
    *a = (struct auth_assignment){
        .unit = f->job_facts.unit,
        .node = f->job_facts.node,
        .epoch = 7,
        .user = g->user,
        .claim_deadline_ms = FIXTURE_NOW_MS + 10000,
        .issued_ms = FIXTURE_NOW_MS,
        .expires_ms = FIXTURE_NOW_MS + AUTH_DAY_MS,
    };
    memcpy(a->grant_hash, g->hash, sizeof(a->grant_hash));
    memcpy(a->spec_hash, g->spec_hash, sizeof(a->spec_hash));
    if (g->acting.kind == AUTH_NAME_NONE)
        return 0;
    return auth_name_parse(&a->vo, AUTH_NAME_VO, auth_slice("vo:climate@inria"), NULL, err);
}
