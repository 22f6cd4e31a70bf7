// SPDX-License-Identifier: Apache-2.0
/* service.h - the verbs of xos-ca: a request's bytes in, an answer's bytes out. */
#ifndef VO_AUTH_CA_SERVICE_H
#define VO_AUTH_CA_SERVICE_H

#include "vo-auth/ca/state.h"

#define CA_REQUEST_BYTES_MAX ((size_t)1 << 20)
#define CA_ANSWER_BYTES_MAX ((size_t)4 << 20)

struct ca_service;

/* state is borrowed; users: the directory with the users' keys. */
int ca_service_new(struct ca_service **out, struct ca_state *state, const char *users,
                   struct xos_error *err);
void ca_service_free(struct ca_service *s); /* takes NULL */

const char *ca_service_institution(const struct ca_service *s); /* borrowed */

/* Append the answer to one request. -1 only when not even an answer can be made. */
int ca_service_answer(struct ca_service *s, struct xos_slice request, struct xos_buf *answer,
                      struct xos_error *err);

#endif
