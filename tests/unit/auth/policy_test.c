// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: somebody may do what no rule lets him, or may not and is not told why. */
#include "tests/lib/policy_reference.h"
#include "tests/lib/xtest.h"
#include "vo-auth/core/policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char sample[] =
    "# who may use the machines of vu\n"
    "allow vo:climate@inria/prod:runner to job.run on gpu:* when walltime<=24h && gpus<=2 "
    "limit jobs=10 mem=1TiB # the agreement of 2026\n"
    "\n"
    "allow vo:climate@inria to job.*, unit.attach on node:*.vu\n"
    "deny alice@inria to job.run\r\n"
    "  allow institution:vu to * when own == yes\n"
    "allow admin:vu to *\n"
    "deny any to job.run on node:n9.vu when walltime > 1d\n"
    "allow *@cern to node.list";

/* Who asks, in one line of a table. */
struct who {
    const char *user, *acting;
    bool admin;
};

struct asking {
    struct auth_name user, acting;
    struct policy_request r;
};

static int ask(struct asking *a, const struct who *who, const char *verb,
               enum policy_resource_kind kind, const char *resource, struct xos_error *err)
{
    memset(a, 0, sizeof(*a));
    if (auth_name_parse(&a->user, AUTH_NAME_USER, auth_slice(who->user), NULL, err) < 0 ||
        (who->acting && auth_name_parse_acting(&a->acting, auth_slice(who->acting), NULL, err) < 0))
        return -1;
    a->r = (struct policy_request){.user = &a->user,
                                   .acting = who->acting ? &a->acting : NULL,
                                   .admin = who->admin,
                                   .verb = verb,
                                   .kind = kind,
                                   .resource = resource};
    return 0;
}

static void say(struct policy_request *r, enum policy_attr attr, uint64_t value)
{
    r->says |= UINT32_C(1) << attr;
    r->value[attr] = value;
}

static int compile(struct policy **p, const char *text, struct xos_error *err)
{
    return policy_new(p, auth_slice(text), NULL, err);
}

static const struct who bob = {"bob@inria", "vo:climate@inria/prod:runner", false};
static const struct who alice = {"alice@inria", "vo:climate@inria/prod:runner", false};
static const struct who carl = {"carl@vu", NULL, false};
static const struct who dora = {"dora@vu", NULL, true};
static const struct who eve = {"eve@cern", NULL, true};

static const struct {
    const struct who *who;
    const char *verb;
    enum policy_resource_kind kind;
    const char *resource;
    uint64_t hours, gpus; /* 0: not said */
    bool own;
    enum policy_reason reason;
    unsigned rule;
} decisions[] = {
    {&bob, "job.run", POLICY_RESOURCE_GPU, "h100", 24, 2, false, POLICY_ALLOWED, 1},
    {&bob, "job.run", POLICY_RESOURCE_GPU, "h100", 25, 2, false, POLICY_DENIED_CONDITION, 1},
    {&bob, "job.run", POLICY_RESOURCE_GPU, "h100", 0, 2, false, POLICY_DENIED_CONDITION, 1},
    {&bob, "job.run", POLICY_RESOURCE_NODE, "n1.vu", 25, 2, false, POLICY_ALLOWED, 2},
    {&bob, "job.run", POLICY_RESOURCE_NODE, "n1.cern", 25, 2, false, POLICY_DENIED_NO_RULE, 0},
    {&bob, "job.run", POLICY_RESOURCE_NODE, "n1.x.vu", 25, 2, false, POLICY_ALLOWED, 2},
    {&bob, "job.run", POLICY_RESOURCE_NODE, "n9.vu", 25, 2, false, POLICY_DENIED_BY_RULE, 6},
    {&bob, "job.run", POLICY_RESOURCE_NODE, "n9.vu", 24, 2, false, POLICY_ALLOWED, 2},
    {&bob, "job.run", POLICY_RESOURCE_NODE, "n9.vu", 0, 2, false, POLICY_DENIED_BY_RULE, 6},
    {&bob, "job.run", POLICY_RESOURCE_NONE, NULL, 1, 1, false, POLICY_DENIED_NO_RULE, 0},
    {&bob, "unit.attach", POLICY_RESOURCE_NODE, "n1.vu", 0, 0, false, POLICY_ALLOWED, 2},
    {&bob, "node.drain", POLICY_RESOURCE_NODE, "n1.vu", 0, 0, true, POLICY_DENIED_NO_RULE, 0},
    {&bob, "job.fly", POLICY_RESOURCE_NODE, "n1.vu", 0, 0, true, POLICY_DENIED_NO_VERB, 0},
    {&alice, "job.run", POLICY_RESOURCE_GPU, "h100", 1, 1, false, POLICY_DENIED_BY_RULE, 3},
    {&alice, "job.list", POLICY_RESOURCE_NODE, "n1.vu", 0, 0, false, POLICY_ALLOWED, 2},
    {&carl, "job.run", POLICY_RESOURCE_NODE, "n1.vu", 0, 0, true, POLICY_ALLOWED, 4},
    {&carl, "job.signal", POLICY_RESOURCE_NONE, NULL, 0, 0, false, POLICY_DENIED_CONDITION, 4},
    {&dora, "node.drain", POLICY_RESOURCE_NODE, "n1.vu", 0, 0, false, POLICY_ALLOWED, 5},
    {&eve, "node.drain", POLICY_RESOURCE_NODE, "n1.vu", 0, 0, true, POLICY_DENIED_NO_RULE, 0},
    {&eve, "node.list", POLICY_RESOURCE_NONE, NULL, 0, 0, false, POLICY_ALLOWED, 7},
};

