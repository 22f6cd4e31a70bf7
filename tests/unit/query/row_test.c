// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: listings and claims show values that the node never had. */
#include "discovery/query/row.h"

#include "libxos/base/alloc.h"
#include "tests/lib/xtest.h"
#include "tests/unit/query/row_of.h"

#include <math.h>

static void a_row_starts_without_values(void **state)
{
    (void)state;
    struct xql_row row = {0};
    for (unsigned a = 0; a < XQL_ATTRS; a++)
        assert_null(xql_row_get(&row, 0, (enum xql_attr)a));
}

static void every_type_is_kept_and_printed(void **state)
{
    (void)state;
    static const struct {
        const char *set, *name, *printed;
    } values[] = {
        {"node=n1", "node", "n1"},           {"kernel=6.1.0", "kernel", "6.1.0"},
        {"mem=65536MiB", "mem", "64GiB"},    {"mem=18446744073709551615", "mem", "16777215.9TiB"},
        {"load1=3.25", "load1", "3.25"},     {"load1=-3", "load1", "-3"},
        {"ckpt.vm=true", "ckpt.vm", "true"}, {"ckpt.vm=false", "ckpt.vm", "false"},
        {"gpu;vram=80GiB", "vram", "80GiB"}, {"gpu;gpu;numa=1", "numa", "1"},
    };
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        struct xos_error err = {0};
        struct xql_row row = {0};
        char text[64] = "";
        XT_TRY(row_of(&row, values[i].set, &err));
        size_t device = row.device_count ? row.device_count - 1 : 0;
        enum xql_attr a = xql_attr_find(values[i].name, row.device_count > 0);
        xql_value_print(a, xql_row_get(&row, device, a), text, sizeof(text));
        assert_string_equal(text, values[i].printed);
        xql_row_unset(&row, device, a);
        assert_null(xql_row_get(&row, device, a));
        xql_value_print(a, NULL, text, sizeof(text));
        assert_string_equal(text, "unknown");
    out:
        xql_row_free(&row);
    }
}

static void values_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    static const struct {
        enum xql_attr a;
        const char *text;
        enum xos_code code;
    } bad[] = {
        {XQL_A_MEM, "much", XOS_INVALID},
        {XQL_A_LOAD1, "1,5", XOS_INVALID},
        {XQL_A_CKPT_VM, "yes", XOS_INVALID},
        {XQL_A_CPU_CORES, "64GiB", XOS_INVALID},
        {XQL_A_LOAD1, "99999999999", XOS_LIMIT},
        {XQL_A_NODE, "0123456789012345678901234567890123456789012345678901234567890123", XOS_LIMIT},
    };
    struct xql_row row = {0};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct xos_error err = {0};
        XT_REFUSED(xql_row_set(&row, 0, bad[i].a, bad[i].text, &err), bad[i].code);
        assert_null(xql_row_get(&row, 0, bad[i].a));
    }
}

static void texts_are_cut_and_cleaned(void **state)
{
    (void)state;
    struct xql_row row = {0};
    char longer[100];
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    xql_row_set_text(&row, 0, XQL_A_CPU_MODEL, longer);
    assert_int_equal(strlen(xql_row_get(&row, 0, XQL_A_CPU_MODEL)->is.text), XQL_TEXT_BYTES_MAX);
    xql_row_set_text(&row, 0, XQL_A_CPU_MODEL, "a\033[31m\xff\n");
    assert_string_equal(xql_row_get(&row, 0, XQL_A_CPU_MODEL)->is.text, "a?[31m??");
    xql_row_set_number(&row, 0, XQL_A_LOAD1, NAN);
    assert_null(xql_row_get(&row, 0, XQL_A_LOAD1));
    xql_row_set_number(&row, 0, XQL_A_LOAD1, INFINITY);
    assert_null(xql_row_get(&row, 0, XQL_A_LOAD1));
}

