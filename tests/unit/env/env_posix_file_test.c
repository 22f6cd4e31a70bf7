// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a name that came from outside reads or overwrites any file of the machine, or
 * a crash leaves half a file where a key or a configuration was. */
#include "libxos/env/env_posix.h"
#include "tests/lib/xtest.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static struct xos_env *env;

/* A fresh directory below the test's own, with a tree that tries to lead out of it:
 * file, sub/file, out -> /etc, abs -> /etc/passwd, here -> sub, loop -> loop, pipe. */
static int trap_open(void)
{
    char path[128];
    static unsigned count;
    (void)snprintf(path, sizeof(path), "%s/trap%u", xt_dir(), count++);
    assert_int_equal(mkdir(path, 0755), 0);
    int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(dir >= 0);
    assert_int_equal(mkdirat(dir, "sub", 0755), 0);
    for (int i = 0; i < 2; i++) {
        int fd = openat(dir, i ? "sub/file" : "file", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        assert_int_equal(write(fd, "inside", 6), 6);
        close(fd);
    }
    assert_int_equal(symlinkat("/etc", dir, "out"), 0);
    assert_int_equal(symlinkat("/etc/passwd", dir, "abs"), 0);
    assert_int_equal(symlinkat("sub", dir, "here"), 0);
    assert_int_equal(symlinkat("loop", dir, "loop"), 0);
    assert_int_equal(mkfifoat(dir, "pipe", 0644), 0);
    return dir;
}

static int count_entry(const char *name, void *arg)
{
    (void)name;
    ++*(unsigned *)arg;
    return 0;
}

static unsigned entries(int dir)
{
    struct xos_error err = {0};
    unsigned n = 0;
    assert_int_equal(xos_env_dir_list(env, dir, ".", count_entry, &n, &err), 0);
    return n;
}

static const struct {
    const char *path;
    enum xos_code wanted;
} bad_paths[] = {
    {"/etc/passwd", XOS_DENIED},  {"../file", XOS_DENIED},   {"sub/../../file", XOS_DENIED},
    {"sub/..", XOS_DENIED},       {"..", XOS_DENIED},        {"out/passwd", XOS_DENIED},
    {"abs", XOS_DENIED},          {"here/file", XOS_DENIED}, {"loop", XOS_DENIED},
    {"loop/x", XOS_DENIED},       {"pipe", XOS_DENIED},      {"missing", XOS_NOT_FOUND},
    {"missing/x", XOS_NOT_FOUND}, {"file/x", XOS_SYSTEM},    {"//file", XOS_DENIED},
};

/* What must hold through openat2 and through the walk. Exits the process that the filter is in
 * with the number of the first row that fails. */
static int paths_hold(int dir)
{
    struct xos_error err = {0};
    struct xos_buf out = XOS_BUF(100);
    for (size_t i = 0; i < sizeof(bad_paths) / sizeof(bad_paths[0]); i++) {
        err.code = XOS_NONE;
        if (xos_env_file_read(env, dir, bad_paths[i].path, &out, &err) == 0 ||
            err.code != bad_paths[i].wanted)
            return (int)i + 1;
    }
    static const char *const good[] = {"file", "sub/file", "./sub//file", "sub/./file"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        xos_buf_clear(&out);
        if (xos_env_file_read(env, dir, good[i], &out, &err) < 0 || out.len != 6)
            return 100 + (int)i;
    }
    xos_buf_free(&out);
    return 0;
}

static void no_path_leads_out(void **state)
{
    (void)state;
    int dir = trap_open();
    assert_int_equal(paths_hold(dir), 0);
    close(dir);
}

/* Make openat2 fail as an old kernel or an old container runtime does. */
static int openat2_hide(uint32_t number)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | number),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog prog = {.len = sizeof(code) / sizeof(code[0]), .filter = code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -1;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog);
}

static void no_path_leads_out_on_an_old_kernel(void **state)
{
    (void)state;
    static const uint32_t ways[] = {ENOSYS, EPERM};
    for (size_t i = 0; i < 2; i++) {
        int dir = trap_open(), status = 0;
        pid_t pid = fork();
        if (pid == 0)
            _exit(openat2_hide(ways[i]) < 0 ? 77 : paths_hold(dir));
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
        close(dir);
    }
}

