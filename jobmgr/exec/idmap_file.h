// SPDX-License-Identifier: Apache-2.0
/* idmap_file.h - the uid table's journal: fixed records, appended, each synced before it counts.
 *
 * A torn last record (power loss in the middle of an append) was never acknowledged and is cut off
 * at load; a bad record with good ones behind it is XOS_CORRUPT: execd then starts no unit. */
#ifndef XOS_EXEC_IDMAP_FILE_H
#define XOS_EXEC_IDMAP_FILE_H

#include "jobmgr/exec/idmap.h"

struct idmap_file;

/* Open or make the journal, replay it, and take a lock on it: one execd at a time (XOS_BUSY). */
int idmap_file_open(struct idmap_file **out, const char *path, struct xos_error *err);
void idmap_file_close(struct idmap_file *f);

/* The uid of (vo, user), assigned and journalled if need be. */
int idmap_file_uid(struct idmap_file *f, const char *vo, const char *user, int64_t now_s,
                   uint32_t *uid, struct xos_error *err);

/* Nobody of that name will run here any more. */
int idmap_file_release(struct idmap_file *f, const char *vo, const char *user, int64_t now_s,
                       struct xos_error *err);

#endif
