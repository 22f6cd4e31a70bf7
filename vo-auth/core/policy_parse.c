// SPDX-License-Identifier: Apache-2.0
/* policy_parse.c - from text to rules: one line at a time, one token ahead, no recursion. */
#include "libxos/base/alloc.h"
#include "libxos/base/suggest.h"
#include "libxos/base/units.h"

#define uthash_malloc(size) xos_alloc(size)
#define uthash_free(block, size) xos_free(block)
#define HASH_NONFATAL_OOM 1
#include "vo-auth/core/policy_rules.h"

#include <stdio.h>
#include <string.h>

/* What there is to say */

static const char *const verb_names[] = {
#define X(name, text) name,
    POLICY_VERBS(X)
#undef X
};
#define VERB_COUNT (sizeof(verb_names) / sizeof(verb_names[0]))

struct quantity {
    const char *name;
    enum policy_type type;
};

static const struct quantity attrs[] = {
#define X(id, name, type) {name, POLICY_##type},
    POLICY_ATTRS(X)
#undef X
};

static const struct quantity limit_names[] = {
#define X(id, name, type) {name, POLICY_##type},
    POLICY_LIMITS(X)
#undef X
};

static const char *const resource_names[] = {"node", "gpu", "volume"};
static const char *const clause_names[] = {"on", "when", "limit"};
static const char *const effect_names[] = {"allow", "deny"};
static const char *const subject_names[] = {"any", "institution", "admin", "vo"};
static const char *const op_names[] = {"==", "!=", "<=", ">=", "<", ">"};

bool policy_verb_known(const char *verb)
{
    for (size_t i = 0; i < VERB_COUNT; i++)
        if (strcmp(verb_names[i], verb) == 0)
            return true;
    return false;
}

/* Tokens */

enum token_kind { TOKEN_END, TOKEN_WORD, TOKEN_COMMA, TOKEN_AND, TOKEN_ASSIGN, TOKEN_OP };

struct parser {
    struct policy *p;
    const char *line, *at, *end; /* the line without its comment */
    struct policy_place *place;  /* of the token */
    struct xos_error *err;
    enum token_kind kind;
    enum policy_op op;
    const char *begin; /* of the token */
    size_t len;
    char word[POLICY_WORD_BYTES_MAX + 1];
};

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("._-@:/*~", c));
}

static int wrong(const struct parser *x, const char *what, const char *const *words, size_t count,
                 size_t stride)
{
    char quoted[AUTH_QUOTE_BYTES];
    const char *near = x->kind == TOKEN_WORD ? xos_suggest(x->word, words, count, stride) : NULL;
    (void)auth_quote((struct xos_slice){(const uint8_t *)x->begin, x->len}, quoted);
    if (x->kind == TOKEN_END)
        return xos_fail(x->err, XOS_INVALID, "%s is missing", what);
    if (near)
        return xos_fail(x->err, XOS_INVALID, "\"%s\" is not %s: did you mean \"%s\"?", quoted, what,
                        near);
    return xos_fail(x->err, XOS_INVALID, "\"%s\" is not %s", quoted, what);
}

static int take_word(struct parser *x)
{
    while (x->at < x->end && is_word(*x->at))
        x->at++;
    x->kind = TOKEN_WORD;
    x->len = (size_t)(x->at - x->begin);
    if (x->len > POLICY_WORD_BYTES_MAX)
        return xos_fail(x->err, XOS_LIMIT, "policy_word_bytes_max: a word of %zu bytes, at most %d",
                        x->len, POLICY_WORD_BYTES_MAX);
    memcpy(x->word, x->begin, x->len);
    x->word[x->len] = '\0';
    return 0;
}

