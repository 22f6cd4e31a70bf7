// SPDX-License-Identifier: Apache-2.0
#include "vo-auth/ca/confine.h"

#include <openssl/crypto.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#ifdef XOS_HAVE_SECCOMP
#include <errno.h>
#include <seccomp.h>
#endif

int ca_confine_early(struct xos_error *err)
{
    const struct rlimit none = {0, 0};
    /* 2: made, but not all of it could be locked or left out of dumps. */
    if (CRYPTO_secure_malloc_init(CA_SECURE_BYTES, 32) == 0)
        return xos_fail(err, XOS_NOMEM, "locked memory for keys");
    if (setrlimit(RLIMIT_CORE, &none) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return xos_fail_errno(err, "give up core dumps and privileges");
    return 0;
}

#ifdef XOS_HAVE_SECCOMP
static int add_rules(scmp_filter_ctx filter)
{
    static const int refused[] = {
        SCMP_SYS(execve),
        SCMP_SYS(execveat),
        SCMP_SYS(ptrace),
        SCMP_SYS(process_vm_readv),
        SCMP_SYS(process_vm_writev),
        SCMP_SYS(connect),
        SCMP_SYS(fork),
        SCMP_SYS(vfork),
        SCMP_SYS(mount),
        SCMP_SYS(unshare),
        SCMP_SYS(setns),
        SCMP_SYS(bpf),
        SCMP_SYS(io_uring_setup),
        SCMP_SYS(kexec_load),
        SCMP_SYS(init_module),
    };
    const struct scmp_arg_cmp not_unix = {.op = SCMP_CMP_NE, .datum_a = AF_UNIX};
    int rc = seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(socket), 1, &not_unix);
    for (size_t i = 0; rc == 0 && i < sizeof(refused) / sizeof(refused[0]); i++)
        rc = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), refused[i], 0);
    return rc;
}

int ca_confine_late(bool *filtered, struct xos_error *err)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    int rc = filter ? add_rules(filter) : -ENOMEM;
    if (rc == 0)
        rc = seccomp_load(filter);
    seccomp_release(filter);
    *filtered = rc == 0;
    return rc < 0 ? xos_fail(err, XOS_SYSTEM, "system call filter: error %d", -rc) : 0;
}
#else
int ca_confine_late(bool *filtered, struct xos_error *err)
{
    (void)err;
    *filtered = false;
    return 0;
}
#endif
