// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a hostile xosd starts what it likes, as whom it likes. */
#include "tests/unit/judge/judge_stage.h"

static int judge(struct judge_stage *s, struct execd_identity *who, struct xos_error *err)
{
    if (judge_stage_papers(s, err) < 0)
        return -1;
    return judge_check(who, s->request, fixture_slice(&s->papers), &s->node, &s->by.f.ctx, err);
}

static void a_signed_unit_is_its_users(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct judge_stage s;
    struct execd_identity who;
    XT_TRY(judge_stage_open(&s, &err));
    XT_TRY(judge_stage_make(&s, &err));
    XT_TRY(judge(&s, &who, &err));
    assert_string_equal(who.user, "alice@inria");
    assert_string_equal(who.vo, "vo:climate@inria");
out:
    judge_stage_close(&s);
}

/* What is done to a good START, and what is said then. Nothing: not even that could be made. */
static int nothing(struct judge_stage *s, struct xos_error *err)
{
    (void)err;
    xos_buf_clear(&s->proof);
    return 0;
}
static int junk(struct judge_stage *s, struct xos_error *err)
{
    xos_buf_clear(&s->proof);
    return xos_buf_add(&s->proof, "\xff\xff\xff\xff", 4, err);
}
static int other_unit(struct judge_stage *s, struct xos_error *err)
{
    s->facts.unit = 4;
    return judge_stage_request(s, NULL, NULL, err);
}
static int no_such_unit(struct judge_stage *s, struct xos_error *err)
{
    s->facts.unit = 8;
    return judge_stage_request(s, NULL, NULL, err);
}
static int other_job(struct judge_stage *s, struct xos_error *err)
{
    s->facts.job = "inria-1043";
    return judge_stage_request(s, NULL, NULL, err);
}
static int lower_epoch(struct judge_stage *s, struct xos_error *err)
{
    s->facts.epoch = JUDGE_EPOCH - 1;
    return judge_stage_request(s, NULL, NULL, err);
}
static int higher_epoch(struct judge_stage *s, struct xos_error *err)
{
    s->facts.epoch = JUDGE_EPOCH + 1;
    return judge_stage_request(s, NULL, NULL, err);
}
static int other_node(struct judge_stage *s, struct xos_error *err)
{
    return auth_name_parse(&s->node, AUTH_NAME_NODE, auth_slice("n2.inria"), NULL, err);
}
static int other_spec(struct judge_stage *s, struct xos_error *err)
{
    ProtobufCBinaryData argv[] = {xos_pb_text("reboot")};
    Xos__Job__SpecPb m = XOS__JOB__SPEC_PB__INIT;
    m.n_argv = 1;
    m.argv = argv;
    m.units = 8;
    m.cpus = 1;
    m.mem_bytes = 1 << 20;
    m.time_ms = 1000;
    xos_buf_clear(&s->by.spec);
    return xos_pb_pack(&m, &s->by.spec, err) < 0 ? -1 : judge_stage_proof(s, err);
}
static int other_command(struct judge_stage *s, struct xos_error *err)
{
    static const char *const argv[] = {"reboot", NULL};
    return judge_stage_request(s, argv, NULL, err);
}
static int other_user(struct judge_stage *s, struct xos_error *err)
{
    s->facts.user = "bob@inria";
    return judge_stage_request(s, NULL, NULL, err);
}
static int no_assignment(struct judge_stage *s, struct xos_error *err)
{
    xos_buf_clear(&s->assignment);
    return judge_stage_proof(s, err);
}
static int by_the_user(struct judge_stage *s, struct xos_error *err)
{
    s->head_key = s->by.f.user.key;
    s->head_leaf = &s->by.f.user.der;
    return judge_stage_assign(s, err) < 0 ? -1 : judge_stage_proof(s, err);
}
static int by_a_wrong_key(struct judge_stage *s, struct xos_error *err)
{
    s->head_key = s->by.f.user.key;
    return judge_stage_assign(s, err) < 0 ? -1 : judge_stage_proof(s, err);
}
static int by_a_long_chain(struct judge_stage *s, struct xos_error *err)
{
    ProtobufCBinaryData chain[AUTH_CHAIN_MAX + 1] = {{0}};
    Xos__Job__ProofPb m = XOS__JOB__PROOF_PB__INIT;
    m.n_head_chain = AUTH_CHAIN_MAX + 1;
    m.head_chain = chain;
    m.spec = (ProtobufCBinaryData){s->by.spec.len, s->by.spec.data};
    xos_buf_clear(&s->proof);
    return xos_pb_pack(&m, &s->proof, err);
}
static int late(struct judge_stage *s, struct xos_error *err)
{
    (void)err;
    s->by.f.ctx.now_ms += WARRANT_ASSIGNMENT_MS + AUTH_SKEW_MS_MAX + 1;
    return 0;
}
static int a_bit(struct judge_stage *s, struct xos_error *err)
{
    s->by.grant.data[s->by.grant.len / 2] ^= 1;
    return judge_stage_proof(s, err);
}
/* A file that the user has not signed. */
static int one_more_file(struct judge_stage *s, struct xos_error *err)
{
    struct spec_file *files = xos_alloc_array(1, sizeof(*files));
    char *name = xos_strdup(".profile");
    if (!files || !name) {
        xos_free(files);
        xos_free(name);
        return xos_fail(err, XOS_NOMEM, "file");
    }
    xos_free(s->spec->files);
    *files = (struct spec_file){.name = name, .mode = 0600, .data = auth_slice("exec evil")};
    s->spec->files = files;
    s->spec->file_count = 1;
    return 0;
}
static int strange_root(struct judge_stage *s, struct xos_error *err)
{
    static const struct auth_anchors none;
    (void)err;
    s->by.f.ctx.anchors = &none;
    return 0;
}