static int take_sign(struct parser *x)
{
    size_t left = (size_t)(x->end - x->at);
    x->word[0] = '\0';
    x->len = 1;
    for (size_t i = 0; i < sizeof(op_names) / sizeof(op_names[0]); i++) {
        size_t n = strlen(op_names[i]);
        if (left < n || memcmp(x->at, op_names[i], n) != 0)
            continue;
        x->kind = TOKEN_OP;
        x->op = (enum policy_op)i;
        x->len = n;
        x->at += n;
        return 0;
    }
    if (left >= 2 && memcmp(x->at, "&&", 2) == 0) {
        x->kind = TOKEN_AND;
        x->len = 2;
    } else if (*x->at == ',') {
        x->kind = TOKEN_COMMA;
    } else if (*x->at == '=') {
        x->kind = TOKEN_ASSIGN;
    } else {
        x->kind = TOKEN_OP;
        return wrong(x, "anything that a rule can hold", NULL, 0, 0);
    }
    x->at += x->len;
    return 0;
}

static int next(struct parser *x)
{
    while (x->at < x->end && (*x->at == ' ' || *x->at == '\t' || *x->at == '\r'))
        x->at++;
    x->begin = x->at;
    x->place->column = (unsigned)(x->at - x->line) + 1;
    x->len = 0;
    x->kind = TOKEN_END;
    if (x->at == x->end)
        return 0;
    return is_word(*x->at) ? take_word(x) : take_sign(x);
}

static bool is_keyword(const struct parser *x, const char *word)
{
    return x->kind == TOKEN_WORD && strcmp(x->word, word) == 0;
}

/* Growing */

static int grow(void **list, size_t *cap, size_t count, size_t size, struct xos_error *err)
{
    if (count < *cap)
        return 0;
    void *more = xos_realloc_array(*list, *cap ? *cap * 2 : 16, size);
    if (!more)
        return xos_fail(err, XOS_NOMEM, "policy");
    *list = more;
    *cap = *cap ? *cap * 2 : 16;
    return 0;
}
#define GROW(list, count, cap, err) grow((void **)&(list), &(cap), (count), sizeof(*(list)), (err))

/* Subjects */

static int atom(struct parser *x, const char *text, uint32_t *number)
{
    const struct policy_atom *a;
    *number = 0;
    if (!*text)
        return 0;
    a = policy_atom_make(x->p, text, strlen(text), x->err);
    *number = a ? a->number : 0;
    return a ? 0 : -1;
}

static int subject_name(struct parser *x, const char *text, enum policy_subject_kind *kind,
                        struct auth_name *n)
{
    static const struct {
        const char *prefix;
        enum policy_subject_kind kind;
    } of_institution[] = {{"institution:", POLICY_BY_INSTITUTION},
                          {"*@", POLICY_BY_INSTITUTION},
                          {"admin:", POLICY_BY_ADMIN}};
    for (size_t i = 0; i < 3; i++) {
        size_t len = strlen(of_institution[i].prefix);
        *kind = of_institution[i].kind;
        if (strncmp(text, of_institution[i].prefix, len) == 0)
            return auth_name_parse(n, AUTH_NAME_INSTITUTION, auth_slice(text + len), NULL, x->err);
    }
    *kind = POLICY_BY_USER;
    if (strncmp(text, "vo:", 3) != 0 && strchr(text, '@'))
        return auth_name_parse(n, AUTH_NAME_USER, auth_slice(text), NULL, x->err);
    if (strncmp(text, "vo:", 3) != 0) {
        x->word[strcspn(x->word, ":")] = '\0';
        return wrong(x, "a subject, with its full name as alice@inria", subject_names, 4,
                     sizeof(*subject_names));
    }
    if (auth_name_parse_acting(n, auth_slice(text), NULL, x->err) < 0)
        return -1;
    *kind = n->kind == AUTH_NAME_VO      ? POLICY_BY_VO
            : n->kind == AUTH_NAME_GROUP ? POLICY_BY_GROUP
                                         : POLICY_BY_ROLE;
    return 0;
}

static int subject_number(struct parser *x, const struct policy_subject_key *key, unsigned *number)
{
    struct policy *p = x->p;
    struct policy_subject *s;
    HASH_FIND(hh, p->subjects, key, sizeof(*key), s);
    if (!s) {
        s = xos_alloc(sizeof(*s));
        if (s) {
            s->key = *key;
            s->number = p->subject_count + 1;
            HASH_ADD(hh, p->subjects, key, sizeof(s->key), s);
        }
        if (!s || !s->hh.tbl) {
            xos_free(s);
            return xos_fail(x->err, XOS_NOMEM, "policy");
        }
        p->subject_count++;
    }
    *number = s->number;
    return 0;
}

