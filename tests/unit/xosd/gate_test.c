// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a stranger's, a forged, an old or a repeated request is served, or somebody is
 * refused without being told by which step. */
#include "tests/lib/gatebed.h"
#include "tests/lib/xtest.h"

#include <stdio.h>
#include <string.h>

static struct gatebed bed;
static struct vo_fixture vo; /* what a test changes about attributes */
static struct xos_buf bytes;

static int set_up(struct xos_error *err)
{
    static unsigned count;
    char dir[128];
    (void)snprintf(dir, sizeof(dir), "%s/gate%u", xt_dir(), ++count);
    bytes = XOS_BUF(XOS_ENVELOPE_BYTES_MAX);
    vo = (struct vo_fixture){.root = NULL};
    return gatebed_open(&bed, dir, err);
}

static void tear_down(void)
{
    gatebed_close(&bed);
    vo_fixture_close(&vo);
    xos_buf_free(&bytes);
}

static int send_ask(const struct gatebed_ask *a, const struct xos_peer *peer,
                    struct gatebed_answer *out, struct xos_error *err)
{
    struct xos_buf envelope = XOS_BUF(XOS_ENVELOPE_BYTES_MAX);
    int rc = gatebed_pack(a, &envelope, err);
    if (rc == 0)
        rc = gatebed_send(&bed, fixture_slice(&envelope), peer, out, err);
    xos_buf_free(&envelope);
    return rc;
}

/* What may be wrong with a request. */
struct wrong {
    const char *what;
    enum gatebed_who who;
    const char *verb;
    void (*change)(struct gatebed_ask *a);
    enum xos_code code;
    const char *text; /* of the refusal */
};

static void version(struct gatebed_ask *a)
{
    a->version = 2;
}

static void other_node(struct gatebed_ask *a)
{
    (void)snprintf(a->r.to_node, sizeof(a->r.to_node), "n2.inria");
}

static void other_institution(struct gatebed_ask *a)
{
    (void)snprintf(a->r.to_institution, sizeof(a->r.to_institution), "vu");
}

static void to_nobody(struct gatebed_ask *a)
{
    a->r.to_institution[0] = '\0';
}

static void ended(struct gatebed_ask *a)
{
    a->r.issued_ms -= 120000;
    a->r.expires_ms = a->r.issued_ms + 30000;
}

static void future(struct gatebed_ask *a)
{
    a->r.issued_ms += 120000;
    a->r.expires_ms += 120000;
}

static void backwards(struct gatebed_ask *a)
{
    a->r.expires_ms = a->r.issued_ms - 1;
}

static void long_lived(struct gatebed_ask *a)
{
    a->r.expires_ms = a->r.issued_ms + XOS_HEADER_LIFE_MS_MAX + 1;
}

static void body(struct gatebed_ask *a)
{
    a->sent = auth_slice("something else");
}

static void no_freshness(struct gatebed_ask *a)
{
    a->r.has_operation_id = false;
}

static void both_freshnesses(struct gatebed_ask *a)
{
    a->r.has_boot_id = true;
    memset(a->r.boot_id.bytes, GATEBED_BOOT, XOS_ID_BYTES);
}

static void old_boot(struct gatebed_ask *a)
{
    a->r.has_operation_id = false;
    a->r.has_boot_id = true;
    memset(a->r.boot_id.bytes, 0x32, XOS_ID_BYTES);
}

static void act(struct gatebed_ask *a, const char *vo_name, const char *role)
{
    (void)snprintf(a->r.vo, sizeof(a->r.vo), "%s", vo_name);
    (void)snprintf(a->r.role, sizeof(a->r.role), "%s", role);
}

static void act_runner(struct gatebed_ask *a)
{
    act(a, "vo:climate@inria", "prod:runner");
}

static void before_the_start(struct gatebed_ask *a)
{
    act_runner(a);
    a->r.issued_ms -= GATEBED_UP_MS;
}

static void before_the_start_to_this_boot(struct gatebed_ask *a)
{
    before_the_start(a);
    a->r.has_operation_id = false;
    a->r.has_boot_id = true;
    memset(a->r.boot_id.bytes, GATEBED_BOOT, XOS_ID_BYTES);
}

