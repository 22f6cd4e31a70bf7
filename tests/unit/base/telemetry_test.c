// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: Prometheus refuses the whole page because of one label, or an alarm counts
 * what did not happen. */
#include "libxos/base/telemetry.h"
#include "tests/lib/xtest.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The value on the line that begins with `series`, or NAN. */
static double value_of(const struct xos_buf *page, const char *series)
{
    char wanted[200];
    (void)snprintf(wanted, sizeof(wanted), "\n%s ", series);
    const char *at = page->len ? strstr((const char *)page->data, wanted) : NULL;
    return at ? strtod(at + strlen(wanted), NULL) : NAN;
}

/* Values outlive a test, so that each test uses metrics of its own. */
static void counters_and_gauges_are_printed(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_buf page = XOS_BUF(1 << 20);
    xos_metric_set(XOS_M_CLAIMS, NULL, 0);
    xos_metric_set(XOS_M_CLAIMS, NULL, 17);
    double before = xos_metric_get(XOS_M_JOBS_ENDED, "exited");
    xos_metric_add(XOS_M_JOBS_ENDED, "exited", 2);
    xos_metric_add(XOS_M_JOBS_ENDED, "exited", 3);
    XT_TRY(xos_metrics_print(&page, &err));
    assert_true(value_of(&page, "xos_claims") == 17);
    assert_true(value_of(&page, "xos_jobs_ended_total{reason=\"exited\"}") == before + 5);
    assert_true(xos_metric_get(XOS_M_JOBS_ENDED, "never") == 0);
out:
    xos_buf_free(&page);
}

