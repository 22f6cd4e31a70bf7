// SPDX-License-Identifier: Apache-2.0
/* judge_process.c - the child that decides: what it gives up, and its one loop. */
#include "jobmgr/exec/execsys.h"
#include "jobmgr/exec/sanitized.h"
#include "jobmgr/judge/check.h"
#include "jobmgr/judge/judge.h"
#include "vo-auth/trust.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef XOS_HAVE_SECCOMP
#include <seccomp.h>
#endif

#define PROCESS_MEMORY_BYTES_MAX ((rlim_t)512 << 20)
#define PROCESS_CPU_S_MAX 60
#define PROCESS_SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

struct child {
    const struct judge_config *config;
    int socket;
    struct auth_name node;
    struct auth_trust *trust;
    union {
        struct execd_request request;
        uint8_t bytes[EXECD_MESSAGE_BYTES_MAX + 1];
    } in;
};

/* Giving up */

static int become(const struct judge_config *c, struct xos_error *err)
{
    const struct rlimit none = {0, 0}, cpu = {PROCESS_CPU_S_MAX, PROCESS_CPU_S_MAX},
                        memory = {PROCESS_MEMORY_BYTES_MAX, PROCESS_MEMORY_BYTES_MAX};
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || setrlimit(RLIMIT_CORE, &none) < 0 ||
        setrlimit(RLIMIT_FSIZE, &none) < 0 || setrlimit(RLIMIT_CPU, &cpu) < 0)
        return xos_fail_errno(err, "judge");
    if (!EXEC_SANITIZED && setrlimit(RLIMIT_AS, &memory) < 0)
        return xos_fail_errno(err, "judge");
    if (geteuid() != 0)
        return 0;
    if (c->uid == 0 || c->gid == 0)
        return xos_fail(err, XOS_INVALID, "--shim-uid and --shim-gid: root judges nothing");
    if (setgroups(0, NULL) < 0 || setresgid(c->gid, c->gid, c->gid) < 0 ||
        setresuid(c->uid, c->uid, c->uid) < 0)
        return xos_fail_errno(err, "judge");
    return setuid(0) == 0 ? xos_fail(err, XOS_INTERNAL, "the judge is still root") : 0;
}

/* Output goes on to where execd's goes; everything else is not the child's. */
static void close_all_but(int socket)
{
    if (socket > 3)
        (void)close_range(3, (unsigned)socket - 1, 0);
    (void)close_range((unsigned)socket + 1, ~0u, 0);
}

#if defined(XOS_HAVE_SECCOMP) && !EXEC_SANITIZED
/* What computing needs, and its one socket. No file is opened any more. */
static int filter(struct xos_error *err)
{
    static const int allowed[] = {
        SCMP_SYS(recvmsg),        SCMP_SYS(sendto),
        SCMP_SYS(read),           SCMP_SYS(write),
        SCMP_SYS(close),          SCMP_SYS(fstat),
        SCMP_SYS(newfstatat),     SCMP_SYS(fcntl),
        SCMP_SYS(munmap),         SCMP_SYS(brk),
        SCMP_SYS(mremap),         SCMP_SYS(madvise),
        SCMP_SYS(futex),          SCMP_SYS(getrandom),
        SCMP_SYS(clock_gettime),  SCMP_SYS(gettimeofday),
        SCMP_SYS(getpid),         SCMP_SYS(gettid),
        SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn),
        SCMP_SYS(sched_yield),    SCMP_SYS(exit),
        SCMP_SYS(exit_group),     SCMP_SYS(restart_syscall),
    };
    scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
    int rc = ctx ? 0 : -ENOMEM;
    for (size_t i = 0; rc == 0 && i < sizeof(allowed) / sizeof(allowed[0]); i++)
        rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, allowed[i], 0);
    const struct scmp_arg_cmp not_code = {
        .arg = 2, .op = SCMP_CMP_MASKED_EQ, .datum_a = PROT_EXEC, .datum_b = 0};
    if (rc == 0)
        rc = seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, &not_code);
    if (rc == 0)
        rc = seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, &not_code);
    if (rc == 0)
        rc = seccomp_load(ctx);
    seccomp_release(ctx);
    return rc < 0 ? xos_fail(err, XOS_SYSTEM, "system call filter: error %d", -rc) : 0;
}
#else
static int filter(struct xos_error *err)
{
    (void)err;
    return 0;
}
#endif

