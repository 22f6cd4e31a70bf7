// SPDX-License-Identifier: Apache-2.0
/* walfile.h - SQLite's write-ahead log as bytes: https://www.sqlite.org/fileformat2.html, 4.1.
 *
 * A header of 32 bytes (…, salts at 16, checksum at 24), then frames: a header of 24 bytes (page
 * number, size of the database after a commit or 0, salts at 8, checksum at 16) and the page. Each
 * checksum goes on from the one before it. Only pages of XOS_PAGESUM_PAGE_BYTES. */
#ifndef XOS_STORE_WALFILE_H
#define XOS_STORE_WALFILE_H

#include "libxos/base/error.h"
#include "libxos/store/pagesum.h"

#define XOS_WAL_HEADER_BYTES 32
#define XOS_WAL_FRAME_HEADER_BYTES 24
#define XOS_WAL_FRAME_BYTES (XOS_WAL_FRAME_HEADER_BYTES + XOS_PAGESUM_PAGE_BYTES)

/* Is the log's header whole, and for our page size? */
bool xos_wal_header_sound(const uint8_t header[static XOS_WAL_HEADER_BYTES]);

/* Does the frame carry the log's salts and the right checksum, given the 8 bytes of the checksum
 * before it? The header must be sound. */
bool xos_wal_frame_sound(const uint8_t header[static XOS_WAL_HEADER_BYTES],
                         const uint8_t before[static 8],
                         const uint8_t frame[static XOS_WAL_FRAME_BYTES]);

struct xos_wal_state {
    uint64_t frames;    /* sound, from the start */
    uint64_t committed; /* of these, up to the last commit */
    uint64_t lost;      /* behind a damaged one, up to a commit that is sound by itself */
};

/* Before SQLite opens it: read the log of the database at `path`, write its bytes over themselves
 * and sync. After a sync that failed the kernel may hold clean pages that never reached the disk;
 * read back, they look committed, and what is appended behind them would be lost with them. A log
 * that is not there is fine: all zero. Nobody else may have the database open. */
int xos_wal_settle(const char *path, struct xos_wal_state *out, struct xos_error *err);

#endif
