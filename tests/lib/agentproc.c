// SPDX-License-Identifier: Apache-2.0
#include "tests/lib/agentproc.h"

#include "libxos/wire/pb.h"
#include "vo-auth/agent/agent.h"
#include "vo-auth/agent/guard.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void on_stop(int number, void *arg)
{
    (void)number;
    xos_loop_stop(arg);
}

static int serve(const char *socket, int ready)
{
    struct xos_error err = {0};
    struct xos_loop *loop = NULL;
    struct xos_signal *stop = NULL;
    struct agent *agent = NULL;
    int rc = guard_process(&err);
    if (rc == 0)
        rc = xos_loop_new(&loop, xos_env_posix(), &err);
    if (rc == 0)
        rc = xos_signal_new(&stop, loop, SIGTERM, on_stop, loop, &err);
    if (rc == 0)
        rc = agent_new(
            &agent, &(struct agent_config){.loop = loop, .socket = socket, .uid = getuid()}, &err);
    if (rc == 0 && write(ready, "r", 1) == 1)
        rc = xos_loop_run(loop, &err);
    if (rc < 0)
        fprintf(stderr, "agent: %s\n", err.text);
    agent_free(agent);
    xos_signal_free(stop);
    xos_loop_free(loop);
    return rc < 0;
}

int agentproc_start(struct agentproc *p, const char *dir, const char *name, struct xos_error *err)
{
    int ends[2];
    char c;
    (void)snprintf(p->socket, sizeof(p->socket), "%s/%s", dir, name);
    (void)setenv("XOS_AGENT", p->socket, 1);
    if (pipe(ends) < 0)
        return xos_fail_errno(err, "pipe");
    p->pid = fork();
    if (p->pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        _exit(serve(p->socket, ends[1]));
    }
    (void)close(ends[1]);
    const bool ready = read(ends[0], &c, 1) == 1;
    (void)close(ends[0]);
    return ready ? 0 : xos_fail(err, XOS_UNAVAILABLE, "the agent did not start");
}

void agentproc_stop(struct agentproc *p, int signal)
{
    if (p->pid <= 0)
        return;
    (void)kill(p->pid, signal);
    (void)waitpid(p->pid, NULL, 0);
    p->pid = 0;
}

static int install(struct agent_link *l, const struct home *h, const struct xos_buf *leaf,
                   const struct xos_buf *vo, struct xos_error *err)
{
    Agent__Install m = AGENT__INSTALL__INIT;
    struct xos_slice chain[3];
    ProtobufCBinaryData sent[3], attributes;
    home_chain(h, leaf, chain);
    for (size_t i = 0; i < 3; i++)
        sent[i] = xos_pb_bytes(chain[i]);
    attributes = xos_pb_bytes((struct xos_slice){vo->data, vo->len});
    m.n_chain = 3;
    m.chain = sent;
    m.n_attributes = 1;
    m.attributes = &attributes;
    return agent_link_call(l, "install", &m.base, NULL, NULL, AGENT_LINK_MS_MAX, err);
}

int agentproc_login(struct agent_link *l, const struct home *h, const char *name, int64_t life_ms,
                    struct xos_error *err)
{
    struct xos_buf leaf = XOS_BUF(AUTH_CERT_BYTES_MAX), vo = XOS_BUF(AUTH_ATTR_BYTES_MAX);
    void *answer = NULL;
    int rc = agent_link_call(l, "public", NULL, &agent__public_answer__descriptor, &answer,
                             AGENT_LINK_MS_MAX, err);
    const Agent__PublicAnswer *p = answer;
    if (rc == 0)
        rc = home_certify(h, AUTH_KIND_USER, name, p->key.data, h->now_ms, life_ms, &leaf, err);
    if (rc == 0)
        rc = home_attributes(h, name, p->key.data, &vo, err);
    if (rc == 0)
        rc = install(l, h, &leaf, &vo, err);
    xos_pb_free(answer);
    xos_buf_free(&leaf);
    xos_buf_free(&vo);
    return rc;
}

struct xos_request agentproc_request(const char *verb)
{
    struct xos_request r = {.to_institution = "inria", .has_operation_id = true};
    (void)snprintf(r.verb, sizeof(r.verb), "%s", verb);
    memset(r.nonce.bytes, 7, sizeof(r.nonce.bytes));
    return r;
}
