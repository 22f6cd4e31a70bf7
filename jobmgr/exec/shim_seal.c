// SPDX-License-Identifier: Apache-2.0
#include "jobmgr/exec/shim_seal.h"

#include "jobmgr/exec/sanitized.h"

#include <errno.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CAPABILITIES_MAX 64

static int keep_kill_only(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {0};
    data[0].effective = data[0].permitted = 1u << CAP_KILL;
    return (int)syscall(SYS_capset, &head, data);
}

static int drop(const struct order *o)
{
    gid_t none = 0;
    if (o->shim_uid == 0 || o->shim_gid == 0) {
        errno = EPERM;
        return -1;
    }
    for (int cap = 0; cap < CAPABILITIES_MAX; cap++)
        if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0 && errno != EINVAL)
            return -1;
    if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || setgroups(0, &none) < 0)
        return -1;
    if (setresgid(o->shim_gid, o->shim_gid, o->shim_gid) < 0 ||
        setresuid(o->shim_uid, o->shim_uid, o->shim_uid) < 0)
        return -1;
    if (keep_kill_only() < 0)
        return -1;
    if (setuid(0) == 0) {
        errno = EPERM;
        return -1;
    }
    return 0;
}

#if defined(__x86_64__)
#define SEAL_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define SEAL_ARCH AUDIT_ARCH_AARCH64
#endif

#if !EXEC_SANITIZED && defined(SEAL_ARCH) /* a sanitizer's own calls are not known */

#define ALLOW(name)                                                                                \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_##name, 0, 1),                                        \
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static struct sock_filter filter_code[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SEAL_ARCH, 1, 0),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
#ifdef __NR_epoll_wait
    ALLOW(epoll_wait),
#endif
    ALLOW(epoll_pwait),
    ALLOW(epoll_ctl),
    ALLOW(read),
    ALLOW(write),
    ALLOW(pread64),
    ALLOW(pwrite64),
    ALLOW(splice),
    ALLOW(recvmsg),
    ALLOW(sendmsg),
    ALLOW(recvfrom),
    ALLOW(sendto),
    ALLOW(accept4),
    ALLOW(getsockopt),
    ALLOW(clock_gettime),
    ALLOW(timerfd_settime),
    ALLOW(openat),
    ALLOW(close),
    ALLOW(fsync),
    ALLOW(fallocate),
#ifdef __NR_rename
    ALLOW(rename),
#endif
    ALLOW(renameat),
    ALLOW(renameat2),
    ALLOW(unlinkat),
    ALLOW(getdents64),
    ALLOW(fstat),
    ALLOW(newfstatat),
    ALLOW(lseek),
    ALLOW(fcntl),
    ALLOW(ioctl),
    ALLOW(wait4),
    ALLOW(waitid),
    ALLOW(kill),
    ALLOW(tgkill),
    ALLOW(pidfd_open),
    ALLOW(pidfd_send_signal),
    ALLOW(getpid),
    ALLOW(gettid),
    ALLOW(brk),
    ALLOW(mmap),
    ALLOW(munmap),
    ALLOW(mremap),
    ALLOW(mprotect),
    ALLOW(madvise),
    ALLOW(sysinfo),
    ALLOW(nanosleep),
    ALLOW(clock_nanosleep),
    ALLOW(rt_sigaction),
    ALLOW(rt_sigprocmask),
    ALLOW(rt_sigreturn),
    ALLOW(restart_syscall),
    ALLOW(exit),
    ALLOW(exit_group),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
};

static int filter(void)
{
    struct sock_fprog program = {.len = sizeof(filter_code) / sizeof(filter_code[0]),
                                 .filter = filter_code};
    int rc = prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
    /* A kernel without seccomp is no reason to refuse to work. */
    return rc < 0 && errno != EINVAL ? -1 : 0;
}

#else

static int filter(void)
{
    return 0;
}

#endif

int shim_seal(const struct order *o)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -1;
    if (o->flags & ORDER_DROP && drop(o) < 0)
        return -1;
    return filter();
}
