// SPDX-License-Identifier: Apache-2.0
/* xtest.h - cmocka, and the rule that every test also runs with each allocation failing in turn.
 *
 * A test is `static void name(void **state)`. It makes its calls through XT_TRY, cleans up at its
 * label `out:` and frees there what it holds:
 *
 *     static void join_makes_both_sides_active(void **state)
 *     {
 *         struct xos_error err = {0};
 *         struct view *v = NULL;
 *         XT_TRY(view_new(&v, 1, &err));
 *         …
 *     out:
 *         view_free(v);
 *     }
 *
 * Run normally, a failing XT_TRY fails the test with the error's text. Then the harness runs the
 * test again and again with the 1st, 2nd, 3rd … allocation failing, until a run meets no failure:
 * there a failing XT_TRY must be XOS_NOMEM, the test goes to `out`, and nothing may be leaked. */
#ifndef XOS_TESTS_XTEST_H
#define XOS_TESTS_XTEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "libxos/base/error.h"

#define XT_TRY(call)                                                                               \
    do {                                                                                           \
        if ((call) < 0) {                                                                          \
            xt_failed(&err, #call, __FILE__, __LINE__);                                            \
            goto out;                                                                              \
        }                                                                                          \
    } while (0)

/* For what returns a pointer that must not be NULL. */
#define XT_PTR(pointer)                                                                            \
    do {                                                                                           \
        if (!(pointer)) {                                                                          \
            if (err.code == XOS_NONE)                                                              \
                err.code = XOS_NOMEM;                                                              \
            xt_failed(&err, #pointer, __FILE__, __LINE__);                                         \
            goto out;                                                                              \
        }                                                                                          \
    } while (0)

/* The call must fail with this code (or, when an allocation was made to fail, with XOS_NOMEM). */
#define XT_REFUSED(call, wanted)                                                                   \
    do {                                                                                           \
        struct xos_error *e_ = &err;                                                               \
        e_->code = XOS_NONE;                                                                       \
        int rc_ = (call);                                                                          \
        xt_refused(rc_, e_, wanted, #call, __FILE__, __LINE__);                                    \
    } while (0)

void xt_failed(const struct xos_error *err, const char *what, const char *file, int line);
void xt_refused(int rc, const struct xos_error *err, enum xos_code wanted, const char *what,
                const char *file, int line);

/* This machine cannot run the test: the reason is listed by run-tests. */
#define XT_SKIP(reason)                                                                            \
    do {                                                                                           \
        print_message("skip: %s\n", reason);                                                       \
        skip();                                                                                    \
    } while (0)

/* Is an allocation being made to fail in this run? For tests whose assertions need a whole run. */
bool xt_starving(void);

typedef void (*xt_test_f)(void **state);
struct xt_test {
    const char *name;
    xt_test_f run;
    bool no_starving; /* runs real processes or threads: only the normal run */
};
#define XT(test)                                                                                   \
    {                                                                                              \
#test, test, false                                                                         \
    }
#define XT_PLAIN(test)                                                                             \
    {                                                                                              \
#test, test, true                                                                          \
    }

int xt_main(const struct xt_test *tests, size_t count);
#define XT_MAIN(tests)                                                                             \
    int main(void)                                                                                 \
    {                                                                                              \
        return xt_main(tests, sizeof(tests) / sizeof(tests[0]));                                   \
    }

/* A directory of this test's own, removed with all in it at exit. Borrowed. */
const char *xt_dir(void);

/* XOS_TEST_SIZE (1 = sample, 10, 100 = full): scale a full count. At least 1. */
unsigned long xt_scaled(unsigned long full);

#endif
