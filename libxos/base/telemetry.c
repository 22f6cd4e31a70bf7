// SPDX-License-Identifier: Apache-2.0
#include "libxos/base/telemetry.h"

#include <assert.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

struct metric_row {
    const char *name;
    enum xos_metric_type type;
    const char *unit;
    const char *label;
    const char *meaning;
    const char *what_to_do;
};

static const struct metric_row metric_table[] = {
#define XOS_METRIC_ROW(id, name, type, unit, label, meaning, what_to_do)                           \
    {name, XOS_METRIC_##type, unit, label, meaning, what_to_do},
#define XOS_EVENT_ROW(id, level, meaning, what_to_do)
#include "libxos/base/telemetry.def"
#undef XOS_METRIC_ROW
#undef XOS_EVENT_ROW
};

static const double bucket_bounds[] = {0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05,
                                       0.1,    0.2,   0.5,   1,     2,    5,    10};
#define BUCKETS (sizeof(bucket_bounds) / sizeof(bucket_bounds[0]))

struct series {
    char label[XOS_METRIC_LABEL_BYTES];
    double value;              /* counter or gauge; a histogram's sum */
    uint64_t count;            /* histogram: observations */
    uint64_t buckets[BUCKETS]; /* histogram: not cumulative */
};

struct metric_values {
    struct series series[XOS_METRIC_LABELS_MAX];
    unsigned used;
};

static struct metric_values values[XOS_METRIC_COUNT];
/* Store and worker threads count too; a count is a few instructions, so one lock serves all. */
static pthread_mutex_t values_lock = PTHREAD_MUTEX_INITIALIZER;

/* One byte that is not UTF-8 makes a reader refuse the whole page, so a label keeps ASCII only. */
static void label_copy(char out[static XOS_METRIC_LABEL_BYTES], const char *label)
{
    size_t n = 0;
    for (; label[n] && n < XOS_METRIC_LABEL_BYTES - 1; n++)
        out[n] = label[n] >= 0x20 && label[n] < 0x7f ? label[n] : '?';
    out[n] = '\0';
}

static struct series *series_find(enum xos_metric m, const char *label)
{
    assert(m < XOS_METRIC_COUNT);
    char wanted[XOS_METRIC_LABEL_BYTES];
    label_copy(wanted, label);
    struct metric_values *v = &values[m];
    for (unsigned i = 0; i < v->used; i++)
        if (strcmp(v->series[i].label, wanted) == 0)
            return &v->series[i];
    return NULL;
}

static struct series *series_need(enum xos_metric m, const char *label)
{
    struct metric_values *v = &values[m];
    struct series *s = series_find(m, label);
    if (s)
        return s;
    if (v->used >= XOS_METRIC_LABELS_MAX - 1 && strcmp(label, "other") != 0)
        return series_need(m, "other");
    assert(v->used < XOS_METRIC_LABELS_MAX);
    s = &v->series[v->used++];
    label_copy(s->label, label);
    return s;
}

void xos_metric_add(enum xos_metric m, const char *label, uint64_t by)
{
    pthread_mutex_lock(&values_lock);
    series_need(m, label ? label : "")->value += (double)by;
    pthread_mutex_unlock(&values_lock);
}

void xos_metric_set(enum xos_metric m, const char *label, double value)
{
    pthread_mutex_lock(&values_lock);
    series_need(m, label ? label : "")->value = value;
    pthread_mutex_unlock(&values_lock);
}

void xos_metric_observe(enum xos_metric m, const char *label, double seconds)
{
    pthread_mutex_lock(&values_lock);
    struct series *s = series_need(m, label ? label : "");
    s->value += seconds;
    s->count++;
    for (size_t i = 0; i < BUCKETS; i++)
        if (seconds <= bucket_bounds[i]) {
            s->buckets[i]++;
            break;
        }
    pthread_mutex_unlock(&values_lock);
}

double xos_metric_get(enum xos_metric m, const char *label)
{
    pthread_mutex_lock(&values_lock);
    const struct series *s = series_find(m, label ? label : "");
    double value = s ? s->value : 0;
    pthread_mutex_unlock(&values_lock);
    return value;
}

/* Writes {label="value",le="bound"} with what there is of the two. */
static int print_labels(struct xos_buf *out, const char *key, const char *value, const char *le,
                        struct xos_error *err)
{
    if (!*key && !le)
        return 0;
    if (xos_buf_add_text(out, "{", err) < 0)
        return -1;
    if (*key) {
        if (xos_buf_addf(out, err, "%s=\"", key) < 0)
            return -1;
        for (const char *p = value; *p; p++) {
            const char *escape = *p == '"' ? "\\\"" : *p == '\\' ? "\\\\" : NULL;
            if ((escape ? xos_buf_add_text(out, escape, err) : xos_buf_add(out, p, 1, err)) < 0)
                return -1;
        }
        if (xos_buf_addf(out, err, "\"%s", le ? "," : "") < 0)
            return -1;
    }
    if (le && xos_buf_addf(out, err, "le=\"%s\"", le) < 0)
        return -1;
    return xos_buf_add_text(out, "}", err);
}

static int print_value(struct xos_buf *out, double value, struct xos_error *err)
{
    if (isfinite(value))
        return xos_buf_addf(out, err, " %.17g\n", value);
    return xos_buf_addf(out, err, " %s\n", isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf");
}

static int print_histogram(struct xos_buf *out, const struct metric_row *row,
                           const struct series *s, struct xos_error *err)
{
    uint64_t below = 0;
    for (size_t i = 0; i <= BUCKETS; i++) {
        char le[24] = "+Inf";
        if (i < BUCKETS) {
            below += s->buckets[i];
            (void)snprintf(le, sizeof(le), "%g", bucket_bounds[i]);
        }
        if (xos_buf_addf(out, err, "%s_bucket", row->name) < 0 ||
            print_labels(out, row->label, s->label, le, err) < 0 ||
            xos_buf_addf(out, err, " %llu\n",
                         (unsigned long long)(i < BUCKETS ? below : s->count)) < 0)
            return -1;
    }
    if (xos_buf_addf(out, err, "%s_sum", row->name) < 0 ||
        print_labels(out, row->label, s->label, NULL, err) < 0 ||
        print_value(out, s->value, err) < 0 || xos_buf_addf(out, err, "%s_count", row->name) < 0 ||
        print_labels(out, row->label, s->label, NULL, err) < 0)
        return -1;
    return xos_buf_addf(out, err, " %llu\n", (unsigned long long)s->count);
}

static int print_metric(struct xos_buf *out, enum xos_metric m, struct xos_error *err)
{
    static const char *const types[] = {"counter", "gauge", "histogram"};
    const struct metric_row *row = &metric_table[m];
    if (xos_buf_addf(out, err, "# HELP %s %s\n# TYPE %s %s\n", row->name, row->meaning, row->name,
                     types[row->type]) < 0)
        return -1;
    for (unsigned i = 0; i < values[m].used; i++) {
        const struct series *s = &values[m].series[i];
        if (row->type == XOS_METRIC_HISTOGRAM) {
            if (print_histogram(out, row, s, err) < 0)
                return -1;
            continue;
        }
        if (xos_buf_add_text(out, row->name, err) < 0 ||
            print_labels(out, row->label, s->label, NULL, err) < 0 ||
            print_value(out, s->value, err) < 0)
            return -1;
    }
    return 0;
}

int xos_metrics_print(struct xos_buf *out, struct xos_error *err)
{
    int rc = 0;
    size_t before = out->len;
    pthread_mutex_lock(&values_lock);
    for (unsigned m = 0; m < XOS_METRIC_COUNT && rc == 0; m++)
        rc = print_metric(out, (enum xos_metric)m, err);
    pthread_mutex_unlock(&values_lock);
    if (rc < 0)
        xos_buf_cut(out, before);
    return rc;
}

int xos_metrics_document(struct xos_buf *out, struct xos_error *err)
{
    static const char *const types[] = {"counter", "gauge", "histogram"};
    size_t before = out->len;
    if (xos_buf_add_text(out,
                         "# Metrics\n\nPrinted from libxos/base/telemetry.def by "
                         "`make docs`.\n\n"
                         "| metric | type | unit | label | meaning | what to do |\n"
                         "|---|---|---|---|---|---|\n",
                         err) < 0)
        return -1;
    for (unsigned m = 0; m < XOS_METRIC_COUNT; m++) {
        const struct metric_row *r = &metric_table[m];
        if (xos_buf_addf(out, err, "| %s | %s | %s | %s | %s | %s |\n", r->name, types[r->type],
                         r->unit, r->label, r->meaning, r->what_to_do) < 0) {
            xos_buf_cut(out, before);
            return -1;
        }
    }
    return 0;
}
