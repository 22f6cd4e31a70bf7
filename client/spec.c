// SPDX-License-Identifier: Apache-2.0
#include "client/spec.h"

#include "client/xos.h"
#include "jobmgr/jobmgr.pb-c.h"
#include "libxos/base/alloc.h"
#include "libxos/wire/header.h"
#include "libxos/wire/pb.h"

#include <stdio.h>
#include <string.h>

/* What protobuf-c wants as arrays of its own. */
struct spec_parts {
    ProtobufCBinaryData *argv, *env, *on;
    char (*nodes)[XOS_HEADER_NAME_MAX];
    Xos__Job__FilePb *files;
    Xos__Job__FilePb **file_list;
};

static ProtobufCBinaryData *words_put(const char *const *words, size_t count, struct xos_error *err)
{
    ProtobufCBinaryData *list = xos_alloc_array(count + 1, sizeof(*list));
    if (!list)
        xos_fail(err, XOS_NOMEM, "specification");
    for (size_t i = 0; list && i < count; i++)
        list[i] = xos_pb_text(words[i]);
    return list;
}

/* n17 is n17 of one's own institution. */
static int node_put(char to[static XOS_HEADER_NAME_MAX], const char *name, const char *home,
                    struct xos_error *err)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789._-";
    const char *dot = strchr(name, '.');
    int n = snprintf(to, XOS_HEADER_NAME_MAX, "%s%s%s", name, dot ? "" : ".", dot ? "" : home);
    if (name[0] && name[0] != '.' && strspn(name, letters) == strlen(name) &&
        (!dot || (dot[1] && !strchr(dot + 1, '.'))) && n < XOS_HEADER_NAME_MAX)
        return 0;
    return xos_fail(err, XOS_INVALID, "--on: \"%.60s\" is not a node: n17.inria is one", name);
}

static int nodes_put(struct spec_parts *parts, const struct xos_job_spec *s, const char *home,
                     struct xos_error *err)
{
    parts->nodes = xos_alloc_array(s->on_count + 1, sizeof(*parts->nodes));
    parts->on = xos_alloc_array(s->on_count + 1, sizeof(*parts->on));
    if (!parts->nodes || !parts->on)
        return xos_fail(err, XOS_NOMEM, "specification");
    for (size_t i = 0; i < s->on_count; i++) {
        if (node_put(parts->nodes[i], s->on[i], home, err) < 0)
            return -1;
        parts->on[i] = xos_pb_text(parts->nodes[i]);
    }
    return 0;
}

static int files_put(struct spec_parts *parts, const struct xos_job_spec *s, struct xos_error *err)
{
    parts->files = xos_alloc_array(s->file_count + 1, sizeof(*parts->files));
    parts->file_list = xos_alloc_array(s->file_count + 1, sizeof(*parts->file_list));
    if (!parts->files || !parts->file_list)
        return xos_fail(err, XOS_NOMEM, "specification");
    for (size_t i = 0; i < s->file_count; i++) {
        Xos__Job__FilePb *f = &parts->files[i];
        xos__job__file_pb__init(f);
        f->name = xos_pb_text(s->files[i].name);
        f->mode = s->files[i].mode;
        f->data = xos_pb_bytes((struct xos_slice){s->files[i].data, s->files[i].bytes});
        parts->file_list[i] = f;
    }
    return 0;
}

static void parts_free(struct spec_parts *p)
{
    xos_free(p->argv);
    xos_free(p->env);
    xos_free(p->on);
    xos_free(p->nodes);
    xos_free(p->files);
    xos_free(p->file_list);
}

static void fields_put(Xos__Job__SpecPb *m, const struct xos_job_spec *s)
{
    m->name = xos_pb_text(s->name);
    m->cwd = xos_pb_text(s->cwd);
    m->units = s->units;
    m->cpus = s->cpus;
    m->mem_bytes = s->mem_bytes;
    m->gpus = s->gpus;
    m->time_ms = s->time_ms;
    m->need = xos_pb_text(s->need);
    m->prefer = xos_pb_text(s->prefer);
    m->want = xos_pb_text(s->want);
    m->pty = s->pty;
    m->rows = s->rows;
    m->columns = s->columns;
    m->fenced = s->requeue;
    m->fail_fast = s->fail_fast;
    m->grace_ms = s->grace_ms;
    m->keep = s->keep;
    m->stdin_closed = s->stdin_closed;
    m->stdin_each = s->stdin_each;
    m->no_wait = s->no_wait;
    m->script = s->script;
}

int client_spec_pack(const struct xos_job_spec *s, const char *home, struct xos_buf *out,
                     struct xos_error *err)
{
    struct spec_parts parts = {0};
    Xos__Job__SpecPb m = XOS__JOB__SPEC_PB__INIT;
    int rc = -1;
    if (s->size != sizeof(*s))
        return xos_fail(err, XOS_VERSION, "this program was built for another libxos");
    if (s->argc == 0 || !s->argv[0][0])
        return xos_fail(err, XOS_INVALID, "no command");
    if (!(parts.argv = words_put(s->argv, s->argc, err)) ||
        !(parts.env = words_put(s->env, s->env_count, err)) ||
        nodes_put(&parts, s, home, err) < 0 || files_put(&parts, s, err) < 0)
        goto out;
    fields_put(&m, s);
    m.n_argv = s->argc, m.argv = parts.argv;
    m.n_env = s->env_count, m.env = parts.env;
    m.n_on = s->on_count, m.on = parts.on;
    m.n_in = s->file_count, m.in = parts.file_list;
    rc = xos_pb_pack(&m, out, err);
out:
    parts_free(&parts);
    return rc;
}
