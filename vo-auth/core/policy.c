// SPDX-License-Identifier: Apache-2.0
#include "vo-auth/core/policy.h"

#include "libxos/base/alloc.h"

#define uthash_malloc(size) xos_alloc(size)
#define uthash_free(block, size) xos_free(block)
#define HASH_NONFATAL_OOM 1
#include "vo-auth/core/policy_rules.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Atoms */

const struct policy_atom *policy_atom_find(const struct policy *p, const char *text, size_t len)
{
    struct policy_atom *a;
    HASH_FIND(hh, p->atoms, text, (unsigned)len, a);
    return a;
}

const struct policy_atom *policy_atom_make(struct policy *p, const char *text, size_t len,
                                           struct xos_error *err)
{
    const struct policy_atom *known = policy_atom_find(p, text, len);
    if (known)
        return known;
    struct policy_atom *a = xos_alloc(sizeof(*a) + len + 1);
    if (a) {
        memcpy(a->text, text, len);
        a->number = p->atom_count + 1;
        HASH_ADD_KEYPTR(hh, p->atoms, a->text, (unsigned)len, a);
    }
    if (!a || !a->hh.tbl) {
        xos_free(a);
        xos_fail(err, XOS_NOMEM, "policy");
        return NULL;
    }
    p->atom_count++;
    return a;
}

/* Making */

void policy_free(struct policy *p)
{
    struct policy_atom *a, *a_after;
    struct policy_subject *s, *s_after;
    if (!p)
        return;
    HASH_ITER (hh, p->atoms, a, a_after) {
        HASH_DEL(p->atoms, a);
        xos_free(a);
    }
    HASH_ITER (hh, p->subjects, s, s_after) {
        HASH_DEL(p->subjects, s);
        xos_free(s);
    }
    xos_free(p->text);
    xos_free(p->rules);
    xos_free(p->conditions);
    xos_free(p->limits);
    xos_free(p->rows);
    xos_free(p);
}

static int by_subject(const void *left, const void *right)
{
    const struct policy_row *a = left, *b = right;
    if (a->subject != b->subject)
        return a->subject < b->subject ? -1 : 1;
    if (a->rule != b->rule)
        return a->rule < b->rule ? -1 : 1;
    return a->verb < b->verb ? -1 : a->verb > b->verb;
}

static void index_rows(struct policy *p)
{
    if (p->row_count)
        qsort(p->rows, p->row_count, sizeof(*p->rows), by_subject);
    for (struct policy_subject *s = p->subjects; s; s = s->hh.next) {
        while (s->first + s->count < p->row_count &&
               p->rows[s->first + s->count].subject == s->number)
            s->count++;
        /* The next one's rows lie behind: the table lists subjects in the order of their numbers,
         * and each has a row, since it was made for one. */
        if (s->hh.next)
            ((struct policy_subject *)s->hh.next)->first = s->first + s->count;
    }
}

int policy_new(struct policy **out, struct xos_slice text, struct policy_place *place,
               struct xos_error *err)
{
    struct policy_place unused;
    place = place ? place : &unused;
    *place = (struct policy_place){1, 1};
    if (text.len > POLICY_BYTES_MAX)
        return xos_fail(err, XOS_LIMIT, "policy_bytes_max: a policy of %zu bytes, at most %d",
                        text.len, POLICY_BYTES_MAX);
    struct policy *p = xos_alloc(sizeof(*p));
    if (p)
        p->text = xos_alloc(text.len + 1);
    if (!p || !p->text) {
        policy_free(p);
        return xos_fail(err, XOS_NOMEM, "policy");
    }
    if (text.len)
        memcpy(p->text, text.data, text.len);
    if (policy_parse(p, text.len, place, err) < 0) {
        policy_free(p);
        return xos_wrap(err, "policy line %u, column %u", place->line, place->column);
    }
    index_rows(p);
    *out = p;
    return 0;
}

int policy_new_default(struct policy **out, const char *institution, struct xos_error *err)
{
    char text[256];
    int len = snprintf(text, sizeof(text),
                       "allow admin:%.31s to *\nallow institution:%.31s to * when own==yes\n",
                       institution, institution);
    assert(len > 0 && (size_t)len < sizeof(text));
    return policy_new(out, (struct xos_slice){(const uint8_t *)text, (size_t)len}, NULL, err);
}

unsigned policy_rule_count(const struct policy *p)
{
    return (unsigned)p->rule_count;
}

struct xos_slice policy_rule_text(const struct policy *p, unsigned rule, unsigned *line)
{
    assert(rule > 0 && rule <= p->rule_count);
    if (line)
        *line = p->rules[rule - 1].line;
    return p->rules[rule - 1].text;
}

/* Deciding */

static uint32_t number_of(const struct policy *p, const char *text)
{
    const struct policy_atom *a = *text ? policy_atom_find(p, text, strlen(text)) : NULL;
    return a ? a->number : 0;
}

