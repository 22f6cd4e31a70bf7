// SPDX-License-Identifier: Apache-2.0
/* sink.h - where output goes: a descriptor that may be slow, with what waits for it.
 *
 * Nothing here blocks the program on a full pipe or a stopped terminal, and the descriptor that the
 * shell gave stays as it is (others share it). What waits is bounded by who fills: each piece says
 * when it was written (XOS_JOB_HELD_BYTES). */
#ifndef XOS_CMD_SINK_H
#define XOS_CMD_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cmd_sink_kind {
    CMD_SINK_NONE,
    CMD_SINK_FILE,    /* never blocks for long */
    CMD_SINK_OPEN,    /* opened again, non-blocking, for ourselves */
    CMD_SINK_CAREFUL, /* small writes, and only when poll() says that there is room */
};

/* So many bytes of a unit's stream are where they belong. */
struct cmd_piece {
    uint32_t unit;
    int stream;
    size_t source_bytes; /* of the unit's output: what is to be acknowledged */
    size_t left;         /* of what waits here */
};

struct cmd_sink {
    int fd;
    bool own; /* close it */
    enum cmd_sink_kind kind;
    char *data;
    size_t start, len, cap; /* what waits: data[start … len-1] */
    struct cmd_piece *pieces;
    size_t first, count, piece_cap;
    size_t since; /* bytes put since the last piece */
    bool broken;
    int error; /* errno of what broke it */
    void (*written)(void *arg, uint32_t unit, int stream, size_t bytes);
    void (*on_broken)(void *arg, struct cmd_sink *sink);
    void *arg;
};

/* Fill in fd's kind. The callbacks and arg are the caller's to set before. */
void cmd_sink_open(struct cmd_sink *s, int fd, bool own);
void cmd_sink_close(struct cmd_sink *s);

/* Put bytes (a label, a line), any number of times, then say which output they were. */
void cmd_sink_put(struct cmd_sink *s, const char *data, size_t bytes);
void cmd_sink_piece(struct cmd_sink *s, uint32_t unit, int stream, size_t source_bytes);

bool cmd_sink_waits(const struct cmd_sink *s);
void cmd_sink_flush(struct cmd_sink *s, bool writable);

#endif
