// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a node runs what was not given to it, or as somebody else, or twice. */
#include "tests/lib/forge.h"
#include "tests/lib/xtest.h"

#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof(table[0]))

struct scene {
    struct fixture f;
    struct xos_buf grant, bytes;
    struct auth_grant g;      /* checked */
    struct auth_assignment a; /* to sign */
    struct xos_slice user[3], head[3];
    struct auth_assignment_offer offer;
};

static int sign(struct scene *s, const struct auth_assignment *a, const struct xos_key *key,
                struct xos_error *err)
{
    xos_buf_clear(&s->bytes);
    int rc = auth_assignment_sign(&s->bytes, a, key, err);
    s->offer.assignment = fixture_slice(&s->bytes);
    return rc;
}

static int open_scene(struct scene *s, struct xos_error *err)
{
    struct auth_grant g;
    memset(s, 0, sizeof(*s));
    s->grant = XOS_BUF(AUTH_GRANT_BYTES_MAX);
    s->bytes = XOS_BUF(AUTH_ASSIGNMENT_BYTES_MAX);
    if (fixture_open(&s->f, "inria", 1, err) < 0 || fixture_grant(&s->f, &g, err) < 0 ||
        auth_grant_sign(&s->grant, &g, s->f.user.key, err) < 0)
        return -1;
    fixture_chain(&s->f, &s->f.user.der, s->user);
    fixture_chain(&s->f, &s->f.node.der, s->head);
    struct auth_grant_offer offer = {fixture_slice(&s->grant), s->user, 3, auth_slice(FIXTURE_SPEC),
                                     AUTH_FRESH};
    if (auth_grant_check(&s->g, &offer, &s->f.ctx, err) < 0 ||
        fixture_assignment(&s->f, &s->g, &s->a, err) < 0)
        return -1;
    s->offer = (struct auth_assignment_offer){.chain = s->head,
                                              .chain_count = 3,
                                              .grant = &s->g,
                                              .node = &s->f.job_facts.node,
                                              .epoch_min = 7};
    return sign(s, &s->a, s->f.node.key, err);
}

static void close_scene(struct scene *s)
{
    auth_grant_free(&s->g);
    xos_buf_free(&s->grant);
    xos_buf_free(&s->bytes);
    fixture_close(&s->f);
}

static int check(const struct scene *s, struct xos_error *err)
{
    struct auth_assignment a;
    return auth_assignment_check(&a, &s->offer, &s->f.ctx, err);
}

static void an_assignment_comes_back_whole(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct scene s;
    struct auth_assignment a;
    struct auth_job_facts facts;
    XT_TRY(open_scene(&s, &err));
    XT_TRY(auth_assignment_check(&a, &s.offer, &s.f.ctx, &err));
    assert_true(auth_name_equal(&a.unit, &s.a.unit));
    assert_int_equal(a.epoch, 7);
    assert_int_equal(a.claim_deadline_ms, s.a.claim_deadline_ms);
    auth_assignment_facts(&facts, &a, &s.g);
    assert_memory_equal(facts.grant_hash, s.g.hash, XOS_HASH_BYTES);
    assert_true(auth_rights_within(&facts.rights, &s.g.rights));
    assert_true(auth_name_equal(&facts.acting, &s.g.acting));
out:
    close_scene(&s);
}

static void other_node(struct auth_assignment *a)
{
    a->node.part[1] = '2';
}
static void other_grant(struct auth_assignment *a)
{
    a->grant_hash[0] ^= 1;
}
static void other_spec(struct auth_assignment *a)
{
    a->spec_hash[0] ^= 1;
}
static void other_user(struct auth_assignment *a)
{
    a->user.part[0] = 'b';
}
static void other_vo(struct auth_assignment *a)
{
    a->vo.part[0] = 'k';
}
static void no_vo(struct auth_assignment *a)
{
    a->vo = (struct auth_name){.kind = AUTH_NAME_NONE};
}
static void other_institution(struct auth_assignment *a)
{
    memcpy(a->unit.institution, "vu", 3);
}
static void a_unit_too_many(struct auth_assignment *a)
{
    a->unit.index = 8;
}
static void fenced(struct auth_assignment *a)
{
    a->epoch = 6;
}
static void ended(struct auth_assignment *a)
{
    a->issued_ms -= 200000;
    a->claim_deadline_ms = a->expires_ms = FIXTURE_NOW_MS - 61000;
}
static void claim_over(struct auth_assignment *a)
{
    a->issued_ms -= 200000;
    a->claim_deadline_ms = FIXTURE_NOW_MS - 61000;
}
static void ahead(struct auth_assignment *a)
{
    a->issued_ms += 61000;
    a->claim_deadline_ms += 61000;
}
static void outlives(struct auth_assignment *a)
{
    a->expires_ms = FIXTURE_NOW_MS + 2 * AUTH_DAY_MS + 1;
}

