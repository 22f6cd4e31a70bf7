// SPDX-License-Identifier: Apache-2.0
/* rights.h - what a grant allows: actions, and paths to read or to change.
 *
 * An action is the name of an RPC verb (`job.run`); there are no wildcards. A path prefix is an
 * absolute path of the grid's name space without empty, "." or ".." components; it covers itself
 * and what lies below, by whole components. Of the prefixes that cover a path the longest decides:
 * `ro /a/b` takes a part out of `rw /a`. A path that is not normal is refused, never normalised. */
#ifndef VO_AUTH_CORE_RIGHTS_H
#define VO_AUTH_CORE_RIGHTS_H

#include "vo-auth/core/set.h"

#define AUTH_PATH_BYTES_MAX 1024

struct auth_rights {
    struct auth_set actions;
    struct auth_set rw;
    struct auth_set ro;
};

bool auth_action_valid(struct xos_slice action);
bool auth_path_valid(struct xos_slice path);

/* Does `prefix` cover `path`? Both must be valid, else no. */
bool auth_path_within(struct xos_slice path, struct xos_slice prefix);

/* XOS_DENIED names what is not allowed. */
int auth_rights_check_action(const struct auth_rights *r, struct xos_slice action,
                             struct xos_error *err);
int auth_rights_check_path(const struct auth_rights *r, struct xos_slice path, bool change,
                           struct xos_error *err);

/* Is all that `narrow` allows allowed by `wide`? */
bool auth_rights_within(const struct auth_rights *narrow, const struct auth_rights *wide);

/* Shape: no path is both rw and ro. */
int auth_rights_valid(const struct auth_rights *r, struct xos_error *err);

#endif
