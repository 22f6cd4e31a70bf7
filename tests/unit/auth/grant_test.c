// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a job does what its owner did not allow, or in somebody else's name. */
#include "tests/lib/forge.h"
#include "tests/lib/xtest.h"

#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof(table[0]))

struct scene {
    struct fixture f;
    struct auth_grant g;  /* to sign */
    struct xos_buf bytes; /* signed */
    struct xos_slice chain[3];
    struct auth_grant_offer offer;
};

static int sign(struct scene *s, const struct auth_grant *g, const struct xos_key *key,
                struct xos_error *err)
{
    xos_buf_clear(&s->bytes);
    int rc = auth_grant_sign(&s->bytes, g, key, err);
    s->offer.grant = fixture_slice(&s->bytes);
    return rc;
}

static int open_scene(struct scene *s, struct xos_error *err)
{
    memset(s, 0, sizeof(*s));
    s->bytes = XOS_BUF(AUTH_GRANT_BYTES_MAX);
    if (fixture_open(&s->f, "inria", 1, err) < 0 || fixture_grant(&s->f, &s->g, err) < 0)
        return -1;
    fixture_chain(&s->f, &s->f.user.der, s->chain);
    s->offer = (struct auth_grant_offer){
        .chain = s->chain, .chain_count = 3, .spec = auth_slice(FIXTURE_SPEC)};
    return sign(s, &s->g, s->f.user.key, err);
}

static void close_scene(struct scene *s)
{
    xos_buf_free(&s->bytes);
    fixture_close(&s->f);
}

static int check(const struct scene *s, struct xos_error *err)
{
    struct auth_grant g = {0};
    int rc = auth_grant_check(&g, &s->offer, &s->f.ctx, err);
    auth_grant_free(&g);
    return rc;
}

static void a_grant_allows_what_it_says(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct scene s;
    struct auth_grant g = {0};
    XT_TRY(open_scene(&s, &err));
    XT_TRY(auth_grant_check(&g, &s.offer, &s.f.ctx, &err));
    XT_TRY(auth_grant_allows(&g, "job.run", &err));
    XT_REFUSED(auth_grant_allows(&g, "job.kill", &err), XOS_DENIED);
    XT_TRY(auth_grant_allows_path(&g, auth_slice("/climate@inria/home/alice/x"), true, &err));
    XT_REFUSED(auth_grant_allows_path(&g, auth_slice("/climate@inria/data/x"), true, &err),
               XOS_DENIED);
    XT_TRY(auth_grant_allows_path(&g, auth_slice("/climate@inria/data/x"), false, &err));
    assert_int_equal(g.selector.len, strlen("cpu.cores>=4"));
    assert_int_equal(g.job.kind, AUTH_NAME_NONE);
    assert_memory_equal(g.operation, s.g.operation, sizeof(g.operation));
    struct auth_limits claim = s.g.limits;
    XT_TRY(auth_grant_allows_claim(&g, &claim, &err));
    claim.cpus++;
    XT_REFUSED(auth_grant_allows_claim(&g, &claim, &err), XOS_DENIED);
    claim = s.g.limits, claim.mem_bytes++;
    XT_REFUSED(auth_grant_allows_claim(&g, &claim, &err), XOS_DENIED);
    claim = s.g.limits, claim.gpus++;
    XT_REFUSED(auth_grant_allows_claim(&g, &claim, &err), XOS_DENIED);
    claim = s.g.limits, claim.walltime_ms++;
    XT_REFUSED(auth_grant_allows_claim(&g, &claim, &err), XOS_DENIED);
    claim = s.g.limits, claim.units++;
    XT_REFUSED(auth_grant_allows_claim(&g, &claim, &err), XOS_DENIED);
out:
    auth_grant_free(&g);
    close_scene(&s);
}

static void other_user(struct auth_grant *g)
{
    g->user.part[0] = 'b';
}
static void other_root(struct auth_grant *g)
{
    g->root_hash[0] ^= 1;
}
static void other_owner(struct auth_grant *g)
{
    memcpy(g->owner.institution, "vu", 3);
}
static void other_jobs_owner(struct auth_grant *g)
{
    g->job = (struct auth_name){.kind = AUTH_NAME_JOB, .institution = "vu", .job = 1};
}
static void other_spec(struct auth_grant *g)
{
    g->spec_hash[0] ^= 1;
}
static void ended(struct auth_grant *g)
{
    g->expires_ms = FIXTURE_NOW_MS - 61000;
    g->issued_ms = FIXTURE_NOW_MS - 500000;
}
static void ahead(struct auth_grant *g)
{
    g->issued_ms = FIXTURE_NOW_MS + 61000;
}
static void postdated(struct auth_grant *g)
{
    g->issued_ms = FIXTURE_NOW_MS + 59000;
}
static void antedated(struct auth_grant *g)
{
    g->issued_ms = FIXTURE_NOW_MS - 600000 - 61000;
}