static void no_chain(struct gatebed_ask *a)
{
    a->chain_count = 0;
}

static void leaf_alone(struct gatebed_ask *a)
{
    a->chain_count = 1;
}

static void ca_of_another(struct gatebed_ask *a)
{
    a->chain[1] = fixture_slice(&bed.vu.ca.der);
}

static void root_of_another(struct gatebed_ask *a)
{
    a->chain_count = 3;
    a->chain[2] = fixture_slice(&bed.vu.root.der);
}

static void reversed(struct gatebed_ask *a)
{
    struct xos_slice leaf = a->chain[0];
    a->chain[0] = a->chain[1];
    a->chain[1] = leaf;
}

static void chain_of_carol(struct gatebed_ask *a)
{
    a->chain[0] = fixture_slice(&bed.carol.der);
}

static void chain_of_worker(struct gatebed_ask *a)
{
    a->chain[0] = fixture_slice(&bed.worker.der);
}

static void name_of_alice(struct gatebed_ask *a)
{
    (void)snprintf(a->r.signer, sizeof(a->r.signer), "alice@inria");
}

static void name_of_head(struct gatebed_ask *a)
{
    (void)snprintf(a->r.signer, sizeof(a->r.signer), "n1.inria");
}

static void no_name(struct gatebed_ask *a)
{
    a->r.signer[0] = '\0';
}

static void key_of_carol(struct gatebed_ask *a)
{
    a->key = bed.carol.key;
}

static void flip_first(struct gatebed_ask *a)
{
    a->flip = 1;
}

static void flip_last(struct gatebed_ask *a)
{
    a->flip = 8 * XOS_SIGNATURE_BYTES;
}

static void act_without(struct gatebed_ask *a)
{
    act_runner(a);
    a->attributes = (struct xos_slice){NULL, 0};
}

static void act_other_role(struct gatebed_ask *a)
{
    act(a, "vo:climate@inria", "prod:boss");
}

static void act_other_vo(struct gatebed_ask *a)
{
    act(a, "vo:weather@inria", "");
}

static void role_of_no_vo(struct gatebed_ask *a)
{
    act(a, "", "prod:runner");
}

static void vo_is_no_name(struct gatebed_ask *a)
{
    act(a, "vo:climate@inria/../x", "");
}

/* Signs what `vo` says now; the bytes are good until tear_down. */
static void say(struct gatebed_ask *a, const struct xos_key *key)
{
    struct xos_error err = {0};
    xos_buf_clear(&bytes);
    assert_int_equal(auth_attr_sign(&bytes, &vo.a, key, &err), 0);
    a->attributes = fixture_slice(&bytes);
    act_runner(a);
}

static void attributes_ended(struct gatebed_ask *a)
{
    vo.a.issued_ms -= 2 * AUTH_DAY_MS;
    vo.a.expires_ms -= 2 * AUTH_DAY_MS;
    say(a, vo.key);
    vo.a.issued_ms += 2 * AUTH_DAY_MS;
    vo.a.expires_ms += 2 * AUTH_DAY_MS;
}

static void attributes_of_carol(struct gatebed_ask *a)
{
    (void)snprintf(vo.a.subject.part, sizeof(vo.a.subject.part), "carol");
    say(a, vo.key);
    (void)snprintf(vo.a.subject.part, sizeof(vo.a.subject.part), "alice");
}

static void attributes_by_alice(struct gatebed_ask *a)
{
    say(a, bed.v.f.user.key);
}

static void attributes_by_the_root(struct gatebed_ask *a)
{
    say(a, vo.root);
}

static void attributes_flipped(struct gatebed_ask *a)
{
    say(a, vo.key);
    bytes.data[bytes.len - 1] ^= 1;
}

static void certificate_ended(struct gatebed_ask *a)
{
    (void)a;
    bed.clock.real_ms += AUTH_DAY_MS; /* the request came from a clock that stood still … */
    a->r.issued_ms += AUTH_DAY_MS;    /* … and is fresh all the same */
    a->r.expires_ms += AUTH_DAY_MS;
}

