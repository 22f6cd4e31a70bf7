// SPDX-License-Identifier: Apache-2.0
/* bundle.h - what comes with a START as one sealed memory file: the small files that go into the
 * unit's scratch, and behind them the proof of the right to start it.
 *
 * Root reads neither. The files were written by a user: they are unpacked by the job's own process,
 * as the unit's uid, in its own namespaces, before the command is executed. A bundle has one form
 * only: a head, then each file's head and its bytes, without a gap. Host byte order: it never
 * leaves the machine. libc only, since the init reads it. */
#ifndef XOS_EXEC_BUNDLE_H
#define XOS_EXEC_BUNDLE_H

#include <stdint.h>

#define BUNDLE_MAGIC UINT32_C(0x46534f58) /* "XOSF" */
#define BUNDLE_VERSION 1
#define BUNDLE_FILES_MAX 65 /* a specification's, and XOS_HOSTS */
#define BUNDLE_BYTES_MAX (UINT32_C(1) << 20)
#define BUNDLE_NAME_BYTES 256

struct bundle {
    uint32_t magic;
    uint16_t version;
    uint16_t count;
    uint32_t bytes; /* of all files with this head: where the proof begins */
    uint32_t zero;
};

struct bundle_file {
    uint32_t mode;
    uint32_t bytes;
    char name[BUNDLE_NAME_BYTES]; /* one component, NUL-padded */
};

/* Is this the head of a bundle whose memory file has `total` bytes? NULL, or what is wrong. */
const char *bundle_check(const struct bundle *b, uint64_t total);
/* And this one of its files, with `left` bytes from here to the end of the bundle? */
const char *bundle_file_check(const struct bundle_file *f, uint64_t left);

/* Create the files of the bundle in `fd` below the directory `dir`, each for the first time. 0, or
 * -1 with errno: EEXIST, EDQUOT, ENOSPC …, EBADMSG when it is no bundle. */
int bundle_unpack(int fd, int dir);

#endif
