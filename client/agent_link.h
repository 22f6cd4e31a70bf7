// SPDX-License-Identifier: Apache-2.0
/* agent_link.h - the commands' side of xos-agent: what it is asked to sign, and who is logged in.
 *
 * Blocking, each call with a deadline; one thing at a time, each over a connection of its own. */
#ifndef XOS_CLIENT_AGENT_LINK_H
#define XOS_CLIENT_AGENT_LINK_H

#include "client/request.h"

#include "vo-auth/agent/agent.pb-c.h"

#define AGENT_LINK_FRAME_BYTES_MAX ((size_t)256 << 10)
#define AGENT_LINK_MS_MAX 5000      /* an answer that waits for nobody */
#define AGENT_LINK_SSH_MS_MAX 40000 /* one that may wait for a hardware key, or for its user */

struct agent_link;

/* Connect to the agent of this user: at $XOS_AGENT, else at its usual place. XOS_NO_LOGIN: there is
 * none. XOS_DENIED: somebody else listens there. */
int agent_link_open(struct agent_link **out, struct xos_env *env, struct xos_error *err);
void agent_link_free(struct agent_link *l);

/* Ask one thing of agent.proto. body NULL: it has none. *answer (of this type; type NULL: none is
 * wanted) is the caller's to free with xos_pb_free. An error of the agent's comes as its own code
 * and text. */
int agent_link_call(struct agent_link *l, const char *verb, const ProtobufCMessage *body,
                    const ProtobufCMessageDescriptor *type, void **answer, uint64_t ms_max,
                    struct xos_error *err);

/* Who is logged in? Free with xos_pb_free. */
Agent__StatusAnswer *agent_link_status(struct agent_link *l, struct xos_error *err);

/* A request_signer with the room for its names. */
struct agent_signer {
    struct request_signer signer;
    char name[XOS_HEADER_NAME_MAX];
    char institution[XOS_HEADER_NAME_MAX];
};

/* Have a request signed. Of r, the signer and the times are not looked at: the agent puts them in,
 * the life as near as it may to what r's times span. */
int agent_link_sign_request(struct agent_link *l, const struct xos_request *r,
                            struct request_signed *out, struct xos_error *err);

/* Who is logged in by the agent's status, as the signer of this program's requests; *out and the
 * link must live as long as that is used. XOS_NO_LOGIN: nobody is. */
int agent_link_signer(struct agent_link *l, const Agent__StatusAnswer *status,
                      struct agent_signer *out, struct xos_error *err);

/* Have a grant signed; it is in out->header. */
int agent_link_sign_grant(struct agent_link *l, const Agent__SignGrant *fields,
                          struct request_signed *out, struct xos_error *err);

#endif