static void requests_are_decided_by_the_rule_that_counts(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct policy *p = NULL;
    struct policy_decision d;
    struct asking a;
    XT_TRY(compile(&p, sample, &err));
    assert_int_equal(policy_rule_count(p), 7);
    for (size_t i = 0; i < sizeof(decisions) / sizeof(decisions[0]); i++) {
        XT_TRY(ask(&a, decisions[i].who, decisions[i].verb, decisions[i].kind,
                   decisions[i].resource, &err));
        if (decisions[i].hours)
            say(&a.r, POLICY_A_WALLTIME, decisions[i].hours * 3600000);
        if (decisions[i].gpus)
            say(&a.r, POLICY_A_GPUS, decisions[i].gpus);
        say(&a.r, POLICY_A_OWN, decisions[i].own);
        policy_decide(p, &a.r, &d);
        if (d.reason != decisions[i].reason || d.rule != decisions[i].rule)
            fail_msg("decision %zu: reason %d, rule %u", i, (int)d.reason, d.rule);
        assert_int_equal(d.allowed, d.reason == POLICY_ALLOWED);
    }
out:
    policy_free(p);
}

static void every_answer_names_its_rule_and_the_way_out(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct policy *p = NULL;
    struct policy_decision d;
    struct asking a;
    char line[POLICY_FIX_BYTES];
    XT_TRY(compile(&p, sample, &err));
    XT_TRY(ask(&a, &bob, "job.run", POLICY_RESOURCE_GPU, "h100", &err));
    say(&a.r, POLICY_A_WALLTIME, 25 * 3600000);
    say(&a.r, POLICY_A_GPUS, 1);
    policy_decide(p, &a.r, &d);
    assert_int_equal(d.line, 2);
    assert_string_equal(policy_explain(&a.r, &d, line),
                        "rule 1, line 2 would allow it: ask for walltime<=24h, as it says: allow "
                        "vo:climate@inria/prod:runner to job.run on gpu:* when walltime<=24h && "
                        "gpus<=2 limit jobs=10 mem=1TiB");
    say(&a.r, POLICY_A_WALLTIME, 3600000);
    policy_decide(p, &a.r, &d);
    assert_int_equal(d.limited, 1 << POLICY_L_JOBS | 1 << POLICY_L_MEM);
    assert_int_equal(d.limit[POLICY_L_JOBS], 10);
    assert_true(d.limit[POLICY_L_MEM] == UINT64_C(1) << 40);
    assert_non_null(strstr(policy_explain(&a.r, &d, line), "rule 1, line 2 allows it: allow vo:"));
    XT_TRY(ask(&a, &eve, "job.run", POLICY_RESOURCE_NODE, "n1.vu", &err));
    policy_decide(p, &a.r, &d);
    assert_string_equal(policy_explain(&a.r, &d, line),
                        "no rule allows it; an administrator can add: allow eve@cern to job.run "
                        "on node:n1.vu");
    XT_TRY(ask(&a, &alice, "job.run", POLICY_RESOURCE_NONE, NULL, &err));
    policy_decide(p, &a.r, &d);
    assert_string_equal(policy_explain(&a.r, &d, line),
                        "rule 3, line 5 denies it: deny alice@inria to job.run; only an "
                        "administrator can change it");
    a.r.verb = "job.\nfly";
    policy_decide(p, &a.r, &d);
    assert_string_equal(policy_explain(&a.r, &d, line),
                        "job.?fly is nothing that can be asked for");
    unsigned at;
    assert_int_equal(policy_rule_text(p, 7, &at).len, strlen("allow *@cern to node.list"));
    assert_int_equal(at, 9);
out:
    policy_free(p);
}

