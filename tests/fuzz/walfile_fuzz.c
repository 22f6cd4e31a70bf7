// SPDX-License-Identifier: Apache-2.0
/* The log of a store, as a damaged disk may hand it over, before SQLite sees it. */
#include "libxos/store/walfile.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char dir[] = "/tmp/xos-fuzz.XXXXXX";
static char log_path[64];

static void clean(void)
{
    (void)unlink(log_path);
    (void)rmdir(dir);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    struct xos_wal_state state;
    if (!log_path[0]) {
        if (!mkdtemp(dir))
            abort();
        (void)snprintf(log_path, sizeof(log_path), "%s/f-wal", dir);
        atexit(clean);
    }
    (void)snprintf(path, sizeof(path), "%s/f", dir);
    int fd = open(log_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size || close(fd) != 0)
        abort();
    if (xos_wal_settle(path, &state, NULL) < 0 || state.committed > state.frames ||
        (state.frames + state.lost) * XOS_WAL_FRAME_BYTES > size)
        abort();
    return 0;
}
