// SPDX-License-Identifier: Apache-2.0
#include "client/ask.h"
#include "client/xos.h"

#include <stdio.h>
#include <string.h>

static int ask(struct xos_client *c, const char *node, bool draining, struct xos_error *err)
{
    struct xos_buf answer = XOS_BUF(XOS_BODY_BYTES_MAX);
    const char *dot = strrchr(node, '.');
    char full[XOS_HEADER_NAME_MAX];
    int n = snprintf(full, sizeof(full), "%s%s%s", node, dot ? "" : ".", dot ? "" : c->institution);
    if (n >= (int)sizeof(full) || !node[0])
        return xos_fail(err, XOS_INVALID, "\"%.60s\" is not a node: n1.inria is", node);
    struct client_request request = {.verb = draining ? "node.drain" : "node.resume",
                                     .to_node = full,
                                     .to_institution = strrchr(full, '.') + 1};
    int rc = client_ask_again(c, &request, XOS_LIST_MS_MAX, &answer, err);
    xos_buf_free(&answer);
    return rc;
}

int xos_node_drain(struct xos_client *client, const char *node, bool draining,
                   struct xos_fault *fault)
{
    struct xos_error err = {0};
    return ask(client, node, draining, &err) < 0 ? client_fault(fault, &err) : 0;
}
