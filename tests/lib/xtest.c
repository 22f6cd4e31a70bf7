// SPDX-License-Identifier: Apache-2.0
#include "tests/lib/xtest.h"

#include "libxos/base/alloc.h"
#include "libxos/base/telemetry.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STARVE_RUNS_MAX 20000

static bool starving;
static char test_dir[64];

bool xt_starving(void)
{
    return starving && xos_alloc_failed();
}

void xt_failed(const struct xos_error *err, const char *what, const char *file, int line)
{
    if (starving && xos_alloc_failed() && err->code == XOS_NOMEM)
        return;
    print_error("%s: %s: %s\n", what, xos_code_name(err->code), err->text);
    _fail(file, line);
}

void xt_refused(int rc, const struct xos_error *err, enum xos_code wanted, const char *what,
                const char *file, int line)
{
    if (rc < 0 && err->code == wanted)
        return;
    if (rc < 0 && starving && xos_alloc_failed() && err->code == XOS_NOMEM)
        return;
    print_error("%s: wanted %s, got %s (%s)\n", what, xos_code_name(wanted),
                rc < 0 ? xos_code_name(err->code) : "success", rc < 0 ? err->text : "");
    _fail(file, line);
}

static void drop_line(enum xos_log_level level, const char *line, void *arg)
{
    (void)level;
    (void)line;
    (void)arg;
}

static void run_one(void **state)
{
    const struct xt_test *t = *state;
    void *none = NULL;
    starving = false;
    xos_alloc_fail_nth(0);
    uint64_t live = xos_alloc_live();
    t->run(&none);
    if (xos_alloc_live() != live)
        fail_msg("%s leaks %lld blocks", t->name, (long long)(xos_alloc_live() - live));
    if (t->no_starving || getenv("XOS_TEST_NO_STARVING"))
        return;
    starving = true;
    for (uint64_t n = 1; n <= STARVE_RUNS_MAX; n++) {
        live = xos_alloc_live();
        xos_alloc_fail_nth(n);
        none = NULL;
        t->run(&none);
        bool fired = xos_alloc_failed() != 0;
        xos_alloc_fail_nth(0);
        if (xos_alloc_live() != live)
            fail_msg("%s leaks %lld blocks when allocation %llu fails", t->name,
                     (long long)(xos_alloc_live() - live), (unsigned long long)n);
        if (!fired)
            break;
    }
    starving = false;
}

int xt_main(const struct xt_test *tests, size_t count)
{
    struct CMUnitTest *all = calloc(count, sizeof(*all));
    if (!all)
        return 99;
    xos_log_sink(drop_line, NULL);
    for (size_t i = 0; i < count; i++)
        all[i] = (struct CMUnitTest){.name = tests[i].name,
                                     .test_func = run_one,
                                     .initial_state = (void *)(uintptr_t)&tests[i]};
    int failed = _cmocka_run_group_tests("unit", all, count, NULL, NULL);
    free(all);
    return failed ? 1 : 0;
}

static int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *walk)
{
    (void)st;
    (void)flag;
    (void)walk;
    return remove(path);
}

static void remove_dir(void)
{
    (void)nftw(test_dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

const char *xt_dir(void)
{
    if (test_dir[0])
        return test_dir;
    (void)snprintf(test_dir, sizeof(test_dir), "/tmp/xos-test.XXXXXX");
    if (!mkdtemp(test_dir))
        abort();
    atexit(remove_dir);
    return test_dir;
}

unsigned long xt_scaled(unsigned long full)
{
    const char *size = getenv("XOS_TEST_SIZE");
    unsigned long percent = size ? strtoul(size, NULL, 10) : 1;
    unsigned long n = full * (percent ? percent : 1) / 100;
    return n ? n : 1;
}
