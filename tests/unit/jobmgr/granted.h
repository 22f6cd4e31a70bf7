// SPDX-License-Identifier: Apache-2.0
/* granted.h - a specification, and alice@inria's signed grant for it, as a client sends them. */
#ifndef XOS_TESTS_GRANTED_H
#define XOS_TESTS_GRANTED_H

#include "jobmgr/core/warrant.h"
#include "jobmgr/jobmgr.pb-c.h"
#include "libxos/wire/pb.h"
#include "tests/lib/auth_fixture.h"

#include <string.h>

struct granted {
    struct fixture f;
    struct auth_grant g; /* to sign */
    struct xos_buf spec, grant, proof;
    struct xos_slice attributes; /* borrowed; none as it is opened */
};

/* By whom a chain of two is shown; the bytes are the fixture's. */
static inline void granted_chain(const struct fixture *f, const struct xos_buf *leaf,
                                 ProtobufCBinaryData der[static 2])
{
    struct xos_slice chain[3];
    fixture_chain(f, leaf, chain);
    for (size_t i = 0; i < 2; i++)
        der[i] = xos_pb_bytes(chain[i]);
}

/* Sign the grant as it stands in g. */
static inline int granted_sign(struct granted *s, struct xos_error *err)
{
    ProtobufCBinaryData der[2];
    Xos__Job__ProofPb m = XOS__JOB__PROOF_PB__INIT;
    granted_chain(&s->f, &s->f.user.der, der);
    xos_buf_clear(&s->grant);
    xos_buf_clear(&s->proof);
    if (auth_grant_sign(&s->grant, &s->g, s->f.user.key, err) < 0)
        return -1;
    m.grant = (ProtobufCBinaryData){s->grant.len, s->grant.data};
    m.n_user_chain = 2;
    m.user_chain = der;
    m.attributes = xos_pb_bytes(s->attributes);
    return xos_pb_pack(&m, &s->proof, err);
}

/* For this specification; operation is 0x11…, the role vo:climate@inria/prod:runner. */
static inline int granted_open(struct granted *s, const Xos__Job__SpecPb *spec,
                               struct xos_error *err)
{
    *s = (struct granted){.spec = XOS_BUF(SPEC_BYTES_MAX),
                          .grant = XOS_BUF(AUTH_GRANT_BYTES_MAX),
                          .proof = XOS_BUF(WARRANT_PROOF_BYTES_MAX)};
    if (fixture_open(&s->f, "inria", 1, err) < 0 || fixture_grant(&s->f, &s->g, err) < 0 ||
        xos_pb_pack(spec, &s->spec, err) < 0 ||
        xos_sha256(fixture_slice(&s->spec), s->g.spec_hash, err) < 0)
        return -1;
    return granted_sign(s, err);
}

static inline void granted_close(struct granted *s)
{
    xos_buf_free(&s->spec);
    xos_buf_free(&s->grant);
    xos_buf_free(&s->proof);
    fixture_close(&s->f);
}

#endif