static void labels_are_escaped_cut_and_ascii(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_buf page = XOS_BUF(1 << 20);
    char longer[200];
    memset(longer, 'l', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    xos_metric_set(XOS_M_QUEUE_FILL, "a\"b\\c\nd\xff", 1);
    xos_metric_set(XOS_M_QUEUE_FILL, longer, 2);
    longer[100] = 'x'; /* beyond the cut: the same series */
    xos_metric_set(XOS_M_QUEUE_FILL, longer, 3);
    xos_metric_set(XOS_M_QUEUE_FILL, "inf", INFINITY);
    xos_metric_set(XOS_M_QUEUE_FILL, "nan", NAN);
    XT_TRY(xos_metrics_print(&page, &err));
    const char *text = (const char *)page.data;
    assert_non_null(strstr(text, "xos_queue_fill_ratio{queue=\"a\\\"b\\\\c?d?\"} 1\n"));
    assert_non_null(strstr(text, "xos_queue_fill_ratio{queue=\"inf\"} +Inf\n"));
    assert_non_null(strstr(text, "xos_queue_fill_ratio{queue=\"nan\"} NaN\n"));
    longer[XOS_METRIC_LABEL_BYTES - 1] = '\0';
    char wanted[300];
    (void)snprintf(wanted, sizeof(wanted), "xos_queue_fill_ratio{queue=\"%s\"} 3\n", longer);
    assert_non_null(strstr(text, wanted));
out:
    xos_buf_free(&page);
}

static void labels_without_end_become_other(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_buf page = XOS_BUF(1 << 20);
    double before = 0;
    for (int round = 0; round < 2; round++) {
        double now = 0;
        for (unsigned i = 0; i < 3 * XOS_METRIC_LABELS_MAX; i++) {
            char label[32];
            (void)snprintf(label, sizeof(label), "peer%u", i);
            xos_metric_add(XOS_M_REFUSALS, label, 1);
        }
        XT_TRY(xos_metrics_print(&page, &err));
        unsigned series = 0;
        for (const char *p = (const char *)page.data; (p = strstr(p, "\nxos_refusals_total{"));) {
            series++;
            p += 5;
            now += strtod(strchr(p, ' '), NULL);
        }
        assert_int_equal(series, XOS_METRIC_LABELS_MAX);
        assert_true(value_of(&page, "xos_refusals_total{reason=\"other\"}") > 0);
        assert_true(now == before + 3 * XOS_METRIC_LABELS_MAX || before == 0);
        before = now;
        xos_buf_clear(&page);
    }
out:
    xos_buf_free(&page);
}

static void histograms_are_cumulative_and_end_with_the_count(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_buf page = XOS_BUF(1 << 20);
    static const double seen[] = {0.0001, 0.0005, 0.003, 0.003, 0.7, 9.9, 10, 11, 5000};
    double had = xos_metric_get(XOS_M_STORE_COMMIT_SECONDS, NULL);
    double sum = had;
    for (size_t i = 0; i < sizeof(seen) / sizeof(seen[0]); i++) {
        xos_metric_observe(XOS_M_STORE_COMMIT_SECONDS, NULL, seen[i]);
        sum += seen[i];
    }
    XT_TRY(xos_metrics_print(&page, &err));
    double last = 0, count = value_of(&page, "xos_store_commit_seconds_count");
    unsigned buckets = 0;
    for (const char *p = (const char *)page.data;
         (p = strstr(p, "\nxos_store_commit_seconds_bucket{le=\""));) {
        p = strstr(p, "} ");
        double now = strtod(p + 2, NULL);
        assert_true(now >= last);
        last = now;
        buckets++;
    }
    assert_int_equal(buckets, 15);
    assert_true(last == count);
    assert_true(value_of(&page, "xos_store_commit_seconds_bucket{le=\"+Inf\"}") == count);
    assert_true(fabs(value_of(&page, "xos_store_commit_seconds_sum") - sum) < 1e-6);
    if (had == 0) {
        assert_true(count == 9);
        assert_true(value_of(&page, "xos_store_commit_seconds_bucket{le=\"0.0005\"}") == 2);
        assert_true(value_of(&page, "xos_store_commit_seconds_bucket{le=\"10\"}") == 7);
    }
out:
    xos_buf_free(&page);
}

/* The page as a strict reader sees it: HELP, then TYPE, once per metric, then its own lines. */
static void the_page_parses(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_buf page = XOS_BUF(1 << 20);
    char name[100] = "", *save = NULL;
    unsigned metrics = 0;
    xos_metric_observe(XOS_M_RPC_SECONDS, "job.run", 0.5);
    XT_TRY(xos_metrics_print(&page, &err));
    for (char *line = strtok_r((char *)page.data, "\n", &save); line;
         line = strtok_r(NULL, "\n", &save)) {
        char next[100], type[20];
        if (sscanf(line, "# HELP %99s %19s", next, type) == 2) {
            for (const char *p = next; *p; p++)
                assert_true(strchr("abcdefghijklmnopqrstuvwxyz0123456789_", *p) != NULL);
            assert_string_not_equal(next, name);
            (void)snprintf(name, sizeof(name), "%s", next);
            line = strtok_r(NULL, "\n", &save);
            assert_int_equal(sscanf(line, "# TYPE %99s %19s", next, type), 2);
            assert_string_equal(next, name);
            assert_true(!strcmp(type, "counter") || !strcmp(type, "gauge") ||
                        !strcmp(type, "histogram"));
            metrics++;
            continue;
        }
        assert_memory_equal(line, name, strlen(name));
        const char *value = strrchr(line, ' ');
        char *end;
        assert_non_null(value);
        (void)strtod(value + 1, &end);
        assert_true(*end == '\0' && end > value + 1);
    }
    assert_int_equal(metrics, XOS_METRIC_COUNT);
out:
    xos_buf_free(&page);
}

static void a_page_that_does_not_fit_is_not_begun(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_buf page = XOS_BUF(500);
    XT_TRY(xos_buf_add_text(&page, "HTTP\n", &err));
    XT_REFUSED(xos_metrics_print(&page, &err), XOS_LIMIT);
    XT_REFUSED(xos_metrics_document(&page, &err), XOS_LIMIT);
    XT_REFUSED(xos_events_document(&page, &err), XOS_LIMIT);
    assert_string_equal((const char *)page.data, "HTTP\n");
out:
    xos_buf_free(&page);
}

static void the_documents_have_a_row_for_each(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_buf page = XOS_BUF(1 << 20);
    unsigned rows = 0;
    XT_TRY(xos_metrics_document(&page, &err));
    XT_TRY(xos_events_document(&page, &err));
    for (const char *p = (const char *)page.data; (p = strstr(p, "\n| ")); p++)
        rows++;
    assert_int_equal(rows, XOS_METRIC_COUNT + XOS_EVENT_COUNT + 2);
out:
    xos_buf_free(&page);
}

static void *count_many(void *arg)
{
    (void)arg;
    for (int i = 0; i < 10000; i++)
        xos_metric_add(XOS_M_BYTES, i % 2 ? "in" : "out", 1);
    return NULL;
}

static void threads_lose_no_count(void **state)
{
    (void)state;
    pthread_t threads[4];
    double before = xos_metric_get(XOS_M_BYTES, "in");
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_many, NULL), 0);
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_true(xos_metric_get(XOS_M_BYTES, "in") == before + 20000);
}

static const struct xt_test tests[] = {
    XT(counters_and_gauges_are_printed),
    XT(labels_are_escaped_cut_and_ascii),
    XT(labels_without_end_become_other),
    XT(histograms_are_cumulative_and_end_with_the_count),
    XT(the_page_parses),
    XT(a_page_that_does_not_fit_is_not_begun),
    XT(the_documents_have_a_row_for_each),
    XT_PLAIN(threads_lose_no_count),
};
XT_MAIN(tests)
