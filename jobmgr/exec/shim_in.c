// SPDX-License-Identifier: Apache-2.0
#include "jobmgr/exec/shim_in.h"

#include <errno.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define CTRL_D 4 /* end of file, where the terminal does not say otherwise */

static void ring_put(struct shim_in *s, const uint8_t *data, size_t bytes)
{
    size_t at = (size_t)(s->received % sizeof(s->ring));
    size_t first = sizeof(s->ring) - at < bytes ? sizeof(s->ring) - at : bytes;
    memcpy(s->ring + at, data, first);
    memcpy(s->ring, data + first, bytes - first);
    s->received += bytes;
}

int shim_in_take(struct shim_in *s, uint64_t offset, const uint8_t *data, size_t bytes)
{
    uint64_t end = offset + bytes;
    if (s->eof_known && end > s->eof_at)
        return -1;
    if (offset > s->received || end <= s->received)
        return 0;
    if (s->closed) {
        s->received = s->written = end;
        return 0;
    }
    if (end - s->written > sizeof(s->ring))
        return -1;
    size_t known = (size_t)(s->received - offset);
    ring_put(s, data + known, bytes - known);
    return 0;
}

int shim_in_eof(struct shim_in *s, uint64_t offset)
{
    if (offset < s->received || (s->eof_known && offset != s->eof_at))
        return -1;
    s->eof_known = true;
    s->eof_at = offset;
    return 0;
}

void shim_in_close(struct shim_in *s)
{
    if (s->fd >= 0 && !s->terminal)
        close(s->fd);
    s->fd = -1;
    s->closed = true;
    s->written = s->received;
}

/* A terminal has no end: the end is a character, and only in canonical mode. */
static void type_eof(struct shim_in *s)
{
    struct termios t;
    uint8_t c = CTRL_D;
    if (tcgetattr(s->fd, &t) == 0) {
        if (!(t.c_lflag & ICANON))
            return;
        c = t.c_cc[VEOF];
    }
    (void)!write(s->fd, &c, 1);
}

static bool reach_eof(struct shim_in *s)
{
    if (!s->eof_known || s->closed || s->written != s->eof_at)
        return false;
    if (s->terminal)
        type_eof(s);
    shim_in_close(s);
    return true;
}

bool shim_in_flush(struct shim_in *s)
{
    bool changed = false;
    while (s->fd >= 0 && s->written < s->received) {
        size_t at = (size_t)(s->written % sizeof(s->ring));
        size_t n = (size_t)(s->received - s->written);
        if (n > sizeof(s->ring) - at)
            n = sizeof(s->ring) - at;
        ssize_t w = write(s->fd, s->ring + at, n);
        if (w < 0 && errno == EINTR)
            continue;
        if (w < 0 && errno == EAGAIN)
            break;
        changed = true;
        if (w < 0)
            shim_in_close(s);
        else
            s->written += (uint64_t)w;
    }
    return reach_eof(s) || changed;
}

bool shim_in_wants(const struct shim_in *s)
{
    return s->fd >= 0 && s->written < s->received;
}
