// SPDX-License-Identifier: Apache-2.0
/* auth_fixture.h - a whole institution with fixed keys and times: the same bytes in every run. */
#ifndef XOS_TESTS_AUTH_FIXTURE_H
#define XOS_TESTS_AUTH_FIXTURE_H

#include "vo-auth/auth.h"

#define FIXTURE_NOW_MS INT64_C(1772366400000) /* 2026-03-01T12:00:00Z */

struct fixture_cert {
    struct xos_key *key;
    struct xos_buf der;
};

/* Institution, with user alice, node n1 (head and worker) and a certificate for unit JOB-1042.3. */
struct fixture {
    char institution[AUTH_PART_BYTES_MAX + 1];
    struct fixture_cert root, ca, user, node, job;
    struct auth_job_facts job_facts;
    struct auth_anchors anchors; /* holds this root */
    struct auth_context ctx;     /* slot USER */
};

/* seed tells institutions apart: 1, 2, … */
int fixture_open(struct fixture *f, const char *institution, uint8_t seed, struct xos_error *err);
void fixture_close(struct fixture *f); /* takes a half-open one */

/* A fixed key: its secret is 32 times `seed`. */
int fixture_key(struct xos_key **out, uint8_t seed, struct xos_error *err);

/* Issue by the fixture's CA (a CA by its root); serial from seed. */
int fixture_issue(const struct fixture *f, struct xos_buf *out, struct auth_cert_request *request,
                  struct xos_error *err);

struct xos_slice fixture_slice(const struct xos_buf *b);

/* Chain of a leaf in `chain[0]`, the fixture's CA in [1], its root in [2]. */
void fixture_chain(const struct fixture *f, const struct xos_buf *leaf, struct xos_slice chain[3]);

/* A grant by the user, for operation 0x11…, and an assignment of unit 1042.3 to n1; signed. The
 * specification is FIXTURE_SPEC. */
#define FIXTURE_SPEC "a specification"
int fixture_grant(const struct fixture *f, struct auth_grant *g, struct xos_error *err);
int fixture_assignment(const struct fixture *f, const struct auth_grant *g,
                       struct auth_assignment *a, struct xos_error *err);

#endif
