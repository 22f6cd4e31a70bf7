// SPDX-License-Identifier: Apache-2.0
#include "vo-auth/core/facts.h"

#include "libxos/wire/pb.h"
#include "vo-auth/auth.pb-c.h"
#include "vo-auth/core/field.h"

static int node_shape(struct auth_node_facts *out, const Auth__NodeFacts *m, struct xos_error *err)
{
    if (m->roles == 0 || (m->roles & ~(uint32_t)AUTH_NODE_ROLES_ALL))
        return xos_fail(err, XOS_PROTOCOL, "node facts: unknown roles %#x", m->roles);
    out->roles = m->roles;
    return auth_field_bytes(out->curve_key, sizeof(out->curve_key), m->curve_key,
                            "node facts: overlay key", err);
}

int auth_node_facts_read(struct auth_node_facts *out, struct xos_slice bytes, struct xos_error *err)
{
    struct auth_node_facts facts;
    void *m = xos_pb_unpack(&auth__node_facts__descriptor, bytes, AUTH_FACTS_BYTES_MAX,
                            XOS_PB_STRICT, err);
    if (!m)
        return -1;
    int rc = node_shape(&facts, m, err);
    xos_pb_free(m);
    if (rc == 0)
        *out = facts;
    return rc;
}

int auth_node_facts_write(struct xos_buf *out, const struct auth_node_facts *facts,
                          struct xos_error *err)
{
    struct auth_node_facts again;
    Auth__NodeFacts m = AUTH__NODE_FACTS__INIT;
    m.curve_key = auth_field_of_bytes(facts->curve_key, sizeof(facts->curve_key));
    m.roles = facts->roles;
    return node_shape(&again, &m, err) < 0 ? -1 : xos_pb_pack(&m.base, out, err);
}

void auth_facts_free(struct auth_facts_memory *memory)
{
    xos_pb_free(memory);
}

static int job_shape(struct auth_job_facts *out, const Auth__JobFacts *m, struct xos_error *err)
{
    struct auth_rights *r = &out->rights;
    if (auth_field_bytes(out->grant_hash, XOS_HASH_BYTES, m->grant_hash, "job facts: grant", err) ||
        auth_field_name(&out->unit, AUTH_NAME_UNIT, m->unit, "job facts: unit", err) ||
        auth_field_name(&out->node, AUTH_NAME_NODE, m->node, "job facts: node", err) ||
        auth_field_name(&out->user, AUTH_NAME_USER, m->user, "job facts: user", err) ||
        auth_field_acting(&out->acting, m->acting, "job facts: acting", err) ||
        auth_set_read(&r->actions, m->n_actions, m->actions, auth_action_valid,
                      "job facts: actions", err) ||
        auth_set_read(&r->rw, m->n_rw, m->rw, auth_path_valid, "job facts: rw", err) ||
        auth_set_read(&r->ro, m->n_ro, m->ro, auth_path_valid, "job facts: ro", err) ||
        auth_rights_valid(r, err))
        return -1;
    if (m->epoch == 0 || m->epoch > AUTH_EPOCH_MAX)
        return xos_fail(err, XOS_PROTOCOL, "job facts: epoch");
    out->epoch = m->epoch;
    return 0;
}

int auth_job_facts_read(struct auth_job_facts *out, struct auth_facts_memory **memory,
                        struct xos_slice bytes, struct xos_error *err)
{
    struct auth_job_facts facts;
    void *m = xos_pb_unpack(&auth__job_facts__descriptor, bytes, AUTH_FACTS_BYTES_MAX,
                            XOS_PB_STRICT, err);
    if (!m)
        return -1;
    if (job_shape(&facts, m, err) < 0) {
        xos_pb_free(m);
        return -1;
    }
    *out = facts;
    *memory = m;
    return 0;
}

int auth_job_facts_write(struct xos_buf *out, const struct auth_job_facts *f, struct xos_error *err)
{
    struct auth_name_text unit, node, user, acting;
    ProtobufCBinaryData actions[AUTH_SET_ENTRIES_MAX], rw[AUTH_SET_ENTRIES_MAX],
        ro[AUTH_SET_ENTRIES_MAX];
    struct auth_job_facts again;
    Auth__JobFacts m = AUTH__JOB_FACTS__INIT;
    m.grant_hash = auth_field_of_bytes(f->grant_hash, sizeof(f->grant_hash));
    m.unit = auth_field_of_name(&f->unit, &unit);
    m.node = auth_field_of_name(&f->node, &node);
    m.epoch = f->epoch;
    m.user = auth_field_of_name(&f->user, &user);
    m.acting = auth_field_of_name(&f->acting, &acting);
    m.n_actions = auth_set_write(&f->rights.actions, m.actions = actions);
    m.n_rw = auth_set_write(&f->rights.rw, m.rw = rw);
    m.n_ro = auth_set_write(&f->rights.ro, m.ro = ro);
    return job_shape(&again, &m, err) < 0 ? -1 : xos_pb_pack(&m.base, out, err);
}
