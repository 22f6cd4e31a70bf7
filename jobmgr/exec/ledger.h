// SPDX-License-Identifier: Apache-2.0
/* ledger.h - what execd must remember of each unit, in files that only it can write:
 * <run>/ledger/<unit>, one fixed record each, replaced whole. Written before anything of the unit
 * exists, removed when nothing of it does. */
#ifndef XOS_EXEC_LEDGER_H
#define XOS_EXEC_LEDGER_H

#include "jobmgr/exec/cgroup.h"

struct ledger_entry {
    uint32_t magic;
    uint16_t version;
    uint16_t zero;
    char unit[EXEC_UNIT_BYTES];
    uint64_t epoch;
    uint8_t boot_id[16];
    char slot[CGROUP_SLOT_BYTES];
    uint64_t shim_start;
    int32_t shim_pid; /* 0: not started yet */
    uint32_t uid;
    uint32_t zero2;
    uint32_t crc;
};

/* dir is an open descriptor of the ledger's directory. */
int ledger_write(int dir, struct ledger_entry *e, struct xos_error *err);
int ledger_read(int dir, const char *unit, struct ledger_entry *out, struct xos_error *err);
int ledger_remove(int dir, const char *unit, struct xos_error *err); /* absent is fine */

/* Names of all units in order, behind `after` ("" = from the first). The array is the caller's, to
 * be freed with ledger_names_free. */
struct ledger_names {
    char (*name)[EXEC_UNIT_BYTES];
    size_t count;
};
#define LEDGER_UNITS_MAX 65536
int ledger_names(int dir, struct ledger_names *out, struct xos_error *err);
void ledger_names_free(struct ledger_names *n);

/* Remove temporary files that an execd left when it was killed in the middle of a write. */
void ledger_sweep(int dir);

int ledger_entry_check(const void *data, size_t bytes); /* 0 or -1; pure */

#endif