static int take_subject(struct parser *x, struct policy_rule *rule)
{
    struct policy_subject_key key = {.kind = POLICY_BY_ANY};
    struct auth_name n = {.kind = AUTH_NAME_NONE};
    enum policy_subject_kind kind = POLICY_BY_ANY;
    if (x->kind != TOKEN_WORD)
        return wrong(x, "a subject", NULL, 0, 0);
    if (!is_keyword(x, "any") && subject_name(x, x->word, &kind, &n) < 0)
        return -1;
    key.kind = (uint32_t)kind;
    if (atom(x, n.institution, &key.institution) < 0 || atom(x, n.part, &key.part) < 0 ||
        atom(x, n.group, &key.group) < 0 || atom(x, n.role, &key.role) < 0 ||
        subject_number(x, &key, &rule->subject) < 0)
        return -1;
    return next(x);
}

/* Verbs and resources */

static bool is_family(const char *word)
{
    size_t len = strlen(word);
    if (strcmp(word, "*") == 0)
        return true;
    if (len < 3 || strcmp(word + len - 2, ".*") != 0)
        return false;
    for (size_t i = 0; i < VERB_COUNT; i++)
        if (strncmp(verb_names[i], word, len - 1) == 0)
            return true;
    return false;
}

static int take_verb(struct parser *x, struct policy_rule *rule)
{
    if (x->kind != TOKEN_WORD || (!policy_verb_known(x->word) && !is_family(x->word)))
        return wrong(x, "a verb", verb_names, VERB_COUNT, sizeof(*verb_names));
    if (rule->verb_count == POLICY_VERBS_MAX)
        return xos_fail(x->err, XOS_LIMIT, "policy_verbs_max: more than %d verbs in one rule",
                        POLICY_VERBS_MAX);
    if (atom(x, x->word, &rule->verbs[rule->verb_count]) < 0)
        return -1;
    rule->verb_count++;
    return next(x);
}

static int take_verbs(struct parser *x, struct policy_rule *rule)
{
    if (!is_keyword(x, "to"))
        return wrong(x, "\"to\"", NULL, 0, 0);
    do {
        if (next(x) < 0 || take_verb(x, rule) < 0)
            return -1;
    } while (x->kind == TOKEN_COMMA);
    return 0;
}

/* The name behind "node:" and so on, when it is not "*". */
static int resource_valid(struct parser *x, enum policy_resource_kind kind, const char *name)
{
    struct auth_name n;
    if (kind == POLICY_RESOURCE_GPU)
        return auth_name_part_valid(auth_slice(name))
                   ? 0
                   : wrong(x, "a gpu: write gpu:* or its model, as gpu:h100", NULL, 0, 0);
    if (kind == POLICY_RESOURCE_VOLUME)
        return auth_name_parse(&n, AUTH_NAME_VOLUME, auth_slice(name), NULL, x->err);
    if (strncmp(name, "*.", 2) == 0)
        return auth_name_parse(&n, AUTH_NAME_INSTITUTION, auth_slice(name + 2), NULL, x->err);
    return auth_name_parse(&n, AUTH_NAME_NODE, auth_slice(name), NULL, x->err);
}

static int take_resource(struct parser *x, struct policy_rule *rule)
{
    const char *colon = strchr(x->word, ':');
    if (x->kind != TOKEN_WORD || !colon)
        return wrong(x, "a resource, as node:* or gpu:*", NULL, 0, 0);
    for (unsigned i = 0; i < 3; i++)
        if (strlen(resource_names[i]) == (size_t)(colon - x->word) &&
            strncmp(x->word, resource_names[i], (size_t)(colon - x->word)) == 0)
            rule->kind = (enum policy_resource_kind)(POLICY_RESOURCE_NODE + i);
    if (rule->kind == POLICY_RESOURCE_NONE)
        return wrong(x, "a resource", resource_names, 3, sizeof(*resource_names));
    if (strcmp(colon + 1, "*") != 0) {
        if (resource_valid(x, rule->kind, colon + 1) < 0)
            return -1;
        rule->resource = policy_atom_make(x->p, colon + 1, strlen(colon + 1), x->err);
        if (!rule->resource)
            return -1;
    }
    return next(x);
}

