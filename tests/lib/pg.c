// SPDX-License-Identifier: Apache-2.0
#include "tests/lib/pg.h"

#include "tests/lib/xtest.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define START_MS_MAX 60000
#define CHILDREN_MAX 256
#define PROGRAM_MAX 256

struct xt_pg {
    pid_t pid;
    char bin[128];
    char data[128]; /* the cluster, and its socket in it */
    char log[160];
    char url[512];
};

static struct xt_pg the_server;

static bool find_bin(char *out, size_t size)
{
    glob_t found;
    if (glob("/usr/lib/postgresql/*/bin/postgres", 0, NULL, &found) != 0)
        return false;
    const char *last = found.gl_pathv[found.gl_pathc - 1];
    (void)snprintf(out, size, "%.*s", (int)(strrchr(last, '/') - last), last);
    globfree(&found);
    return true;
}

const char *xt_pg_lacks(void)
{
    char bin[128];
#ifndef XOS_HAVE_PQ
    return "needs a build with libpq";
#endif
    if (!find_bin(bin, sizeof(bin)))
        return "needs the package postgresql";
    if (geteuid() == 0 && !getpwnam("postgres"))
        return "needs the user postgres";
    return NULL;
}

/* In the child. The death signal is set after the change of user, which would clear it. */
static void become_server_user(pid_t parent)
{
    if (geteuid() == 0) {
        const struct passwd *pw = getpwnam("postgres");
        if (!pw || initgroups("postgres", pw->pw_gid) < 0 || setgid(pw->pw_gid) < 0 ||
            setuid(pw->pw_uid) < 0)
            _exit(120);
    }
    prctl(PR_SET_PDEATHSIG, SIGQUIT);
    if (getppid() != parent)
        _exit(121);
}

static pid_t spawn(struct xt_pg *pg, const char *const *argv)
{
    pid_t parent = getpid(), pid = fork();
    if (pid != 0)
        return pid;
    int log = open(pg->log, O_WRONLY | O_CREAT | O_APPEND, 0644);
    int none = open("/dev/null", O_RDONLY);
    dup2(none, 0);
    dup2(log, 1);
    dup2(log, 2);
    for (int fd = 3; fd < 1024; fd++)
        close(fd);
    become_server_user(parent);
    if (chdir("/") == 0)
        execv(argv[0], (char *const *)(uintptr_t)argv);
    _exit(122);
}

static int run(struct xt_pg *pg, const char *const *argv, struct xos_error *err)
{
    int status = -1;
    pid_t pid = spawn(pg, argv);
    if (pid < 0 || waitpid(pid, &status, 0) < 0)
        return xos_fail_errno(err, "run %s", argv[0]);
    if (status == 0)
        return 0;
    return xos_fail(err, XOS_SYSTEM, "%s ended with status %d, see %s", argv[0], status, pg->log);
}

static void nap(void)
{
    struct timespec t = {.tv_nsec = 20 * 1000000};
    nanosleep(&t, NULL);
}

static bool answers(struct xt_pg *pg)
{
    char program[PROGRAM_MAX];
    (void)snprintf(program, sizeof(program), "%.128s/pg_isready", pg->bin);
    const char *argv[] = {program, "-q", "-h", pg->data, NULL};
    return run(pg, argv, NULL) == 0;
}

static int start(struct xt_pg *pg, struct xos_error *err)
{
    char program[PROGRAM_MAX], folder[160];
    (void)snprintf(program, sizeof(program), "%.128s/postgres", pg->bin);
    (void)snprintf(folder, sizeof(folder), "unix_socket_directories=%s", pg->data);
    const char *argv[] = {program,
                          "-D",
                          pg->data,
                          "-c",
                          "listen_addresses=",
                          "-c",
                          folder,
                          "-c",
                          "shared_buffers=16MB",
                          "-c",
                          "max_connections=20",
                          "-c",
                          "log_min_messages=warning",
                          NULL};
    pg->pid = spawn(pg, argv);
    if (pg->pid < 0)
        return xos_fail_errno(err, "start postgres");
    for (int waited = 0; waited < START_MS_MAX; waited += 20) {
        if (answers(pg))
            return 0;
        if (waitpid(pg->pid, NULL, WNOHANG) != 0) {
            pg->pid = 0;
            return xos_fail(err, XOS_SYSTEM, "postgres ended at once, see %s", pg->log);
        }
        nap();
    }
    return xos_fail(err, XOS_TIMEOUT, "postgres does not answer, see %s", pg->log);
}