/* One question */

/* Whoever sent the file may neither change it while it is read nor make it shorter. */
static int map(int fd, struct xos_slice *out, struct xos_error *err)
{
    struct stat st;
    int seals = fd < 0 ? -1 : fcntl(fd, F_GET_SEALS);
    if (seals < 0 || (seals & PROCESS_SEALS) != PROCESS_SEALS)
        return xos_fail(err, XOS_DENIED, "its papers are no sealed memory file");
    if (fstat(fd, &st) < 0 || st.st_size < 0)
        return xos_fail_errno(err, "papers");
    if ((uint64_t)st.st_size > JUDGE_PAPERS_BYTES_MAX)
        return xos_fail(err, XOS_LIMIT, "JUDGE_PAPERS_BYTES_MAX: papers of %lld bytes",
                        (long long)st.st_size);
    *out = (struct xos_slice){NULL, 0};
    if (st.st_size == 0)
        return 0;
    void *at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (at == MAP_FAILED)
        return xos_fail_errno(err, "papers");
    *out = (struct xos_slice){at, (size_t)st.st_size};
    return 0;
}

static int decide(struct child *c, size_t bytes, int papers, struct execd_identity *who,
                  struct xos_error *err)
{
    struct auth_context ctx;
    struct xos_slice text = {NULL, 0};
    if (execd_request_check(c->in.bytes, bytes, err) < 0)
        return -1;
    if (c->in.request.verb != EXECD_START)
        return xos_fail(err, XOS_DENIED, "only a START needs a judge");
    if (map(papers, &text, err) < 0)
        return -1;
    auth_trust_context(c->trust, AUTH_KIND_USER, xos_env_real_ms(c->config->env), &ctx);
    int rc = judge_check(who, &c->in.request, text, &c->node, &ctx, err);
    if (text.data)
        munmap((void *)(uintptr_t)text.data, text.len);
    return rc;
}

static int say(const struct child *c, const struct execd_identity *who, const struct xos_error *err)
{
    struct judge_verdict v = {.magic = JUDGE_MAGIC, .code = err->code};
    if (who) {
        memcpy(v.vo, who->vo, sizeof(v.vo));
        memcpy(v.user, who->user, sizeof(v.user));
    }
    (void)snprintf(v.text, sizeof(v.text), "%s", err->code ? err->text : "");
    return send(c->socket, &v, sizeof(v), MSG_NOSIGNAL) == sizeof(v) ? 0 : -1;
}

static int answer(struct child *c)
{
    struct execd_identity who = {.user = ""};
    struct xos_error err = {0};
    int papers;
    ssize_t bytes = sys_recv_fd(c->socket, c->in.bytes, sizeof(c->in.bytes), &papers, 0);
    if (bytes <= 0)
        return -1;
    int rc = decide(c, (size_t)bytes, papers, &who, &err);
    if (rc < 0 && !err.code)
        xos_fail(&err, XOS_INTERNAL, "no reason was given");
    if (papers >= 0)
        close(papers);
    return say(c, rc == 0 ? &who : NULL, &err);
}

static int prepare(struct child *c, struct xos_error *err)
{
    close_all_but(c->socket);
    if (become(c->config, err) < 0 ||
        auth_name_parse(&c->node, AUTH_NAME_NODE, auth_slice(c->config->node), NULL, err) < 0)
        return xos_wrap(err, "--node %s", c->config->node);
    if (auth_trust_open(&c->trust, c->config->env, c->config->trust, err) < 0)
        return -1;
    return filter(err);
}

void judge_process(const struct judge_config *config, int socket)
{
    static struct child c;
    struct xos_error err = {0};
    c.config = config;
    c.socket = socket;
    int rc = prepare(&c, &err);
    if (say(&c, NULL, &err) == 0 && rc == 0)
        while (answer(&c) == 0)
            ;
    _exit(rc == 0 ? 0 : 1);
}
