// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a job reads or changes files that its owner did not give it. */
#include "tests/lib/xtest.h"
#include "vo-auth/core/name.h"
#include "vo-auth/core/rights.h"

#include <stdio.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof(table[0]))

static const struct {
    const char *path, *prefix;
    bool within;
} paths[] = {
    {"/a/b", "/a", true},      {"/a", "/a", true},      {"/ab", "/a", false},
    {"/a/b", "/a/b/c", false}, {"/a/b", "/", true},     {"/", "/", true},
    {"/a/../b", "/a", false},  {"/a/./b", "/a", false}, {"/a//b", "/a", false},
    {"/a/", "/a", false},      {"a/b", "/", false},     {"", "/", false},
    {"/a/b", "/a/", false},    {"/a/..b", "/a", true},  {"/a/...", "/a", true},
    {"/..", "/", false},       {"//", "/", false},      {"/a", "", false},
    {"/a/b/..", "/a", false},  {"/a/\xff", "/a", true},
};

static void prefixes_match_whole_components(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(paths); i++)
        assert_int_equal(auth_path_within(auth_slice(paths[i].path), auth_slice(paths[i].prefix)),
                         paths[i].within);
    assert_false(
        auth_path_within((struct xos_slice){(const uint8_t *)"/a\0/..", 6}, auth_slice("/a")));
    char longest[AUTH_PATH_BYTES_MAX + 2];
    memset(longest, 'a', sizeof(longest));
    longest[0] = '/';
    longest[AUTH_PATH_BYTES_MAX + 1] = '\0';
    assert_false(auth_path_valid(auth_slice(longest)));
    longest[AUTH_PATH_BYTES_MAX] = '\0';
    assert_true(auth_path_valid(auth_slice(longest)));
}

static uint32_t random_bits(uint32_t *x)
{
    *x = *x * 1664525u + 1013904223u;
    return *x >> 8;
}

/* A path of up to four components from a small alphabet, good and bad ones. */
static struct xos_slice random_path(uint32_t *x, char *text, size_t size)
{
    static const char *const parts[] = {"a", "b", "ab", "..", ".", "", "c"};
    size_t used = 0, count = random_bits(x) % 5, kinds = random_bits(x) % 4 ? 3 : COUNT(parts);
    for (size_t i = 0; i < count; i++)
        used += (size_t)snprintf(text + used, size - used, "/%s", parts[random_bits(x) % kinds]);
    if (count == 0)
        used = (size_t)snprintf(text, size, "/");
    return (struct xos_slice){(const uint8_t *)text, used};
}

/* What the kernel would make of a path: components resolved. False when it leaves the root. */
static bool resolve(struct xos_slice path, char *to, size_t size)
{
    char copy[64], *save = NULL;
    size_t depth = 0;
    const char *stack[8];
    (void)snprintf(copy, sizeof(copy), "%.*s", (int)path.len, (const char *)path.data);
    for (char *part = strtok_r(copy, "/", &save); part; part = strtok_r(NULL, "/", &save)) {
        if (strcmp(part, "..") == 0) {
            if (depth == 0)
                return false;
            depth--;
        } else if (strcmp(part, ".") != 0)
            stack[depth++] = part;
    }
    size_t used = 0;
    to[0] = '\0';
    for (size_t i = 0; i < depth; i++)
        used += (size_t)snprintf(to + used, size - used, "/%s", stack[i]);
    return true;
}

/* Whatever matches a prefix lies below it once resolved. */
static void nothing_escapes_its_prefix(void **state)
{
    (void)state;
    uint32_t x = 4711;
    unsigned matched = 0;
    for (unsigned long i = 0; i < xt_scaled(2000000); i++) {
        char a[64], b[64], ra[64], rb[64];
        struct xos_slice path = random_path(&x, a, sizeof(a));
        struct xos_slice prefix = random_path(&x, b, sizeof(b));
        if (!auth_path_within(path, prefix))
            continue;
        matched++;
        assert_true(resolve(path, ra, sizeof(ra)) && resolve(prefix, rb, sizeof(rb)));
        assert_true(strncmp(ra, rb, strlen(rb)) == 0);
        assert_true(ra[strlen(rb)] == '\0' || ra[strlen(rb)] == '/');
    }
    assert_true(matched > 100);
}

