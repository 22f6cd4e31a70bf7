// SPDX-License-Identifier: Apache-2.0
/* policy_rules.h - a compiled policy. Private to policy*.c.
 *
 * Every name part, subject and verb that the text names has a number (an atom); what a request
 * names and no rule does has none, and cannot match. */
#ifndef VO_AUTH_CORE_POLICY_RULES_H
#define VO_AUTH_CORE_POLICY_RULES_H

#include "vo-auth/core/policy.h"

#include <uthash.h>

enum policy_type { POLICY_NUMBER, POLICY_DURATION, POLICY_SIZE, POLICY_TEXT, POLICY_YES };
enum policy_op { POLICY_EQ, POLICY_NE, POLICY_LE, POLICY_GE, POLICY_LT, POLICY_GT };

struct policy_atom {
    unsigned number; /* from 1 */
    UT_hash_handle hh;
    char text[]; /* NUL-terminated */
};

/* Zero where the kind has no such part. */
struct policy_subject_key {
    uint32_t kind;
    uint32_t institution, part, group, role;
};

enum policy_subject_kind {
    POLICY_BY_ANY,
    POLICY_BY_INSTITUTION,
    POLICY_BY_ADMIN,
    POLICY_BY_USER,
    POLICY_BY_VO,
    POLICY_BY_GROUP,
    POLICY_BY_ROLE,
    POLICY_SUBJECT_KINDS
};

struct policy_subject {
    struct policy_subject_key key;
    unsigned number;
    unsigned first, count; /* of its rows */
    UT_hash_handle hh;
};

struct policy_condition {
    enum policy_attr attr;
    enum policy_op op;
    uint64_t value;
    const struct policy_atom *word; /* TEXT */
    struct xos_slice text;
};

struct policy_rule {
    bool deny;
    unsigned line;
    struct xos_slice text;
    unsigned subject; /* number */
    enum policy_resource_kind kind;
    const struct policy_atom *resource; /* NULL: any of the kind, "*.inria" its institution's */
    unsigned verb_count;
    unsigned verbs[POLICY_VERBS_MAX]; /* atoms of "job.run", "job.*", "*" */
    unsigned first_condition, condition_count;
    uint32_t limited;
    unsigned first_limit; /* its values, in the order of enum policy_limit */
};

/* One verb of one rule, with all that most rules are passed over by. */
struct policy_row {
    unsigned subject;
    unsigned verb;
    unsigned rule;     /* index */
    unsigned resource; /* number of its atom; 0: any of the kind */
    uint8_t kind;      /* enum policy_resource_kind */
    bool deny;
};

struct policy {
    char *text;
    struct policy_atom *atoms;
    unsigned atom_count;
    struct policy_subject *subjects;
    unsigned subject_count;
    struct policy_rule *rules;
    size_t rule_count, rule_cap;
    struct policy_condition *conditions;
    size_t condition_count, condition_cap;
    uint64_t *limits;
    size_t limit_count, limit_cap;
    struct policy_row *rows;
    size_t row_count, row_cap;
};

/* NULL: no rule names it; NULL: no memory. */
const struct policy_atom *policy_atom_find(const struct policy *p, const char *text, size_t len);
const struct policy_atom *policy_atom_make(struct policy *p, const char *text, size_t len,
                                           struct xos_error *err);

/* Read all rules of p->text into rules, conditions, limits and rows. */
int policy_parse(struct policy *p, size_t len, struct policy_place *place, struct xos_error *err);

bool policy_verb_known(const char *verb);

#endif