/* Every call that changes something, through every trap: nothing outside may change. */
static void no_write_leads_out(void **state)
{
    (void)state;
    struct xos_error err = {0};
    int dir = trap_open();
    static const char *const traps[] = {"out/xos-test", "here/new", "../new", "/tmp/xos-test-new",
                                        "loop/new"};
    for (size_t i = 0; i < sizeof(traps) / sizeof(traps[0]); i++) {
        XT_REFUSED(xos_env_file_replace(env, dir, traps[i], "x", 1, 0600, &err), XOS_DENIED);
        XT_REFUSED(xos_env_dir_make(env, dir, traps[i], 0700, &err), XOS_DENIED);
        XT_REFUSED(xos_env_remove(env, dir, traps[i], &err), XOS_DENIED);
        XT_REFUSED(
            xos_env_file_open(env, dir, traps[i], XOS_OPEN_WRITE | XOS_OPEN_CREATE, 0600, &err),
            XOS_DENIED);
        struct xos_buf b = XOS_BUF(100);
        XT_REFUSED(xos_env_link_read(env, dir, traps[i], &b, &err), XOS_DENIED);
        xos_buf_free(&b);
    }
    assert_int_equal(access("/etc/xos-test", F_OK), -1);
    assert_int_equal(access("/tmp/xos-test-new", F_OK), -1);
    XT_REFUSED(xos_env_dir_make(env, dir, "out", 0700, &err), XOS_EXISTS);
    XT_REFUSED(xos_env_dir_make(env, dir, "file", 0700, &err), XOS_EXISTS);
    XT_REFUSED(xos_env_file_replace(env, dir, "", "x", 1, 0600, &err), XOS_INVALID);
    XT_REFUSED(xos_env_file_replace(env, dir, "sub/", "x", 1, 0600, &err), XOS_INVALID);
    XT_REFUSED(xos_env_file_replace(env, dir, ".", "x", 1, 0600, &err), XOS_INVALID);
    close(dir);
}

/* A link in the place of the file is replaced itself; what it points to stays. */
static void replace_replaces_the_link_not_its_target(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct stat st;
    int dir = trap_open();
    assert_int_equal(symlinkat("file", dir, "link"), 0);
    XT_TRY(xos_env_file_replace(env, dir, "link", "new", 3, 0640, &err));
    assert_int_equal(fstatat(dir, "link", &st, AT_SYMLINK_NOFOLLOW), 0);
    assert_true(S_ISREG(st.st_mode));
    assert_int_equal(st.st_size, 3);
    assert_int_equal(fstatat(dir, "file", &st, AT_SYMLINK_NOFOLLOW), 0);
    assert_int_equal(st.st_size, 6);
    XT_TRY(xos_env_remove(env, dir, "abs", &err));
    assert_int_equal(access("/etc/passwd", F_OK), 0);
out:
    close(dir);
}

