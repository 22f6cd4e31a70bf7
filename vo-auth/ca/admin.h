// SPDX-License-Identifier: Apache-2.0
/* admin.h - what an administrator does at the head itself, as uid xos-ca, beside the running
 * daemon: create and renew the institution, make join tokens, keep a VO, revoke.
 *
 * Each command changes its table under the state's lock and prints one line. None of them can be
 * asked for over the socket. */
#ifndef VO_AUTH_CA_ADMIN_H
#define VO_AUTH_CA_ADMIN_H

#include "libxos/env/env.h"

/* The options, as given; NULL where not. */
struct ca_admin {
    const char *state;
    const char *root_dir;
    const char *subject; /* the command's own argument */
    const char *roles;   /* "head,worker" */
    const char *address;
    const char *life;
    bool provisioned;
    const char *vo;
    const char *rights;
    const char *admin;
    const char *fingerprint;
};

struct ca_command {
    const char *option; /* "create" */
    const char *arg;    /* its argument's name; NULL: none */
    const char *meaning;
    /* Append the result's line. */
    int (*run)(const struct ca_admin *a, struct xos_env *env, struct xos_buf *out,
               struct xos_error *err);
};

/* NULL behind the last. */
const struct ca_command *ca_command(size_t i);

#endif