static void add_key(struct policy_subject_key *keys, size_t *count, enum policy_subject_kind kind,
                    uint32_t institution, uint32_t part, uint32_t group, uint32_t role)
{
    keys[(*count)++] = (struct policy_subject_key){(uint32_t)kind, institution, part, group, role};
}

/* All subjects that the request is. One with a part that no rule names is in no table. */
static size_t subjects_of(const struct policy *p, const struct policy_request *r,
                          struct policy_subject_key keys[static POLICY_SUBJECT_KINDS])
{
    const struct auth_name *a = r->acting;
    size_t n = 0;
    uint32_t home = number_of(p, r->user->institution), user = number_of(p, r->user->part);
    add_key(keys, &n, POLICY_BY_ANY, 0, 0, 0, 0);
    if (home)
        add_key(keys, &n, POLICY_BY_INSTITUTION, home, 0, 0, 0);
    if (home && r->admin)
        add_key(keys, &n, POLICY_BY_ADMIN, home, 0, 0, 0);
    if (home && user)
        add_key(keys, &n, POLICY_BY_USER, home, user, 0, 0);
    if (!a)
        return n;
    uint32_t vo_home = number_of(p, a->institution), vo = number_of(p, a->part);
    if (!vo_home || !vo)
        return n;
    uint32_t group = number_of(p, a->group), role = number_of(p, a->role);
    add_key(keys, &n, POLICY_BY_VO, vo_home, vo, 0, 0);
    if (group)
        add_key(keys, &n, POLICY_BY_GROUP, vo_home, vo, group, 0);
    if (group && role)
        add_key(keys, &n, POLICY_BY_ROLE, vo_home, vo, group, role);
    return n;
}

struct wanted_verbs {
    unsigned exact, family, all;
};

static struct wanted_verbs verbs_of(const struct policy *p, const char *verb)
{
    char family[POLICY_WORD_BYTES_MAX + 1];
    const char *dot = strchr(verb, '.');
    assert(dot);
    (void)snprintf(family, sizeof(family), "%.*s.*", (int)(dot - verb), verb);
    return (struct wanted_verbs){number_of(p, verb), number_of(p, family), number_of(p, "*")};
}

/* The numbers by which a rule can mean the resource: its name, and "*.inria" for a node's. */
struct wanted_resource {
    unsigned exact, home;
};

static struct wanted_resource resource_of(const struct policy *p, const struct policy_request *r)
{
    char home[POLICY_WORD_BYTES_MAX + 1] = "";
    const char *dot = r->resource ? strrchr(r->resource, '.') : NULL;
    if (dot && r->kind == POLICY_RESOURCE_NODE)
        (void)snprintf(home, sizeof(home), "*%s", dot);
    return (struct wanted_resource){r->resource ? number_of(p, r->resource) : 0,
                                    number_of(p, home)};
}

static bool compare(enum policy_op op, int order)
{
    switch (op) {
    case POLICY_EQ:
        return order == 0;
    case POLICY_NE:
        return order != 0;
    case POLICY_LE:
        return order <= 0;
    case POLICY_GE:
        return order >= 0;
    case POLICY_LT:
        return order < 0;
    case POLICY_GT:
    default:
        return order > 0;
    }
}

/* The first condition that does not hold, or NULL. */
static const struct policy_condition *
failing(const struct policy *p, const struct policy_rule *rule, const struct policy_request *r)
{
    for (unsigned i = 0; i < rule->condition_count; i++) {
        const struct policy_condition *c = &p->conditions[rule->first_condition + i];
        bool holds = rule->deny; /* what the request does not say */
        if (r->says & UINT32_C(1) << c->attr && (!c->word || r->arch)) {
            uint64_t v = r->value[c->attr];
            int order = c->word ? strcmp(r->arch, c->word->text) : (v > c->value) - (v < c->value);
            holds = compare(c->op, order);
        }
        if (!holds)
            return c;
    }
    return NULL;
}

struct search {
    const struct policy *p;
    const struct policy_request *r;
    struct wanted_verbs verbs;
    struct wanted_resource resource;
    unsigned deny, allow, nearly;          /* least index so far; UINT_MAX: none */
    const struct policy_condition *failed; /* of nearly */
};

static void try_rule(struct search *s, unsigned index)
{
    const struct policy_rule *rule = &s->p->rules[index];
    const struct policy_condition *failed = failing(s->p, rule, s->r);
    if (failed && !rule->deny && index < s->nearly) {
        s->nearly = index;
        s->failed = failed;
    } else if (!failed && rule->deny) {
        s->deny = index;
    } else if (!failed) {
        s->allow = index;
    }
}

