// SPDX-License-Identifier: Apache-2.0
/* state.h - the directory of xos-ca and the files in it, each read only if nobody else could have
 * written it.
 *
 *     root.der ca.der       the institution's root, the issuing CA's certificate
 *     keys/SLOT.pem         slots.h
 *     tokens revocations    tables, each with its SHA-256 in front, replaced whole
 *     vo/NAME               the VOs kept here
 *     peers/INSTITUTION.der roots of peers
 *     issued.log            one line per certificate
 *     lock                  held while a table is changed: by the daemon, or by an administrator's
 *                           command beside it */
#ifndef VO_AUTH_CA_STATE_H
#define VO_AUTH_CA_STATE_H

#include "libxos/env/env.h"

#define CA_FILE_ROOT "root.der"
#define CA_FILE_CA "ca.der"
#define CA_FILE_TOKENS "tokens"
#define CA_FILE_REVOCATIONS "revocations"
#define CA_FILE_LOG "issued.log"
#define CA_DIR_KEYS "keys"
#define CA_DIR_VO "vo"
#define CA_DIR_PEERS "peers"

struct ca_state {
    struct xos_env *env;
    int dir;
    int log; /* -1 until the first line */
};

/* The directory must be ours, mode 0700 at most. */
int ca_state_open(struct ca_state *s, struct xos_env *env, const char *path, struct xos_error *err);
void ca_state_close(struct ca_state *s);

/* Make it, with its folders; one that is there keeps what it has. */
int ca_state_make(struct xos_env *env, const char *path, struct xos_error *err);

/* Who may own a file, and which mode bits it must not have. */
enum ca_trust {
    CA_TRUST_SECRET, /* ours, nothing for group and others */
    CA_TRUST_PUBLIC  /* ours or root's, not writable by group and others */
};

/* Append a file's content. XOS_NOT_FOUND; XOS_DENIED: a link, another's, a wrong mode. */
int ca_file_read(struct xos_env *env, int dir, const char *path, enum ca_trust trust,
                 struct xos_buf *out, struct xos_error *err);
/* The same check of an open file or directory. */
int ca_file_check(int fd, const char *path, enum ca_trust trust, struct xos_error *err);

/* A table: appended to out without its checksum; nothing when there is no such file.
 * XOS_CORRUPT. */
int ca_state_load(struct ca_state *s, const char *path, struct xos_buf *out, struct xos_error *err);
/* On the disk when it returns. */
int ca_state_store(struct ca_state *s, const char *path, struct xos_slice table,
                   struct xos_error *err);

/* One line at the end of the log; synced: on the disk when it returns. */
int ca_state_log(struct ca_state *s, struct xos_slice line, bool synced, struct xos_error *err);

/* Returns a descriptor to close for letting go, or -1. Waits for other processes. */
int ca_state_lock(struct ca_state *s, struct xos_error *err);

/* Has this file or folder been replaced since *stamp was taken? Takes it anew. */
struct ca_stamp {
    uint64_t inode, changed_ns, size;
};
bool ca_state_changed(struct ca_state *s, const char *path, struct ca_stamp *stamp);

#endif