static void modes_are_exact_whatever_the_umask(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct stat st;
    int dir = trap_open();
    mode_t before = umask(077);
    XT_TRY(xos_env_file_replace(env, dir, "new", "x", 1, 0644, &err));
    assert_int_equal(fstatat(dir, "new", &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0644);
    assert_int_equal(st.st_uid, geteuid());
    XT_TRY(xos_env_dir_make(env, dir, "newdir", 0755, &err));
    assert_int_equal(fstatat(dir, "newdir", &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0755);
    XT_TRY(xos_env_dir_make(env, dir, "newdir", 0700, &err));
    assert_int_equal(fstatat(dir, "newdir", &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0755);
    umask(0);
    XT_TRY(xos_env_file_replace(env, dir, "new", "y", 1, 0600, &err));
    assert_int_equal(fstatat(dir, "new", &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
out:
    umask(before);
    close(dir);
}

/* As another user: what its owner closed stays closed, and the error says so. */
static void a_closed_directory_is_named_in_the_error(void **state)
{
    (void)state;
    if (geteuid() != 0)
        XT_SKIP("needs root");
    int dir = trap_open(), status = 0;
    assert_int_equal(fchmodat(dir, "sub", 0700, 0), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct xos_error err = {0};
        struct xos_buf out = XOS_BUF(100);
        if (setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0)
            _exit(77);
        int rc = xos_env_file_read(env, dir, "sub/file", &out, &err);
        if (rc == 0 || err.code != XOS_SYSTEM || !strstr(err.text, "sub/file: Permission denied"))
            _exit(1);
        _exit(xos_env_file_replace(env, dir, "sub/file", "x", 1, 0600, &err) == 0 ? 2 : 0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WEXITSTATUS(status), 0);
    close(dir);
}

/* RLIMIT_FSIZE stands for a full disk: the write fails half-way. */
static void a_full_disk_leaves_the_old_file_and_nothing_else(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct rlimit before, small = {.rlim_cur = 4096};
    struct xos_buf out = XOS_BUF(100);
    static char big[65536];
    int dir = trap_open();
    unsigned had = entries(dir);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small.rlim_max = before.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    int rc = xos_env_file_replace(env, dir, "file", big, sizeof(big), 0600, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(rc, -1);
    assert_int_equal(err.code, XOS_IO);
    assert_int_equal(entries(dir), had);
    XT_TRY(xos_env_file_read(env, dir, "file", &out, &err));
    assert_string_equal((const char *)out.data, "inside");
    /* A directory in the file's place: the rename fails, the temporary file goes. */
    assert_int_equal(xos_env_file_replace(env, dir, "sub", "x", 1, 0600, &err), -1);
    assert_int_equal(entries(dir), had);
out:
    xos_buf_free(&out);
    close(dir);
}

/* Readers see the old file or the new one, whole, and kills leave no heap of temporary files. */
static void a_replace_that_is_killed_leaves_a_whole_file(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_buf out = XOS_BUF(1 << 20);
    static char data[2][20000];
    int dir = trap_open();
    unsigned had = entries(dir);
    memset(data[0], 'a', sizeof(data[0]));
    memset(data[1], 'b', sizeof(data[1]));
    XT_TRY(xos_env_file_replace(env, dir, "file", data[0], sizeof(data[0]), 0600, &err));
    unsigned long kills = xt_scaled(2000);
    for (unsigned long i = 0; i < kills; i++) {
        pid_t pid = fork();
        if (pid == 0)
            for (unsigned n = 0;; n++)
                (void)env_posix_file_replace(env, dir, "file", data[n % 2], sizeof(data[0]), 0600,
                                             NULL);
        for (int reads = 0; reads < 20; reads++) {
            xos_buf_clear(&out);
            XT_TRY(xos_env_file_read(env, dir, "file", &out, &err));
            assert_int_equal(out.len, sizeof(data[0]));
            assert_true(memcmp(out.data, data[out.data[0] - 'a'], out.len) == 0);
        }
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
    /* At most one name per kill between link and rename; in practice hardly ever one. */
    assert_true(entries(dir) <= had + kills);
out:
    xos_buf_free(&out);
    close(dir);
}

static void reading_stops_at_the_limit_and_changes_nothing(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_buf out = XOS_BUF(10);
    int dir = trap_open(), proc = -1;
    XT_TRY(xos_buf_add(&out, "0123", 4, &err));
    XT_TRY(xos_env_file_read(env, dir, "file", &out, &err));
    assert_int_equal(out.len, 10);
    XT_REFUSED(xos_env_file_read(env, dir, "file", &out, &err), XOS_LIMIT);
    assert_int_equal(out.len, 10);
    assert_memory_equal(out.data, "0123inside", 10);
    /* A file that tells no size. */
    proc = xos_env_dir_open(env, "/proc/self", &err);
    assert_true(proc >= 0);
    XT_REFUSED(xos_env_file_read(env, proc, "status", &out, &err), XOS_LIMIT);
    assert_int_equal(out.len, 10);
    out.max = 65536;
    XT_TRY(xos_env_file_read(env, proc, "status", &out, &err));
    assert_true(out.len > 200);
out:
    xos_buf_free(&out);
    close(dir);
    if (proc >= 0)
        close(proc);
}

static void open_flags_do_what_they_say(void **state)
{
    (void)state;
    struct xos_error err = {0};
    int dir = trap_open();
    char got[16] = {0};
    int fd = xos_env_file_open(env, dir, "log", XOS_OPEN_WRITE | XOS_OPEN_CREATE | XOS_OPEN_APPEND,
                               0600, &err);
    assert_true(fd >= 0);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_false(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_int_equal(write(fd, "one", 3), 3);
    xos_env_close(env, fd);
    XT_REFUSED(xos_env_file_open(env, dir, "log",
                                 XOS_OPEN_WRITE | XOS_OPEN_CREATE | XOS_OPEN_EXCLUSIVE, 0600, &err),
               XOS_EXISTS);
    fd = xos_env_file_open(env, dir, "log", XOS_OPEN_READ | XOS_OPEN_WRITE, 0, &err);
    assert_int_equal(read(fd, got, sizeof(got)), 3);
    xos_env_close(env, fd);
    fd = xos_env_file_open(env, dir, "log", XOS_OPEN_WRITE | XOS_OPEN_TRUNCATE, 0, &err);
    assert_int_equal(lseek(fd, 0, SEEK_END), 0);
    xos_env_close(env, fd);
    int sub = xos_env_file_open(env, dir, "sub", XOS_OPEN_READ, 0, &err);
    assert_int_equal(entries(sub), 1);
    xos_env_close(env, sub);
    xos_env_close(env, -1);
    close(dir);
}

static int stop_at_once(const char *name, void *arg)
{
    (void)name;
    ++*(unsigned *)arg;
    return 1;
}

static void listing_removing_links_and_room(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_buf out = XOS_BUF(100);
    struct xos_disk disk = {0};
    unsigned seen = 0;
    int dir = trap_open();
    assert_int_equal(entries(dir), 7);
    XT_TRY(xos_env_dir_list(env, dir, ".", stop_at_once, &seen, &err));
    assert_int_equal(seen, 1);
    XT_REFUSED(xos_env_dir_list(env, dir, "out", count_entry, &seen, &err), XOS_DENIED);
    XT_REFUSED(xos_env_remove(env, dir, "missing", &err), XOS_NOT_FOUND);
    assert_int_equal(xos_env_remove(env, dir, "sub", &err), -1); /* not empty */
    XT_TRY(xos_env_remove(env, dir, "sub/file", &err));
    XT_TRY(xos_env_remove(env, dir, "sub", &err));
    XT_TRY(xos_env_link_read(env, dir, "out", &out, &err));
    assert_string_equal((const char *)out.data, "/etc");
    XT_REFUSED(xos_env_link_read(env, dir, "missing", &out, &err), XOS_NOT_FOUND);
    assert_int_equal(xos_env_link_read(env, dir, "file", &out, &err), -1);
    assert_int_equal(out.len, 4);
    XT_TRY(xos_env_disk_free(env, dir, &disk, &err));
    assert_true(disk.free_bytes <= disk.all_bytes && disk.all_bytes > 0);
    assert_true(disk.free_ratio >= 0 && disk.free_ratio <= 1);
    assert_int_equal(xos_env_disk_free(env, -1, &disk, &err), -1);
    XT_REFUSED(xos_env_dir_open(env, "/no/such/dir", &err), XOS_NOT_FOUND);
out:
    xos_buf_free(&out);
    close(dir);
}

static const struct xt_test tests[] = {
    XT_PLAIN(no_path_leads_out),
    XT_PLAIN(no_path_leads_out_on_an_old_kernel),
    XT_PLAIN(no_write_leads_out),
    XT(replace_replaces_the_link_not_its_target),
    XT(modes_are_exact_whatever_the_umask),
    XT_PLAIN(a_closed_directory_is_named_in_the_error),
    XT_PLAIN(a_full_disk_leaves_the_old_file_and_nothing_else),
    XT_PLAIN(a_replace_that_is_killed_leaves_a_whole_file),
    XT(reading_stops_at_the_limit_and_changes_nothing),
    XT(open_flags_do_what_they_say),
    XT(listing_removing_links_and_room),
};

int main(void)
{
    env = xos_env_posix();
    return xt_main(tests, sizeof(tests) / sizeof(tests[0]));
}
