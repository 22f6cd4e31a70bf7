// SPDX-License-Identifier: Apache-2.0
#include "libxos/net/refusals.h"

#include <stdarg.h>
#include <stdio.h>

#define DETAIL_TEXT_MAX 256

static bool may_log(struct xos_refusals *r, uint64_t now_ms)
{
    if (r->lines == 0 || now_ms - r->window_ms >= XOS_REFUSALS_WINDOW_MS) {
        r->window_ms = now_ms;
        r->lines = 0;
    }
    return r->lines++ < XOS_REFUSALS_LOGGED_MAX;
}

void xos_refusals_note(struct xos_refusals *r, uint64_t now_ms, const char *reason,
                       const char *detail_fmt, ...)
{
    xos_metric_add(XOS_M_REFUSALS, reason, 1);
    if (!may_log(r, now_ms)) {
        r->unlogged++;
        return;
    }
    char detail[DETAIL_TEXT_MAX];
    va_list ap;
    va_start(ap, detail_fmt);
    (void)vsnprintf(detail, sizeof(detail), detail_fmt, ap);
    va_end(ap);
    if (r->unlogged)
        xos_log(XOS_EV_PEER_REFUSED, "reason=%s %s unlogged=%llu", reason, detail,
                (unsigned long long)r->unlogged);
    else
        xos_log(XOS_EV_PEER_REFUSED, "reason=%s %s", reason, detail);
    r->unlogged = 0;
}

void xos_refusals_error(struct xos_refusals *r, uint64_t now_ms, enum xos_event event,
                        const struct xos_error *why, const char *detail_fmt, ...)
{
    xos_metric_add(XOS_M_REFUSALS, xos_code_name(why->code), 1);
    if (!may_log(r, now_ms)) {
        r->unlogged++;
        return;
    }
    char detail[DETAIL_TEXT_MAX];
    va_list ap;
    va_start(ap, detail_fmt);
    (void)vsnprintf(detail, sizeof(detail), detail_fmt, ap);
    va_end(ap);
    if (r->unlogged)
        xos_log_error(event, why, "%s unlogged=%llu", detail, (unsigned long long)r->unlogged);
    else
        xos_log_error(event, why, "%s", detail);
    r->unlogged = 0;
}