static void stop(void)
{
    if (the_server.pid <= 0)
        return;
    kill(the_server.pid, SIGQUIT);
    waitpid(the_server.pid, NULL, 0);
    the_server.pid = 0;
}

static int folder_make(struct xt_pg *pg, struct xos_error *err)
{
    const char *top = xt_dir();
    (void)snprintf(pg->data, sizeof(pg->data), "%s/pg", top);
    (void)snprintf(pg->log, sizeof(pg->log), "%s/pg.log", top);
    if (chmod(top, 0711) < 0 || mkdir(pg->data, 0700) < 0)
        return xos_fail_errno(err, "make %s", pg->data);
    const struct passwd *pw = geteuid() == 0 ? getpwnam("postgres") : NULL;
    if (pw && chown(pg->data, pw->pw_uid, pw->pw_gid) < 0)
        return xos_fail_errno(err, "chown %s", pg->data);
    return 0;
}

int xt_pg_start(struct xt_pg **out, struct xos_error *err)
{
    struct xt_pg *pg = &the_server;
    *out = pg;
    if (pg->pid > 0)
        return 0;
    char program[PROGRAM_MAX];
    if (!find_bin(pg->bin, sizeof(pg->bin)))
        return xos_fail(err, XOS_UNSUPPORTED, "%s", xt_pg_lacks());
    (void)snprintf(program, sizeof(program), "%.128s/initdb", pg->bin);
    const char *argv[] = {program, "-D",   pg->data,           "-A", "trust", "-U", "postgres",
                          "-E",    "UTF8", "--locale=C.UTF-8", "-N", NULL};
    if (folder_make(pg, err) < 0 || run(pg, argv, err) < 0)
        return -1;
    atexit(stop); /* runs before xt_dir()'s own, which removes the data */
    return start(pg, err);
}

const char *xt_pg_url(struct xt_pg *pg, const char *name)
{
    char program[PROGRAM_MAX];
    (void)snprintf(program, sizeof(program), "%.128s/createdb", pg->bin);
    const char *argv[] = {program, "-h", pg->data, "-U", "postgres", name, NULL};
    (void)run(pg, argv, NULL); /* fails when it is there */
    (void)snprintf(pg->url, sizeof(pg->url), "postgresql:///%s?host=%s&user=postgres", name,
                   pg->data);
    return pg->url;
}

static pid_t parent_of(pid_t pid)
{
    char path[64], text[512];
    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "re");
    if (!f)
        return 0;
    size_t n = fread(text, 1, sizeof(text) - 1, f);
    (void)fclose(f);
    text[n] = '\0';
    const char *after = strrchr(text, ')');
    int parent = 0;
    if (!after || sscanf(after, ") %*c %d", &parent) != 1)
        return 0;
    return parent;
}

static size_t children_of(pid_t pid, pid_t *out)
{
    size_t n = 0;
    DIR *dir = opendir("/proc");
    const struct dirent *entry;
    while (dir && (entry = readdir(dir)) && n < CHILDREN_MAX) {
        pid_t child = (pid_t)strtol(entry->d_name, NULL, 10);
        if (child > 0 && parent_of(child) == pid)
            out[n++] = child;
    }
    if (dir)
        closedir(dir);
    return n;
}

int xt_pg_crash(struct xt_pg *pg, struct xos_error *err)
{
    pid_t children[CHILDREN_MAX];
    kill(pg->pid, SIGSTOP); /* it must not start new ones while they are counted */
    size_t n = children_of(pg->pid, children);
    kill(pg->pid, SIGKILL);
    for (size_t i = 0; i < n; i++)
        kill(children[i], SIGKILL);
    waitpid(pg->pid, NULL, 0);
    pg->pid = 0;
    for (size_t i = 0; i < n; i++)
        for (int waited = 0; kill(children[i], 0) == 0 && waited < START_MS_MAX; waited += 20)
            nap();
    return start(pg, err);
}