static void a_copy_stands_alone(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xql_row a = {0}, b = {0};
    XT_TRY(row_of(&a, "node=n1; mem=1GiB; gpu; vram=2GiB; gpu; mig=true", &err));
    XT_TRY(row_of(&b, "gpu; gpu; gpu", &err));
    assert_false(xql_row_equal(&a, &b));
    XT_TRY(xql_row_copy(&b, &a, &err));
    assert_true(xql_row_equal(&a, &b));
    xql_row_set_integer(&a, 0, XQL_A_VRAM, 7);
    assert_false(xql_row_equal(&a, &b));
    assert_true(xql_row_get(&b, 0, XQL_A_VRAM)->is.integer == UINT64_C(2) << 30);
out:
    xql_row_free(&a);
    xql_row_free(&b);
}

static void devices_are_bounded(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xql_row row = {0};
    size_t d;
    for (unsigned i = 0; i < XQL_DEVICES_MAX; i++) {
        XT_TRY(xql_row_add_device(&row, &d, &err));
        assert_int_equal(d, i);
    }
    XT_REFUSED(xql_row_add_device(&row, &d, &err), XOS_LIMIT);
    assert_non_null(strstr(err.text, "XQL_DEVICES_MAX"));
out:
    xql_row_free(&row);
}

static void a_row_becomes_json(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xql_row row = {0};
    json_t *json = NULL;
    char *text = NULL;
    json_set_alloc_funcs(xos_alloc, xos_free);
    XT_TRY(row_of(&row,
                  "node=n1; cpu.cores=16; load1=0.5; mem=1GiB; ckpt.vm=false; gpu; vram=1GiB; "
                  "cc=9.0; gpu",
                  &err));
    XT_TRY(xql_row_json(&row, &json, &err));
    text = json_dumps(json, JSON_SORT_KEYS);
    if (xt_starving())
        goto out; /* jansson's own printing leaves out what it cannot allocate */
    XT_PTR(text);
    assert_string_equal(text, "{\"ckpt.vm\": false, \"cpu.cores\": 16, \"gpu\": [{\"cc\": \"9.0\", "
                              "\"vram\": 1073741824}, {}], \"load1\": 0.5, \"mem\": 1073741824, "
                              "\"node\": \"n1\"}");
out:
    xos_free(text);
    json_decref(json);
    xql_row_free(&row);
}

static void the_manual_names_every_attribute(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_buf page = XOS_BUF(65536), words = XOS_BUF(65536);
    XT_TRY(xql_document(&page, &err));
    XT_TRY(xql_completion_words(&words, &err));
    for (unsigned a = 0; a < XQL_ATTRS; a++) {
        char cell[80];
        (void)snprintf(cell, sizeof(cell), "| %s |", xql_attr_row((enum xql_attr)a)->full);
        assert_non_null(strstr((char *)page.data, cell));
        (void)snprintf(cell, sizeof(cell), "%s\n", xql_attr_row((enum xql_attr)a)->full);
        assert_non_null(strstr((char *)words.data, cell));
    }
    assert_non_null(strstr((char *)words.data, "gpu.same(\n"));
out:
    xos_buf_free(&page);
    xos_buf_free(&words);
}

/* Examples in the table are shown to users: they must be values of their type. */
static void every_example_is_a_value(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xql_row row = {0};
    size_t d;
    XT_TRY(xql_row_add_device(&row, &d, &err));
    for (unsigned a = 0; a < XQL_ATTRS; a++)
        XT_TRY(
            xql_row_set(&row, d, (enum xql_attr)a, xql_attr_row((enum xql_attr)a)->example, &err));
out:
    xql_row_free(&row);
}

static const struct xt_test tests[] = {
    XT(a_row_starts_without_values),
    XT(every_type_is_kept_and_printed),
    XT(values_that_do_not_fit_are_refused),
    XT(texts_are_cut_and_cleaned),
    XT(a_copy_stands_alone),
    XT(devices_are_bounded),
    XT(a_row_becomes_json),
    XT(the_manual_names_every_attribute),
    XT(every_example_is_a_value),
};
XT_MAIN(tests)