static bool row_matches(const struct search *s, const struct policy_row *row)
{
    if (row->verb != s->verbs.exact && row->verb != s->verbs.family && row->verb != s->verbs.all)
        return false;
    if (row->rule >= (row->deny ? s->deny : s->allow))
        return false;
    if (row->kind == POLICY_RESOURCE_NONE)
        return true;
    return row->kind == s->r->kind && s->r->resource &&
           (row->resource == 0 || row->resource == s->resource.exact ||
            row->resource == s->resource.home);
}

static void search_subject(struct search *s, const struct policy_subject_key *key)
{
    const struct policy_subject *subject;
    HASH_FIND(hh, s->p->subjects, key, sizeof(*key), subject);
    if (!subject)
        return;
    const struct policy_row *row = s->p->rows + subject->first, *end = row + subject->count;
    for (; row < end; row++)
        if (row_matches(s, row))
            try_rule(s, row->rule);
}

static void decide_by(const struct policy *p, unsigned index, enum policy_reason reason,
                      struct policy_decision *out)
{
    const struct policy_rule *rule = &p->rules[index];
    out->reason = reason;
    out->rule = index + 1;
    out->line = rule->line;
    out->text = rule->text;
    out->allowed = reason == POLICY_ALLOWED;
    if (!out->allowed)
        return;
    out->limited = rule->limited;
    for (unsigned i = 0, at = rule->first_limit; i < POLICY_LIMIT_COUNT; i++)
        if (rule->limited & UINT32_C(1) << i)
            out->limit[i] = p->limits[at++];
}

void policy_decide(const struct policy *p, const struct policy_request *r,
                   struct policy_decision *out)
{
    struct policy_subject_key keys[POLICY_SUBJECT_KINDS];
    struct search s = {
        .p = p, .r = r, .deny = UINT32_MAX, .allow = UINT32_MAX, .nearly = UINT32_MAX};
    memset(out, 0, sizeof(*out));
    out->reason = POLICY_DENIED_NO_VERB;
    if (!policy_verb_known(r->verb))
        return;
    s.verbs = verbs_of(p, r->verb);
    s.resource = resource_of(p, r);
    size_t count = subjects_of(p, r, keys);
    for (size_t i = 0; i < count; i++)
        search_subject(&s, &keys[i]);
    out->reason = POLICY_DENIED_NO_RULE;
    if (s.deny != UINT32_MAX) {
        decide_by(p, s.deny, POLICY_DENIED_BY_RULE, out);
    } else if (s.allow != UINT32_MAX) {
        decide_by(p, s.allow, POLICY_ALLOWED, out);
    } else if (s.nearly != UINT32_MAX) {
        decide_by(p, s.nearly, POLICY_DENIED_CONDITION, out);
        out->failed = s.failed->text;
    }
}

/* Saying it */

static const char *const kind_names[POLICY_RESOURCE_KINDS] = {
    [POLICY_RESOURCE_NONE] = "",
    [POLICY_RESOURCE_NODE] = "node",
    [POLICY_RESOURCE_GPU] = "gpu",
    [POLICY_RESOURCE_VOLUME] = "volume",
};

const char *policy_explain(const struct policy_request *r, const struct policy_decision *d,
                           char to[static POLICY_FIX_BYTES])
{
    char who[AUTH_NAME_BYTES_MAX + 1], verb[AUTH_QUOTE_BYTES], what[AUTH_QUOTE_BYTES];
    bool thing = r->kind != POLICY_RESOURCE_NONE && r->resource;
    int text = (int)d->text.len, failed = (int)d->failed.len;
    auth_name_print(r->acting ? r->acting : r->user, who);
    (void)auth_quote(auth_slice(r->verb), verb);
    (void)auth_quote(auth_slice(thing ? r->resource : ""), what);
    switch (d->reason) {
    case POLICY_ALLOWED:
        (void)snprintf(to, POLICY_FIX_BYTES, "rule %u, line %u allows it: %.*s", d->rule, d->line,
                       text, (const char *)d->text.data);
        break;
    case POLICY_DENIED_BY_RULE:
        (void)snprintf(to, POLICY_FIX_BYTES,
                       "rule %u, line %u denies it: %.*s; only an administrator can change it",
                       d->rule, d->line, text, (const char *)d->text.data);
        break;
    case POLICY_DENIED_CONDITION:
        (void)snprintf(to, POLICY_FIX_BYTES,
                       "rule %u, line %u would allow it: ask for %.*s, as it says: %.*s", d->rule,
                       d->line, failed, (const char *)d->failed.data, text,
                       (const char *)d->text.data);
        break;
    case POLICY_DENIED_NO_RULE:
        (void)snprintf(to, POLICY_FIX_BYTES,
                       "no rule allows it; an administrator can add: allow %s to %s%s%s%s%s", who,
                       verb, thing ? " on " : "", kind_names[thing ? r->kind : 0], thing ? ":" : "",
                       what);
        break;
    case POLICY_DENIED_NO_VERB:
    default:
        (void)snprintf(to, POLICY_FIX_BYTES, "%s is nothing that can be asked for", verb);
        break;
    }
    return to;
}
