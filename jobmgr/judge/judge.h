// SPDX-License-Identifier: Apache-2.0
/* judge.h - xos-execd's own check of a START, made by a process that can do nothing else.
 *
 * xosd is only a pipe: that it asks is no reason to start anything. But what shows that a unit may
 * be started was written by users, heads and CAs of other institutions, and root does not read such
 * bytes. So a child does: it gives up root and every descriptor but one socket, reads the trust
 * directory, then gives up all system calls but those that computing needs. It is handed requests
 * with their papers, and answers each with one fixed struct: whose unit it is, or why not.
 *
 * The child is made when it is needed and thrown away after JUDGE_LIFE_MS, so that a revocation
 * counts no later than that, and after anything that it should not do. */
#ifndef XOS_JOBMGR_JUDGE_JUDGE_H
#define XOS_JOBMGR_JUDGE_JUDGE_H

#include "jobmgr/exec/execd_authorise.h"
#include "libxos/env/env.h"

#include <sys/types.h>

#define JUDGE_LIFE_MS 60000
#define JUDGE_START_MS 5000  /* to read the trust directory */
#define JUDGE_ANSWER_MS 2000 /* to one question */

struct judge_config {
    struct xos_env *env; /* whose clock counts, and files */
    const char *trust;   /* directory, readable by uid */
    const char *node;    /* n1.inria */
    uid_t uid;           /* what the child becomes, when this process is root */
    gid_t gid;
};

struct judge;

/* The configuration is borrowed. A first child is made, so that what is wrong with the trust
 * directory is said at start. */
int judge_new(struct judge **out, const struct judge_config *config, struct xos_error *err);
void judge_free(struct judge *j);

/* An execd_authorise_f, with the judge as its arg. XOS_UNAVAILABLE: no child can be made. */
int judge_ask(void *judge, const struct execd_request *request, int papers,
              struct execd_identity *out, struct xos_error *err);

/* What was read of the trust directory counts no more. */
void judge_forget(struct judge *j);

/* Between the two sides. */

#define JUDGE_MAGIC UINT32_C(0x4a534f58) /* "XOSJ" */

struct judge_verdict {
    uint32_t magic;
    uint32_t code; /* enum xos_code; XOS_NONE: yes, or (the first verdict) ready */
    char vo[IDMAP_NAME_BYTES];
    char user[IDMAP_NAME_BYTES];
    char text[EXECD_TEXT_BYTES];
};

/* judge_process.c: the child. Does not return. */
void judge_process(const struct judge_config *config, int socket) __attribute__((noreturn));

#endif
