// SPDX-License-Identifier: Apache-2.0
#include "jobmgr/judge/check.h"

#include "jobmgr/core/warrant.h"
#include "jobmgr/jobmgr.pb-c.h"
#include "jobmgr/judge/request.h"
#include "libxos/wire/pb.h"

#include <string.h>

struct check {
    const struct execd_request *r;
    struct xos_slice papers;
    const struct auth_name *node;
    const struct auth_context *ctx;
    Xos__Job__ProofPb *proof;
    struct job_spec *spec;
    char job[EXEC_UNIT_BYTES];
    uint32_t unit;
    uint64_t epoch;
    struct warrant w;
    struct execd_identity who;
    struct xos_error *err;
};

static int step_proof(struct check *c)
{
    struct xos_slice bytes;
    if (request_proof(&bytes, c->papers, c->err) < 0)
        return -1;
    if (!bytes.len)
        return xos_fail(c->err, XOS_DENIED, "a unit needs a grant and an assignment");
    c->proof = xos_pb_unpack(&xos__job__proof_pb__descriptor, bytes, JUDGE_PROOF_BYTES_MAX,
                             XOS_PB_TOLERANT, c->err);
    return c->proof ? 0 : -1;
}

static int step_unit(struct check *c)
{
    return request_parse(c->r->unit, c->job, &c->unit, &c->epoch, c->err);
}

static int step_specification(struct check *c)
{
    if (spec_decode(&c->spec, xos_pb_slice(c->proof->spec), c->err) < 0)
        return -1;
    if (c->unit < c->spec->units)
        return 0;
    return xos_fail(c->err, XOS_DENIED, "unit %u of a job of %u", c->unit, c->spec->units);
}

static int step_warrant(struct check *c)
{
    struct warrant_start s = {.spec = c->spec,
                              .job = auth_slice(c->job),
                              .unit = c->unit,
                              .epoch = c->epoch,
                              .node = c->node};
    if (warrant_start_of(&s, c->proof, c->err) < 0)
        return -1;
    return warrant_check_start(&c->w, &s, c->ctx, c->err);
}

static int step_identity(struct check *c)
{
    if (strlen(c->w.user) >= sizeof(c->who.user) || strlen(c->w.vo) >= sizeof(c->who.vo))
        return xos_fail(c->err, XOS_LIMIT, "IDMAP_NAME_BYTES: %s", c->w.user);
    memcpy(c->who.user, c->w.user, strlen(c->w.user) + 1);
    memcpy(c->who.vo, c->w.vo, strlen(c->w.vo) + 1);
    return 0;
}

static int step_request(struct check *c)
{
    char node[AUTH_NAME_BYTES_MAX + 1];
    auth_name_print(c->node, node);
    const struct request_facts facts = {.job = c->job,
                                        .unit = c->unit,
                                        .epoch = c->epoch,
                                        .node = node,
                                        .institution = c->node->institution,
                                        .user = c->w.user,
                                        .vo = c->w.vo};
    return request_compare(c->r, c->spec, &facts, c->err);
}

static int step_files(struct check *c)
{
    return request_papers(c->papers, c->spec, c->err);
}

static const struct {
    int (*run)(struct check *c);
} steps[] = {
    {step_proof},         /* it is one */
    {step_unit},          /* of a job, a unit and an epoch */
    {step_specification}, /* that has this unit */
    {step_warrant},  /* a user allows it, and a head of his institution gives it to this node */
    {step_identity}, /* whose uid it gets */
    {step_request},  /* and it is this command, in this environment, within these limits */
    {step_files},    /* with these files */
};

int judge_check(struct execd_identity *out, const struct execd_request *r, struct xos_slice papers,
                const struct auth_name *node, const struct auth_context *ctx, struct xos_error *err)
{
    struct check c = {.r = r, .papers = papers, .node = node, .ctx = ctx, .err = err};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < sizeof(steps) / sizeof(steps[0]); i++)
        rc = steps[i].run(&c);
    if (rc == 0)
        *out = c.who;
    warrant_free(&c.w);
    spec_free(c.spec);
    xos_pb_free(c.proof);
    return rc;
}
