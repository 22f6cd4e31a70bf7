// SPDX-License-Identifier: Apache-2.0
/* signal.c - ask a job's owner to send a signal. Asked again under the same operation id when xosd
 * goes away before it has answered. */
#include "client/backoff.h"
#include "client/call.h"
#include "client/client.h"
#include "client/xos.h"
#include "jobmgr/jobmgr.pb-c.h"
#include "libxos/base/alloc.h"
#include "libxos/wire/pb.h"

#include <stdio.h>
#include <string.h>
#include <utlist.h>

struct signalling {
    struct xos_client *client;
    struct client_call *call;
    struct client_timer again;
    struct client_backoff backoff;
    char job[XOS_JOB_ID_BYTES];
    char institution[XOS_HEADER_NAME_MAX];
    struct xos_id operation;
    uint32_t unit;
    int signal;
    uint64_t grace_ms;
    xos_signal_done_f done;
    void *arg;
    struct signalling *prev, *next;
};

static void signalling_free(struct signalling *s)
{
    DL_DELETE(s->client->signals, s);
    client_call_free(s->call);
    client_timer_off(&s->again);
    xos_free(s);
}

void client_signals_free(struct xos_client *client)
{
    while (client->signals)
        signalling_free(client->signals);
}

static void tell(struct signalling *s, const struct xos_error *why)
{
    struct xos_fault fault = {0};
    struct signalling copy = *s;
    if (why)
        (void)client_fault(&fault, why);
    signalling_free(s);
    if (copy.done)
        copy.done(copy.arg, copy.job, &fault);
}

static void on_answer(void *arg, struct xos_slice body)
{
    (void)body;
    tell(arg, NULL);
}

static void on_end(void *arg, enum call_end end, const struct xos_error *why)
{
    struct signalling *s = arg;
    bool lost = end == CALL_END_LOST || why->code == XOS_UNAVAILABLE || why->code == XOS_STALE;
    uint64_t wait = lost ? client_backoff_next(&s->backoff, client_pollset_now_ms(s->client->poll),
                                               CLIENT_RECONNECT_MS_MAX)
                         : UINT64_MAX;
    if (wait == UINT64_MAX)
        tell(s, why);
    else
        client_timer_set(&s->again, wait);
}

static const struct client_call_ops ops = {.on_answer = on_answer, .on_end = on_end};

static int ask(struct signalling *s, struct xos_error *err)
{
    struct xos_buf body = XOS_BUF(1024);
    Xos__Job__SignalPb m = XOS__JOB__SIGNAL_PB__INIT;
    struct client_request request = {.verb = "job.signal",
                                     .to_node = "",
                                     .to_institution = s->institution,
                                     .operation_id = s->operation};
    client_call_free(s->call);
    s->call = NULL;
    m.job = xos_pb_text(s->job);
    m.unit = s->unit;
    m.signal = s->signal;
    m.grace_ms = s->grace_ms;
    int rc = xos_pb_pack(&m, &body, err);
    request.body = (struct xos_slice){body.data, body.len};
    if (rc == 0)
        rc = client_call_begin(&s->call, s->client, &request, &ops, s, err);
    xos_buf_free(&body);
    return rc;
}

static void on_again(void *arg)
{
    struct signalling *s = arg;
    struct xos_error err = {0};
    if (ask(s, &err) < 0)
        tell(s, &err);
}

int xos_job_signal(struct xos_client *client, const char *id, uint32_t unit, int signal,
                   uint64_t grace_ms, xos_signal_done_f done, void *arg, struct xos_fault *fault)
{
    struct xos_error err = {0};
    struct signalling *s = xos_alloc(sizeof(*s));
    if (!s) {
        xos_fail(&err, XOS_NOMEM, "signal");
        return client_fault(fault, &err);
    }
    *s = (struct signalling){.client = client,
                             .again = {.poll = client->poll, .expired = on_again, .arg = s},
                             .unit = unit,
                             .signal = signal,
                             .grace_ms = grace_ms,
                             .done = done,
                             .arg = arg};
    DL_APPEND(client->signals, s);
    (void)snprintf(s->job, sizeof(s->job), "%s", id);
    if (client_institution_of_job(id, s->institution, &err) < 0 ||
        client_operation(client, &s->operation, &err) < 0 || ask(s, &err) < 0) {
        signalling_free(s);
        return client_fault(fault, &err);
    }
    return 0;
}
