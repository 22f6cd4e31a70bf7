// SPDX-License-Identifier: Apache-2.0
#include "cmd/session_own.h"

#include "cmd/say.h"
#include "cmd/tty.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WAITING_SAID_MS 1000 /* a job that waits so long is told to wait */
#define AWAY_SAID_MS 2000
#define PIPE_TERM_MS 1000      /* after PIPE */
#define BACKGROUND_LOOK_MS 500 /* whether we are in the foreground again */

struct session_unit *session_unit(struct session *s, uint32_t unit)
{
    if (!s->units[unit])
        s->units[unit] = cmd_need(sizeof(**s->units));
    if (unit >= s->unit_count)
        s->unit_count = unit + 1;
    return s->units[unit];
}

void session_new(struct session **out, const struct session_config *config)
{
    struct session *s = cmd_need(sizeof(*s));
    s->config = *config;
    s->client = config->client;
    s->signals = -1;
    s->status = CMD_XOS;
    *out = s;
}

void session_free(struct session *s)
{
    if (!s)
        return;
    if (s->signals >= 0)
        close(s->signals);
    session_close_files(s);
    free(s);
}

/* What the job says */

static void end_session(struct session *s, int status)
{
    s->status = status;
    s->over = true;
}

static void on_id(void *arg, struct xos_job *job, const char *id)
{
    struct session *s = arg;
    s->job = job;
    if (session_open_files(s, id) < 0) {
        session_send(s, SIGKILL);
        s->pipe_ms = cmd_now_ms();
        s->config.no_input = true;
        end_session(s, CMD_XOS);
    }
    if (s->waiting_signal)
        session_send(s, s->waiting_signal);
}

/* xattach learns here that it is a terminal; xrun has made it raw before. */
static void on_attached(void *arg, struct xos_job *job, uint32_t unit, bool pty)
{
    struct session *s = arg;
    (void)job;
    if (unit >= SESSION_UNITS_MAX || !pty || s->config.pty || s->config.no_input ||
        !session_unit(s, unit)->in.tty)
        return;
    s->config.pty = cmd_tty_raw() == 0;
    s->pty_unit = unit;
    session_resize(s);
}

static void emit(void *arg, const char *data, size_t bytes)
{
    cmd_sink_put(arg, data, bytes);
}

static struct cmd_lines *lines_of(struct session *s, uint32_t unit, int stream)
{
    struct cmd_lines *l = &session_unit(s, unit)->lines[stream - 1];
    l->labelled = s->config.label;
    l->number = unit;
    return l;
}

static void on_output(void *arg, struct xos_job *job, uint32_t unit, int stream, const void *data,
                      size_t bytes)
{
    struct session *s = arg;
    if (unit >= SESSION_UNITS_MAX) {
        xos_job_written(job, unit, stream, bytes);
        return;
    }
    struct cmd_sink *sink = session_sink(s, unit, stream);
    if (session_shared(s, stream))
        cmd_lines_add(lines_of(s, unit, stream), data, bytes, emit, sink);
    else
        cmd_sink_put(sink, data, bytes);
    cmd_sink_piece(sink, unit, stream, bytes);
    cmd_sink_flush(sink, false);
}

static void on_output_end(void *arg, struct xos_job *job, uint32_t unit, int stream)
{
    struct session *s = arg;
    (void)job;
    if (unit >= SESSION_UNITS_MAX || !session_shared(s, stream))
        return;
    struct cmd_sink *sink = session_sink(s, unit, stream);
    cmd_lines_end(lines_of(s, unit, stream), emit, sink);
    cmd_sink_piece(sink, unit, stream, 0);
    cmd_sink_flush(sink, false);
}

static void on_input(void *arg, struct xos_job *job, uint32_t unit)
{
    struct session *s = arg;
    (void)job;
    if (unit >= SESSION_UNITS_MAX)
        return;
    struct session_input *in = &session_unit(s, unit)->in;
    in->asked = true;
    if (!in->open)
        xos_job_input_end(s->job, unit);
}

static void on_input_closed(void *arg, struct xos_job *job, uint32_t unit)
{
    struct session *s = arg;
    (void)job;
    if (unit < SESSION_UNITS_MAX)
        session_unit(s, unit)->in.open = false;
}

/* A file can be read once more; what came through a pipe is gone. */
static int on_input_again(void *arg, struct xos_job *job, uint32_t unit)
{
    struct session *s = arg;
    (void)job;
    struct session_input *in = unit < SESSION_UNITS_MAX ? &session_unit(s, unit)->in : NULL;
    if (!in || !in->own || lseek(in->fd, 0, SEEK_SET) < 0)
        return -1;
    in->open = in->asked = true;
    return 0;
}