/* Conditions and limits */

static int quantity_find(struct parser *x, const struct quantity *list, size_t count,
                         const char *what, unsigned *out)
{
    for (*out = 0; x->kind == TOKEN_WORD && *out < count; (*out)++)
        if (strcmp(list[*out].name, x->word) == 0)
            return 0;
    return wrong(x, what, &list[0].name, count, sizeof(*list));
}

static int take_yes(const struct parser *x, uint64_t *value)
{
    *value = is_keyword(x, "yes");
    return *value || is_keyword(x, "no") ? 0 : wrong(x, "\"yes\" or \"no\"", NULL, 0, 0);
}

static int take_value(struct parser *x, enum policy_type type, uint64_t *value,
                      const struct policy_atom **word)
{
    int rc = -1;
    *word = NULL;
    if (x->kind != TOKEN_WORD)
        return wrong(x, "a value", NULL, 0, 0);
    if (type == POLICY_NUMBER)
        rc = xos_parse_u64(x->word, 0, UINT64_MAX, value, x->err);
    else if (type == POLICY_DURATION)
        rc = xos_parse_duration(x->word, value, x->err);
    else if (type == POLICY_SIZE)
        rc = xos_parse_size(x->word, value, x->err);
    else if (type == POLICY_TEXT)
        rc = (*word = policy_atom_make(x->p, x->word, x->len, x->err)) ? 0 : -1;
    else
        rc = take_yes(x, value);
    return rc < 0 ? -1 : next(x);
}

static int take_condition(struct parser *x, struct policy_rule *rule)
{
    struct policy *p = x->p;
    struct policy_condition c = {.text.data = (const uint8_t *)x->begin};
    unsigned attr;
    if (quantity_find(x, attrs, POLICY_ATTR_COUNT, "a condition", &attr) < 0)
        return -1;
    c.attr = (enum policy_attr)attr;
    if (next(x) < 0)
        return -1;
    c.op = x->op;
    bool unordered = attrs[attr].type == POLICY_TEXT || attrs[attr].type == POLICY_YES;
    if (x->kind != TOKEN_OP || (unordered && c.op != POLICY_EQ && c.op != POLICY_NE))
        return wrong(x, unordered ? "== or !=" : "one of == != <= >= < >", NULL, 0, 0);
    if (next(x) < 0)
        return -1;
    c.text.len = (size_t)(x->at - (const char *)c.text.data);
    if (take_value(x, attrs[attr].type, &c.value, &c.word) < 0)
        return -1;
    if (rule->condition_count == POLICY_CONDITIONS_MAX)
        return xos_fail(x->err, XOS_LIMIT, "policy_conditions_max: more than %d in one rule",
                        POLICY_CONDITIONS_MAX);
    if (GROW(p->conditions, p->condition_count, p->condition_cap, x->err) < 0)
        return -1;
    p->conditions[p->condition_count++] = c;
    rule->condition_count++;
    return 0;
}

static int take_conditions(struct parser *x, struct policy_rule *rule)
{
    rule->first_condition = (unsigned)x->p->condition_count;
    if (take_condition(x, rule) < 0)
        return -1;
    while (x->kind == TOKEN_AND)
        if (next(x) < 0 || take_condition(x, rule) < 0)
            return -1;
    return 0;
}

static int take_limit(struct parser *x, struct policy_rule *rule, uint64_t *values)
{
    const struct policy_atom *none;
    unsigned which;
    if (quantity_find(x, limit_names, POLICY_LIMIT_COUNT, "a limit", &which) < 0)
        return -1;
    if (rule->limited & UINT32_C(1) << which)
        return xos_fail(x->err, XOS_INVALID, "%s is limited twice", x->word);
    if (next(x) < 0)
        return -1;
    if (x->kind != TOKEN_ASSIGN)
        return wrong(x, "=", NULL, 0, 0);
    if (next(x) < 0 || take_value(x, limit_names[which].type, &values[which], &none) < 0)
        return -1;
    rule->limited |= UINT32_C(1) << which;
    return 0;
}

