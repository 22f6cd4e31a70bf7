// SPDX-License-Identifier: Apache-2.0
#include "client/list.h"

#include "client/ask.h"
#include "client/text.h"
#include "jobmgr/jobmgr.pb-c.h"
#include "libxos/base/alloc.h"
#include "libxos/wire/pb.h"

#include <string.h>

/* From the wire */

/* A job with all that it points to is one block: the structures first, the texts behind them. */
struct job_block {
    struct xos_job_info info;
    const char **argv;
    struct xos_unit_info *units;
    const struct xos_unit_info **list;
    char *text;
};

/* The public structure first: what the program holds is what we made. */
struct jobs {
    struct xos_jobs pub;
    struct job_block **blocks;
};

static size_t text_bytes(const Xos__Job__JobPb *m)
{
    size_t n = m->id.len + m->user.len + m->vo.len + m->institution.len + m->name.len +
               m->state.len + m->reason.len + 7;
    for (size_t i = 0; i < m->n_argv; i++)
        n += m->argv[i].len + 1;
    for (size_t i = 0; i < m->n_units; i++)
        n += m->units[i]->node.len + m->units[i]->state.len + m->units[i]->reason.len + 3;
    return n;
}

static void unit_take(struct job_block *b, size_t i, const Xos__Job__UnitPb *m)
{
    b->list[i] = &b->units[i];
    b->units[i] = (struct xos_unit_info){.size = sizeof(b->units[i]),
                                         .unit = m->unit,
                                         .epoch = m->epoch,
                                         .node = client_text_put(&b->text, m->node),
                                         .state = client_text_put(&b->text, m->state),
                                         .reason = client_text_put(&b->text, m->reason),
                                         .exit = m->exit};
}

static void job_take(struct job_block *b, const Xos__Job__JobPb *m)
{
    b->info = (struct xos_job_info){.size = sizeof(b->info),
                                    .id = client_text_put(&b->text, m->id),
                                    .user = client_text_put(&b->text, m->user),
                                    .vo = client_text_put(&b->text, m->vo),
                                    .institution = client_text_put(&b->text, m->institution),
                                    .name = client_text_put(&b->text, m->name),
                                    .state = client_text_put(&b->text, m->state),
                                    .reason = client_text_put(&b->text, m->reason),
                                    .submitted_ms = m->submitted_ms,
                                    .started_ms = m->started_ms,
                                    .ended_ms = m->ended_ms,
                                    .exit = m->exit,
                                    .argv = b->argv,
                                    .argc = m->n_argv,
                                    .units = b->list,
                                    .unit_count = m->n_units};
    for (size_t i = 0; i < m->n_argv; i++)
        b->argv[i] = client_text_put(&b->text, m->argv[i]);
    for (size_t i = 0; i < m->n_units; i++)
        unit_take(b, i, m->units[i]);
}

static struct job_block *block_new(const Xos__Job__JobPb *m)
{
    size_t units = m->n_units * sizeof(struct xos_unit_info);
    size_t argv = m->n_argv * sizeof(char *), list = m->n_units * sizeof(void *);
    struct job_block *b = xos_alloc(sizeof(*b) + units + argv + list + text_bytes(m));
    if (!b)
        return NULL;
    b->units = (struct xos_unit_info *)(b + 1);
    b->list = (const struct xos_unit_info **)(b->units + m->n_units);
    b->argv = (const char **)(b->list + m->n_units);
    b->text = (char *)(b->argv + m->n_argv);
    job_take(b, m);
    return b;
}

static void blocks_cut(struct jobs *list, size_t count)
{
    while (list->pub.count > count)
        xos_free(list->blocks[--list->pub.count]);
}

static int blocks_add(struct jobs *list, const Xos__Job__JobsPb *m, struct xos_error *err)
{
    size_t before = list->pub.count, all = before + m->n_jobs;
    if (all > CLIENT_LIST_JOBS_MAX)
        return xos_fail(err, XOS_LIMIT, "CLIENT_LIST_JOBS_MAX: more than %d jobs",
                        CLIENT_LIST_JOBS_MAX);
    struct job_block **more = xos_alloc_array(all + 1, sizeof(struct job_block *));
    if (!more)
        return xos_fail(err, XOS_NOMEM, "listing");
    for (size_t i = 0; i < before; i++)
        more[i] = list->blocks[i];
    xos_free(list->blocks);
    list->blocks = more;
    list->pub.jobs = (const struct xos_job_info *const *)more; /* each begins with its info */
    for (size_t i = 0; i < m->n_jobs; i++) {
        if (!(more[before + i] = block_new(m->jobs[i]))) {
            blocks_cut(list, before);
            return xos_fail(err, XOS_NOMEM, "listing");
        }
        list->pub.count++;
    }
    return 0;
}