static const struct wrong wrongs[] = {
    {"version", GATEBED_ALICE, "job.list", version, XOS_VERSION, "version 2"},
    {"unknown verb", GATEBED_ALICE, "job.lsit", NULL, XOS_UNSUPPORTED, "unknown verb"},
    {"no verb", GATEBED_ALICE, "", NULL, XOS_UNSUPPORTED, "unknown verb"},
    {"node", GATEBED_ALICE, "job.list", other_node, XOS_DENIED, "for n2.inria"},
    {"institution", GATEBED_ALICE, "job.list", other_institution, XOS_DENIED, "of vu"},
    {"no institution", GATEBED_ALICE, "job.list", to_nobody, XOS_DENIED, "the request is for"},
    {"ended", GATEBED_ALICE, "job.list", ended, XOS_EXPIRED, "ended"},
    {"future", GATEBED_ALICE, "job.list", future, XOS_CLOCK, "ahead"},
    {"ends first", GATEBED_ALICE, "job.list", backwards, XOS_DENIED, "good for -1 ms"},
    {"too long", GATEBED_ALICE, "job.list", long_lived, XOS_DENIED, "good for 60001 ms"},
    {"body", GATEBED_ALICE, "job.list", body, XOS_DENIED, "not the one that was signed"},
    {"no ids", GATEBED_ALICE, "job.list", no_freshness, XOS_PROTOCOL, "boot id or an operation id"},
    {"both", GATEBED_ALICE, "job.list", both_freshnesses, XOS_PROTOCOL, "either"},
    {"boot", GATEBED_ALICE, "job.list", old_boot, XOS_STALE, "started again"},
    {"before the start", GATEBED_ALICE, "job.signal", before_the_start, XOS_STALE, "freshness: "},
    {"no chain", GATEBED_ALICE, "job.list", no_chain, XOS_DENIED, "signer: count"},
    {"leaf", GATEBED_ALICE, "job.list", leaf_alone, XOS_DENIED, "signer: count"},
    {"CA of another", GATEBED_ALICE, "job.list", ca_of_another, XOS_DENIED, "signer: "},
    {"root of another", GATEBED_ALICE, "job.list", root_of_another, XOS_DENIED, "signer: "},
    {"reversed", GATEBED_ALICE, "job.list", reversed, XOS_DENIED, "signer: "},
    {"no peer", GATEBED_STRANGER, "job.list", NULL, XOS_DENIED, "signer: "},
    {"revoked", GATEBED_CAROL, "job.list", NULL, XOS_DENIED, "revoked"},
    {"expired", GATEBED_ALICE, "job.list", certificate_ended, XOS_EXPIRED, "signer: "},
    {"node as user", GATEBED_WORKER, "job.list", name_of_alice, XOS_DENIED, "signer: "},
    {"user as node", GATEBED_ALICE, "unit.report", name_of_head, XOS_DENIED, "signer: "},
    {"unit", GATEBED_UNIT, "job.list", NULL, XOS_DENIED, "signer: "},
    {"unit as user", GATEBED_UNIT, "job.list", name_of_alice, XOS_DENIED, "signer: "},
    {"of carol", GATEBED_ALICE, "job.list", chain_of_carol, XOS_DENIED, "signer: "},
    {"of worker", GATEBED_HEAD, "claim.grant", chain_of_worker, XOS_DENIED,
     "the certificate is n2.inria's"},
    {"another's name", GATEBED_BOB, "job.list", name_of_alice, XOS_DENIED,
     "the certificate is bob@vu's"},
    {"no name", GATEBED_ALICE, "job.list", no_name, XOS_DENIED, "signer: "},
    {"key", GATEBED_ALICE, "job.list", key_of_carol, XOS_DENIED, "signature: "},
    {"first bit", GATEBED_ALICE, "job.list", flip_first, XOS_DENIED, "signature: "},
    {"last bit", GATEBED_ALICE, "job.list", flip_last, XOS_DENIED, "signature: "},
    {"between nodes", GATEBED_ALICE, "unit.report", NULL, XOS_DENIED,
     "kind: unit.report is between"},
    {"heads", GATEBED_WORKER, "claim.grant", NULL, XOS_DENIED,
     "kind: claim.grant is asked by heads"},
    {"no attributes", GATEBED_ALICE, "job.signal", act_without, XOS_DENIED, "VO: nothing came"},
    {"other role", GATEBED_ALICE, "job.signal", act_other_role, XOS_DENIED, "VO: "},
    {"other VO", GATEBED_ALICE, "job.signal", act_other_vo, XOS_DENIED, "is not known here"},
    {"role of no VO", GATEBED_ALICE, "job.signal", role_of_no_vo, XOS_DENIED, "of no VO"},
    {"no VO name", GATEBED_ALICE, "job.signal", vo_is_no_name, XOS_INVALID, "VO: "},
    {"not a member", GATEBED_BOB, "job.signal", act_runner, XOS_DENIED, "about somebody else"},
    {"VO of a node", GATEBED_HEAD, "unit.report", act_runner, XOS_DENIED, "about somebody else"},
    {"old attributes", GATEBED_ALICE, "job.signal", attributes_ended, XOS_EXPIRED, "VO: "},
    {"carol's", GATEBED_ALICE, "job.signal", attributes_of_carol, XOS_DENIED,
     "about somebody else"},
    {"own attributes", GATEBED_ALICE, "job.signal", attributes_by_alice, XOS_DENIED, "manifest"},
    {"by the root", GATEBED_ALICE, "job.signal", attributes_by_the_root, XOS_DENIED, "manifest"},
    {"flipped", GATEBED_ALICE, "job.signal", attributes_flipped, XOS_DENIED, "VO: "},
    {"no rule", GATEBED_ALICE, "job.signal", NULL, XOS_DENIED, "policy: "},
    {"rule 4", GATEBED_BOB, "job.watch", NULL, XOS_DENIED, "policy: rule 4"},
};