static void start_failed(const struct session *s, const struct xos_job_event *ev)
{
    if (ev->in_command && ev->error == ENOENT)
        cmd_say("%s: command not found on %s; if it is a file of yours, send it with --in or name "
                "a directory with --cwd",
                s->config.command, ev->node);
    else if (ev->in_command)
        cmd_say("%s: cannot be executed on %s: %s", s->config.command, ev->node,
                strerror(ev->error));
    else if (ev->in_files)
        cmd_say("--in: the files could not be put into scratch on %s: %s", ev->node,
                strerror(ev->error));
    else if (ev->in_directory)
        cmd_say("--cwd: no such directory for the job on %s: %s", ev->node, strerror(ev->error));
    else
        cmd_say("unit %" PRIu32 " could not be started on %s: %s", ev->unit, ev->node,
                ev->reason[0] ? ev->reason : strerror(ev->error));
}

/* All units of a job end so for one reason. */
static void never_placed(struct session *s, const struct xos_job_event *ev)
{
    if (strcmp(s->refusal, ev->reason) != 0)
        cmd_say("%s", ev->reason);
    (void)snprintf(s->refusal, sizeof(s->refusal), "%s", ev->reason);
}

static void ended(struct session *s, const struct xos_job_event *ev)
{
    if (ev->end == XOS_END_START_FAILED)
        start_failed(s, ev);
    else if (ev->end == XOS_END_NODE_LOST && !ev->node[0])
        never_placed(s, ev);
    else if (ev->end >= XOS_END_OOM && (ev->end != XOS_END_KILLED || ev->reason[0]))
        cmd_say("unit %" PRIu32 " on %s: %s%s%s", ev->unit, ev->node[0] ? ev->node : "no node",
                xos_unit_end_name(ev->end), ev->reason[0] ? ": " : "", ev->reason);
    if (ev->dropped_bytes)
        cmd_say("unit %" PRIu32 ": %" PRIu64 " bytes of output were over the limit and are lost",
                ev->unit, ev->dropped_bytes);
}

static void on_event(void *arg, struct xos_job *job, const struct xos_job_event *ev)
{
    struct session *s = arg;
    (void)job;
    if (s->config.log && ev->kind != XOS_JOB_ASSIGNED)
        return;
    if (ev->kind == XOS_JOB_ASSIGNED && ev->unit < SESSION_UNITS_MAX)
        (void)session_unit(s, ev->unit);
    if (ev->kind == XOS_JOB_WAITING) {
        (void)snprintf(s->waiting, sizeof(s->waiting), "%s", ev->reason);
        s->waiting_ms = s->waiting_ms ? s->waiting_ms : cmd_now_ms();
    } else if (ev->kind == XOS_JOB_ENDED) {
        ended(s, ev);
    } else if (ev->kind == XOS_JOB_LOST) {
        cmd_say("unit %" PRIu32 ": %s is lost, it is started again elsewhere", ev->unit, ev->node);
    }
    if (ev->kind != XOS_JOB_WAITING && ev->kind != XOS_JOB_SUBMITTED)
        s->waiting_ms = 0;
}

static void on_done(void *arg, struct xos_job *job, int status)
{
    struct session *s = arg;
    (void)job;
    end_session(s, s->config.log ? CMD_OK : status);
}

static void on_failed(void *arg, struct xos_job *job, const struct xos_fault *fault)
{
    (void)job;
    cmd_tty_restore();
    cmd_say("%s", fault->text);
    end_session(arg, fault->code == XOS_FAULT_INVALID ? CMD_USAGE : CMD_XOS);
}

const struct xos_job_ops session_ops = {.size = sizeof(session_ops),
                                        .on_id = on_id,
                                        .on_event = on_event,
                                        .on_attached = on_attached,
                                        .on_output = on_output,
                                        .on_output_end = on_output_end,
                                        .on_input = on_input,
                                        .on_input_closed = on_input_closed,
                                        .on_input_again = on_input_again,
                                        .on_done = on_done,
                                        .on_failed = on_failed};

/* The loop */

static void soonest(int *timeout, uint64_t now, uint64_t due)
{
    uint64_t left = due > now ? due - now : 0;
    if (*timeout < 0 || left < (uint64_t)*timeout)
        *timeout = (int)left;
}

/* What is due by the clock. Returns how long the loop may sleep. */
static int on_clock(struct session *s)
{
    uint64_t now = cmd_now_ms(), away = s->job ? xos_job_away_ms(s->job) : 0;
    int timeout = -1;
    if (s->waiting_ms && now >= s->waiting_ms + WAITING_SAID_MS) {
        cmd_say("waiting: %s", s->waiting);
        s->waiting_ms = 0;
    }
    if (s->waiting_ms)
        soonest(&timeout, now, s->waiting_ms + WAITING_SAID_MS);
    if (s->pipe_ms && s->pipe_ms != UINT64_MAX && now >= s->pipe_ms + PIPE_TERM_MS) {
        session_send(s, SIGTERM);
        s->pipe_ms = UINT64_MAX;
    }
    if (s->pipe_ms && s->pipe_ms != UINT64_MAX)
        soonest(&timeout, now, s->pipe_ms + PIPE_TERM_MS);
    if (away >= AWAY_SAID_MS && !s->away_said)
        cmd_say("xosd is away, trying for %d s", XOS_CLIENT_RECONNECT_MS / 1000);
    s->away_said = away >= AWAY_SAID_MS;
    if (away && !s->away_said)
        soonest(&timeout, now, now + AWAY_SAID_MS - away);
    return timeout;
}