static void assignments_of_others_are_refused(void **state)
{
    (void)state;
    static const struct {
        void (*spoil)(struct auth_assignment *a);
        enum xos_code code;
        const char *step;
    } rows[] = {
        {other_node, XOS_DENIED, "assignment: node"},
        {other_grant, XOS_DENIED, "assignment: grant"},
        {other_spec, XOS_DENIED, "assignment: grant"},
        {other_user, XOS_DENIED, "assignment: identity"},
        {other_vo, XOS_DENIED, "assignment: identity"},
        {no_vo, XOS_DENIED, "assignment: identity"},
        {other_institution, XOS_DENIED, "assignment: unit"},
        {a_unit_too_many, XOS_DENIED, "assignment: unit"},
        {fenced, XOS_STALE, "assignment: epoch"},
        {ended, XOS_EXPIRED, "assignment: times"},
        {claim_over, XOS_EXPIRED, "assignment: times"},
        {ahead, XOS_CLOCK, "assignment: times"},
        {outlives, XOS_DENIED, "assignment: times"},
    };
    struct xos_error err = {0};
    struct scene s;
    XT_TRY(open_scene(&s, &err));
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct auth_assignment a = s.a;
        rows[i].spoil(&a);
        XT_TRY(sign(&s, &a, s.f.node.key, &err));
        XT_REFUSED(check(&s, &err), rows[i].code);
        if (!xt_starving())
            assert_non_null(strstr(err.text, rows[i].step));
    }
    /* once started, the claim's first deadline says nothing any more */
    struct auth_assignment a = s.a;
    claim_over(&a);
    XT_TRY(sign(&s, &a, s.f.node.key, &err));
    s.offer.moment = AUTH_LATER;
    XT_TRY(check(&s, &err));
    /* the same VO name of another institution */
    a = s.a;
    memcpy(a.vo.institution, "vu", 3);
    XT_TRY(sign(&s, &a, s.f.node.key, &err));
    XT_REFUSED(check(&s, &err), XOS_DENIED);
    /* a grant for the user alone */
    struct auth_name acting = s.g.acting;
    s.g.acting = (struct auth_name){.kind = AUTH_NAME_NONE};
    XT_REFUSED(check(&s, &err), XOS_DENIED);
    no_vo(&a);
    XT_TRY(sign(&s, &a, s.f.node.key, &err));
    XT_TRY(check(&s, &err));
    s.g.acting = acting;
    XT_TRY(sign(&s, &s.a, s.f.node.key, &err));
    /* the job that the grant names, and another */
    s.g.job = (struct auth_name){.kind = AUTH_NAME_JOB, .institution = "inria", .job = 1042};
    XT_TRY(check(&s, &err));
    /* another job of the grant that names one */
    s.g.job = (struct auth_name){.kind = AUTH_NAME_JOB, .institution = "inria", .job = 1043};
    XT_REFUSED(check(&s, &err), XOS_DENIED);
out:
    close_scene(&s);
}

static int issue_node(struct scene *s, uint32_t roles, struct xos_error *err)
{
    struct auth_node_facts facts = {.roles = roles};
    struct auth_cert_request r = {.kind = AUTH_KIND_NODE,
                                  .name = s->f.job_facts.node,
                                  .from_ms = FIXTURE_NOW_MS,
                                  .to_ms = FIXTURE_NOW_MS + AUTH_HOUR_MS,
                                  .node = &facts};
    memcpy(r.key, xos_key_public(s->f.node.key), sizeof(r.key));
    xos_buf_clear(&s->f.node.der);
    int rc = fixture_issue(&s->f, &s->f.node.der, &r, err);
    fixture_chain(&s->f, &s->f.node.der, s->head);
    return rc;
}

