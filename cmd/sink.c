// SPDX-License-Identifier: Apache-2.0
#include "cmd/sink.h"

#include "cmd/say.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define SINK_SHIFT_BYTES ((size_t)64 << 10)
#define SINK_PIECE_BYTES ((size_t)16 << 10) /* small neighbours are one piece */

static void open_again(struct cmd_sink *s)
{
    char path[32];
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", s->fd);
    int fd = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    s->kind = fd < 0 ? CMD_SINK_CAREFUL : CMD_SINK_OPEN;
    if (fd < 0)
        return;
    if (s->own)
        close(s->fd);
    s->fd = fd;
    s->own = true;
}

void cmd_sink_open(struct cmd_sink *s, int fd, bool own)
{
    struct stat st;
    s->fd = fd;
    s->own = own;
    s->kind = CMD_SINK_FILE;
    if (fstat(fd, &st) == 0 && (S_ISFIFO(st.st_mode) || isatty(fd)))
        open_again(s);
    else if (S_ISSOCK(st.st_mode))
        s->kind = CMD_SINK_CAREFUL;
}

void cmd_sink_close(struct cmd_sink *s)
{
    if (s->kind == CMD_SINK_NONE)
        return;
    if (s->own)
        close(s->fd);
    free(s->data);
    free(s->pieces);
    s->kind = CMD_SINK_NONE;
    s->data = NULL;
    s->pieces = NULL;
}

static void piece_done(struct cmd_sink *s)
{
    struct cmd_piece p = s->pieces[s->first++];
    if (s->first == s->count)
        s->first = s->count = 0;
    s->written(s->arg, p.unit, p.stream, p.source_bytes);
}

static void done(struct cmd_sink *s, size_t bytes)
{
    s->start += bytes;
    if (s->start == s->len) {
        s->start = s->len = 0;
    } else if (s->start >= SINK_SHIFT_BYTES && s->start >= s->len / 2) {
        memmove(s->data, s->data + s->start, s->len - s->start);
        s->len -= s->start;
        s->start = 0;
    }
    while (s->first < s->count && s->pieces[s->first].left <= bytes) {
        bytes -= s->pieces[s->first].left;
        piece_done(s);
    }
    if (s->first < s->count)
        s->pieces[s->first].left -= bytes;
    else
        s->since -= bytes; /* of what no piece was named for yet */
}

/* Nobody reads it any more: what waits and what comes is dropped, as done with. */
static void broke(struct cmd_sink *s, int error)
{
    s->error = error;
    s->broken = true;
    done(s, s->len - s->start);
    s->on_broken(s->arg, s);
}

static ssize_t write_some(const struct cmd_sink *s)
{
    size_t bytes = s->len - s->start;
    if (s->kind != CMD_SINK_CAREFUL)
        return write(s->fd, s->data + s->start, bytes);
    ssize_t n = send(s->fd, s->data + s->start, bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n >= 0 || errno != ENOTSOCK)
        return n;
    return write(s->fd, s->data + s->start, bytes < PIPE_BUF ? bytes : PIPE_BUF);
}

void cmd_sink_flush(struct cmd_sink *s, bool writable)
{
    while (s->start < s->len && !s->broken && (writable || s->kind != CMD_SINK_CAREFUL)) {
        ssize_t n = write_some(s);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0)
            broke(s, errno);
        else
            done(s, (size_t)n);
        if (s->kind == CMD_SINK_CAREFUL)
            return;
    }
}

bool cmd_sink_waits(const struct cmd_sink *s)
{
    return s->start < s->len;
}

void cmd_sink_put(struct cmd_sink *s, const char *data, size_t bytes)
{
    if (s->broken)
        return;
    if (s->len + bytes > s->cap) {
        size_t cap = s->cap ? s->cap : 4096;
        while (cap < s->len + bytes)
            cap *= 2;
        s->data = cmd_need_more(s->data, cap);
        s->cap = cap;
    }
    memcpy(s->data + s->len, data, bytes);
    s->len += bytes;
    s->since += bytes;
}

void cmd_sink_piece(struct cmd_sink *s, uint32_t unit, int stream, size_t source_bytes)
{
    if (s->since == 0 && s->first == s->count) {
        s->written(s->arg, unit, stream, source_bytes);
        return;
    }
    struct cmd_piece *last = s->count > s->first ? &s->pieces[s->count - 1] : NULL;
    if (last && last->unit == unit && last->stream == stream && last->left < SINK_PIECE_BYTES) {
        last->source_bytes += source_bytes;
        last->left += s->since;
        s->since = 0;
        return;
    }
    if (s->first && s->count == s->piece_cap) {
        memmove(s->pieces, s->pieces + s->first, (s->count - s->first) * sizeof(*s->pieces));
        s->count -= s->first;
        s->first = 0;
    }
    if (s->count == s->piece_cap) {
        s->piece_cap = s->piece_cap ? 2 * s->piece_cap : 64;
        s->pieces = cmd_need_more(s->pieces, s->piece_cap * sizeof(*s->pieces));
    }
    s->pieces[s->count++] = (struct cmd_piece){unit, stream, source_bytes, s->since};
    s->since = 0;
}
