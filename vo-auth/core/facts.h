// SPDX-License-Identifier: Apache-2.0
/* facts.h - what our critical certificate extensions say of a node and of a job. */
#ifndef VO_AUTH_CORE_FACTS_H
#define VO_AUTH_CORE_FACTS_H

#include "vo-auth/core/name.h"
#include "vo-auth/core/rights.h"

#include "libxos/wire/key.h"

#define AUTH_FACTS_BYTES_MAX 6144
#define AUTH_CURVE_KEY_BYTES 32
#define AUTH_EPOCH_MAX INT64_MAX

enum auth_node_role {
    AUTH_NODE_HEAD = 1,
    AUTH_NODE_WORKER = 2,
    AUTH_NODE_STORAGE = 4,
    AUTH_NODE_GATEWAY = 8,
    AUTH_NODE_ROLES_ALL = 15
};

struct auth_node_facts {
    uint8_t curve_key[AUTH_CURVE_KEY_BYTES]; /* public, Curve25519 */
    uint32_t roles;                          /* set of enum auth_node_role, at least one */
};

struct auth_job_facts {
    uint8_t grant_hash[XOS_HASH_BYTES];
    struct auth_name unit; /* also the certificate's name */
    struct auth_name node; /* where it runs */
    uint64_t epoch;
    struct auth_name user;
    struct auth_name acting; /* VO, group, role, or kind NONE */
    struct auth_rights rights;
};

/* What the rights of job facts point into. */
struct auth_facts_memory;
void auth_facts_free(struct auth_facts_memory *memory); /* takes NULL */

int auth_node_facts_read(struct auth_node_facts *out, struct xos_slice bytes,
                         struct xos_error *err);
int auth_node_facts_write(struct xos_buf *out, const struct auth_node_facts *facts,
                          struct xos_error *err);

/* *memory is the caller's to free; the rights are borrowed from it. */
int auth_job_facts_read(struct auth_job_facts *out, struct auth_facts_memory **memory,
                        struct xos_slice bytes, struct xos_error *err);
int auth_job_facts_write(struct xos_buf *out, const struct auth_job_facts *facts,
                         struct xos_error *err);

#endif
