// SPDX-License-Identifier: Apache-2.0
/* execd_link.h - xosd's side of the socket to xos-execd.
 *
 * Connects when it is needed, and again after execd was restarted. Requests that were under way
 * when the link broke fail with XOS_UNAVAILABLE: each verb of execd may be asked again. */
#ifndef XOS_JOBMGR_SERVICE_EXECD_LINK_H
#define XOS_JOBMGR_SERVICE_EXECD_LINK_H

#include "jobmgr/exec/execd_wire.h"
#include "libxos/net/loop.h"

#define EXECD_LINK_PENDING_MAX 1024

struct execd_link;

/* The whole answer packet (entries of a LIST follow the head); NULL when result->code is set. */
typedef void (*execd_answered_f)(void *arg, const struct xos_error *result,
                                 const struct execd_answer *answer, size_t bytes);

int execd_link_new(struct execd_link **out, struct xos_loop *loop, const char *socket_path,
                   struct xos_error *err);
void execd_link_free(struct execd_link *c); /* no callback comes any more */

/* head is filled in but for magic, version, sizes and serial. Blobs are copied; so is the proof of
 * a START, a descriptor (-1: none). */
int execd_link_ask(struct execd_link *c, const struct execd_request *head,
                   const struct execd_blobs *blobs, int proof, execd_answered_f answered, void *arg,
                   struct xos_error *err);

/* Forget the answers that would go to `arg`. */
void execd_link_forget(struct execd_link *c, const void *arg);

#endif
