// SPDX-License-Identifier: Apache-2.0
#include "cmd/session_own.h"

#include "cmd/say.h"
#include "cmd/tty.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SESSION_READ_BYTES ((size_t)64 << 10)

/* Names */

char *session_file_name(const char *pattern, const char *job, uint32_t unit)
{
    char *name = cmd_need(1);
    size_t len = 0;
    for (const char *p = pattern; *p; p++) {
        char number[16];
        (void)snprintf(number, sizeof(number), "%" PRIu32, unit);
        const char *part = *p != '%' ? NULL : p[1] == 'u' ? number : p[1] == 'j' ? job : NULL;
        if (*p == '%' && p[1] == '%')
            part = "%";
        if (*p == '%' && !part) {
            cmd_say("%s: %%%c means nothing: %%u is the unit, %%j the job, %%%% a percent sign",
                    pattern, p[1] ? p[1] : ' ');
            free(name);
            return NULL;
        }
        char one[2] = {*p, 0};
        p += *p == '%';
        part = part ? part : one;
        name = cmd_need_more(name, len + strlen(part) + 1);
        memcpy(name + len, part, strlen(part) + 1);
        len += strlen(part);
    }
    return name;
}

static bool has_letter(const char *pattern, char letter)
{
    for (const char *p = pattern; p && *p; p++)
        if (*p == '%' && p[1] && *++p == letter)
            return true;
    return false;
}

/* Opening */

static void on_written(void *arg, uint32_t unit, int stream, size_t bytes)
{
    struct session *s = arg;
    if (s->job)
        xos_job_written(s->job, unit, stream, bytes);
}

static void on_broken(void *arg, struct cmd_sink *sink)
{
    struct session *s = arg;
    s->failed_output |= sink->error != EPIPE;
    if (sink->error != EPIPE)
        cmd_say("output: %s%s", strerror(sink->error),
                s->config.attach ? "" : ": the job is ended");
    if (s->config.attach) {
        s->status = sink->error == EPIPE ? 128 + SIGPIPE : CMD_XOS;
        s->over = true;
        return;
    }
    if (s->pipe_ms)
        return;
    s->pipe_ms = cmd_now_ms();
    session_send(s, sink->error == EPIPE ? SIGPIPE : SIGTERM);
}

static void sink_init(struct session *s, struct cmd_sink *sink, int fd, bool own)
{
    sink->written = on_written;
    sink->on_broken = on_broken;
    sink->arg = s;
    cmd_sink_open(sink, fd, own);
}

/* Appending, so that two streams may have the same file. */
static int sink_file(struct session *s, struct cmd_sink *sink, const char *pattern, const char *job,
                     uint32_t unit)
{
    char *name = session_file_name(pattern, job, unit);
    if (!name)
        return -1;
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0666);
    if (fd < 0)
        cmd_say("%s: %s", name, strerror(errno));
    else
        sink_init(s, sink, fd, true);
    free(name);
    return fd < 0 ? -1 : 0;
}

static int sinks_open(struct session *s, const char *pattern, int ours, bool error, const char *job)
{
    struct cmd_sink *shared = error ? &s->err : &s->out;
    if (!pattern) {
        sink_init(s, shared, ours, false);
        return 0;
    }
    if (!has_letter(pattern, 'u'))
        return sink_file(s, shared, pattern, job, 0);
    for (uint32_t u = 0; u < s->config.units; u++) {
        struct session_unit *unit = session_unit(s, u);
        if (sink_file(s, error ? &unit->err : &unit->out, pattern, job, u) < 0)
            return -1;
    }
    return 0;
}

static void input_init(struct session_input *in, int fd, bool own)
{
    *in = (struct session_input){.fd = fd, .own = own, .open = true, .tty = isatty(fd)};
}

static int input_file(struct session *s, uint32_t unit, const char *job)
{
    char *name = session_file_name(s->config.in, job, unit);
    if (!name)
        return -1;
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        cmd_say("%s: %s", name, strerror(errno));
    else
        input_init(&session_unit(s, unit)->in, fd, true);
    free(name);
    return fd < 0 ? -1 : 0;
}

static int inputs_open(struct session *s, const char *job)
{
    uint32_t count = has_letter(s->config.in, 'u') ? s->config.units : 1;
    if (s->config.no_input)
        return 0;
    if (!s->config.in) {
        input_init(&session_unit(s, 0)->in, STDIN_FILENO, false);
        return 0;
    }
    for (uint32_t u = 0; u < count; u++)
        if (input_file(s, u, job) < 0)
            return -1;
    return 0;
}

