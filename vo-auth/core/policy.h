// SPDX-License-Identifier: Apache-2.0
/* policy.h - what an institution lets whom do on its machines: default-deny, total and small.
 *
 *     allow vo:climate@inria/prod:runner to job.run on gpu:* when walltime<=24h && gpus<=2
 *     deny  alice@vu to job.*
 *     allow admin:inria to *                         # comments go to the end of the line
 *
 * One rule a line, always with full names; docs/policy.md has the grammar. A rule matches when its
 * subject, one of its verbs, its resource and all its conditions do. Any deny that matches wins,
 * else the first allow in the file, with its limits, else the answer is no. What a request does not
 * say makes a condition of an allow false and of a deny true: silence never opens a door.
 *
 * Rules become rows sorted by subject; names become numbers. A decision looks at the rows of the
 * few subjects that the request can be, and never at anything twice: no loops, no recursion, no
 * allocation. (Default-deny and deny-overrides: XACML 3.0, appendix C.) */
#ifndef VO_AUTH_CORE_POLICY_H
#define VO_AUTH_CORE_POLICY_H

#include "vo-auth/core/name.h"

#define POLICY_BYTES_MAX 65536
#define POLICY_RULES_MAX 4096
#define POLICY_WORD_BYTES_MAX 159
#define POLICY_VERBS_MAX 16 /* in one rule */
#define POLICY_CONDITIONS_MAX 8
#define POLICY_FIX_BYTES 512

/* name, of what kind its resource is, what it does */
#define POLICY_VERBS(X)                                                                            \
    X("job.run", "run a job")                                                                      \
    X("job.watch", "follow a job")                                                                 \
    X("job.signal", "signal or end a job")                                                         \
    X("job.list", "see jobs")                                                                      \
    X("unit.attach", "see the output of a unit, and type into it")                                 \
    X("node.list", "see nodes")                                                                    \
    X("node.drain", "let no new work on to a node")                                                \
    X("node.resume", "let work on to it again")                                                    \
    X("node.token", "let a machine join")                                                          \
    X("user.add", "add a user")                                                                    \
    X("user.remove", "remove a user")                                                              \
    X("volume.create", "make a volume")                                                            \
    X("volume.mount", "mount a volume")                                                            \
    X("volume.remove", "remove a volume")

/* identifier, name, how its value is written */
#define POLICY_ATTRS(X)                                                                            \
    X(WALLTIME, "walltime", DURATION) /* of the job; a job without an end does not say it */       \
    X(CPUS, "cpus", NUMBER)           /* per unit */                                               \
    X(MEM, "mem", SIZE)               /* per unit */                                               \
    X(GPUS, "gpus", NUMBER)           /* per unit */                                               \
    X(UNITS, "units", NUMBER)         /* of the job */                                             \
    X(ARCH, "arch", TEXT)             /* of the node */                                            \
    X(OWN, "own", YES)                /* yes: what is touched belongs to the user */

enum policy_attr {
#define X(id, name, type) POLICY_A_##id,
    POLICY_ATTRS(X)
#undef X
        POLICY_ATTR_COUNT
};

/* What an allow rule can limit, for the caller to count. A mem is bytes, a walltime milliseconds.
 */
#define POLICY_LIMITS(X)                                                                           \
    X(JOBS, "jobs", NUMBER)                                                                        \
    X(UNITS, "units", NUMBER)                                                                      \
    X(CPUS, "cpus", NUMBER)                                                                        \
    X(MEM, "mem", SIZE)                                                                            \
    X(GPUS, "gpus", NUMBER)                                                                        \
    X(WALLTIME, "walltime", DURATION)

enum policy_limit {
#define X(id, name, type) POLICY_L_##id,
    POLICY_LIMITS(X)
#undef X
        POLICY_LIMIT_COUNT
};

enum policy_resource_kind {
    POLICY_RESOURCE_NONE,   /* the request touches nothing of this kind: only rules without `on` */
    POLICY_RESOURCE_NODE,   /* "n1.inria" */
    POLICY_RESOURCE_GPU,    /* its model, lower case: "h100" */
    POLICY_RESOURCE_VOLUME, /* "climate@inria/home" */
    POLICY_RESOURCE_KINDS
};

/* All borrowed. Names are full: parsed by name.h. */
struct policy_request {
    const struct auth_name *user;
    const struct auth_name *acting; /* VO, group or role; NULL: as himself */
    bool admin;                     /* of the user's own institution */
    const char *verb;
    enum policy_resource_kind kind;
    const char *resource;
    uint32_t says;                     /* set of 1 << POLICY_A_… */
    uint64_t value[POLICY_ATTR_COUNT]; /* OWN: 1 = yes */
    const char *arch;
};

enum policy_reason {
    POLICY_ALLOWED,
    POLICY_DENIED_BY_RULE,   /* rule: the deny */
    POLICY_DENIED_CONDITION, /* rule: an allow that only its condition kept from matching */
    POLICY_DENIED_NO_RULE,
    POLICY_DENIED_NO_VERB, /* no such verb */
};

struct policy_decision {
    enum policy_reason reason;
    bool allowed;
    unsigned rule;           /* from 1; 0: none */
    unsigned line;           /* from 1 */
    struct xos_slice text;   /* of the rule, without its comment; borrowed from the policy */
    struct xos_slice failed; /* DENIED_CONDITION: "walltime<=24h" */
    uint32_t limited;        /* set of 1 << POLICY_L_… */
    uint64_t limit[POLICY_LIMIT_COUNT];
};

/* Where an error stands, from 1. */
struct policy_place {
    unsigned line;
    unsigned column;
};

struct policy;

/* Compile a text, which is copied. XOS_INVALID, or XOS_LIMIT with the bound's name: the text names
 * line and column, what is wrong, and the nearest word; *place (may be NULL) says it too. */
int policy_new(struct policy **out, struct xos_slice text, struct policy_place *place,
               struct xos_error *err);

/* Where there is no policy: admins may do all, users all to their own, peers nothing. */
int policy_new_default(struct policy **out, const char *institution, struct xos_error *err);
void policy_free(struct policy *p);

void policy_decide(const struct policy *p, const struct policy_request *r,
                   struct policy_decision *out);

/* One line for people: which rule, why, and for a denial what to do about it. `to` has
 * POLICY_FIX_BYTES; longer is cut. Returns `to`. */
const char *policy_explain(const struct policy_request *r, const struct policy_decision *d,
                           char to[static POLICY_FIX_BYTES]);

unsigned policy_rule_count(const struct policy *p);
/* Rules count from 1. */
struct xos_slice policy_rule_text(const struct policy *p, unsigned rule, unsigned *line);

#endif