static void grants_for_others_are_refused(void **state)
{
    (void)state;
    static const struct {
        void (*spoil)(struct auth_grant *g);
        enum xos_code code;
        const char *step;
    } rows[] = {
        {other_user, XOS_DENIED, "grant: user"},
        {other_root, XOS_DENIED, "grant: user"},
        {other_owner, XOS_DENIED, "grant: owner"},
        {other_jobs_owner, XOS_DENIED, "grant: owner"},
        {other_spec, XOS_DENIED, "grant: specification"},
        {ended, XOS_EXPIRED, "grant: times"},
        {ahead, XOS_CLOCK, "grant: times"},
        {antedated, XOS_DENIED, "grant: issue"},
    };
    struct xos_error err = {0};
    struct scene s;
    XT_TRY(open_scene(&s, &err));
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct auth_grant g = s.g;
        rows[i].spoil(&g);
        XT_TRY(sign(&s, &g, s.f.user.key, &err));
        XT_REFUSED(check(&s, &err), rows[i].code);
        if (!xt_starving())
            assert_non_null(strstr(err.text, rows[i].step));
    }
    /* a job with a number, of the right institution */
    struct auth_grant named = s.g;
    named.job = (struct auth_name){.kind = AUTH_NAME_JOB, .institution = "inria", .job = 1042};
    XT_TRY(sign(&s, &named, s.f.user.key, &err));
    XT_TRY(check(&s, &err));
    /* issued just after the certificate's end, both within the clocks' difference */
    named = s.g;
    postdated(&named);
    XT_TRY(sign(&s, &named, s.f.user.key, &err));
    XT_TRY(check(&s, &err));
    s.f.ctx.now_ms = FIXTURE_NOW_MS - 600000 + AUTH_USER_LIFE_MS_MAX + AUTH_SKEW_MS_MAX;
    named.issued_ms = s.f.ctx.now_ms + 1000;
    XT_TRY(sign(&s, &named, s.f.user.key, &err));
    XT_REFUSED(check(&s, &err), XOS_DENIED);
    s.f.ctx.now_ms = FIXTURE_NOW_MS;
    /* the node's key, and the node's chain */
    XT_TRY(sign(&s, &s.g, s.f.node.key, &err));
    XT_REFUSED(check(&s, &err), XOS_DENIED);
    s.chain[0] = fixture_slice(&s.f.node.der);
    XT_REFUSED(check(&s, &err), XOS_DENIED);
out:
    close_scene(&s);
}

/* A grant outlives the certificate that it was signed with, and is still revocable. */
static void a_grant_outlives_its_certificate(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct scene s;
    struct auth_grant g = {0};
    struct auth_revocations *list = NULL;
    XT_TRY(open_scene(&s, &err));
    XT_TRY(auth_grant_check(&g, &s.offer, &s.f.ctx, &err));
    s.f.ctx.now_ms += AUTH_DAY_MS;
    XT_REFUSED(check(&s, &err), XOS_EXPIRED);
    s.offer.moment = AUTH_LATER;
    XT_TRY(check(&s, &err));
    list = auth_revocations_new("inria", g.root_hash, &err);
    XT_PTR(list);
    const struct auth_revocations *const lists[] = {list};
    s.f.ctx.revocations = lists;
    s.f.ctx.revocation_count = 1;
    XT_TRY(check(&s, &err));
    XT_TRY(auth_revocations_add(list, AUTH_REVOKE_GRANT, g.hash, &err));
    XT_REFUSED(check(&s, &err), XOS_DENIED);
    s.f.ctx.revocation_count = 0;
    s.f.ctx.now_ms += AUTH_DAY_MS + AUTH_SKEW_MS_MAX + 1;
    XT_REFUSED(check(&s, &err), XOS_EXPIRED);
out:
    auth_grant_free(&g);
    auth_revocations_free(list);
    close_scene(&s);
}

