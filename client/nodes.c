// SPDX-License-Identifier: Apache-2.0
#include "client/ask.h"
#include "client/text.h"
#include "client/xos.h"
#include "discovery/discovery.pb-c.h"
#include "libxos/base/alloc.h"
#include "libxos/wire/pb.h"

#include <string.h>

/* The public structure first: what the program holds is what we made. */
struct nodes {
    struct xos_nodes pub;
    struct xos_node_info *info;
    char **texts; /* all that the infos point to */
    size_t text_count;
    char *explanation;
};

void xos_nodes_free(struct xos_nodes *pub)
{
    struct nodes *n = (struct nodes *)pub;
    if (!n)
        return;
    for (size_t i = 0; i < n->text_count; i++)
        xos_free(n->texts[i]);
    xos_free(n->texts);
    xos_free(n->info);
    xos_free(n->explanation);
    xos_free(n);
}

static const char *text_take(struct nodes *n, ProtobufCBinaryData from)
{
    char *to = client_text_dup(from);
    if (to)
        n->texts[n->text_count++] = to;
    return to;
}

static int info_take(struct nodes *n, const Xos__Discovery__NodeRow *m)
{
    struct xos_node_info *i = &n->info[n->pub.count++];
    *i = (struct xos_node_info){.size = sizeof(*i),
                                .name = text_take(n, m->name),
                                .institution = text_take(n, m->institution),
                                .state = text_take(n, m->state),
                                .attributes = text_take(n, m->attributes)};
    return i->name && i->institution && i->state && i->attributes ? 0 : -1;
}

static int nodes_take(struct nodes *n, const Xos__Discovery__Nodes *m)
{
    int rc = 0;
    n->info = xos_alloc_array(m->n_nodes + 1, sizeof(*n->info));
    n->texts = xos_alloc_array(4 * m->n_nodes + 1, sizeof(char *));
    n->explanation = client_text_dup(m->explanation);
    if (!n->info || !n->texts || !n->explanation)
        return -1;
    for (size_t i = 0; rc == 0 && i < m->n_nodes; i++)
        rc = info_take(n, m->nodes[i]);
    n->pub.size = sizeof(n->pub);
    n->pub.nodes = n->info;
    n->pub.explanation = n->explanation;
    n->pub.more = m->more != 0;
    return rc;
}

static int ask(struct xos_client *c, const char *need, const char *prefer, unsigned flags,
               struct nodes *out, struct xos_error *err)
{
    struct xos_buf body = XOS_BUF(XOS_BODY_BYTES_MAX), answer = XOS_BUF(XOS_BODY_BYTES_MAX);
    struct client_request request = {
        .verb = "node.list", .to_node = c->node, .to_institution = c->institution};
    Xos__Discovery__NodesAsk m = XOS__DISCOVERY__NODES_ASK__INIT;
    Xos__Discovery__Nodes *list = NULL;
    m.need = xos_pb_text(need ? need : "");
    m.prefer = xos_pb_text(prefer ? prefer : "");
    m.explain = flags & XOS_NODES_EXPLAIN;
    int rc = xos_pb_pack(&m, &body, err);
    request.body = (struct xos_slice){body.data, body.len};
    if (rc == 0)
        rc = client_ask_again(c, &request, XOS_LIST_MS_MAX, &answer, err);
    if (rc == 0)
        list = xos_pb_unpack(&xos__discovery__nodes__descriptor,
                             (struct xos_slice){answer.data, answer.len}, XOS_BODY_BYTES_MAX,
                             XOS_PB_TOLERANT, err);
    if (rc == 0)
        rc = list ? 0 : -1;
    if (rc == 0 && nodes_take(out, list) < 0)
        rc = xos_fail(err, XOS_NOMEM, "listing");
    xos_pb_free(list);
    xos_buf_free(&body);
    xos_buf_free(&answer);
    return rc;
}

int xos_nodes_list(struct xos_client *client, const char *need, const char *prefer, unsigned flags,
                   struct xos_nodes **out, struct xos_fault *fault)
{
    struct xos_error err = {0};
    struct nodes *n = xos_alloc(sizeof(*n));
    if (!n)
        xos_fail(&err, XOS_NOMEM, "listing");
    if (!n || ask(client, need, prefer, flags, n, &err) < 0) {
        xos_nodes_free((struct xos_nodes *)n);
        return client_fault(fault, &err);
    }
    *out = &n->pub;
    return 0;
}
