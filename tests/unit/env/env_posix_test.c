// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: deadlines run at the wrong speed, and keys can be guessed. */
#include "libxos/env/env.h"
#include "tests/lib/xtest.h"

#include <string.h>
#include <time.h>

static void clocks_agree_with_the_systems(void **state)
{
    (void)state;
    struct xos_env *env = xos_env_posix();
    struct timespec nap = {.tv_nsec = 20 * 1000 * 1000};
    int64_t before = (int64_t)time(NULL) * 1000;
    int64_t real = xos_env_real_ms(env);
    assert_true(real >= before && real < before + 60 * 1000);
    uint64_t mono = xos_env_mono_ms(env), boot = xos_env_boot_ms(env);
    assert_true(boot >= mono);
    nanosleep(&nap, NULL);
    assert_true(xos_env_mono_ms(env) >= mono + 19);
    assert_true(xos_env_boot_ms(env) >= boot + 19);
}

static void random_bytes_fill_all_and_differ(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_env *env = xos_env_posix();
    static uint8_t a[4096], b[4096];
    unsigned seen[256] = {0}, values = 0;
    XT_TRY(xos_env_random(env, a, sizeof(a), &err));
    XT_TRY(xos_env_random(env, b, sizeof(b), &err));
    assert_true(memcmp(a, b, sizeof(a)) != 0);
    for (size_t i = 0; i < sizeof(a); i++)
        seen[a[i]]++;
    for (size_t i = 0; i < 256; i++)
        values += seen[i] != 0;
    assert_true(values > 200);
    XT_TRY(xos_env_random(env, a, 0, &err));
out:;
}

static const struct xt_test tests[] = {
    XT(clocks_agree_with_the_systems),
    XT(random_bytes_fill_all_and_differ),
};
XT_MAIN(tests)