static void only_a_head_of_the_owner_assigns(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct scene s;
    struct fixture vu;
    memset(&vu, 0, sizeof(vu));
    XT_TRY(open_scene(&s, &err));
    XT_TRY(fixture_open(&vu, "vu", 2, &err));
    XT_TRY(auth_anchors_add(&s.f.anchors, "vu", fixture_slice(&vu.root.der), &err));
    /* the worker itself is no head */
    XT_TRY(issue_node(&s, AUTH_NODE_WORKER | AUTH_NODE_STORAGE | AUTH_NODE_GATEWAY, &err));
    XT_REFUSED(check(&s, &err), XOS_DENIED);
    XT_TRY(issue_node(&s, AUTH_NODE_HEAD, &err));
    XT_TRY(check(&s, &err));
    /* a user's key, under the head's chain and under its own */
    XT_TRY(sign(&s, &s.a, s.f.user.key, &err));
    XT_REFUSED(check(&s, &err), XOS_DENIED);
    fixture_chain(&s.f, &s.f.user.der, s.head);
    XT_REFUSED(check(&s, &err), XOS_DENIED);
    /* another institution's head */
    XT_TRY(sign(&s, &s.a, vu.node.key, &err));
    fixture_chain(&vu, &vu.node.der, s.head);
    XT_REFUSED(check(&s, &err), XOS_DENIED);
    if (!xt_starving())
        assert_non_null(strstr(err.text, "a head of vu"));
out:
    fixture_close(&vu);
    close_scene(&s);
}

static void assignments_are_read_strictly(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
    } extras[] = {
        {"\x58\x01", 2},     /* field 11 */
        {"\x18\x08", 2},     /* a higher epoch */
        {"\x50\x80\x00", 3}, /* a long varint */
    };
    struct xos_error err = {0};
    struct scene s;
    struct xos_buf forged = XOS_BUF(AUTH_ASSIGNMENT_BYTES_MAX);
    XT_TRY(open_scene(&s, &err));
    for (size_t i = 0; i < COUNT(extras); i++) {
        struct xos_slice extra = {(const uint8_t *)extras[i].bytes, extras[i].len};
        XT_TRY(
            forge_statement(&forged, &s.bytes, extra, AUTH_ASSIGNMENT_DOMAIN, s.f.node.key, &err));
        s.offer.assignment = fixture_slice(&forged);
        XT_REFUSED(check(&s, &err), XOS_PROTOCOL);
    }
    struct auth_assignment a = s.a;
    a.epoch = 0;
    XT_REFUSED(sign(&s, &a, s.f.node.key, &err), XOS_PROTOCOL);
    a.epoch = AUTH_EPOCH_MAX + UINT64_C(1);
    XT_REFUSED(sign(&s, &a, s.f.node.key, &err), XOS_PROTOCOL);
    a = s.a;
    a.expires_ms = a.issued_ms + AUTH_GRANT_LIFE_MS_MAX + 1;
    XT_REFUSED(sign(&s, &a, s.f.node.key, &err), XOS_DENIED);
    a = s.a;
    a.claim_deadline_ms = a.expires_ms + 1;
    XT_REFUSED(sign(&s, &a, s.f.node.key, &err), XOS_PROTOCOL);
    a.claim_deadline_ms = a.issued_ms;
    XT_REFUSED(sign(&s, &a, s.f.node.key, &err), XOS_PROTOCOL);
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
    for (; s.offer.assignment.len > 0;) {
        s.offer.assignment.len--;
        assert_int_equal(check(&s, &err), -1);
    }
out:
    close_scene(&s);
}

static const struct xt_test tests[] = {
    XT(an_assignment_comes_back_whole),   XT(assignments_of_others_are_refused),
    XT(only_a_head_of_the_owner_assigns), XT_PLAIN(assignments_are_read_strictly),
    XT_PLAIN(a_changed_bit_is_seen),
};
XT_MAIN(tests)