static const struct {
    const char *text;
    unsigned line, column;
    const char *says;
} errors[] = {
    {"alow any to *", 1, 1, "\"alow\" is not \"allow\" or \"deny\": did you mean \"allow\"?"},
    {"\n\n  allow", 3, 8, "a subject is missing"},
    {"allow anny to *", 1, 7, "did you mean \"any\"?"},
    {"allow alice to *", 1, 7, "with its full name as alice@inria"},
    {"allow instituton:vu to *", 1, 7, "did you mean \"institution\"?"},
    {"allow Alice@inria to *", 1, 7, "Alice"},
    {"allow alice@inria@vu to *", 1, 7, ""},
    {"allow vo:climate to *", 1, 7, "institution"},
    {"allow vo:climate@inria/ to *", 1, 7, ""},
    {"allow *@ to *", 1, 7, ""},
    {"allow any job.run", 1, 11, "is not \"to\""},
    {"allow any to job.rnu", 1, 14, "did you mean \"job.run\"?"},
    {"allow any to jobs.*", 1, 14, "is not a verb"},
    {"allow any to job.run,", 1, 22, "a verb is missing"},
    {"allow any to job.run an node:*", 1, 22, "did you mean \"on\"?"},
    {"allow any to job.run on nod:n1.vu", 1, 25, "is not a resource"},
    {"allow any to job.run on node", 1, 25, "as node:* or gpu:*"},
    {"allow any to job.run on node:n1", 1, 25, ""},
    {"allow any to job.run on gpu:a--b", 1, 25, "is not a gpu"},
    {"allow any to job.run on volume:x", 1, 25, ""},
    {"allow any to job.run when waltime<=24h", 1, 27, "did you mean \"walltime\"?"},
    {"allow any to job.run when walltime=24h", 1, 35, "one of =="},
    {"allow any to job.run when walltime<=24x", 1, 37, "24x"},
    {"allow any to job.run when cpus<=1K", 1, 33, ""},
    {"allow any to job.run when arch<=x86_64", 1, 31, "== or !="},
    {"allow any to job.run when own==maybe", 1, 32, "\"yes\" or \"no\""},
    {"allow any to job.run when own==yes && ", 1, 39, "a condition is missing"},
    {"allow any to job.run limit cpu=3", 1, 28, "did you mean \"cpus\"?"},
    {"allow any to job.run limit cpus=3 cpus=4", 1, 35, "twice"},
    {"allow any to job.run limit cpus=3 on node:*", 1, 35, "is not a limit"},
    {"deny any to job.run limit cpus=3", 1, 21, "nothing to limit"},
    {"allow any to job.run; job.list", 1, 21, "\";\" is not anything"},
    {"allow any to job.run when cpus<3 when cpus>1", 1, 34, "in this order"},
    {"allow any to \x01", 1, 14, "\"?\""},
};

static void every_error_names_line_and_column(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct policy *p = NULL;
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        struct policy_place place = {0};
        XT_REFUSED(policy_new(&p, auth_slice(errors[i].text), &place, &err), XOS_INVALID);
        if (xt_starving())
            continue;
        if (place.line != errors[i].line || place.column != errors[i].column ||
            !strstr(err.text, errors[i].says))
            fail_msg("%s: %u, %u: %s", errors[i].text, place.line, place.column, err.text);
    }
    assert_null(p);
}

