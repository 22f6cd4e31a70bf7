// SPDX-License-Identifier: Apache-2.0
/* shim_out.h - one output stream of a unit: from its pipe or terminal into its spool file.
 *
 * The offset in the file is the offset in the stream, always. Up to keep_bytes are kept. Beyond
 * that, with nobody attached, what comes is read and dropped, so that the job never blocks: the
 * file is then a prefix, and stays one (`why`). With a client attached (foreground) the unit is
 * slowed down instead: what is written but not acknowledged never exceeds SHIM_WINDOW_BYTES, and
 * what is acknowledged gives its disk space back once keep_bytes are there.
 * What to do next is decided by shim_out_plan, which is pure. libc only. */
#ifndef XOS_EXEC_SHIM_OUT_H
#define XOS_EXEC_SHIM_OUT_H

#include "jobmgr/exec/shim_wire.h"

struct shim_out {
    int in;   /* -1 after the end */
    int file; /* the spool */
    bool terminal;
    bool foreground;
    bool draining; /* the unit is gone: take what is left, whatever the window says */
    bool hung;     /* terminal: nobody holds the other side now, look again later */
    bool no_punch; /* the file system cannot give space back */
    enum spool_why why;
    uint64_t keep_bytes;
    uint64_t written; /* offset of the next byte */
    uint64_t dropped;
    uint64_t acked;   /* the attached client has all before */
    uint64_t punched; /* all before is given back to the disk */
};

enum out_step { OUT_WAIT, OUT_WRITE, OUT_DROP, OUT_PUNCH };

struct out_plan {
    enum out_step step;
    uint64_t bytes; /* WRITE: at most; PUNCH: this many from `punched` on */
};

struct out_plan shim_out_plan(const struct shim_out *o);

/* Move what is there, a bounded amount. Returns true when bytes moved (or the end came). */
bool shim_out_pump(struct shim_out *o);

/* Should its descriptor be polled now? */
bool shim_out_wants(const struct shim_out *o);

/* The client has all before `offset`; an offset beyond what was written is ours to ignore. */
void shim_out_ack(struct shim_out *o, uint64_t offset);

/* Read to the end of what is there, sync the file, close the source. 0, or -1 with errno. */
int shim_out_finish(struct shim_out *o);

#endif
