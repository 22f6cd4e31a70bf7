// SPDX-License-Identifier: Apache-2.0
/* job_stage.h - for tests of the job service: one node, n1.inria, whose clocks can be put forward,
 * and a client on it, alice@inria. */
#ifndef XOS_TESTS_JOB_STAGE_H
#define XOS_TESTS_JOB_STAGE_H

#include "jobmgr/jobmgr.h"
#include "jobmgr/jobmgr.pb-c.h"
#include "libxos/wire/pb.h"
#include "tests/unit/net/raw_peer.h"

#include <stdio.h>

#define STAGE_NODE "n1.inria"
#define STAGE_USER "alice@inria"

struct job_stage {
    struct xos_env_ops ops;
    struct xos_env env; /* the machine's, but for its clocks: */
    uint64_t ahead_ms;  /* this far ahead */
    int64_t real_ms;    /* and today is this; 0: today */
    struct xos_loop *loop;
    struct xos_rpc *rpc;
    struct discovery *discovery;
    struct jobmgr *jobs;
    char url[128];
};

static inline uint64_t stage_boot_ms(struct xos_env *env)
{
    const struct job_stage *s = (void *)((char *)env - offsetof(struct job_stage, env));
    return xos_env_boot_ms(xos_env_posix()) + s->ahead_ms;
}

static inline int64_t stage_real_ms(struct xos_env *env)
{
    const struct job_stage *s = (void *)((char *)env - offsetof(struct job_stage, env));
    return (s->real_ms ? s->real_ms : xos_env_real_ms(xos_env_posix())) + (int64_t)s->ahead_ms;
}

/* Who asks from outside. */
static struct xos_caller stage_caller = {.kind = XOS_CALLER_LOCAL, .name = STAGE_USER};

static inline int stage_gate(void *arg, const struct xos_verb *verb, const struct xos_envelope *e,
                             const struct xos_request *request, const struct xos_peer *peer,
                             struct xos_caller *out, struct xos_error *err)
{
    (void)arg;
    (void)verb;
    (void)e;
    (void)request;
    (void)peer;
    (void)err;
    *out = stage_caller;
    return 0;
}

static inline int stage_rpc(struct job_stage *s, struct xos_error *err)
{
    struct xos_rpc_config rpc = {
        .node = STAGE_NODE, .institution = "inria", .head = true, .gate = stage_gate};
    return xos_rpc_new(&s->rpc, s->loop, &rpc, err);
}

/* All but the job service, with a store of that name. The stage stays where it is. */
static inline int stage_open(struct job_stage *s, const char *store, struct xos_error *err)
{
    *s = (struct job_stage){.ops = *xos_env_posix()->ops};
    s->ops.boot_ms = stage_boot_ms;
    s->ops.real_ms = stage_real_ms;
    s->env.ops = &s->ops;
    struct discovery_config own = {.env = &s->env,
                                   .node = STAGE_NODE,
                                   .institution = "inria",
                                   .root = "/",
                                   .state_dir = xt_dir(),
                                   .cpus = 64,
                                   .mem_bytes = UINT64_C(1) << 40,
                                   .roles = AUTH_NODE_HEAD | AUTH_NODE_WORKER};
    (void)snprintf(s->url, sizeof(s->url), "sqlite:%s/%s.db", xt_dir(), store);
    if (xos_loop_new(&s->loop, &s->env, err) < 0 || stage_rpc(s, err) < 0)
        return -1;
    return discovery_new(&s->discovery, &own, err);
}

static inline struct jobmgr_config stage_config(struct job_stage *s)
{
    return (struct jobmgr_config){.loop = s->loop,
                                  .rpc = s->rpc,
                                  .discovery = s->discovery,
                                  .node = STAGE_NODE,
                                  .institution = "inria",
                                  .store_url = s->url};
}

static inline void stage_close(struct job_stage *s)
{
    jobmgr_free(s->jobs);
    xos_rpc_free(s->rpc);
    discovery_free(s->discovery);
    xos_loop_free(s->loop);
}

/* What the client asks, under an operation id, on a connection of its own. */
static inline int stage_ask(struct job_stage *s, struct raw_peer *p, const char *verb,
                            const void *message, uint8_t operation, struct xos_error *err)
{
    static const struct xos_peer me = {.uid = 1};
    struct xos_buf body = XOS_BUF(XOS_BODY_BYTES_MAX), header = XOS_BUF(4096),
                   frame = XOS_BUF(XOS_ENVELOPE_BYTES_MAX);
    struct xos_request r = {.to_institution = "inria", .has_operation_id = true};
    (void)snprintf(r.verb, sizeof(r.verb), "%s", verb);
    memset(r.operation_id.bytes, operation, XOS_ID_BYTES);
    r.issued_ms = r.expires_ms = xos_env_real_ms(&s->env);
    int rc = xos_pb_pack(message, &body, err);
    struct xos_envelope e = {.kind = XOS_ENVELOPE_REQUEST};
    if (rc == 0)
        rc = xos_sha256((struct xos_slice){body.data, body.len}, r.body_sha256, err);
    if (rc == 0)
        rc = xos_request_encode(&r, &header, err);
    e.header = (struct xos_slice){header.data, header.len};
    e.body = (struct xos_slice){body.data, body.len};
    if (rc == 0)
        rc = xos_envelope_encode(&e, &frame, err);
    if (rc == 0) {
        xos_rpc_take(s->rpc, raw_peer_open(p, XOS_ENVELOPE_BYTES_MAX), &me);
        raw_peer_frame(p, frame.data, frame.len);
    }
    xos_buf_free(&body);
    xos_buf_free(&header);
    xos_buf_free(&frame);
    return rc;
}

/* A specification of so many units; the bytes are the caller's to free. */
static inline int stage_spec(struct xos_buf *out, uint32_t units, bool fenced,
                             struct xos_error *err)
{
    ProtobufCBinaryData argv[] = {xos_pb_text("true")};
    Xos__Job__SpecPb m = XOS__JOB__SPEC_PB__INIT;
    m.n_argv = 1;
    m.argv = argv;
    m.units = units;
    m.cpus = 1;
    m.mem_bytes = 1 << 20;
    m.fenced = fenced;
    m.keep = true;
    *out = XOS_BUF(4096);
    return xos_pb_pack(&m, out, err);
}

#endif
