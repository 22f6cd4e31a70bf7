// SPDX-License-Identifier: Apache-2.0
#include "jobmgr/exec/shim_out.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <unistd.h>

#define PUMP_BYTES 1048576 /* moved by one splice */
#define COPY_BYTES 16384   /* moved by one read */
#define PUMP_ROUNDS 16     /* before the loop looks at other descriptors */
#define PUNCH_BLOCK 4096
#define PUNCH_EAGER 1048576 /* of the oldest bytes, at once */

static char copy[COPY_BYTES];

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t punchable(const struct shim_out *o)
{
    uint64_t end = o->acked - o->acked % PUNCH_BLOCK;
    return o->foreground && !o->no_punch && end > o->punched ? end - o->punched : 0;
}

struct out_plan shim_out_plan(const struct shim_out *o)
{
    uint64_t kept = o->written - o->punched;
    uint64_t room = o->keep_bytes > kept ? o->keep_bytes - kept : 0;
    uint64_t ahead = o->written - o->acked;
    if (o->why != SPOOL_WHOLE)
        return (struct out_plan){OUT_DROP, 0};
    if (!o->foreground || o->no_punch) {
        if (!room)
            return (struct out_plan){OUT_DROP, 0};
    } else if (room < least(PUNCH_EAGER, o->keep_bytes / 4 + 1) && punchable(o)) {
        return (struct out_plan){OUT_PUNCH, least(punchable(o), PUNCH_EAGER)};
    }
    if (!o->foreground)
        return (struct out_plan){OUT_WRITE, least(room, PUMP_BYTES)};
    if (o->draining)
        return (struct out_plan){OUT_WRITE, PUMP_BYTES};
    if (!room || ahead >= SHIM_WINDOW_BYTES)
        return (struct out_plan){OUT_WAIT, 0};
    return (struct out_plan){OUT_WRITE, least(least(room, SHIM_WINDOW_BYTES - ahead), PUMP_BYTES)};
}

static void out_end(struct shim_out *o)
{
    if (o->in >= 0)
        close(o->in);
    o->in = -1;
}

/* The source is empty, or at its end. */
static void out_idle(struct shim_out *o, ssize_t n)
{
    if (n == 0 || (errno != EAGAIN && errno != EINTR && errno != EIO))
        out_end(o);
    else if (errno == EIO && o->terminal && !o->draining)
        o->hung = true;
    else if (errno == EIO)
        out_end(o);
}

static bool disk_error(int number)
{
    return number == ENOSPC || number == EDQUOT || number == EFBIG || number == EIO ||
           number == EROFS;
}

static bool do_splice(struct shim_out *o, uint64_t bytes)
{
    off_t at = (off_t)o->written;
    ssize_t n = splice(o->in, NULL, o->file, &at, (size_t)bytes, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (n > 0) {
        o->written += (uint64_t)n;
        return true;
    }
    if (n < 0 && disk_error(errno)) {
        o->why = SPOOL_NO_SPACE;
        return true;
    }
    out_idle(o, n);
    return false;
}

static bool do_drop(struct shim_out *o)
{
    ssize_t n = read(o->in, copy, sizeof(copy));
    if (n <= 0) {
        out_idle(o, n);
        return false;
    }
    if (o->why == SPOOL_WHOLE)
        o->why = SPOOL_AT_LIMIT;
    o->dropped += (uint64_t)n;
    return true;
}

static bool do_copy(struct shim_out *o, uint64_t bytes)
{
    ssize_t n = read(o->in, copy, (size_t)least(bytes, sizeof(copy)));
    if (n <= 0) {
        out_idle(o, n);
        return false;
    }
    size_t have = (size_t)n, done = 0;
    while (done < have) {
        ssize_t w = pwrite(o->file, copy + done, have - done, (off_t)o->written);
        if (w < 0 && errno == EINTR)
            continue;
        if (w <= 0) {
            o->why = SPOOL_NO_SPACE;
            o->dropped += have - done;
            break;
        }
        o->written += (uint64_t)w;
        done += (size_t)w;
    }
    return true;
}

static bool do_punch(struct shim_out *o, uint64_t bytes)
{
    int rc = fallocate(o->file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)o->punched,
                       (off_t)bytes);
    if (rc < 0 && errno == EINTR)
        return true;
    if (rc < 0)
        o->no_punch = true;
    else
        o->punched += bytes;
    return true;
}

bool shim_out_pump(struct shim_out *o)
{
    bool moved = false;
    o->hung = false;
    for (int round = 0; round < PUMP_ROUNDS && o->in >= 0; round++) {
        struct out_plan plan = shim_out_plan(o);
        bool more = false;
        if (plan.step == OUT_PUNCH)
            more = do_punch(o, plan.bytes);
        else if (plan.step == OUT_DROP)
            more = do_drop(o);
        else if (plan.step == OUT_WRITE)
            more = o->terminal ? do_copy(o, plan.bytes) : do_splice(o, plan.bytes);
        if (!more)
            break;
        moved = true;
    }
    return moved || o->in < 0;
}

bool shim_out_wants(const struct shim_out *o)
{
    return o->in >= 0 && !o->hung && shim_out_plan(o).step != OUT_WAIT;
}

void shim_out_ack(struct shim_out *o, uint64_t offset)
{
    if (offset > o->acked && offset <= o->written)
        o->acked = offset;
}

int shim_out_finish(struct shim_out *o)
{
    o->draining = true;
    while (o->in >= 0 && shim_out_pump(o))
        ;
    out_end(o);
    return o->written && o->file >= 0 ? fsync(o->file) : 0;
}
