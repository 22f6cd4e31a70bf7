// SPDX-License-Identifier: Apache-2.0
#include "jobmgr/exec/execd.h"

#include "jobmgr/exec/execsys.h"
#include "jobmgr/exec/rmtree.h"
#include "libxos/base/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define CLIENTS_MAX 8
#define BACKLOG 64

struct packet {
    union {
        struct execd_request request;
        uint8_t bytes[EXECD_MESSAGE_BYTES_MAX + 1];
    } in;
    int papers; /* that came with it; -1: none */
    struct execd_answer answer;
    struct execd_entry entries[EXECD_LIST_MAX];
};

/* A directory below which units live: made when absent, and never somebody else's to write. */
static int open_dir(const char *parent, const char *name, mode_t mode, gid_t gid, bool root,
                    struct xos_error *err)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s%s%s", parent, *name ? "/" : "", name);
    if (mkdir(path, mode) < 0 && errno != EEXIST)
        return xos_fail_errno(err, "%s", path);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0) {
        (void)xos_fail_errno(err, "%s", path);
        goto error;
    }
    if (st.st_uid != geteuid()) {
        (void)xos_fail(err, XOS_DENIED, "%s belongs to uid %u, not to us", path, st.st_uid);
        goto error;
    }
    if ((root && fchown(fd, 0, gid) < 0) || fchmod(fd, mode) < 0) {
        (void)xos_fail_errno(err, "%s", path);
        goto error;
    }
    return fd;
error:
    if (fd >= 0)
        close(fd);
    return -1;
}

static int open_dirs(struct execd *e, struct xos_error *err)
{
    const struct execd_conf *c = e->conf;
    const struct {
        int *fd;
        const char *parent, *name;
        mode_t mode;
    } table[] = {
        {NULL, c->run, "", 0755},
        {&e->units, c->run, "units", 0750},
        {&e->ledger, c->run, "ledger", 0700},
        {NULL, c->run, "root", 0755},
        {&e->spool, c->spool, "", 0750},
        {&e->scratch, c->scratch, "", 0711},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        int fd = open_dir(table[i].parent, table[i].name, table[i].mode, c->peer_gid, e->root, err);
        if (fd < 0)
            return -1;
        if (table[i].fd)
            *table[i].fd = fd;
        else
            close(fd);
    }
    return 0;
}

/* Where units see their scratch; a plain directory of the root file system. */
static int make_scratch_point(struct xos_error *err)
{
    static const char *const paths[] = {"/xos", "/xos/scratch"};
    for (size_t i = 0; i < 2; i++)
        if (mkdir(paths[i], 0755) < 0 && errno != EEXIST)
            return xos_fail_errno(err, "%s", paths[i]);
    return 0;
}

static int start_listening(struct execd *e, struct xos_error *err)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    if (strlen(e->conf->socket) >= sizeof(at.sun_path))
        return xos_fail(err, XOS_INVALID, "socket path is too long: %s", e->conf->socket);
    memcpy(at.sun_path, e->conf->socket, strlen(e->conf->socket));
    (void)unlink(e->conf->socket);
    e->listen = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (e->listen < 0 || bind(e->listen, (struct sockaddr *)&at, sizeof(at)) < 0 ||
        listen(e->listen, BACKLOG) < 0)
        return xos_fail_errno(err, "%s", e->conf->socket);
    if (e->root && chown(e->conf->socket, 0, e->conf->peer_gid) < 0)
        return xos_fail_errno(err, "%s", e->conf->socket);
    return chmod(e->conf->socket, 0660) < 0 ? xos_fail_errno(err, "%s", e->conf->socket) : 0;
}

static int setup(struct execd *e, struct xos_error *err)
{
    sys_boot_id(e->boot_id);
    (void)snprintf(e->slot_prefix, sizeof(e->slot_prefix), "%llx",
                   (unsigned long long)sys_real_ms());
    if (open_dirs(e, err) < 0)
        return -1;
    if (e->root &&
        (make_scratch_point(err) < 0 || idmap_file_open(&e->idmap, e->conf->idmap, err) < 0 ||
         cgroups_probe(&e->cgroups, e->conf->cgroup, err) < 0))
        return -1;
    ledger_sweep(e->ledger);
    execd_sweep(e);
    rmtree_trash(e->spool);
    rmtree_trash(e->scratch);
    return start_listening(e, err);
}

int execd_new(struct execd **out, const struct execd_conf *conf, struct xos_error *err)
{
    struct execd *e = xos_alloc(sizeof(*e));
    if (!e)
        return xos_fail(err, XOS_NOMEM, "xos-execd");
    e->conf = conf;
    e->root = geteuid() == 0;
    e->units = e->ledger = e->spool = e->scratch = e->listen = -1;
    if (setup(e, err) < 0) {
        execd_free(e);
        return -1;
    }
    *out = e;
    return 0;
}

