// SPDX-License-Identifier: Apache-2.0
/* environ.h - the environment of a unit: what the user gave, then what XOS sets and nobody else. */
#ifndef XOS_JOBMGR_CORE_ENVIRON_H
#define XOS_JOBMGR_CORE_ENVIRON_H

#include "jobmgr/core/spec.h"

struct environ_facts {
    const char *job;
    uint32_t unit;
    const char *node;
    const char *institution;
    const char *vo;      /* empty: none */
    const char *user;    /* alice@inria */
    const char *scratch; /* HOME and TMPDIR */
    const char *hosts;   /* path of XOS_HOSTS */
};

/* A NULL-terminated list of "NAME=VALUE"; free with environ_free. A user's XOS_… is dropped; a
 * user's PATH, LANG, TERM or SHELL stands, HOME and TMPDIR do not: they are this node's. */
int environ_build(char ***out, const struct job_spec *spec, const struct environ_facts *facts,
                  struct xos_error *err);
void environ_free(char **list);

#endif
