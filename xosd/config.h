// SPDX-License-Identifier: Apache-2.0
/* config.h - xosd.conf: the one table of its keys, from which the manual page is written too. */
#ifndef XOS_XOSD_CONFIG_H
#define XOS_XOSD_CONFIG_H

#include "libxos/base/conf.h"

struct xos_env;

#define CONFIG_TEXT_MAX 512
#define CONFIG_NAME_MAX 64

#define CONFIG_SEEDS_MAX 16

struct config_seed {
    char host[CONFIG_NAME_MAX]; /* numeric */
    unsigned port;              /* bulk */
};

struct config {
    char node[CONFIG_NAME_MAX * 2]; /* n1.local */
    char institution[CONFIG_NAME_MAX];
    bool head, worker, storage, gateway;
    char state_dir[CONFIG_TEXT_MAX];
    char run_dir[CONFIG_TEXT_MAX];
    char spool_dir[CONFIG_TEXT_MAX];
    char socket[CONFIG_TEXT_MAX];
    char http_host[CONFIG_NAME_MAX]; /* empty: none */
    unsigned http_port;
    char store_url[CONFIG_TEXT_MAX];
    char execd_socket[CONFIG_TEXT_MAX];
    char execd_run[CONFIG_TEXT_MAX];
    char listen[CONFIG_NAME_MAX];    /* empty: no network */
    char advertise[CONFIG_NAME_MAX]; /* where others reach this node */
    unsigned overlay_port, bulk_port;
    struct config_seed seeds[CONFIG_SEEDS_MAX];
    size_t seed_count;
    char cut[CONFIG_TEXT_MAX]; /* empty: none */
    char trust_dir[CONFIG_TEXT_MAX];
    char policy[CONFIG_TEXT_MAX];
    char admins[CONFIG_TEXT_MAX];
    char ca_socket[CONFIG_TEXT_MAX];
    bool accept_unisolated;
    uint32_t cpus; /* 0: what the machine has */
    uint64_t mem_bytes;
    uint64_t output_bytes_max;
    uint32_t jobs_per_user, jobs_per_vo, units_per_user;
    unsigned spool_min_free;             /* percent */
    uint64_t output_kept_ms, history_ms; /* 0: for ever */
    int log_level;
};

/* Read and check a file. Every error is one line that names file, line, section and key. */
int config_read(struct config *out, struct xos_env *env, const char *path, struct xos_error *err);

/* The same, from text: for tests and the fuzzer. */
int config_parse(struct config *out, const char *text, const char *source, struct xos_error *err);

/* The table, for the documentation: NULL behind the last. */
const struct xos_conf_key *config_key(size_t i);

#endif
