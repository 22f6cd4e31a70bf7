// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a need from the network crashes a node, or means something else there.
 *
 * The bytes are a need, a rank and a want at once. What parses must print, read back to the same
 * tree and print the same again, and be decided on rows that say much, little and nothing. */
#include "discovery/query/explain.h"
#include "discovery/query/parse.h"
#include "discovery/query/rank.h"
#include "discovery/query/want.h"

#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            abort();                                                                               \
    } while (0)

typedef int (*parse_f)(struct xql_expr *out, const char *text, struct xql_place *place,
                       struct xos_error *err);

static struct xql_row rows[3];

static void make_rows(void)
{
    struct xos_error err;
    size_t d;
    for (unsigned i = 0; i < 8; i++) {
        CHECK(xql_row_add_device(&rows[0], &d, &err) == 0);
        CHECK(xql_row_add_device(&rows[1], &d, &err) == 0);
        for (unsigned a = XQL_NODE_ATTRS; a < XQL_ATTRS; a++)
            if ((i + a) % 3 == 0)
                CHECK(xql_row_set(&rows[0], d, (enum xql_attr)a,
                                  xql_attr_row((enum xql_attr)a)->example, &err) == 0);
    }
    for (unsigned a = 0; a < XQL_NODE_ATTRS; a++)
        CHECK(xql_row_set(&rows[0], 0, (enum xql_attr)a, xql_attr_row((enum xql_attr)a)->example,
                          &err) == 0);
}

static void read_back(parse_f parse, const struct xql_expr *e)
{
    struct xos_error err;
    struct xos_buf text = XOS_BUF(65536), again = XOS_BUF(65536);
    struct xql_expr back;
    CHECK(xql_expr_print(e, &text, &err) == 0);
    if (text.len && text.len <= XQL_SOURCE_BYTES_MAX) {
        CHECK(parse(&back, (const char *)text.data, NULL, &err) == 0);
        CHECK(xql_expr_equal(e, &back));
        CHECK(xql_expr_print(&back, &again, &err) == 0);
        CHECK(again.len == text.len && memcmp(again.data, text.data, text.len) == 0);
    }
    xos_buf_free(&text);
    xos_buf_free(&again);
}

static void check_need(const char *text)
{
    struct xos_error err;
    struct xql_place place;
    struct xql_expr e, twice;
    struct xql_explain x;
    struct xos_buf out = XOS_BUF(1 << 20);
    if (xql_parse(&e, text, &place, &err) < 0) {
        CHECK(place.column >= 1 && place.column <= XQL_SOURCE_BYTES_MAX + 2);
        return;
    }
    read_back(xql_parse, &e);
    xql_explain_start(&x, &e);
    for (size_t i = 0; i < 3; i++) {
        struct xql_verdict v = xql_eval(&e, &rows[i]);
        CHECK((v.truth == XQL_UNKNOWN) == (v.missing != 0));
        CHECK(xql_explain_add(&x, &rows[i]).truth == v.truth);
    }
    CHECK(xql_explain_print(&x, &out, &err) == 0);
    twice = e;
    if (xql_expr_and(&twice, &e, &err) == 0) {
        read_back(xql_parse, &twice);
        for (size_t i = 0; i < 3; i++)
            CHECK(xql_eval(&twice, &rows[i]).truth == xql_eval(&e, &rows[i]).truth);
    }
    xos_buf_free(&out);
}

static void check_rank(const char *text)
{
    struct xos_error err;
    struct xql_expr e;
    if (xql_parse_rank(&e, text, NULL, &err) < 0)
        return;
    read_back(xql_parse_rank, &e);
    for (size_t i = 0; i < 3; i++)
        (void)xql_rank(&e, &rows[i]);
}

static void check_want(const char *text)
{
    struct xos_error err;
    struct xos_buf out = XOS_BUF(4096);
    struct xql_want w, back;
    if (xql_parse_want(&w, text, NULL, &err) < 0)
        return;
    CHECK(xql_want_print(&w, &out, &err) == 0);
    CHECK(xql_parse_want(&back, (const char *)out.data, NULL, &err) == 0);
    CHECK(memcmp(&w, &back, sizeof(w)) == 0);
    xos_buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool ready;
    char *text = malloc(size + 1);
    CHECK(text);
    if (size)
        memcpy(text, data, size);
    text[size] = '\0';
    if (!ready)
        make_rows();
    ready = true;
    check_need(text);
    check_rank(text);
    check_want(text);
    free(text);
    return 0;
}