struct xos_jobs *client_jobs_new(void)
{
    struct jobs *list = xos_alloc(sizeof(*list));
    if (!list)
        return NULL;
    list->pub.size = sizeof(list->pub);
    return &list->pub;
}

int client_jobs_add(struct xos_jobs *pub, struct xos_slice body, struct xos_error *err)
{
    struct jobs *list = (struct jobs *)pub;
    Xos__Job__JobsPb *m = xos_pb_unpack(&xos__job__jobs_pb__descriptor, body, XOS_BODY_BYTES_MAX,
                                        XOS_PB_TOLERANT, err);
    if (!m)
        return -1;
    int rc = blocks_add(list, m, err);
    if (rc == 0)
        pub->more |= m->more != 0;
    xos_pb_free(m);
    return rc;
}

void xos_jobs_free(struct xos_jobs *pub)
{
    struct jobs *list = (struct jobs *)pub;
    if (!list)
        return;
    blocks_cut(list, 0);
    xos_free(list->blocks);
    xos_free(list);
}

/* Asking, one institution after the other */

struct listing {
    struct xos_client *client;
    const char *const *ids;
    size_t count;
    uint64_t ended_within_ms;
    bool everybody;
    char institution[XOS_HEADER_NAME_MAX]; /* whose heads are asked now */
    struct xos_jobs *jobs;
};

static bool is_at(const char *id, const char *institution)
{
    size_t n = strlen(institution);
    return strncmp(id, institution, n) == 0 && id[n] == '-' && !strchr(id + n + 1, '-');
}

/* Append the ListPb with those of the names that belong to the institution. */
static int body_pack(const struct listing *l, struct xos_buf *body, struct xos_error *err)
{
    Xos__Job__ListPb m = XOS__JOB__LIST_PB__INIT;
    ProtobufCBinaryData *ids = xos_alloc_array(l->count + 1, sizeof(*ids));
    if (!ids)
        return xos_fail(err, XOS_NOMEM, "listing");
    for (size_t i = 0; i < l->count; i++)
        if (is_at(l->ids[i], l->institution))
            ids[m.n_job++] = xos_pb_text(l->ids[i]);
    m.job = ids;
    m.everybody = l->everybody;
    m.ended_within_ms = l->ended_within_ms;
    int rc = xos_pb_pack(&m, body, err);
    xos_free(ids);
    return rc;
}

static int ask(struct listing *l, struct xos_error *err)
{
    struct xos_buf body = XOS_BUF(XOS_BODY_BYTES_MAX), answer = XOS_BUF(XOS_BODY_BYTES_MAX);
    struct client_request request = {
        .verb = "job.list", .to_node = "", .to_institution = l->institution};
    int rc = body_pack(l, &body, err);
    request.body = (struct xos_slice){body.data, body.len};
    if (rc == 0)
        rc = client_ask_again(l->client, &request, XOS_LIST_MS_MAX, &answer, err);
    if (rc == 0)
        rc = client_jobs_add(l->jobs, (struct xos_slice){answer.data, answer.len}, err);
    xos_buf_free(&body);
    xos_buf_free(&answer);
    return rc;
}

/* Was one of the names before this one of the same institution? Then this one was in its answer. */
static bool asked(const struct listing *l, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (is_at(l->ids[k], l->institution))
            return true;
    return false;
}

static int ask_all(struct listing *l, struct xos_error *err)
{
    int rc = 0;
    if (l->count == 0) {
        memcpy(l->institution, client_home(l->client), strlen(client_home(l->client)) + 1);
        return ask(l, err);
    }
    for (size_t i = 0; rc == 0 && i < l->count; i++) {
        rc = client_institution_of_job(l->ids[i], l->institution, err);
        if (rc == 0 && !asked(l, i))
            rc = ask(l, err);
    }
    return rc;
}

int xos_jobs_list(struct xos_client *client, const char *const *ids, size_t count,
                  uint64_t ended_within_ms, unsigned flags, struct xos_jobs **out,
                  struct xos_fault *fault)
{
    struct xos_error err = {0};
    struct listing l = {.client = client,
                        .ids = ids,
                        .count = count,
                        .ended_within_ms = ended_within_ms,
                        .everybody = flags & XOS_LIST_EVERYBODY};
    l.jobs = client_jobs_new();
    if (!l.jobs)
        xos_fail(&err, XOS_NOMEM, "listing");
    if (!l.jobs || ask_all(&l, &err) < 0) {
        xos_jobs_free(l.jobs);
        return client_fault(fault, &err);
    }
    *out = l.jobs;
    return 0;
}