static int refused(const struct wrong *w, struct xos_error *err)
{
    struct gatebed_ask a;
    struct gatebed_answer answer;
    unsigned served = bed.served;
    bed.clock.real_ms = FIXTURE_NOW_MS;
    gatebed_ask_init(&a, &bed, w->who, w->verb);
    if (w->change)
        w->change(&a);
    if (send_ask(&a, NULL, &answer, err) < 0)
        return -1;
    if (answer.closed || answer.code != w->code || !strstr(answer.text, w->text))
        fail_msg("%s: got %s \"%s\", wanted %s \"%s\"", w->what, xos_code_name(answer.code),
                 answer.text, xos_code_name(w->code), w->text);
    assert_int_equal(bed.served, served);
    return 0;
}

static void each_step_refuses_by_its_name(void **state)
{
    (void)state;
    struct xos_error err = {0};
    XT_TRY(set_up(&err));
    XT_TRY(vo_fixture_open(&vo, &err));
    for (size_t i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++)
        XT_TRY(refused(&wrongs[i], &err));
out:
    tear_down();
}

/* Who may what: also after all that was refused. */
static void the_right_ones_are_served(void **state)
{
    (void)state;
    static const struct {
        enum gatebed_who who;
        const char *verb;
        void (*change)(struct gatebed_ask *a);
        const char *name, *role;
    } rows[] = {
        {GATEBED_ALICE, "job.list", NULL, "alice@inria", ""},
        {GATEBED_ALICE, "job.signal", act_runner, "alice@inria", "prod:runner"},
        {GATEBED_ALICE, "job.signal", before_the_start_to_this_boot, "alice@inria", "prod:runner"},
        {GATEBED_ALICE, "job.run", NULL, "alice@inria", ""}, /* policy comes with the job */
        {GATEBED_BOB, "job.list", NULL, "bob@vu", ""},
        {GATEBED_WORKER, "unit.report", NULL, "n2.inria", ""},
        {GATEBED_HEAD, "claim.grant", NULL, "n1.inria", ""},
        {GATEBED_VU_HEAD, "claim.grant", NULL, "n1.vu", ""},
    };
    struct xos_error err = {0};
    struct gatebed_ask a;
    struct gatebed_answer answer;
    XT_TRY(set_up(&err));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        gatebed_ask_init(&a, &bed, rows[i].who, rows[i].verb);
        if (rows[i].change)
            rows[i].change(&a);
        XT_TRY(send_ask(&a, NULL, &answer, &err));
        if (answer.code != XOS_NONE)
            fail_msg("%s by %s: %s", rows[i].verb, rows[i].name, answer.text);
        assert_int_equal(bed.served, i + 1);
        assert_int_equal(bed.caller.kind, XOS_CALLER_SIGNED);
        assert_string_equal(bed.caller.name, rows[i].name);
        assert_string_equal(bed.caller.role, rows[i].role);
    }
