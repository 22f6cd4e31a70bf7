// SPDX-License-Identifier: Apache-2.0
/* execd_client.h - asking xos-execd and a unit's shim, from xosd and from tests. */
#ifndef XOS_EXEC_EXECD_CLIENT_H
#define XOS_EXEC_EXECD_CLIENT_H

#include "jobmgr/exec/execd_wire.h"
#include "jobmgr/exec/shim_wire.h"

/* Connect to execd's socket: a descriptor (blocking, close-on-exec) whose buffer takes a whole
 * request. */
int execd_client_connect(const char *path, struct xos_error *err);

/* Send a finished request packet; a START with its papers (borrowed), -1: none. */
int execd_client_send(int fd, const void *packet, int papers, struct xos_error *err);

/* A sealed memory file of these bytes (a bundle, and the proof behind it), for a START: the caller
 * closes it. */
int execd_client_papers(const void *bytes, size_t len, struct xos_error *err);

/* Receive and check one answer with its entries (room for EXECD_LIST_MAX, or NULL). An answer with
 * a code becomes that error. */
int execd_client_receive(int fd, struct execd_answer *out, struct execd_entry *entries,
                         struct xos_error *err);

/* Connect to <units>/<unit>/ctl.sock, however long the path is. XOS_UNAVAILABLE: no shim there. */
int shim_client_connect(const char *units, const char *unit, struct xos_error *err);

/* Send one command; bytes behind the head only for STDIN. XOS_BUSY: the socket is full now. */
int shim_client_send(int fd, const struct shim_frame *f, const void *bytes, struct xos_error *err);

/* Receive one frame into a buffer of SHIM_FRAME_BYTES_MAX. 1, 0 at the end, -1 (XOS_BUSY: nothing
 * there now, on a non-blocking descriptor). */
int shim_client_receive(int fd, struct shim_frame *out, struct xos_error *err);

/* The exit record of a unit, from its directory. */
int exit_record_read(const char *units, const char *unit, struct exit_record *out,
                     struct xos_error *err);

#endif