static void the_longest_prefix_decides(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct auth_rights r = {0};
    XT_TRY(auth_set_add(&r.rw, auth_slice("/a"), &err));
    XT_TRY(auth_set_add(&r.ro, auth_slice("/a/b"), &err));
    XT_TRY(auth_set_add(&r.rw, auth_slice("/a/b/c"), &err));
    XT_TRY(auth_set_add(&r.ro, auth_slice("/d"), &err));
    XT_TRY(auth_set_add(&r.actions, auth_slice("job.run"), &err));
    XT_TRY(auth_rights_check_path(&r, auth_slice("/a/x"), true, &err));
    XT_TRY(auth_rights_check_path(&r, auth_slice("/a/b/x"), false, &err));
    XT_REFUSED(auth_rights_check_path(&r, auth_slice("/a/b/x"), true, &err), XOS_DENIED);
    XT_TRY(auth_rights_check_path(&r, auth_slice("/a/b/c/x"), true, &err));
    XT_TRY(auth_rights_check_path(&r, auth_slice("/d"), false, &err));
    XT_REFUSED(auth_rights_check_path(&r, auth_slice("/d"), true, &err), XOS_DENIED);
    XT_REFUSED(auth_rights_check_path(&r, auth_slice("/e"), false, &err), XOS_DENIED);
    XT_TRY(auth_rights_check_action(&r, auth_slice("job.run"), &err));
    XT_REFUSED(auth_rights_check_action(&r, auth_slice("job.ru"), &err), XOS_DENIED);
    XT_REFUSED(auth_rights_check_action(&r, auth_slice("job.run2"), &err), XOS_DENIED);
    XT_REFUSED(auth_rights_check_action(&r, auth_slice(""), &err), XOS_DENIED);
    assert_int_equal(auth_rights_valid(&r, &err), 0);
    XT_TRY(auth_set_add(&r.ro, auth_slice("/a"), &err));
    XT_REFUSED(auth_rights_valid(&r, &err), XOS_PROTOCOL);
out:;
}

/* A universe of small paths, to compare two sets of rights by what they allow. */
static const char *const universe[] = {
    "/",      "/a",     "/b", "/a/a", "/a/b",   "/b/a",     "/a/a/a",   "/a/a/b", "/a/b/a",
    "/a/b/b", "/b/a/a", "/c", "/a/c", "/a/a/c", "/a/a/a/c", "/a/b/a/c", "/b/c",   "/b/a/c"};

static void random_rights(uint32_t *x, struct auth_rights *r)
{
    *r = (struct auth_rights){0};
    for (unsigned i = 0; i < 11; i++) {
        unsigned pick = random_bits(x) % 8;
        if (pick == 0)
            (void)auth_set_add(&r->rw, auth_slice(universe[i]), NULL);
        else if (pick == 1)
            (void)auth_set_add(&r->ro, auth_slice(universe[i]), NULL);
    }
}

static bool allows_all_of(const struct auth_rights *wide, const struct auth_rights *narrow)
{
    for (size_t i = 0; i < COUNT(universe); i++)
        for (int change = 0; change < 2; change++)
            if (auth_rights_check_path(narrow, auth_slice(universe[i]), change, NULL) == 0 &&
                auth_rights_check_path(wide, auth_slice(universe[i]), change, NULL) < 0)
                return false;
    return true;
}

static void narrower_rights_allow_less(void **state)
{
    (void)state;
    uint32_t x = 99;
    unsigned narrower = 0;
    for (unsigned long i = 0; i < xt_scaled(2000000); i++) {
        struct auth_rights narrow, wide;
        random_rights(&x, &narrow);
        random_rights(&x, &wide);
        bool within = auth_rights_within(&narrow, &wide);
        if (within)
            assert_true(allows_all_of(&wide, &narrow));
        narrower += within && narrow.rw.count + narrow.ro.count > 0;
    }
    assert_true(narrower > 20);
    struct auth_rights more = {0}, none = {0};
    assert_int_equal(auth_set_add(&more.actions, auth_slice("job.run"), NULL), 0);
    assert_false(auth_rights_within(&more, &none));
    assert_true(auth_rights_within(&none, &more));
}

static const struct xt_test tests[] = {
    XT(prefixes_match_whole_components),
    XT_PLAIN(nothing_escapes_its_prefix),
    XT(the_longest_prefix_decides),
    XT_PLAIN(narrower_rights_allow_less),
};
XT_MAIN(tests)