out:
    tear_down();
}

static int policy_dir(struct xos_error *err)
{
    char dir[CONFIG_TEXT_MAX];
    (void)snprintf(dir, sizeof(dir), "%.*s",
                   (int)(strrchr(bed.config.policy, '/') - bed.config.policy), bed.config.policy);
    int fd = xos_env_dir_open(xos_env_posix(), dir, err);
    assert_true(fd >= 0);
    return fd;
}

/* The policy on what is another's: the caller may see it, or is served with his own alone. */
static void others_are_reached_by_rule_alone(void **state)
{
    static const struct {
        const char *policy;
        enum xos_reach as_herself, in_vo;
    } rows[] = {
        {"allow any to *\n", XOS_REACH_ALL, XOS_REACH_ALL},
        {"allow any to * when own==yes\n", XOS_REACH_OWN, XOS_REACH_OWN},
        {"allow any to *\ndeny alice@inria to job.list when own==no\n", XOS_REACH_OWN,
         XOS_REACH_OWN},
        {"allow any to * when own==yes\nallow alice@inria to job.list when own==no\n",
         XOS_REACH_ALL, XOS_REACH_ALL},
        {"allow any to * when own==yes\nallow alice@inria to job.signal when own==no\n",
         XOS_REACH_OWN, XOS_REACH_OWN},
        /* a VO's rule stays within the VO */
        {"allow any to * when own==yes\nallow vo:climate@inria to job.list when own==no\n",
         XOS_REACH_OWN, XOS_REACH_VO},
        {"allow any to *\ndeny vo:climate@inria to job.list when own==no\n", XOS_REACH_ALL,
         XOS_REACH_OWN},
    };
    (void)state;
    struct xos_error err = {0};
    XT_TRY(set_up(&err));
    int fd = policy_dir(&err);
    for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
        struct gatebed_ask a;
        struct gatebed_answer answer;
        const char *policy = rows[i / 2].policy;
        enum xos_reach reach = i % 2 ? rows[i / 2].in_vo : rows[i / 2].as_herself;
        XT_TRY(xos_env_file_replace(xos_env_posix(), fd, "policy", policy, strlen(policy), 0644,
                                    &err));
        XT_TRY(gate_reload(bed.gate, &err));
        gatebed_ask_init(&a, &bed, GATEBED_ALICE, "job.list");
        if (i % 2)
            act_runner(&a);
        XT_TRY(send_ask(&a, NULL, &answer, &err));
        assert_int_equal(answer.code, XOS_NONE);
        assert_int_equal(bed.caller.reach, reach);
    }
    xos_env_close(xos_env_posix(), fd);
out:
    tear_down();
}

