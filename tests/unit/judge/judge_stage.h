// SPDX-License-Identifier: Apache-2.0
/* judge_stage.h - unit 3 of alice@inria's job inria-1042 as n1.inria's xosd asks for it: a request,
 * and the proof of the right to it. What a test changes before judge_stage_make is signed; what it
 * changes afterwards is forged. */
#ifndef XOS_TESTS_JUDGE_STAGE_H
#define XOS_TESTS_JUDGE_STAGE_H

#include "jobmgr/core/environ.h"
#include "jobmgr/judge/check.h"
#include "jobmgr/judge/request.h"
#include "libxos/base/alloc.h"
#include "tests/lib/xtest.h"
#include "tests/unit/jobmgr/granted.h"

#define JUDGE_EPOCH 7

struct judge_stage {
    struct granted by;
    struct job_spec *spec;
    struct auth_name node;
    struct warrant_place where; /* of the assignment */
    struct request_facts facts; /* of the request */
    const struct xos_key *head_key;
    const struct xos_buf *head_leaf;
    struct xos_buf assignment, proof;
    struct xos_buf papers;         /* the bundle, and the proof */
    struct execd_request *request; /* EXECD_MESSAGE_BYTES_MAX */
};

static inline int judge_stage_open(struct judge_stage *s, struct xos_error *err)
{
    ProtobufCBinaryData argv[] = {xos_pb_text("sh"), xos_pb_text("-c"), xos_pb_text("exit 7")};
    ProtobufCBinaryData env[] = {xos_pb_text("LEVEL=9"), xos_pb_text("XOS_USER=root")};
    Xos__Job__SpecPb m = XOS__JOB__SPEC_PB__INIT;
    m.n_argv = 3;
    m.argv = argv;
    m.n_env = 2;
    m.env = env;
    m.cwd = xos_pb_text("/tmp");
    m.units = 8;
    m.cpus = 4;
    m.mem_bytes = 1 << 30;
    m.time_ms = 3600000;
    *s = (struct judge_stage){
        .where = {.job = "inria-1042", .unit = 3, .node = "n1.inria", .epoch = JUDGE_EPOCH},
        .facts = {.job = "inria-1042",
                  .unit = 3,
                  .epoch = JUDGE_EPOCH,
                  .node = "n1.inria",
                  .institution = "inria",
                  .user = "alice@inria",
                  .vo = "vo:climate@inria"},
        .assignment = XOS_BUF(AUTH_ASSIGNMENT_BYTES_MAX),
        .proof = XOS_BUF(2 * JUDGE_PROOF_BYTES_MAX),
        .papers = XOS_BUF(2 * JUDGE_PAPERS_BYTES_MAX)};
    s->request = xos_alloc(EXECD_MESSAGE_BYTES_MAX);
    if (!s->request)
        return xos_fail(err, XOS_NOMEM, "request");
    if (granted_open(&s->by, &m, err) < 0 ||
        auth_name_parse(&s->node, AUTH_NAME_NODE, auth_slice("n1.inria"), NULL, err) < 0)
        return -1;
    s->head_key = s->by.f.node.key;
    s->head_leaf = &s->by.f.node.der;
    return spec_decode(&s->spec, fixture_slice(&s->by.spec), err);
}

static inline int judge_stage_assign(struct judge_stage *s, struct xos_error *err)
{
    struct warrant w = {.user = ""};
    xos_buf_clear(&s->assignment);
    int rc = warrant_read(&w, fixture_slice(&s->by.proof), fixture_slice(&s->by.spec), &s->by.f.ctx,
                          err);
    if (rc == 0)
        rc = warrant_assign(&s->assignment, &w, &s->where, s->head_key, s->by.f.ctx.now_ms, err);
    warrant_free(&w);
    return rc;
}

static inline int judge_stage_proof(struct judge_stage *s, struct xos_error *err)
{
    ProtobufCBinaryData user[2], head[2];
    Xos__Job__ProofPb m = XOS__JOB__PROOF_PB__INIT;
    granted_chain(&s->by.f, &s->by.f.user.der, user);
    granted_chain(&s->by.f, s->head_leaf, head);
    m.grant = (ProtobufCBinaryData){s->by.grant.len, s->by.grant.data};
    m.n_user_chain = m.n_head_chain = 2;
    m.user_chain = user;
    m.head_chain = head;
    m.assignment = (ProtobufCBinaryData){s->assignment.len, s->assignment.data};
    m.spec = (ProtobufCBinaryData){s->by.spec.len, s->by.spec.data};
    xos_buf_clear(&s->proof);
    return xos_pb_pack(&m, &s->proof, err);
}

/* From what the specification says; `argv` NULL: its own. */
static inline int judge_stage_request(struct judge_stage *s, const char *const *argv,
                                      const char *more_env, struct xos_error *err)
{
    struct request_words words;
    const char *list[64];
    size_t n = 0;
    int rc = request_fill(s->request, &words, s->spec, &s->facts, err);
    while (rc == 0 && words.envp[n] && n < 60) {
        list[n] = words.envp[n];
        n++;
    }
    list[n] = more_env;
    list[n + (more_env != NULL)] = NULL;
    if (argv)
        words.blobs.argv = argv;
    words.blobs.envp = list;
    if (rc == 0)
        rc = execd_request_finish(s->request, &words.blobs, err);
    request_words_free(&words);
    return rc;
}

/* From the specification and the proof as they are now. */
static inline int judge_stage_papers(struct judge_stage *s, struct xos_error *err)
{
    const struct xos_slice hosts = {(const uint8_t *)"3 n1.inria -\n", 13};
    xos_buf_clear(&s->papers);
    if (request_bundle(&s->papers, s->spec, hosts, err) < 0)
        return -1;
    return xos_buf_add(&s->papers, s->proof.data, s->proof.len, err);
}

static inline int judge_stage_make(struct judge_stage *s, struct xos_error *err)
{
    if (judge_stage_assign(s, err) < 0 || judge_stage_proof(s, err) < 0)
        return -1;
    return judge_stage_papers(s, err) < 0 ? -1 : judge_stage_request(s, NULL, NULL, err);
}

static inline void judge_stage_close(struct judge_stage *s)
{
    spec_free(s->spec);
    xos_buf_free(&s->assignment);
    xos_buf_free(&s->proof);
    xos_buf_free(&s->papers);
    xos_free(s->request);
    granted_close(&s->by);
}

#endif