static const struct {
    int (*change)(struct judge_stage *s, struct xos_error *err);
    enum xos_code code;
    const char *text;
} cases[] = {
    {nothing, XOS_DENIED, "needs a grant"},
    {junk, XOS_PROTOCOL, ""},
    {other_unit, XOS_DENIED, "another unit"},
    {no_such_unit, XOS_DENIED, "unit 8 of a job of 8"},
    {other_job, XOS_DENIED, "another unit"},
    {lower_epoch, XOS_DENIED, "another epoch"},
    {higher_epoch, XOS_STALE, "epoch"},
    {other_node, XOS_DENIED, "assignment: node"},
    {other_spec, XOS_DENIED, "specification"},
    {other_command, XOS_DENIED, "command"},
    {other_user, XOS_DENIED, "environment"},
    {no_assignment, XOS_PROTOCOL, "assignment"},
    {by_the_user, XOS_DENIED, "assignment: head"},
    {by_a_wrong_key, XOS_DENIED, "assignment"},
    {by_a_long_chain, XOS_LIMIT, "AUTH_CHAIN_MAX"},
    {late, XOS_EXPIRED, "assignment"},
    {a_bit, XOS_DENIED, "grant"},
    {one_more_file, XOS_DENIED, "the files"},
    {strange_root, XOS_DENIED, ""},
};

static void a_hostile_start_is_refused_by_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct xos_error err = {0};
        struct judge_stage s;
        struct execd_identity who = {.user = "nobody"};
        XT_TRY(judge_stage_open(&s, &err));
        XT_TRY(judge_stage_make(&s, &err));
        XT_TRY(cases[i].change(&s, &err));
        XT_REFUSED(judge(&s, &who, &err), cases[i].code);
        if (err.code != XOS_NOMEM && !strstr(err.text, cases[i].text))
            fail_msg("%zu: %s", i, err.text);
        assert_string_equal(who.user, "nobody");
    out:
        judge_stage_close(&s);
    }
}

static const struct xt_test tests[] = {
    XT(a_signed_unit_is_its_users),
    XT_PLAIN(a_hostile_start_is_refused_by_name),
};
XT_MAIN(tests)
