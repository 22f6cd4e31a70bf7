// SPDX-License-Identifier: Apache-2.0
/* The first byte says the format, and whether the rest is the envelope as it comes or a payload
 * that the right key signs first. What passes is checked again for the sense that readers rely on.
 */
#include "tests/lib/fuzz_auth.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
    if (!good)
        abort();
}

static void grant(struct xos_slice bytes)
{
    struct vo_fixture *v = fuzz_auth_world();
    struct auth_grant g = {0};
    struct xos_slice chain[3];
    fixture_chain(&v->f, &v->f.user.der, chain);
    struct auth_grant_offer offer = {bytes, chain, 2, auth_slice(FIXTURE_SPEC), AUTH_FRESH};
    if (auth_grant_check(&g, &offer, &v->f.ctx, NULL) == 0) {
        must(auth_name_equal(&g.user, &v->alice.name) && g.expires_ms > g.issued_ms);
        must(g.selector.len <= AUTH_SELECTOR_BYTES_MAX);
        must(auth_rights_within(&g.rights, &g.rights));
    }
    auth_grant_free(&g);
}

static void assignment(struct xos_slice bytes)
{
    static struct auth_grant g;
    struct vo_fixture *v = fuzz_auth_world();
    struct auth_assignment a;
    struct xos_slice chain[3];
    if (g.expires_ms == 0)
        must(fixture_grant(&v->f, &g, NULL) == 0);
    fixture_chain(&v->f, &v->f.node.der, chain);
    struct auth_assignment_offer offer = {bytes, chain, 2, &g, &v->f.job_facts.node, 1, AUTH_FRESH};
    if (auth_assignment_check(&a, &offer, &v->f.ctx, NULL) == 0)
        must(auth_name_equal(&a.user, &g.user) && a.epoch > 0 && a.unit.index < g.limits.units);
}

static void attributes(struct xos_slice bytes)
{
    struct vo_fixture *v = fuzz_auth_world();
    struct auth_attr a = {0};
    if (auth_attr_check(&a, bytes, &v->known, &v->alice, FIXTURE_NOW_MS, NULL) == 0)
        must(auth_attr_has(&a, &a.vo) && a.expires_ms - a.issued_ms <= AUTH_ATTR_LIFE_MS_MAX);
    auth_attr_free(&a);
}

static void manifest(struct xos_slice bytes)
{
    struct vo_fixture *v = fuzz_auth_world();
    struct auth_manifest m = {0};
    if (auth_manifest_check(&m, bytes, &v->m.vo, v->m.root_hash, 1, FIXTURE_NOW_MS, NULL) == 0)
        must(m.keys.count > 0 && m.keys.at[0].len == XOS_KEY_PUBLIC_BYTES);
    auth_manifest_free(&m);
}

static void revocations(struct xos_slice bytes)
{
    struct vo_fixture *v = fuzz_auth_world();
    struct xos_slice ca = fixture_slice(&v->f.ca.der);
    struct auth_revocations *list = NULL;
    uint8_t none[XOS_HASH_BYTES] = {0};
    if (auth_revocations_check(&list, bytes, &ca, 1, &v->f.ctx, 1, NULL) == 0)
        (void)auth_revocations_has(list, AUTH_REVOKE_GRANT, none);
    auth_revocations_free(list);
}

/* Facts are in certificates; here they are read without one. */
static void node_facts(struct xos_slice bytes)
{
    struct auth_node_facts facts;
    if (auth_node_facts_read(&facts, bytes, NULL) == 0)
        must(facts.roles != 0);
}

static void job_facts(struct xos_slice bytes)
{
    struct auth_job_facts facts;
    struct auth_facts_memory *memory = NULL;
    struct xos_buf again = XOS_BUF(AUTH_FACTS_BYTES_MAX);
    if (auth_job_facts_read(&facts, &memory, bytes, NULL) == 0) {
        must(auth_job_facts_write(&again, &facts, NULL) == 0);
        must(again.len == bytes.len && memcmp(again.data, bytes.data, bytes.len) == 0);
    }
    xos_buf_free(&again);
    auth_facts_free(memory);
}

enum signer { NOBODY, USER, HEAD, VO, VO_ROOT, CA };

static const struct {
    void (*read)(struct xos_slice bytes);
    const char *domain;
    enum signer signer;
} formats[] = {
    {grant, AUTH_GRANT_DOMAIN, USER},
    {assignment, AUTH_ASSIGNMENT_DOMAIN, HEAD},
    {attributes, AUTH_ATTR_DOMAIN, VO},
    {manifest, AUTH_MANIFEST_DOMAIN, VO_ROOT},
    {revocations, AUTH_REVOKE_DOMAIN, CA},
    {node_facts, NULL, NOBODY},
    {job_facts, NULL, NOBODY},
};
#define FORMATS (sizeof(formats) / sizeof(formats[0]))

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct vo_fixture *v = fuzz_auth_world();
    const struct xos_key *const keys[] = {NULL,   v->f.user.key, v->f.node.key,
                                          v->key, v->root,       v->f.ca.key};
    const size_t i = data[0] % FORMATS;
    struct xos_buf bytes = XOS_BUF(1 << 20);
    if (formats[i].signer == NOBODY || data[0] / FORMATS % 2 == 0)
        formats[i].read((struct xos_slice){data + 1, size - 1});
    else {
        fuzz_auth_sign(&bytes, data + 1, size - 1, formats[i].domain, keys[formats[i].signer]);
        formats[i].read(fixture_slice(&bytes));
    }
    xos_buf_free(&bytes);
    return 0;
}
