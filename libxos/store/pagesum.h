// SPDX-License-Identifier: Apache-2.0
/* pagesum.h - a SQLite VFS that proves every page that it reads.
 *
 * It stands before the system's own VFS. Each page of a database file ends in 8 reserved bytes:
 * the CRC-64/XZ, big-endian, of the page's number (8 bytes, big-endian) and its first 4088 bytes.
 * A flipped bit, a lost write and a page in the wrong place all fail the read with
 * SQLITE_IOERR_DATA. Pages in the write-ahead log are proved by the checksum chain that SQLite
 * writes into its frames (https://www.sqlite.org/fileformat2.html, 4.2) and otherwise looks at in
 * recovery only. Other files pass through. The idea, not the format, is SQLite's
 * ext/misc/cksumvfs.c.
 *
 * The one condition: pages of XOS_PAGESUM_PAGE_BYTES with XOS_PAGESUM_RESERVED_BYTES reserved
 * (SQLITE_FCNTL_RESERVE_BYTES before the first write). */
#ifndef XOS_STORE_PAGESUM_H
#define XOS_STORE_PAGESUM_H

#include "libxos/base/error.h"

#include <stdint.h>

#define XOS_PAGESUM_VFS "xos-pagesum"
#define XOS_PAGESUM_PAGE_BYTES 4096
#define XOS_PAGESUM_RESERVED_BYTES 8

/* Make the VFS known to SQLite under its name; not the default one. Any number of times, from any
 * thread. */
int xos_pagesum_register(struct xos_error *err);

/* After SQLITE_IOERR_DATA in this thread: "page 7 of /path" or "frame 3 of /path-wal". Borrowed,
 * until this thread's next fault. */
const char *xos_pagesum_fault(void);

/* The CRC-64/XZ of data, going on from `crc` (0 at the start). */
uint64_t xos_pagesum_crc(uint64_t crc, const void *data, size_t len);

/* Test control. Syncs that reached the disk since the start; and fail the nth sync from now
 * (1 = the next, 0 = none) as a disk does that loses its cache: later syncs succeed again. */
uint64_t xos_pagesum_syncs(void);
void xos_pagesum_fail_sync(uint64_t nth);

#endif