/* A rule with all there is, cut or stained at every byte: refused there, never half taken. */
static void no_torn_rule_is_taken(void **state)
{
    (void)state;
    static const char whole[] =
        "allow vo:climate@inria/prod:runner to job.run, unit.* on node:*.vu "
        "when walltime<=24h && arch != x86_64 limit jobs=10,mem=1TiB";
    struct xos_error err = {0};
    char text[2 * sizeof(whole) + 8];
    unsigned taken = 0;
    for (size_t i = 0; i < sizeof(whole) - 1; i++)
        for (int stain = 0; stain < 2; stain++) {
            struct policy *p = NULL;
            struct policy_place place = {0};
            (void)snprintf(text, sizeof(text), "%.*s%s%s", (int)i, whole, stain ? " $ " : "",
                           stain ? whole + i : "");
            int rc = policy_new(&p, auth_slice(text), &place, &err);
            if (rc < 0 && (err.code != XOS_INVALID || place.line != 1 || place.column > i + 2))
                fail_msg("%s: column %u: %s", text, place.column, err.text);
            if (rc == 0 && stain)
                fail_msg("taken: %s", text);
            taken += rc == 0;
            policy_free(p);
        }
    /* Whole words from the end on may be missing. */
    assert_in_range(taken, 10, 60);
}

static void what_a_request_does_not_carry_is_not_there(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct policy *p = NULL;
    struct policy_decision d;
    struct asking a;
    char line[POLICY_FIX_BYTES];
    XT_TRY(compile(&p,
                   "allow any to job.run on node:n1.vu when arch==x86_64\n"
                   "deny any to job.run on volume:*",
                   &err));
    XT_TRY(ask(&a, &bob, "job.run", POLICY_RESOURCE_NODE, "n1.vu", &err));
    a.r.says = 1 << POLICY_A_ARCH;
    policy_decide(p, &a.r, &d);
    assert_int_equal(d.reason, POLICY_DENIED_CONDITION);
    a.r.arch = "x86_64";
    policy_decide(p, &a.r, &d);
    assert_int_equal(d.reason, POLICY_ALLOWED);
    a.r.resource = NULL;
    policy_decide(p, &a.r, &d);
    assert_int_equal(d.reason, POLICY_DENIED_NO_RULE);
    assert_string_equal(policy_explain(&a.r, &d, line),
                        "no rule allows it; an administrator can add: allow "
                        "vo:climate@inria/prod:runner to job.run");
    a.r.resource = "nodot";
    policy_decide(p, &a.r, &d);
    assert_int_equal(d.reason, POLICY_DENIED_NO_RULE);
out:
    policy_free(p);
}

static void nobody_but_the_own_people_by_default(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct policy *p = NULL;
    struct policy_decision d;
    struct asking a;
    XT_TRY(policy_new_default(&p, "vu", &err));
    const struct {
        const struct who *who;
        bool own, allowed;
    } all[] = {{&carl, true, true},
               {&carl, false, false},
               {&dora, false, true},
               {&bob, true, false},
               {&eve, true, false}};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        XT_TRY(ask(&a, all[i].who, "job.signal", POLICY_RESOURCE_NONE, NULL, &err));
        say(&a.r, POLICY_A_OWN, all[i].own);
        policy_decide(p, &a.r, &d);
        assert_int_equal(d.allowed, all[i].allowed);
    }
    policy_free(p);
    p = NULL;
    XT_TRY(compile(&p, "", &err));
    policy_decide(p, &a.r, &d);
    assert_int_equal(d.reason, POLICY_DENIED_NO_RULE);
out:
    policy_free(p);
}

