// SPDX-License-Identifier: Apache-2.0
#include "client/ask.h"

#include "client/backoff.h"

struct asking {
    struct xos_buf *answer;
    enum call_end end;
    struct xos_error why;
};

static void on_answer(void *arg, struct xos_slice body)
{
    struct asking *a = arg;
    a->end = xos_buf_add(a->answer, body.data, body.len, &a->why) < 0 ? CALL_END_REFUSED
                                                                      : CALL_END_ORDERLY;
}

static void on_end(void *arg, enum call_end end, const struct xos_error *why)
{
    struct asking *a = arg;
    if (a->end != CALL_END_NONE)
        return;
    a->end = end == CALL_END_REFUSED && why->code == XOS_UNAVAILABLE ? CALL_END_LOST : end;
    a->why = *why;
}

static const struct client_call_ops ops = {.on_answer = on_answer, .on_end = on_end};

int client_ask(struct xos_client *c, struct client_request *request, uint64_t deadline_ms,
               struct xos_buf *answer, bool *lost, struct xos_error *err)
{
    struct asking a = {.answer = answer};
    struct client_call *call = NULL;
    uint64_t now;
    if (lost)
        *lost = false;
    if (client_operation(c, &request->operation_id, err) < 0 ||
        client_call_begin(&call, c, request, &ops, &a, err) < 0)
        return -1;
    while (a.end == CALL_END_NONE && (now = client_pollset_now_ms(c->poll)) < deadline_ms)
        if (client_pollset_dispatch(c->poll, (int)(deadline_ms - now), err) < 0)
            break;
    client_call_free(call);
    if (a.end == CALL_END_ORDERLY)
        return 0;
    if (lost)
        *lost = a.end == CALL_END_LOST || a.end == CALL_END_NONE;
    if (a.end == CALL_END_NONE)
        return xos_fail(err, XOS_TIMEOUT, "%s: no answer in time", request->verb);
    *err = a.why;
    return -1;
}

int client_ask_again(struct xos_client *c, struct client_request *request, uint64_t ms_max,
                     struct xos_buf *answer, struct xos_error *err)
{
    struct client_backoff backoff = {0};
    uint64_t deadline = client_pollset_now_ms(c->poll) + ms_max;
    bool lost;
    while (client_ask(c, request, deadline, answer, &lost, err) < 0) {
        uint64_t wait = client_backoff_next(&backoff, client_pollset_now_ms(c->poll), ms_max);
        if (!lost || wait == UINT64_MAX || client_pollset_now_ms(c->poll) + wait >= deadline)
            return -1;
        xos_buf_clear(answer);
        if (client_pollset_dispatch(c->poll, (int)wait, err) < 0)
            return -1;
    }
    return 0;
}
