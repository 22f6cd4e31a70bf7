// SPDX-License-Identifier: Apache-2.0
/* spec.h - what a user wants to run, checked.
 *
 * The bytes are what counts: the grant is bound to their hash, and they travel unchanged from the
 * submitter to each worker. Everybody who reads them does so through here. */
#ifndef XOS_JOBMGR_CORE_SPEC_H
#define XOS_JOBMGR_CORE_SPEC_H

#include "jobmgr/core/job.h"

#define SPEC_BYTES_MAX ((size_t)768 << 10)
#define SPEC_ARGS_MAX 4096 /* words in argv, and in env */
#define SPEC_ARG_BYTES_MAX 131072
#define SPEC_WORDS_BYTES_MAX                                                                       \
    131072                 /* argv and env together: what execd takes, with room to spare */
#define SPEC_TEXT_MAX 4096 /* need, prefer, want, cwd */
#define SPEC_NODES_MAX 256 /* --on */
#define SPEC_FILES_MAX 64  /* --in */
#define SPEC_HOSTS_BYTES_MAX ((size_t)256 << 10) /* the text of XOS_HOSTS */
#define SPEC_CPUS_MAX 65536
#define SPEC_GRACE_MS_MAX 3600000

struct spec_file {
    const char *name; /* one path component */
    uint32_t mode;
    struct xos_slice data;
};

/* All strings are NUL-terminated and belong to the spec. */
struct job_spec {
    char *name;
    char **argv; /* NULL-terminated */
    size_t argc;
    char **env; /* NULL-terminated */
    size_t env_count;
    char *cwd;
    uint32_t units;
    uint32_t cpus;
    uint64_t mem_bytes;
    uint32_t gpus;
    uint64_t time_ms;
    char *need, *prefer, *want;
    char **on; /* NULL-terminated */
    size_t on_count;
    bool pty;
    uint16_t rows, columns;
    bool fenced, fail_fast, keep, stdin_closed, stdin_each, no_wait;
    bool script; /* argv[0] is one of the files */
    uint64_t grace_ms;
    struct spec_file *files;
    size_t file_count;
    void *message;
};

/* XOS_INVALID or XOS_LIMIT names the field and the bound. */
int spec_decode(struct job_spec **out, struct xos_slice bytes, struct xos_error *err);
void spec_free(struct job_spec *s);

void spec_shape(const struct job_spec *s, struct job_shape *out);

#endif