static void the_bounds_have_names(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct policy *p = NULL;
    struct xos_buf text = XOS_BUF(POLICY_BYTES_MAX + 1);
    for (int i = 0; i < POLICY_RULES_MAX; i++)
        XT_TRY(xos_buf_add_text(&text, "deny any to *\n", &err));
    XT_TRY(policy_new(&p, (struct xos_slice){text.data, text.len}, NULL, &err));
    policy_free(p);
    p = NULL;
    XT_TRY(xos_buf_add_text(&text, "deny any to *\n", &err));
    XT_REFUSED(policy_new(&p, (struct xos_slice){text.data, text.len}, NULL, &err), XOS_LIMIT);
    assert_non_null(strstr(err.text, "policy_rules_max"));
    while (text.len <= POLICY_BYTES_MAX)
        XT_TRY(xos_buf_add_text(&text, "\n", &err));
    XT_REFUSED(policy_new(&p, (struct xos_slice){text.data, text.len}, NULL, &err), XOS_LIMIT);
    assert_non_null(strstr(err.text, "policy_bytes_max"));
    xos_buf_clear(&text);
    XT_TRY(xos_buf_add_text(&text, "deny any to *", &err));
    for (int i = 0; i < POLICY_VERBS_MAX; i++)
        XT_TRY(xos_buf_add_text(&text, ", *", &err));
    XT_REFUSED(policy_new(&p, (struct xos_slice){text.data, text.len}, NULL, &err), XOS_LIMIT);
    assert_non_null(strstr(err.text, "policy_verbs_max"));
    xos_buf_clear(&text);
    XT_TRY(xos_buf_add_text(&text, "deny any to * when cpus>1", &err));
    for (int i = 0; i < POLICY_CONDITIONS_MAX; i++)
        XT_TRY(xos_buf_add_text(&text, " && cpus>1", &err));
    XT_REFUSED(policy_new(&p, (struct xos_slice){text.data, text.len}, NULL, &err), XOS_LIMIT);
    assert_non_null(strstr(err.text, "policy_conditions_max"));
    xos_buf_clear(&text);
    XT_TRY(xos_buf_add_text(&text, "deny ", &err));
    for (int i = 0; i <= POLICY_WORD_BYTES_MAX; i++)
        XT_TRY(xos_buf_add_text(&text, "a", &err));
    XT_REFUSED(policy_new(&p, (struct xos_slice){text.data, text.len}, NULL, &err), XOS_LIMIT);
    assert_non_null(strstr(err.text, "policy_word_bytes_max"));
out:
    xos_buf_free(&text);
    policy_free(p);
}

/* The compiled policy and the plain reading of its text say the same */

static uint64_t dice = 1;

static unsigned roll(unsigned n)
{
    dice ^= dice << 13;
    dice ^= dice >> 7;
    dice ^= dice << 17;
    return (unsigned)(dice % n);
}
#define PICK(list) (list)[roll(sizeof(list) / sizeof((list)[0]))]

static const char *const users[] = {"alice@inria", "bob@inria", "carl@vu", "eve@cern"};
static const char *const actings[] = {"vo:climate@inria", "vo:climate@inria/prod",
                                      "vo:climate@inria/prod:runner", "vo:bio@vu/prod:runner",
                                      "vo:climate@vu/test"};
static const char *const verbs[] = {"job.run", "job.list", "node.drain", "volume.mount"};
static const char *const nodes[] = {"n1.inria", "n1.vu", "n2.vu", "a.n1.vu"};

static int random_rule(struct xos_buf *text, struct xos_error *err)
{
    static const char *const others[] = {"any", "institution:vu", "*@inria", "admin:vu",
                                         "admin:inria"};
    static const char *const patterns[] = {"job.*", "*", "node.*"};
    static const char *const resources[] = {
        "node:*", "node:n1.vu", "node:*.vu", "node:*.inria",
        "gpu:*",  "gpu:h100",   "volume:*",  "volume:climate@inria/home"};
    static const char *const conditions[] = {
        "walltime<=2h", "walltime > 1h", "cpus==4",      "cpus!=4",  "mem<2K",  "gpus>=1",
        "units<3",      "arch==x86_64",  "arch!=x86_64", "own==yes", "own!=no", "own==no"};
    const char *subject = roll(3) == 0 ? PICK(users) : roll(2) ? PICK(actings) : PICK(others);
    if (xos_buf_addf(text, err, "%s %s to %s", roll(4) ? "allow" : "deny", subject,
                     roll(2) ? PICK(verbs) : PICK(patterns)) < 0)
        return -1;
    if (roll(3) == 0 && xos_buf_addf(text, err, " , %s", PICK(verbs)) < 0)
        return -1;
    if (roll(2) && xos_buf_addf(text, err, " on %s", PICK(resources)) < 0)
        return -1;
    if (roll(2)) {
        if (xos_buf_addf(text, err, " when %s", PICK(conditions)) < 0 ||
            (roll(3) == 0 && xos_buf_addf(text, err, "&& %s", PICK(conditions)) < 0))
            return -1;
    }
    return xos_buf_addf(text, err, "%s\n", roll(4) ? "" : "  # why");
}

