// SPDX-License-Identifier: Apache-2.0
#include "xosd/gate.h"

#include <stdio.h>
#include <string.h>

/* A login becomes a name part: what the grammar does not have is left out. */
void gate_init(struct gate *g, uid_t uid, const char *login, const char *institution)
{
    char part[32] = "";
    size_t n = 0;
    for (const char *p = login; *p && n < sizeof(part) - 1; p++)
        if ((*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9') || (n && (*p == '_' || *p == '.')))
            part[n++] = *p;
    part[n] = '\0';
    g->uid = uid;
    if (n)
        (void)snprintf(g->user, sizeof(g->user), "%s@%.31s", part, institution);
    else
        (void)snprintf(g->user, sizeof(g->user), "u%u@%.31s", (unsigned)uid, institution);
}

int gate_check(void *arg, const struct xos_verb *verb, const struct xos_envelope *e,
               const struct xos_request *request, const struct xos_peer *peer,
               struct xos_caller *out, struct xos_error *err)
{
    const struct gate *g = arg;
    (void)e;
    if (!peer)
        return xos_fail(err, XOS_DENIED, "this node stands alone: it serves local processes only");
    if (request)
        return xos_fail(err, XOS_DENIED,
                        "this node stands alone and knows no certificates: it cannot check who "
                        "signed");
    out->kind = XOS_CALLER_LOCAL;
    out->uid = peer->uid;
    if (peer->uid == g->uid)
        (void)snprintf(out->name, sizeof(out->name), "%s", g->user);
    else
        (void)snprintf(out->name, sizeof(out->name), "uid-%u", (unsigned)peer->uid);
    if (verb->flags & XOS_VERB_NODE)
        return xos_fail(err, XOS_DENIED, "%s is between nodes", verb->name);
    if (peer->uid != g->uid && !(verb->flags & XOS_VERB_OPEN))
        return xos_fail(err, XOS_DENIED,
                        "this node stands alone and belongs to uid %u; uid %u may not use it",
                        (unsigned)g->uid, (unsigned)peer->uid);
    return 0;
}
