// SPDX-License-Identifier: Apache-2.0
/* vo_fixture.h - the VO climate@inria with fixed keys: the same bytes in every run. */
#ifndef XOS_TESTS_VO_FIXTURE_H
#define XOS_TESTS_VO_FIXTURE_H

#include "tests/lib/auth_fixture.h"

struct vo_fixture {
    struct fixture f;
    struct auth_principal alice;   /* verified */
    struct xos_key *root, *key;    /* the VO's */
    struct auth_manifest m;        /* to sign */
    struct auth_attr a;            /* to sign: alice, group prod, role prod:runner */
    struct xos_buf manifest, attr; /* signed */
    struct auth_manifest known;    /* as checked */
};

int vo_fixture_open(struct vo_fixture *v, struct xos_error *err);
void vo_fixture_close(struct vo_fixture *v); /* takes a half-open one */

#endif
