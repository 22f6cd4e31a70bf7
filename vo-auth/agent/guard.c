// SPDX-License-Identifier: Apache-2.0
#include "vo-auth/agent/guard.h"

#include <openssl/crypto.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

/* What comes later is locked too only where that cannot make an allocation fail. */
static void lock_memory(void)
{
    struct rlimit limit;
    int what = MCL_CURRENT | MCL_ONFAULT;
    if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur == RLIM_INFINITY)
        what |= MCL_FUTURE;
    (void)mlockall(what);
}

int guard_process(struct xos_error *err)
{
    const struct rlimit none = {0, 0};
    if (prctl(PR_SET_DUMPABLE, 0) < 0 || setrlimit(RLIMIT_CORE, &none) < 0)
        return xos_fail_errno(err, "forbid core dumps");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return xos_fail_errno(err, "forbid new privileges");
    /* 2: it is there, but could not be locked. */
    if (CRYPTO_secure_malloc_init(GUARD_SECRET_BYTES, GUARD_BLOCK_BYTES) == 0)
        return xos_fail(err, XOS_SYSTEM, "no memory for keys");
    lock_memory();
    return 0;
}