int session_open_files(struct session *s, const char *job)
{
    const char *out = s->config.out, *err = s->config.err;
    if (s->files_open)
        return 0;
    s->files_open = true;
    if (inputs_open(s, job) < 0 || sinks_open(s, out, STDOUT_FILENO, false, job) < 0)
        return -1;
    return sinks_open(s, err, STDERR_FILENO, true, job);
}

int session_prepare(struct session *s)
{
    const struct session_config *c = &s->config;
    bool later = has_letter(c->in, 'j') || has_letter(c->out, 'j') || has_letter(c->err, 'j');
    return later ? 0 : session_open_files(s, "");
}

void session_close_files(struct session *s)
{
    cmd_sink_close(&s->out);
    cmd_sink_close(&s->err);
    for (uint32_t u = 0; u < s->unit_count; u++) {
        struct session_unit *unit = s->units[u];
        if (!unit)
            continue;
        cmd_sink_close(&unit->out);
        cmd_sink_close(&unit->err);
        cmd_lines_free(&unit->lines[0]);
        cmd_lines_free(&unit->lines[1]);
        if (unit->in.own)
            close(unit->in.fd);
        free(unit);
        s->units[u] = NULL;
    }
}

/* Moving bytes */

struct cmd_sink *session_sink(struct session *s, uint32_t unit, int stream)
{
    struct session_unit *u = session_unit(s, unit);
    struct cmd_sink *own = stream == 1 ? &u->out : &u->err;
    return own->kind != CMD_SINK_NONE ? own : stream == 1 ? &s->out : &s->err;
}

bool session_shared(const struct session *s, int stream)
{
    const char *pattern = stream == 1 ? s->config.out : s->config.err;
    uint32_t units = s->config.units ? s->config.units : s->unit_count;
    return !s->config.pty && (s->config.label || (units > 1 && !has_letter(pattern, 'u')));
}

static void input_end(struct session *s, uint32_t unit)
{
    session_unit(s, unit)->in.open = false;
    xos_job_input_end(s->job, unit);
}

bool session_input_ready(struct session *s, uint32_t unit)
{
    struct session_input *in = &session_unit(s, unit)->in;
    return in->open && in->asked && (!in->tty || cmd_tty_foreground(in->fd));
}

static void escape_act(struct session *s, enum cmd_escape_action action)
{
    if (action == CMD_ESCAPE_HELP)
        cmd_say("~. leaves the job running, ~^Z suspends this command, ~~ sends a tilde");
    if (action == CMD_ESCAPE_SUSPEND) {
        cmd_tty_restore();
        kill(0, SIGTSTP); /* the whole pipeline, as the terminal would */
        (void)cmd_tty_raw();
        session_resize(s);
    }
    if (action == CMD_ESCAPE_DETACH) {
        cmd_tty_restore();
        cmd_say("left %s running: xattach %s", xos_job_id(s->job), xos_job_id(s->job));
        s->status = CMD_OK;
        s->over = true;
    }
}

static void typed(struct session *s, uint32_t unit, const char *data, size_t bytes)
{
    char out[SESSION_READ_BYTES + 1];
    size_t sent;
    while (bytes && !s->over) {
        enum cmd_escape_action action = cmd_escape_take(&s->escape, &data, &bytes, out, &sent);
        if (sent)
            (void)xos_job_input(s->job, unit, out, sent, NULL);
        escape_act(s, action);
    }
}

void session_read(struct session *s, uint32_t unit)
{
    char data[SESSION_READ_BYTES];
    struct session_input *in = &session_unit(s, unit)->in;
    size_t room = xos_job_input_room(s->job, unit);
    if (room < 2) { /* one byte read may be two to send */
        in->asked = false;
        return;
    }
    size_t most = s->config.pty ? room / 2 : room;
    ssize_t n = read(in->fd, data, most < sizeof(data) ? most : sizeof(data));
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n < 0 && errno == EIO && in->tty && !cmd_tty_foreground(in->fd))
        return; /* just put into the background */
    if (n < 0 && errno != EIO)
        cmd_say("standard input: %s", strerror(errno));
    if (n <= 0)
        input_end(s, unit);
    else if (s->config.pty)
        typed(s, unit, data, (size_t)n);
    else
        (void)xos_job_input(s->job, unit, data, (size_t)n, NULL);
}