/* One place for each thing that is waited for. Inputs of the units follow. */
enum { POLL_CLIENT, POLL_SIGNALS, POLL_SINKS };

struct poll_set {
    struct pollfd fds[2 + 2 + 3 * SESSION_UNITS_MAX];
    void (*ready[2 + 2 + 3 * SESSION_UNITS_MAX])(struct session *s, void *what);
    void *what[2 + 2 + 3 * SESSION_UNITS_MAX];
    nfds_t count;
};

static void poll_add(struct poll_set *p, int fd, short events,
                     void (*ready)(struct session *s, void *what), void *what)
{
    p->fds[p->count] = (struct pollfd){.fd = fd, .events = events};
    p->ready[p->count] = ready;
    p->what[p->count++] = what;
}

static void client_ready(struct session *s, void *what)
{
    struct xos_fault fault;
    (void)what;
    if (xos_client_dispatch(s->client, 0, &fault) < 0) {
        cmd_say("%s", fault.text);
        end_session(s, CMD_XOS);
    }
}

static void signal_ready(struct session *s, void *what)
{
    (void)what;
    session_caught(s);
}

static void sink_ready(struct session *s, void *what)
{
    (void)s;
    cmd_sink_flush(what, true);
}

static void input_ready(struct session *s, void *what)
{
    const uint32_t *unit = what;
    if (session_input_ready(s, *unit))
        session_read(s, *unit);
}

static void add_sink(struct poll_set *p, struct cmd_sink *sink)
{
    if (sink->kind != CMD_SINK_NONE && cmd_sink_waits(sink))
        poll_add(p, sink->fd, POLLOUT, sink_ready, sink);
}

static void poll_fill(struct session *s, struct poll_set *p, int *timeout)
{
    static uint32_t numbers[SESSION_UNITS_MAX];
    p->count = 0;
    poll_add(p, xos_client_fd(s->client), POLLIN, client_ready, NULL);
    poll_add(p, s->signals, POLLIN, signal_ready, NULL);
    add_sink(p, &s->out);
    add_sink(p, &s->err);
    for (uint32_t u = 0; u < s->unit_count; u++) {
        if (!s->units[u])
            continue;
        numbers[u] = u;
        add_sink(p, &s->units[u]->out);
        add_sink(p, &s->units[u]->err);
        if (session_input_ready(s, u))
            poll_add(p, s->units[u]->in.fd, POLLIN, input_ready, &numbers[u]);
        else if (s->units[u]->in.open && s->units[u]->in.asked)
            soonest(timeout, 0, BACKGROUND_LOOK_MS);
    }
}

static void turn(struct session *s)
{
    static struct poll_set p;
    int timeout = on_clock(s);
    poll_fill(s, &p, &timeout);
    int n = poll(p.fds, p.count, timeout);
    for (nfds_t i = 0; i < p.count && n > 0 && !s->over; i++)
        if (p.fds[i].revents)
            p.ready[i](s, p.what[i]);
}

/* The job is over; what it wrote still has to get out, however slow the reader. */
static void drain(struct session *s)
{
    static struct poll_set p;
    for (;;) {
        p.count = 0;
        add_sink(&p, &s->out);
        add_sink(&p, &s->err);
        for (uint32_t u = 0; u < s->unit_count; u++) {
            if (s->units[u])
                add_sink(&p, &s->units[u]->out), add_sink(&p, &s->units[u]->err);
        }
        if (p.count == 0)
            return;
        poll_add(&p, s->signals, POLLIN, signal_ready, NULL);
        if (poll(p.fds, p.count, -1) < 0 && errno != EINTR)
            return;
        if (p.fds[p.count - 1].revents)
            return; /* somebody has had enough */
        for (nfds_t i = 0; i < p.count - 1; i++)
            if (p.fds[i].revents)
                sink_ready(s, p.what[i]);
    }
}

int session_run(struct session **session, struct xos_job *job)
{
    struct session *s = *session;
    *session = NULL;
    s->job = job;
    if (session_catch(s) < 0)
        end_session(s, CMD_XOS);
    if (s->config.pty && cmd_tty_raw() < 0) {
        cmd_say("terminal: %s", strerror(errno));
        end_session(s, CMD_XOS);
    }
    session_resize(s);
    while (!s->over)
        turn(s);
    drain(s);
    cmd_tty_restore();
    int status = s->failed_output ? CMD_XOS : s->status;
    xos_job_free(job);
    session_free(s);
    return status;
}
