// SPDX-License-Identifier: Apache-2.0
/* trust_stage.h - a job stage whose node is one of a federation: it trusts inria's root, and n1 has
 * a certificate of it. */
#ifndef XOS_TESTS_TRUST_STAGE_H
#define XOS_TESTS_TRUST_STAGE_H

#include "tests/unit/jobmgr/granted.h"
#include "tests/unit/jobmgr/job_stage.h"

struct trust_stage {
    struct granted by;
    struct auth_trust *trust;
    struct auth_self self;
};

static inline int trust_stage_files(const struct trust_stage *t, struct xos_env *env,
                                    const char *dir, struct xos_error *err)
{
    static const char *const folders[] = {"roots", "vo", "crl"};
    int at = xos_env_dir_open(env, dir, err), rc = at < 0 ? -1 : 0;
    for (size_t i = 0; rc == 0 && i < 3; i++)
        rc = xos_env_dir_make(env, at, folders[i], 0755, err);
    if (rc == 0)
        rc = xos_env_file_replace(env, at, "roots/inria.der", t->by.f.root.der.data,
                                  t->by.f.root.der.len, 0644, err);
    xos_env_close(env, at);
    return rc;
}

/* A grant by alice as herself, for so many units; what stage_open was called for is on its day. */
static inline int trust_stage_open(struct trust_stage *t, struct job_stage *s, uint32_t units,
                                   struct xos_error *err)
{
    ProtobufCBinaryData argv[] = {xos_pb_text("true")};
    Xos__Job__SpecPb m = XOS__JOB__SPEC_PB__INIT;
    m.n_argv = 1;
    m.argv = argv;
    m.units = units;
    m.cpus = 1;
    m.mem_bytes = 1 << 20;
    m.time_ms = 60000;
    m.keep = true;
    *t = (struct trust_stage){.trust = NULL};
    s->real_ms = FIXTURE_NOW_MS;
    if (granted_open(&t->by, &m, err) < 0)
        return -1;
    t->by.g.acting = (struct auth_name){.kind = AUTH_NAME_NONE};
    if (granted_sign(&t->by, err) < 0 || trust_stage_files(t, &s->env, xt_dir(), err) < 0 ||
        auth_trust_open(&t->trust, &s->env, xt_dir(), err) < 0)
        return -1;
    t->self.key = t->by.f.node.key;
    fixture_chain(&t->by.f, &t->by.f.node.der, t->self.chain);
    t->self.chain_count = 3;
    return auth_name_parse(&t->self.name, AUTH_NAME_NODE, auth_slice(STAGE_NODE), NULL, err);
}

static inline void trust_stage_close(struct trust_stage *t)
{
    auth_trust_free(t->trust);
    granted_close(&t->by);
}

#endif
