// SPDX-License-Identifier: Apache-2.0
/* web.h - GET /metrics and GET /healthz, on the loopback address unless told otherwise. */
#ifndef XOS_XOSD_WEB_H
#define XOS_XOSD_WEB_H

#include "libxos/net/loop.h"

#define WEB_METRICS_BYTES_MAX (1 << 20)
#define WEB_HEADERS_BYTES_MAX 8192
#define WEB_TIMEOUT_S 10

struct web;

struct web_ops {
    /* Is the node well? Appends lines that say what is wrong and returns false when something is.
     */
    bool (*well)(void *arg, struct xos_buf *out);
    void (*sample)(void *arg); /* bring the gauges up to date */
};

/* port 0: the system's choice. */
int web_new(struct web **out, struct xos_loop *loop, const char *host, unsigned port,
            const struct web_ops *ops, void *arg, struct xos_error *err);
void web_free(struct web *w);

#endif
