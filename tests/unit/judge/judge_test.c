// SPDX-License-Identifier: Apache-2.0
/* A real judge, asked as xos-execd asks it. Were this to fail: root reads what strangers wrote, or
 * whatever breaks the judge lets a unit through. */
#include "jobmgr/exec/execd_client.h"
#include "jobmgr/judge/judge.h"
#include "tests/lib/home.h"
#include "tests/unit/judge/judge_stage.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#define SOMEBODY 54002

static struct scene {
    struct judge_stage s;
    struct clock_env clock;
    struct judge_config config;
    struct judge *judge;
    int proof;
    char trust[200];
} t;

static int put_root(struct xos_error *err)
{
    int at = xos_env_dir_open(xos_env_posix(), t.trust, err);
    int rc = at < 0 ? -1 : xos_env_dir_make(xos_env_posix(), at, "roots", 0755, err);
    if (rc == 0)
        rc = xos_env_file_replace(xos_env_posix(), at, "roots/inria.der", t.s.by.f.root.der.data,
                                  t.s.by.f.root.der.len, 0644, err);
    xos_env_close(xos_env_posix(), at);
    return rc;
}

static int scene_open(struct xos_error *err)
{
    static unsigned count;
    t = (struct scene){.proof = -1};
    (void)snprintf(t.trust, sizeof(t.trust), "%s/trust%u", xt_dir(), count++);
    (void)chmod(xt_dir(), 0755);
    (void)mkdir(t.trust, 0755);
    t.config = (struct judge_config){.env = clock_env_init(&t.clock, FIXTURE_NOW_MS),
                                     .trust = t.trust,
                                     .node = "n1.inria",
                                     .uid = SOMEBODY,
                                     .gid = SOMEBODY};
    if (judge_stage_open(&t.s, err) < 0 || judge_stage_make(&t.s, err) < 0 || put_root(err) < 0)
        return -1;
    t.proof = execd_client_papers(t.s.papers.data, t.s.papers.len, err);
    return t.proof < 0 ? -1 : judge_new(&t.judge, &t.config, err);
}

static void scene_close(void)
{
    judge_free(t.judge);
    if (t.proof >= 0)
        close(t.proof);
    judge_stage_close(&t.s);
}

static int ask(int proof, struct execd_identity *who, struct xos_error *err)
{
    return judge_ask(t.judge, t.s.request, proof, who, err);
}

/* The children of this process; the judge is the only one. */
static pid_t child(void)
{
    char path[64], text[64] = "";
    (void)snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
    FILE *f = fopen(path, "re");
    if (f && !fgets(text, sizeof(text), f))
        text[0] = '\0';
    if (f)
        (void)fclose(f);
    return (pid_t)strtol(text, NULL, 10);
}

static void a_good_start_passes_again_and_again(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct execd_identity who;
    XT_TRY(scene_open(&err));
    for (int i = 0; i < 20; i++) {
        who = (struct execd_identity){.user = ""};
        XT_TRY(ask(t.proof, &who, &err));
        assert_string_equal(who.user, "alice@inria");
        assert_string_equal(who.vo, "vo:climate@inria");
    }
out:
    scene_close();
}

static int plain_file(void)
{
    int fd = memfd_create("plain", MFD_CLOEXEC);
    assert_int_equal(write(fd, t.s.papers.data, t.s.papers.len), t.s.papers.len);
    return fd;
}

static int sealed(const void *bytes, size_t len)
{
    struct xos_error err = {0};
    int fd = execd_client_papers(bytes, len, &err);
    assert_true(fd >= 0);
    return fd;
}

