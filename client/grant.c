// SPDX-License-Identifier: Apache-2.0
#include "client/grant.h"

#include "client/login.h"
#include "jobmgr/jobmgr.pb-c.h"
#include "libxos/wire/pb.h"

#include <stdio.h>
#include <string.h>

static const char *const actions[] = {"job.list", "job.run", "job.signal", "job.watch",
                                      "unit.attach"};
#define ACTIONS (sizeof(actions) / sizeof(actions[0]))

static int sign(struct client_login *l, Agent__SignGrant *m, struct xos_buf *out,
                struct xos_error *err)
{
    struct request_signed s = {.owner = NULL};
    ProtobufCBinaryData chain[XOS_CHAIN_MAX];
    Xos__Job__ProofPb proof = XOS__JOB__PROOF_PB__INIT;
    if (agent_link_sign_grant(l->agent, m, &s, err) < 0)
        return -1;
    for (size_t i = 0; i < s.chain_count; i++)
        chain[i] = xos_pb_bytes(s.chain[i]);
    proof.grant = xos_pb_bytes(s.header);
    proof.n_user_chain = s.chain_count;
    proof.user_chain = chain;
    proof.attributes = xos_pb_bytes(s.attributes);
    int rc = xos_pb_pack(&proof, out, err);
    request_signed_free(&s);
    return rc;
}

int client_grant_make(struct xos_client *c, const struct xos_job_spec *terms, struct xos_slice spec,
                      const struct xos_id *operation, struct xos_buf *out, struct xos_error *err)
{
    Agent__SignGrant m = AGENT__SIGN_GRANT__INIT;
    ProtobufCBinaryData names[ACTIONS];
    uint8_t hash[XOS_HASH_BYTES];
    char acting[2 * XOS_HEADER_NAME_MAX];
    const char *vo, *role;
    if (!c->login)
        return 0;
    if (client_acting(c, &vo, &role, err) < 0 || xos_sha256(spec, hash, err) < 0)
        return -1;
    (void)snprintf(acting, sizeof(acting), "%s%s%s", vo, role[0] ? "/" : "", role);
    for (size_t i = 0; i < ACTIONS; i++)
        names[i] = xos_pb_text(actions[i]);
    m.operation = xos_pb_bytes((struct xos_slice){operation->bytes, XOS_ID_BYTES});
    m.acting = xos_pb_text(acting);
    m.n_actions = ACTIONS;
    m.actions = names;
    m.spec_hash = xos_pb_bytes((struct xos_slice){hash, sizeof(hash)});
    m.selector = xos_pb_text(terms->need);
    m.cpus = terms->cpus;
    m.mem_bytes = terms->mem_bytes;
    m.gpus = terms->gpus;
    m.walltime_ms = terms->time_ms ? terms->time_ms : CLIENT_GRANT_RUN_MS;
    m.units = terms->units;
    m.expires_ms = (uint64_t)xos_env_real_ms(client_pollset_env(c->poll)) + CLIENT_GRANT_WAIT_MS +
                   m.walltime_ms;
    return sign(c->login, &m, out, err);
}