static void who_reaches_what(void **state)
{
    static const struct {
        enum xos_reach reach;
        const char *acts, *owner, *vo;
        bool may;
    } rows[] = {
        {XOS_REACH_OWN, "vo:a@x", "alice@inria", "vo:b@x", true},
        {XOS_REACH_OWN, "vo:a@x", "bob@inria", "vo:a@x", false},
        {XOS_REACH_VO, "vo:a@x", "bob@inria", "vo:a@x", true},
        {XOS_REACH_VO, "vo:a@x", "bob@inria", "vo:b@x", false},
        {XOS_REACH_VO, "vo:a@x", "bob@inria", "", false},
        {XOS_REACH_VO, "", "bob@inria", "", false},
        {XOS_REACH_ALL, "", "bob@inria", "vo:b@x", true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct xos_caller c = {.name = "alice@inria", .reach = rows[i].reach};
        (void)snprintf(c.vo, sizeof(c.vo), "%s", rows[i].acts);
        assert_int_equal(xos_caller_reaches(&c, rows[i].owner, rows[i].vo), rows[i].may);
    }
}

static void what_was_recorded_is_not_served_again(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct gatebed_ask a;
    struct gatebed_answer answer;
    XT_TRY(set_up(&err));
    gatebed_ask_init(&a, &bed, GATEBED_ALICE, "job.list");
    XT_TRY(send_ask(&a, NULL, &answer, &err));
    assert_int_equal(answer.code, XOS_NONE);
    for (int64_t later = 0; later <= 90000; later += 10000) {
        bed.clock.real_ms = FIXTURE_NOW_MS + later;
        XT_TRY(send_ask(&a, NULL, &answer, &err));
        assert_int_equal(answer.code, XOS_REPLAYED);
        assert_string_equal(answer.text, "freshness: this request was already received");
    }
    bed.clock.real_ms = FIXTURE_NOW_MS + 90001;
    XT_TRY(send_ask(&a, NULL, &answer, &err));
    assert_int_equal(answer.code, XOS_EXPIRED);
    /* Nobody spoils another's nonce: a forged request with it comes first. */
    bed.clock.real_ms = FIXTURE_NOW_MS;
    gatebed_ask_init(&a, &bed, GATEBED_ALICE, "job.list");
    a.flip = 9;
    XT_TRY(send_ask(&a, NULL, &answer, &err));
    assert_int_equal(answer.code, XOS_DENIED);
    a.flip = 0;
    XT_TRY(send_ask(&a, NULL, &answer, &err));
    assert_int_equal(answer.code, XOS_NONE);
out:
    tear_down();
}

/* Bit by bit: nothing of what was sent may be changed on the way, save the number by which the two
 * ends of this one connection call it. */
static void no_bit_may_be_changed(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct gatebed_ask a;
    struct gatebed_answer answer;
    struct xos_buf envelope = XOS_BUF(XOS_ENVELOPE_BYTES_MAX);
    XT_TRY(set_up(&err));
    gatebed_ask_init(&a, &bed, GATEBED_ALICE, "job.list");
    a.attributes = (struct xos_slice){NULL, 0};
    XT_TRY(gatebed_pack(&a, &envelope, &err));
    assert_memory_equal(envelope.data, "\x08\x01\x10\x01", 4); /* kind, call */
    unsigned long step = 100 / xt_scaled(100);
    for (size_t bit = 0; bit < envelope.len * 8; bit += step) {
        if (bit / 8 == 2 || bit / 8 == 3)
            continue;
        envelope.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        XT_TRY(gatebed_send(&bed, fixture_slice(&envelope), NULL, &answer, &err));
        envelope.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        if (bed.served)
            fail_msg("bit %zu of %zu was changed, and it was served", bit, envelope.len * 8);
        assert_false(answer.closed);
    }
    XT_TRY(gatebed_send(&bed, fixture_slice(&envelope), NULL, &answer, &err));
    assert_int_equal(answer.code, XOS_NONE);
out:
    xos_buf_free(&envelope);
    tear_down();
}

static void without_a_signature_there_is_little(void **state)
{
    (void)state;
    static const struct xos_peer me = {.uid = 7};
    static const struct {
        const char *verb;
        bool local;
        enum xos_code code;
        const char *text;
    } rows[] = {
        {"node.hello", true, XOS_NONE, ""},
        {"node.hello", false, XOS_NONE, ""},
        {"ca.login", false, XOS_NONE, ""}, /* proves itself */
        {"job.list", true, XOS_NO_LOGIN, "xos login"},
        {"job.list", false, XOS_DENIED, "is not signed"},
        {"unit.report", true, XOS_DENIED, "is between nodes"},
        {"claim.grant", false, XOS_DENIED, "is not signed"},
        {"job.lsit", true, XOS_UNSUPPORTED, "unknown verb"},
    };
    struct xos_error err = {0};
    struct gatebed_ask a;
    struct gatebed_answer answer;
    XT_TRY(set_up(&err));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        gatebed_ask_init(&a, &bed, GATEBED_ALICE, rows[i].verb);
        a.is_unsigned = true;
        XT_TRY(send_ask(&a, rows[i].local ? &me : NULL, &answer, &err));
        if (answer.code != rows[i].code || (answer.code && !strstr(answer.text, rows[i].text)))
            fail_msg("%s: %s \"%s\"", rows[i].verb, xos_code_name(answer.code), answer.text);
        /* The name that it claims is nobody's. */
        if (answer.code == XOS_NONE)
            assert_int_equal(bed.caller.kind, XOS_CALLER_LOCAL);
    }
out:
    tear_down();
}