static void no_other_file_will_do(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct execd_identity who;
    int pipes[2] = {-1, -1}, fds[4] = {-1, -1, -1, -1};
    uint8_t *large = xos_alloc(JUDGE_PAPERS_BYTES_MAX + 1);
    XT_PTR(large);
    XT_TRY(scene_open(&err));
    assert_int_equal(pipe(pipes), 0);
    fds[0] = plain_file();
    fds[1] = sealed(large, JUDGE_PAPERS_BYTES_MAX + 1);
    fds[2] = sealed("", 0);
    fds[3] = sealed(large, 5000);
    XT_REFUSED(ask(-1, &who, &err), XOS_DENIED);
    XT_REFUSED(ask(fds[0], &who, &err), XOS_DENIED);
    assert_non_null(strstr(err.text, "sealed"));
    XT_REFUSED(ask(pipes[0], &who, &err), XOS_DENIED);
    XT_REFUSED(ask(fds[1], &who, &err), XOS_LIMIT);
    assert_non_null(strstr(err.text, "JUDGE_PAPERS_BYTES_MAX"));
    XT_REFUSED(ask(fds[2], &who, &err), XOS_DENIED);
    XT_REFUSED(ask(fds[3], &who, &err), XOS_DENIED);
    XT_TRY(ask(t.proof, &who, &err)); /* and the judge is well */
out:
    for (size_t i = 0; i < 4; i++)
        close(fds[i]);
    close(pipes[0]);
    close(pipes[1]);
    xos_free(large);
    scene_close();
}

static void a_judge_has_given_up_everything(void **state)
{
    (void)state;
    struct xos_error err = {0};
    char path[64], line[256];
    unsigned long uid = 0, no_new = 0, filter = 0;
    XT_TRY(scene_open(&err));
    (void)snprintf(path, sizeof(path), "/proc/%d/status", (int)child());
    FILE *f = fopen(path, "re");
    assert_non_null(f);
    while (fgets(line, sizeof(line), f)) {
        (void)sscanf(line, "Uid: %lu", &uid);
        (void)sscanf(line, "NoNewPrivs: %lu", &no_new);
        (void)sscanf(line, "Seccomp: %lu", &filter);
    }
    (void)fclose(f);
    assert_int_equal(uid, geteuid() == 0 ? SOMEBODY : geteuid());
    assert_int_equal(no_new, 1);
#if defined(XOS_HAVE_SECCOMP) && !defined(__SANITIZE_ADDRESS__)
    assert_int_equal(filter, 2);
#endif
out:
    scene_close();
}

static void a_dead_judge_says_nothing_and_the_next_one_does(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct execd_identity who;
    XT_TRY(scene_open(&err));
    pid_t first = child();
    (void)kill(first, SIGKILL);
    (void)waitpid(first, NULL, 0);
    XT_TRY(ask(t.proof, &who, &err)); /* it was found dead before it was asked */
    assert_int_not_equal(child(), first);
    (void)kill(child(), SIGSTOP);
    XT_REFUSED(ask(t.proof, &who, &err), XOS_TIMEOUT);
    XT_TRY(ask(t.proof, &who, &err));
out:
    scene_close();
}

static void trust_that_is_taken_back_counts_after_a_reload(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct execd_identity who;
    char path[256];
    XT_TRY(scene_open(&err));
    XT_TRY(ask(t.proof, &who, &err));
    (void)snprintf(path, sizeof(path), "%s/roots/inria.der", t.trust);
    assert_int_equal(unlink(path), 0);
    judge_forget(t.judge);
    XT_REFUSED(ask(t.proof, &who, &err), XOS_NOT_FOUND); /* nobody to trust at all */
    XT_TRY(put_root(&err));
    XT_TRY(ask(t.proof, &who, &err));
out:
    scene_close();
}

static void what_is_wrong_is_said_at_start(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct judge *j = NULL;
    XT_TRY(scene_open(&err));
    struct judge_config c = t.config;
    c.trust = "/nonexistent";
    XT_REFUSED(judge_new(&j, &c, &err), XOS_NOT_FOUND);
    c = t.config;
    c.node = "Not A Node";
    XT_REFUSED(judge_new(&j, &c, &err), XOS_INVALID);
    assert_non_null(strstr(err.text, "--node"));
    if (geteuid() == 0) {
        c = t.config;
        c.uid = 0;
        XT_REFUSED(judge_new(&j, &c, &err), XOS_INVALID);
    }
    assert_null(j);
out:
    scene_close();
}

static const struct xt_test tests[] = {
    XT_PLAIN(a_good_start_passes_again_and_again),
    XT_PLAIN(no_other_file_will_do),
    XT_PLAIN(a_judge_has_given_up_everything),
    XT_PLAIN(a_dead_judge_says_nothing_and_the_next_one_does),
    XT_PLAIN(trust_that_is_taken_back_counts_after_a_reload),
    XT_PLAIN(what_is_wrong_is_said_at_start),
};
XT_MAIN(tests)
