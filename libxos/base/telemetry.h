// SPDX-License-Identifier: Apache-2.0
/* telemetry.h - every metric and every log event of XOS, in one table each.
 *
 * telemetry.def is the table; docs/metrics.md and docs/log.md are printed from it by
 * `xosd --print-docs`, and GET /metrics from the values below. A metric may have one label; its
 * values are bounded (XOS_METRIC_LABELS_MAX), the rest is counted under "other". */
#ifndef XOS_BASE_TELEMETRY_H
#define XOS_BASE_TELEMETRY_H

#include "libxos/base/buf.h"

#define XOS_METRIC_LABELS_MAX 64
#define XOS_METRIC_LABEL_BYTES 48

enum xos_metric_type { XOS_METRIC_COUNTER, XOS_METRIC_GAUGE, XOS_METRIC_HISTOGRAM };
enum xos_log_level { XOS_LOG_ERROR, XOS_LOG_WARNING, XOS_LOG_NOTICE, XOS_LOG_INFO, XOS_LOG_DEBUG };

enum xos_metric {
#define XOS_METRIC_ROW(id, name, type, unit, label, meaning, what_to_do) XOS_M_##id,
#define XOS_EVENT_ROW(id, level, meaning, what_to_do)
#include "libxos/base/telemetry.def"
#undef XOS_METRIC_ROW
#undef XOS_EVENT_ROW
    XOS_METRIC_COUNT
};

enum xos_event {
#define XOS_METRIC_ROW(id, name, type, unit, label, meaning, what_to_do)
#define XOS_EVENT_ROW(id, level, meaning, what_to_do) XOS_EV_##id,
#include "libxos/base/telemetry.def"
#undef XOS_METRIC_ROW
#undef XOS_EVENT_ROW
    XOS_EVENT_COUNT
};

/* Add to a counter, set a gauge, or put one observation (in seconds) into a histogram.
 * label is NULL for a metric without one. */
void xos_metric_add(enum xos_metric m, const char *label, uint64_t by);
void xos_metric_set(enum xos_metric m, const char *label, double value);
void xos_metric_observe(enum xos_metric m, const char *label, double seconds);
double xos_metric_get(enum xos_metric m, const char *label); /* 0 when never touched */

/* Append all values in the Prometheus text format, version 0.0.4. */
int xos_metrics_print(struct xos_buf *out, struct xos_error *err);

/* The two documents, as Markdown. */
int xos_metrics_document(struct xos_buf *out, struct xos_error *err);
int xos_events_document(struct xos_buf *out, struct xos_error *err);

/* Log one event: one line "TIME level EVENT text" on stderr, control characters escaped. The text
 * is key=value pairs; nothing secret goes in. */
void xos_log(enum xos_event event, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void xos_log_error(enum xos_event event, const struct xos_error *err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Events above this level are not written (default XOS_LOG_INFO). */
void xos_log_threshold(enum xos_log_level level);
int xos_log_level_find(const char *name); /* "debug" → XOS_LOG_DEBUG; -1 when unknown */

/* Where lines go; NULL restores stderr. For tests. */
typedef void (*xos_log_sink_f)(enum xos_log_level level, const char *line, void *arg);
void xos_log_sink(xos_log_sink_f sink, void *arg);

#endif