void execd_free(struct execd *e)
{
    if (!e)
        return;
    const int fds[] = {e->units, e->ledger, e->spool, e->scratch, e->listen};
    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
        if (fds[i] >= 0)
            close(fds[i]);
    idmap_file_close(e->idmap);
    xos_free(e);
}

static int do_probe(struct execd *e, struct packet *p, struct xos_error *err)
{
    (void)err;
    p->answer.enforced = cgroups_enforced(&e->cgroups);
    return 0;
}

static int do_start(struct execd *e, struct packet *p, struct xos_error *err)
{
    return execd_start(e, &p->in.request, p->papers, &p->answer, err);
}

static int do_kill(struct execd *e, struct packet *p, struct xos_error *err)
{
    return execd_kill(e, &p->in.request, err);
}

static int do_remove(struct execd *e, struct packet *p, struct xos_error *err)
{
    return execd_remove(e, &p->in.request, err);
}

static int do_list(struct execd *e, struct packet *p, struct xos_error *err)
{
    return execd_list(e, &p->in.request, &p->answer, p->entries, err);
}

static void serve(struct execd *e, struct packet *p, size_t bytes)
{
    static int (*const table[EXECD_VERBS])(struct execd *, struct packet *, struct xos_error *) = {
        [EXECD_START] = do_start, [EXECD_KILL] = do_kill, [EXECD_REMOVE] = do_remove,
        [EXECD_PROBE] = do_probe, [EXECD_LIST] = do_list,
    };
    struct xos_error err = {0};
    struct execd_answer *a = &p->answer;
    *a = (struct execd_answer){.magic = EXECD_MAGIC, .version = EXECD_VERSION};
    int rc = execd_request_check(p->in.bytes, bytes, &err);
    if (rc == 0) {
        a->verb = p->in.request.verb;
        a->serial = p->in.request.serial;
        rc = table[a->verb](e, p, &err);
    }
    a->isolation = e->root ? cgroups_isolation(&e->cgroups) : EXECD_RLIMIT;
    if (rc < 0) {
        a->code = err.code ? err.code : XOS_INTERNAL;
        a->count = a->more = 0;
        memcpy(a->text, err.text, sizeof(a->text));
        a->text[sizeof(a->text) - 1] = 0;
    }
    a->bytes = (uint32_t)(sizeof(*a) + a->count * sizeof(p->entries[0]));
}

static bool peer_allowed(const struct execd *e, int fd)
{
    struct ucred cred;
    socklen_t len = sizeof(cred);
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 &&
           cred.uid == e->conf->peer_uid;
}

static void take_client(struct execd *e, struct pollfd *clients)
{
    int fd = accept4(e->listen, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    int room = EXECD_MESSAGE_BYTES_MAX;
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
    for (int i = 0; peer_allowed(e, fd) && i < CLIENTS_MAX; i++)
        if (clients[i].fd < 0) {
            clients[i].fd = fd;
            return;
        }
    close(fd);
}

/* One packet, one answer. A client that does not take its answer is dropped. */
static int serve_client(struct execd *e, int fd, struct packet *p)
{
    ssize_t n = sys_recv_fd(fd, p->in.bytes, sizeof(p->in.bytes), &p->papers, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n <= 0)
        return -1;
    serve(e, p, (size_t)n);
    if (p->papers >= 0)
        close(p->papers);
    return send(fd, &p->answer, p->answer.bytes, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -1 : 0;
}

static void do_reload(struct execd *e, struct execd_signals *signals)
{
    if (signals->reload && e->conf->reload)
        e->conf->reload(e->conf->authorise_arg);
    signals->reload = 0;
}

int execd_run(struct execd *e, struct execd_signals *signals, struct xos_error *err)
{
    struct pollfd fds[1 + CLIENTS_MAX] = {{.fd = e->listen, .events = POLLIN}};
    struct packet *p = xos_alloc(sizeof(*p));
    if (!p)
        return xos_fail(err, XOS_NOMEM, "xos-execd");
    for (int i = 1; i <= CLIENTS_MAX; i++)
        fds[i] = (struct pollfd){.fd = -1, .events = POLLIN};
    while (!signals->stop) {
        int ready = poll(fds, 1 + CLIENTS_MAX, -1);
        do_reload(e, signals);
        if (ready <= 0)
            continue;
        for (int i = 1; i <= CLIENTS_MAX; i++)
            if (fds[i].fd >= 0 && fds[i].revents && serve_client(e, fds[i].fd, p) < 0) {
                close(fds[i].fd);
                fds[i].fd = -1;
            }
        if (fds[0].revents)
            take_client(e, fds + 1);
    }
    for (int i = 1; i <= CLIENTS_MAX; i++)
        if (fds[i].fd >= 0)
            close(fds[i].fd);
    xos_free(p);
    return 0;
}
