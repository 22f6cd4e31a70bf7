// SPDX-License-Identifier: Apache-2.0
#include "jobmgr/service/execd_link.h"

#include "jobmgr/service/packet.h"
#include "libxos/base/alloc.h"

#include <string.h>
#include <sys/socket.h>
#include <utlist.h>

struct asked {
    uint64_t serial;
    execd_answered_f answered; /* NULL: nobody waits any more */
    void *arg;
    struct asked *prev, *next;
};

struct execd_link {
    struct xos_loop *loop;
    char *path;
    struct packet *link;
    struct asked *asked;
    size_t pending;
    uint64_t serial;
    uint64_t broken_serial;     /* the last one that was asked over a link that broke */
    struct xos_task break_task; /* tell who waits for those, outside of any other call */
    bool breaking;              /* an answer may free the link: then */
    bool freed;                 /* its memory goes when all were told */
    uint8_t *packet;            /* EXECD_MESSAGE_BYTES_MAX, for requests under construction */
};

static void asked_free(struct execd_link *c, struct asked *a)
{
    DL_DELETE(c->asked, a);
    c->pending--;
    xos_free(a);
}

void execd_link_free(struct execd_link *c)
{
    if (!c)
        return;
    while (c->asked)
        asked_free(c, c->asked);
    xos_loop_undefer(c->loop, &c->break_task);
    packet_free(c->link);
    xos_free(c->packet);
    xos_free(c->path);
    c->freed = true;
    if (!c->breaking)
        xos_free(c);
}

/* What is asked from now on goes over a new link. */
static void link_break(struct execd_link *c)
{
    packet_free(c->link);
    c->link = NULL;
    c->broken_serial = c->serial;
    xos_loop_defer(c->loop, &c->break_task);
}

static void on_break(void *arg)
{
    struct execd_link *c = arg;
    struct xos_error gone = {0};
    c->breaking = true;
    xos_fail(&gone, XOS_UNAVAILABLE, "xos-execd went away");
    while (c->asked && c->asked->serial <= c->broken_serial) {
        struct asked a = *c->asked;
        asked_free(c, c->asked);
        if (a.answered)
            a.answered(a.arg, &gone, NULL, 0);
    }
    c->breaking = false;
    if (c->freed)
        xos_free(c);
}

static void on_close(void *arg)
{
    link_break(arg);
}

static void on_packet(void *arg, struct xos_slice packet)
{
    struct execd_link *c = arg;
    struct xos_error result = {0};
    struct asked *a;
    if (execd_answer_check(packet.data, packet.len, &result) < 0) {
        link_break(c);
        return;
    }
    /* recv() gave bytes without alignment; the head is read in place all the same. */
    const struct execd_answer *answer = (const void *)packet.data;
    DL_FOREACH (c->asked, a) {
        if (a->serial == answer->serial)
            break;
    }
    if (!a)
        return;
    execd_answered_f answered = a->answered;
    void *who = a->arg;
    asked_free(c, a);
    if (!answered)
        return;
    if (answer->code != XOS_NONE)
        xos_fail(&result, xos_code_from_wire(answer->code), "%.*s", EXECD_TEXT_BYTES - 1,
                 answer->text);
    answered(who, &result, result.code ? NULL : answer, packet.len);
}

static const struct packet_ops link_ops = {.on_packet = on_packet, .on_close = on_close};

int execd_link_new(struct execd_link **out, struct xos_loop *loop, const char *socket_path,
                   struct xos_error *err)
{
    struct execd_link *c = xos_alloc(sizeof(*c));
    if (!c)
        return xos_fail(err, XOS_NOMEM, "execd client");
    c->loop = loop;
    c->break_task = (struct xos_task){.run = on_break, .arg = c};
    c->path = xos_strdup(socket_path);
    c->packet = xos_alloc(EXECD_MESSAGE_BYTES_MAX);
    if (!c->path || !c->packet) {
        execd_link_free(c);
        return xos_fail(err, XOS_NOMEM, "execd client");
    }
    *out = c;
    return 0;
}

static int connect_now(struct execd_link *c, struct xos_error *err)
{
    if (c->link)
        return 0;
    int fd = xos_env_unix_connect(xos_loop_env(c->loop), c->path, SOCK_SEQPACKET, err);
    if (fd < 0)
        return xos_wrap(err, "xos-execd at %s", c->path);
    return packet_new(&c->link, c->loop, fd, EXECD_MESSAGE_BYTES_MAX, &link_ops, c, err);
}

int execd_link_ask(struct execd_link *c, const struct execd_request *head,
                   const struct execd_blobs *blobs, int proof, execd_answered_f answered, void *arg,
                   struct xos_error *err)
{
    struct execd_request *r = (void *)c->packet;
    if (c->pending >= EXECD_LINK_PENDING_MAX)
        return xos_fail(err, XOS_LIMIT, "EXECD_LINK_PENDING_MAX: %d requests wait for xos-execd",
                        EXECD_LINK_PENDING_MAX);
    if (connect_now(c, err) < 0)
        return -1;
    struct asked *a = xos_alloc(sizeof(*a));
    if (!a)
        return xos_fail(err, XOS_NOMEM, "request to xos-execd");
    *a = (struct asked){.serial = ++c->serial, .answered = answered, .arg = arg};
    *r = *head;
    r->serial = a->serial;
    if (execd_request_finish(c->packet, blobs, err) < 0 ||
        packet_send_fd(c->link, (struct xos_slice){c->packet, r->bytes}, proof, err) < 0) {
        xos_free(a);
        return -1;
    }
    DL_APPEND(c->asked, a);
    c->pending++;
    return 0;
}

void execd_link_forget(struct execd_link *c, const void *arg)
{
    struct asked *a;
    DL_FOREACH (c->asked, a) {
        if (a->arg == arg)
            a->answered = NULL;
    }
}
