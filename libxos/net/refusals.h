// SPDX-License-Identifier: Apache-2.0
/* refusals.h - every refusal is counted, a bounded number per second is logged.
 *
 * Whoever can reach the port can cause refusals, without any key: were each one logged, a stranger
 * could fill the disk. What is left out is told in the next line that is written. */
#ifndef XOS_NET_REFUSALS_H
#define XOS_NET_REFUSALS_H

#include "libxos/base/telemetry.h"

#include <stdint.h>

#define XOS_REFUSALS_LOGGED_MAX 10 /* lines in one window */
#define XOS_REFUSALS_WINDOW_MS 1000

struct xos_refusals {
    uint64_t window_ms; /* when the window began */
    uint64_t lines;
    uint64_t unlogged; /* since the last line */
};

/* Count one refusal under `reason` (a short constant: it is a metric's label), and log PEER_REFUSED
 * with the detail (key=value pairs). now_ms is monotonic. */
void xos_refusals_note(struct xos_refusals *r, uint64_t now_ms, const char *reason,
                       const char *detail_fmt, ...) __attribute__((format(printf, 4, 5)));

/* The same for an error, under its code's name, as another event. */
void xos_refusals_error(struct xos_refusals *r, uint64_t now_ms, enum xos_event event,
                        const struct xos_error *why, const char *detail_fmt, ...)
    __attribute__((format(printf, 5, 6)));

#endif