/* Renewal: a node's certificate has ended, and it signs all the same. */
static void what_proves_itself_needs_no_signature(void **state)
{
    (void)state;
    static const enum gatebed_who all[] = {GATEBED_WORKER, GATEBED_CAROL, GATEBED_STRANGER};
    struct xos_error err = {0};
    struct gatebed_ask a;
    struct gatebed_answer answer;
    XT_TRY(set_up(&err));
    bed.clock.real_ms += 2 * AUTH_DAY_MS;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        gatebed_ask_init(&a, &bed, all[i], "ca.login");
        XT_TRY(send_ask(&a, NULL, &answer, &err));
        assert_int_equal(answer.code, XOS_NONE);
        assert_int_equal(bed.caller.kind, XOS_CALLER_LOCAL);
        assert_string_equal(bed.caller.name, ""); /* nobody, whatever it says */
        gatebed_ask_init(&a, &bed, all[i], "unit.report");
        XT_TRY(send_ask(&a, NULL, &answer, &err));
        assert_true(answer.code == XOS_EXPIRED || answer.code == XOS_DENIED);
    }
out:
    tear_down();
}

/* What a request wants of this node, asked by the job service. */
static void a_wish_is_held_against_the_policy(void **state)
{
    (void)state;
    static const struct {
        const char *user, *vo;
        enum xos_code code;
    } rows[] = {
        {"bob@vu", "", XOS_NONE},
        {"alice@inria", "", XOS_DENIED}, /* inria's own may job.list only */
        {"alice", "", XOS_INVALID},
        {"bob@vu", "climate", XOS_INVALID},
    };
    struct xos_error err = {0};
    XT_TRY(set_up(&err));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct gate_wish wish = {
            .user = rows[i].user, .vo = rows[i].vo, .cpus = 1, .units = 1, .walltime_ms = 60000};
        if (rows[i].code == XOS_NONE)
            XT_TRY(gate_admit(bed.gate, &wish, &err));
        else
            XT_REFUSED(gate_admit(bed.gate, &wish, &err), rows[i].code);
    }
out:
    tear_down();
}

static const struct config alone = {.node = "n1.local", .institution = "local"};

static void a_node_that_stands_alone_serves_one_user(void **state)
{
    (void)state;
    static const struct xos_verb list = {"job.list", NULL, 0};
    static const struct xos_verb hello = {"node.hello", NULL, XOS_VERB_OPEN};
    static const struct {
        const char *login, *name;
    } logins[] = {{"alice", "alice@local"}, {"Al Ice!", "lce@local"}, {"ÄÖ", "u7@local"}};
    const struct xos_peer me = {.uid = 7}, other = {.uid = 8};
    const struct xos_request signed_by = {.signer = "alice@local"};
    const struct xos_envelope e = {.kind = XOS_ENVELOPE_REQUEST};
    struct xos_error err = {0};
    struct gate *g = NULL;
    for (size_t i = 0; i < sizeof(logins) / sizeof(logins[0]); i++) {
        const struct gate_config c = {
            .env = xos_env_posix(), .uid = 7, .login = logins[i].login, .config = &alone};
        struct xos_caller who = {.kind = XOS_CALLER_NONE};
        const struct gate_wish wish = {.user = "x"};
        XT_TRY(gate_new(&g, &c, &err));
        assert_string_equal(gate_user(g), logins[i].name);
        XT_TRY(gate_check(g, &list, &e, NULL, &me, &who, &err));
        assert_string_equal(who.name, logins[i].name);
        XT_TRY(gate_check(g, &hello, &e, NULL, &other, &who, &err));
        XT_REFUSED(gate_check(g, &list, &e, NULL, &other, &who, &err), XOS_DENIED);
        XT_REFUSED(gate_check(g, &list, &e, &signed_by, &me, &who, &err), XOS_DENIED);
        XT_REFUSED(gate_check(g, &list, &e, NULL, NULL, &who, &err), XOS_DENIED);
        XT_TRY(gate_admit(g, &wish, &err));
        gate_free(g);
        g = NULL;
    }
out:
    gate_free(g);
}