static int random_request(struct asking *a, struct xos_error *err)
{
    static const char *const gpus[] = {"h100", "a100"};
    static const char *const volumes[] = {"climate@inria/home", "bio@vu/home"};
    static const char *const archs[] = {"x86_64", "aarch64"};
    struct who who = {PICK(users), roll(3) ? PICK(actings) : NULL, roll(2) != 0};
    enum policy_resource_kind kind = (enum policy_resource_kind)roll(POLICY_RESOURCE_KINDS);
    const char *resource = kind == POLICY_RESOURCE_NODE     ? PICK(nodes)
                           : kind == POLICY_RESOURCE_GPU    ? PICK(gpus)
                           : kind == POLICY_RESOURCE_VOLUME ? PICK(volumes)
                                                            : NULL;
    if (ask(a, &who, roll(20) ? PICK(verbs) : "job.fly", kind, resource, err) < 0)
        return -1;
    a->r.says = roll(1 << POLICY_ATTR_COUNT);
    a->r.value[POLICY_A_WALLTIME] = roll(4) * 3600000u;
    a->r.value[POLICY_A_CPUS] = 3 + roll(3);
    a->r.value[POLICY_A_MEM] = 1024 * roll(4);
    a->r.value[POLICY_A_GPUS] = roll(3);
    a->r.value[POLICY_A_UNITS] = roll(5);
    a->r.value[POLICY_A_OWN] = roll(2);
    a->r.arch = PICK(archs);
    return 0;
}

static void table_and_text_agree(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_buf text = XOS_BUF(POLICY_BYTES_MAX);
    struct policy *p = NULL;
    unsigned long decided = 0, rounds = xt_scaled(200000);
    dice = 20260301;
    for (unsigned long i = 0; i < rounds; i++) {
        xos_buf_clear(&text);
        XT_TRY(xos_buf_add_text(&text, "# random\n", &err));
        for (unsigned k = roll(24); k > 0; k--)
            XT_TRY(random_rule(&text, &err));
        XT_TRY(policy_new(&p, (struct xos_slice){text.data, text.len}, NULL, &err));
        for (int k = 0; k < 20; k++) {
            struct asking a;
            struct policy_decision d;
            unsigned rule;
            XT_TRY(random_request(&a, &err));
            policy_decide(p, &a.r, &d);
            bool allowed = policy_reference((const char *)text.data, &a.r, &rule);
            unsigned mine = d.reason == POLICY_DENIED_CONDITION ? 0 : d.rule;
            if (allowed != d.allowed || rule != mine)
                fail_msg("%s%s by %s: %u, not %u", (const char *)text.data, a.r.verb, a.user.part,
                         d.rule, rule);
            decided += rule != 0;
        }
        policy_free(p);
        p = NULL;
    }
    assert_true(decided > rounds * 4);
out:
    xos_buf_free(&text);
    policy_free(p);
}

static const struct xt_test tests[] = {
    XT(requests_are_decided_by_the_rule_that_counts),
    XT(every_answer_names_its_rule_and_the_way_out),
    XT(every_error_names_line_and_column),
    XT_PLAIN(no_torn_rule_is_taken),
    XT(what_a_request_does_not_carry_is_not_there),
    XT(nobody_but_the_own_people_by_default),
    XT_PLAIN(the_bounds_have_names),
    XT_PLAIN(table_and_text_agree),
};
XT_MAIN(tests)
