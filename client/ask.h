// SPDX-License-Identifier: Apache-2.0
/* ask.h - one question that is waited for, while the client's other callbacks go on. */
#ifndef XOS_CLIENT_ASK_H
#define XOS_CLIENT_ASK_H

#include "client/call.h"
#include "client/client.h"

/* Append the answer's body. deadline_ms: of client_pollset_now_ms. Its operation id is filled in.
 * *lost (may be NULL): the connection was, so that asking again may help. */
int client_ask(struct xos_client *c, struct client_request *request, uint64_t deadline_ms,
               struct xos_buf *answer, bool *lost, struct xos_error *err);

/* The same, asked again while the connection is lost, for ms_max in all. */
int client_ask_again(struct xos_client *c, struct client_request *request, uint64_t ms_max,
                     struct xos_buf *answer, struct xos_error *err);

#endif