static void a_policy_that_is_wrong_changes_nothing(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct gatebed_ask a;
    struct gatebed_answer answer;
    int fd = -1;
    XT_TRY(set_up(&err));
    fd = policy_dir(&err);
    XT_TRY(xos_env_file_replace(xos_env_posix(), fd, "policy", "alow any to *\n", 14, 0644, &err));
    XT_REFUSED(gate_reload(bed.gate, &err), XOS_INVALID);
    assert_non_null(strstr(err.text, "allow"));
    gatebed_ask_init(&a, &bed, GATEBED_ALICE, "job.list");
    XT_TRY(send_ask(&a, NULL, &answer, &err));
    assert_int_equal(answer.code, XOS_NONE);
    XT_TRY(xos_env_remove(xos_env_posix(), fd, "policy", &err));
    XT_TRY(
        gate_reload(bed.gate, &err)); /* the preset: peers may nothing, own users all to theirs */
    gatebed_ask_init(&a, &bed, GATEBED_BOB, "job.list");
    XT_TRY(send_ask(&a, NULL, &answer, &err));
    assert_int_equal(answer.code, XOS_DENIED);
    gatebed_ask_init(&a, &bed, GATEBED_ALICE, "job.signal");
    XT_TRY(send_ask(&a, NULL, &answer, &err));
    assert_int_equal(answer.code, XOS_NONE);
out:
    xos_env_close(xos_env_posix(), fd);
    tear_down();
}

/* With each allocation failing in turn: whoever is refused stays refused, and nothing is lost. */
static void without_memory_nobody_slips_in(void **state)
{
    (void)state;
    static const struct {
        enum gatebed_who who;
        const char *verb;
        bool good;
    } rows[] = {{GATEBED_ALICE, "job.signal", true},
                {GATEBED_CAROL, "job.signal", false},
                {GATEBED_STRANGER, "job.signal", false},
                {GATEBED_BOB, "job.watch", false}};
    struct xos_error err = {0};
    struct gatebed_ask a;
    struct gatebed_answer answer;
    XT_TRY(set_up(&err));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        unsigned before = bed.served;
        gatebed_ask_init(&a, &bed, rows[i].who, rows[i].verb);
        if (rows[i].good)
            act_runner(&a);
        XT_TRY(send_ask(&a, NULL, &answer, &err));
        if (!rows[i].good)
            assert_int_equal(bed.served, before);
        else if (!xt_starving())
            assert_int_equal(bed.served, before + 1);
    }
out:
    tear_down();
}

static const struct xt_test tests[] = {
    XT_PLAIN(each_step_refuses_by_its_name),
    XT_PLAIN(the_right_ones_are_served),
    XT_PLAIN(others_are_reached_by_rule_alone),
    XT_PLAIN(who_reaches_what),
    XT_PLAIN(what_was_recorded_is_not_served_again),
    XT_PLAIN(no_bit_may_be_changed),
    XT_PLAIN(without_a_signature_there_is_little),
    XT_PLAIN(what_proves_itself_needs_no_signature),
    XT(a_wish_is_held_against_the_policy),
    XT(a_node_that_stands_alone_serves_one_user),
    XT_PLAIN(a_policy_that_is_wrong_changes_nothing),
    XT(without_memory_nobody_slips_in),
};
XT_MAIN(tests)
