// SPDX-License-Identifier: Apache-2.0
/* shim_in.h - the unit's stdin: bytes with absolute offsets come in, a bounded buffer goes out.
 *
 * `written` is what xosd may forget. After a cut xosd sends again from there: what is known
 * already is skipped, so that nothing is lost or repeated. A unit that closed its stdin takes
 * everything, into nowhere. libc only. */
#ifndef XOS_EXEC_SHIM_IN_H
#define XOS_EXEC_SHIM_IN_H

#include "jobmgr/exec/shim_wire.h"

struct shim_in {
    int fd; /* non-blocking; -1: none, or closed */
    bool terminal;
    bool closed; /* by the unit, or at the end */
    bool eof_known;
    uint64_t eof_at;
    uint64_t received;
    uint64_t written;
    uint8_t ring[SHIM_STDIN_CREDIT_BYTES]; /* byte at offset x lies at x % size */
};

/* Take bytes at this offset. A gap takes nothing (the answer says where to go on). Returns 0, or
 * -1 when they go beyond the credit or the end: a broken peer. */
int shim_in_take(struct shim_in *s, uint64_t offset, const uint8_t *data, size_t bytes);
int shim_in_eof(struct shim_in *s, uint64_t offset);

/* Write what the unit takes. Returns true when something changed. */
bool shim_in_flush(struct shim_in *s);

/* Should its descriptor be polled for writing? */
bool shim_in_wants(const struct shim_in *s);
void shim_in_close(struct shim_in *s);

#endif
