// SPDX-License-Identifier: Apache-2.0
#include "xosd/drain.h"

#include "libxos/base/alloc.h"
#include "libxos/base/telemetry.h"

#define DRAIN_FILE "drain"

struct drain {
    struct drain_config config;
};

/* What is on the disk first: a node that was told to drain does so after any crash. */
static int note(struct drain *d, bool draining, struct xos_error *err)
{
    struct xos_env *env = d->config.env;
    int dir = xos_env_dir_open(env, d->config.state_dir, err);
    int rc = dir < 0 ? -1 : 0;
    if (rc == 0 && draining)
        rc = xos_env_file_replace(env, dir, DRAIN_FILE, "", 0, 0644, err);
    else if (rc == 0 && xos_env_remove(env, dir, DRAIN_FILE, err) < 0)
        rc = err->code == XOS_NOT_FOUND ? 0 : -1;
    xos_env_close(env, dir);
    return rc;
}

static void serve(struct drain *d, struct xos_call *call, bool draining)
{
    struct xos_error err = {0};
    if (!d->config.jobs)
        xos_fail(&err, XOS_UNSUPPORTED, "this node runs no units");
    else if (note(d, draining, &err) == 0)
        err = (struct xos_error){0};
    if (err.code) {
        xos_call_fail(call, &err);
        return;
    }
    xos_log(XOS_EV_DRAIN, "draining=%s by=%s", draining ? "yes" : "no",
            xos_call_caller(call)->name);
    jobmgr_drain(d->config.jobs, draining);
    xos_call_answer(call, (struct xos_slice){NULL, 0});
}

static void serve_drain(void *service, struct xos_call *call)
{
    serve(service, call, true);
}

static void serve_resume(void *service, struct xos_call *call)
{
    serve(service, call, false);
}

static const struct xos_verb verbs[] = {{"node.drain", serve_drain, 0},
                                        {"node.resume", serve_resume, 0}};

static bool was_draining(const struct drain_config *c)
{
    struct xos_error why;
    int dir = xos_env_dir_open(c->env, c->state_dir, &why);
    int fd = dir < 0 ? -1 : xos_env_file_open(c->env, dir, DRAIN_FILE, XOS_OPEN_READ, 0, &why);
    xos_env_close(c->env, fd);
    xos_env_close(c->env, dir);
    return fd >= 0;
}

int drain_new(struct drain **out, const struct drain_config *config, struct xos_error *err)
{
    struct drain *d = xos_alloc(sizeof(*d));
    if (!d)
        return xos_fail(err, XOS_NOMEM, "drain");
    d->config = *config;
    if (xos_rpc_serve(config->rpc, verbs, sizeof(verbs) / sizeof(verbs[0]), d, err) < 0) {
        drain_free(d);
        return -1;
    }
    if (config->jobs && was_draining(config))
        jobmgr_drain(config->jobs, true);
    *out = d;
    return 0;
}

void drain_free(struct drain *d)
{
    xos_free(d);
}