static void limits_have_names(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct scene s;
    static char selector[AUTH_SELECTOR_BYTES_MAX + 2];
    XT_TRY(open_scene(&s, &err));
    struct auth_grant g = s.g;
    const struct {
        struct auth_limits limits;
        const char *name;
    } rows[] = {
        {{0, 1, 1, 1, 1}, "cpus"},
        {{AUTH_CPUS_MAX + 1, 1, 1, 1, 1}, "cpus"},
        {{1, 0, 1, 1, 1}, "mem_bytes"},
        {{1, AUTH_MEM_BYTES_MAX + 1, 1, 1, 1}, "mem_bytes"},
        {{1, 1, AUTH_GPUS_MAX + 1, 1, 1}, "gpus"},
        {{1, 1, 1, 0, 1}, "walltime_ms"},
        {{1, 1, 1, AUTH_WALLTIME_MS_MAX + 1, 1}, "walltime_ms"},
        {{1, 1, 1, -1, 1}, "walltime_ms"},
        {{1, 1, 1, 1, 0}, "units"},
        {{1, 1, 1, 1, AUTH_UNITS_MAX + 1}, "units"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        g.limits = rows[i].limits;
        XT_REFUSED(sign(&s, &g, s.f.user.key, &err), XOS_LIMIT);
        if (!xt_starving())
            assert_non_null(strstr(err.text, rows[i].name));
    }
    g = s.g;
    memset(selector, 'x', AUTH_SELECTOR_BYTES_MAX + 1);
    g.selector = auth_slice(selector);
    XT_REFUSED(sign(&s, &g, s.f.user.key, &err), XOS_LIMIT);
    g = s.g;
    g.expires_ms = g.issued_ms + AUTH_GRANT_LIFE_MS_MAX + 1;
    XT_REFUSED(sign(&s, &g, s.f.user.key, &err), XOS_DENIED);
    g = s.g;
    g.rights.rw.at[0] = auth_slice("/a/");
    XT_REFUSED(sign(&s, &g, s.f.user.key, &err), XOS_PROTOCOL);
    g = s.g;
    g.rights.actions.at[1] = g.rights.actions.at[0];
    XT_REFUSED(sign(&s, &g, s.f.user.key, &err), XOS_PROTOCOL);
out:
    close_scene(&s);
}

static void grants_are_read_strictly(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
    } extras[] = {
        {"\x8a\x01\x00", 3},      /* field 17 */
        {"\x6a\x02\x30\x01", 4},  /* an unknown field inside limits */
        {"\x6a\x02\x08\x7f", 4},  /* limits once more: protobuf would merge them */
        {"\x3a\x08job.kill", 10}, /* an action more */
        {"\x70\x80\x80\x00", 4},  /* a long varint */
        {"\x12\x07inria-1", 9},   /* a job beside the operation */
    };
    struct xos_error err = {0};
    struct scene s;
    struct xos_buf forged = XOS_BUF(AUTH_GRANT_BYTES_MAX);
    XT_TRY(open_scene(&s, &err));
    for (size_t i = 0; i < COUNT(extras); i++) {
        struct xos_slice extra = {(const uint8_t *)extras[i].bytes, extras[i].len};
        XT_TRY(forge_statement(&forged, &s.bytes, extra, AUTH_GRANT_DOMAIN, s.f.user.key, &err));
        s.offer.grant = fixture_slice(&forged);
        XT_REFUSED(check(&s, &err), XOS_PROTOCOL);
    }
    XT_TRY(forge_statement(&forged, &s.bytes, auth_slice(""), AUTH_ASSIGNMENT_DOMAIN, s.f.user.key,
                           &err));
    s.offer.grant = fixture_slice(&forged);
    XT_REFUSED(check(&s, &err), XOS_DENIED);
out:
    xos_buf_free(&forged);
    close_scene(&s);
}

static void a_changed_bit_is_seen(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct scene s;
    XT_TRY(open_scene(&s, &err));
    for (size_t i = 0; i < s.bytes.len; i++) {
        s.bytes.data[i] ^= (uint8_t)(1u << (i % 8));
        if (check(&s, &err) == 0)
            fail_msg("byte %zu", i);
        s.bytes.data[i] ^= (uint8_t)(1u << (i % 8));
    }
    for (; s.offer.grant.len > 0;) {
        s.offer.grant.len--;
        assert_int_equal(check(&s, &err), -1);
    }
out:
    close_scene(&s);
}

static const struct xt_test tests[] = {
    XT(a_grant_allows_what_it_says),      XT(grants_for_others_are_refused),
    XT(a_grant_outlives_its_certificate), XT(limits_have_names),
    XT_PLAIN(grants_are_read_strictly),   XT_PLAIN(a_changed_bit_is_seen),
};
XT_MAIN(tests)
