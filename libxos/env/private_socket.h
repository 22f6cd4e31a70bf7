// SPDX-License-Identifier: Apache-2.0
/* private_socket.h - where the processes of one user meet: the path of a Unix socket in a directory
 * that nobody else can put anything into. Both sides find it here. */
#ifndef XOS_ENV_PRIVATE_SOCKET_H
#define XOS_ENV_PRIVATE_SOCKET_H

#include "libxos/base/error.h"

#include <sys/types.h>

#define XOS_SOCKET_PATH_BYTES 108 /* with its NUL; sockaddr_un has no more */

struct xos_private_socket {
    const char *name;        /* "xos-agent" */
    const char *chosen;      /* by the user: taken as it is; NULL or empty: not chosen */
    const char *runtime_dir; /* $XDG_RUNTIME_DIR, or NULL */
    uid_t uid;               /* whose */
};

/* In this order: what was chosen; RUNTIME_DIR/NAME.sock; /tmp/NAME-UID/sock, whose directory is
 * made with mode 0700. A RUNTIME_DIR that is not the user's alone is passed over. The directory
 * must be a real one, of the user (for what was chosen: or of root, or sticky) and writable by
 * nobody else: XOS_DENIED says what is wrong. */
int xos_private_socket_path(char path[static XOS_SOCKET_PATH_BYTES],
                            const struct xos_private_socket *which, struct xos_error *err);

#endif