static int take_limits(struct parser *x, struct policy_rule *rule)
{
    struct policy *p = x->p;
    uint64_t values[POLICY_LIMIT_COUNT] = {0};
    do {
        if (x->kind == TOKEN_COMMA && next(x) < 0)
            return -1;
        if (take_limit(x, rule, values) < 0)
            return -1;
    } while (x->kind == TOKEN_COMMA || x->kind == TOKEN_WORD);
    rule->first_limit = (unsigned)p->limit_count;
    for (unsigned i = 0; i < POLICY_LIMIT_COUNT; i++) {
        if (!(rule->limited & UINT32_C(1) << i))
            continue;
        if (GROW(p->limits, p->limit_count, p->limit_cap, x->err) < 0)
            return -1;
        p->limits[p->limit_count++] = values[i];
    }
    return 0;
}

/* Rules */

/* on, when and limit: each at most once, in this order. */
static int take_clauses(struct parser *x, struct policy_rule *rule)
{
    static int (*const take[])(struct parser *, struct policy_rule *) = {
        take_resource, take_conditions, take_limits};
    for (size_t i = 0; i < 3; i++) {
        if (!is_keyword(x, clause_names[i]))
            continue;
        if (i == 2 && rule->deny)
            return xos_fail(x->err, XOS_INVALID, "a rule that denies has nothing to limit");
        if (next(x) < 0 || take[i](x, rule) < 0)
            return -1;
    }
    if (x->kind == TOKEN_END)
        return 0;
    return wrong(x, "on, when or limit, in this order", clause_names, 3, sizeof(*clause_names));
}

static int add_rule(struct parser *x, const struct policy_rule *rule)
{
    struct policy *p = x->p;
    if (p->rule_count == POLICY_RULES_MAX)
        return xos_fail(x->err, XOS_LIMIT, "policy_rules_max: more than %d rules",
                        POLICY_RULES_MAX);
    if (GROW(p->rules, p->rule_count, p->rule_cap, x->err) < 0)
        return -1;
    for (unsigned i = 0; i < rule->verb_count; i++) {
        if (GROW(p->rows, p->row_count, p->row_cap, x->err) < 0)
            return -1;
        p->rows[p->row_count++] =
            (struct policy_row){.subject = rule->subject,
                                .verb = rule->verbs[i],
                                .rule = (unsigned)p->rule_count,
                                .resource = rule->resource ? rule->resource->number : 0,
                                .kind = (uint8_t)rule->kind,
                                .deny = rule->deny};
    }
    p->rules[p->rule_count++] = *rule;
    return 0;
}

static int take_line(struct parser *x)
{
    struct policy_rule rule = {.line = x->place->line};
    if (next(x) < 0)
        return -1;
    if (x->kind == TOKEN_END)
        return 0;
    rule.text.data = (const uint8_t *)x->begin;
    rule.deny = is_keyword(x, "deny");
    if (!rule.deny && !is_keyword(x, "allow"))
        return wrong(x, "\"allow\" or \"deny\"", effect_names, 2, sizeof(*effect_names));
    if (next(x) < 0 || take_subject(x, &rule) < 0 || take_verbs(x, &rule) < 0 ||
        take_clauses(x, &rule) < 0)
        return -1;
    const char *end = x->end;
    while (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r')
        end--;
    rule.text.len = (size_t)(end - (const char *)rule.text.data);
    return add_rule(x, &rule);
}

int policy_parse(struct policy *p, size_t len, struct policy_place *place, struct xos_error *err)
{
    const char *at = p->text, *end = p->text + len;
    for (place->line = 1; at < end; place->line++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *stop = newline ? newline : end;
        const char *comment = memchr(at, '#', (size_t)(stop - at));
        struct parser x = {.p = p, .line = at, .at = at, .place = place, .err = err};
        x.end = comment ? comment : stop;
        if (take_line(&x) < 0)
            return -1;
        at = newline ? newline + 1 : end;
    }
    return 0;
}
