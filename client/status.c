// SPDX-License-Identifier: Apache-2.0
#include "client/ask.h"
#include "client/text.h"
#include "client/xos.h"
#include "libxos/base/alloc.h"
#include "libxos/wire/pb.h"
#include "xosd/xosd.pb-c.h"

#include <string.h>

#define STATUS_ROLES_MAX 16
#define STATUS_PROBLEMS_MAX 64

/* The public structure first, what it points to behind it. */
struct status_block {
    struct xos_node_status pub;
    struct xos_problem problems[STATUS_PROBLEMS_MAX];
    const char *roles[STATUS_ROLES_MAX];
    char text[];
};

static void numbers_take(struct xos_node_status *s, const Xos__Node__StatusPb *m)
{
    s->federated = m->federated != 0;
    s->started_ms = m->started_ms;
    s->nodes_up = m->nodes_up;
    s->nodes_down = m->nodes_down;
    s->jobs = m->jobs;
    s->units = m->units;
    s->claims = m->claims;
    s->disk_free = m->disk_free;
    s->certificate_ms = m->certificate_ms;
    s->ca_ms = m->ca_ms;
}

static void texts_take(struct status_block *b, const Xos__Node__StatusPb *m)
{
    char *to = b->text;
    struct xos_node_status *s = &b->pub;
    s->node = client_text_put(&to, m->node);
    s->institution = client_text_put(&to, m->institution);
    s->release = client_text_put(&to, m->release);
    s->state = client_text_put(&to, m->state);
    for (size_t i = 0; i < m->n_roles && i < STATUS_ROLES_MAX; i++)
        b->roles[s->role_count++] = client_text_put(&to, m->roles[i]);
    for (size_t i = 0; i < m->n_problems && i < STATUS_PROBLEMS_MAX; i++) {
        b->problems[i].what = client_text_put(&to, m->problems[i]->what);
        b->problems[i].why = client_text_put(&to, m->problems[i]->why);
        s->problem_count++;
    }
    s->roles = b->roles;
    s->problems = b->problems;
}

/* No text in it is longer than the answer, and each has its NUL. */
static struct status_block *block_new(const Xos__Node__StatusPb *m, size_t answer_bytes)
{
    size_t texts = 4 + m->n_roles + 2 * m->n_problems;
    struct status_block *b = xos_alloc(sizeof(*b) + answer_bytes + texts);
    if (!b)
        return NULL;
    b->pub.size = sizeof(b->pub);
    numbers_take(&b->pub, m);
    texts_take(b, m);
    return b;
}

static int ask(struct xos_client *c, struct status_block **out, struct xos_error *err)
{
    struct xos_buf answer = XOS_BUF(XOS_BODY_BYTES_MAX);
    struct client_request request = {.verb = "node.status", .to_node = "", .to_institution = ""};
    Xos__Node__StatusPb *m = NULL;
    if (client_ask_again(c, &request, XOS_LIST_MS_MAX, &answer, err) == 0)
        m = xos_pb_unpack(&xos__node__status_pb__descriptor,
                          (struct xos_slice){answer.data, answer.len}, XOS_BODY_BYTES_MAX,
                          XOS_PB_TOLERANT, err);
    if (m && !(*out = block_new(m, answer.len)))
        xos_fail(err, XOS_NOMEM, "status");
    xos_pb_free(m);
    xos_buf_free(&answer);
    return err->code ? -1 : 0;
}

int xos_node_status(struct xos_client *client, struct xos_node_status **out,
                    struct xos_fault *fault)
{
    struct xos_error err = {0};
    struct status_block *b = NULL;
    if (ask(client, &b, &err) < 0)
        return client_fault(fault, &err);
    *out = &b->pub;
    return 0;
}

void xos_node_status_free(struct xos_node_status *status)
{
    xos_free(status);
}
