// SPDX-License-Identifier: Apache-2.0
/* worker_stage.h - a worker whose xos-execd and shims are played by the test, over their real
 * sockets and packets. Its head is the same node: the test asks and is told as such. */
#ifndef XOS_TESTS_WORKER_STAGE_H
#define XOS_TESTS_WORKER_STAGE_H

#include "jobmgr/exec/execd_wire.h"
#include "jobmgr/exec/execsys.h"
#include "jobmgr/exec/shim_wire.h"
#include "tests/unit/jobmgr/job_stage.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/un.h>

struct worker_stage {
    struct job_stage stage;
    char dir[64]; /* of this worker */
    char execd_path[100];
    int execd_listener, execd;
    enum execd_isolation isolation;
    unsigned starts;
    bool as_user;          /* the last of them has XOS_USER=STAGE_USER */
    const char *listed;    /* the unit that execd says lives; NULL: none */
    struct xos_buf papers; /* what came with it */
    int papers_fd;
    int shim_listener, shim;
    struct shim_frame told; /* the last frame to the shim that is not ASK */
    unsigned told_count;
    enum xos_code code; /* of the last answer … */
    char text[256];
    struct xos_buf body;
    unsigned answers; /* … and how many there were */
};

static inline int stage_listen(const char *path)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    (void)snprintf(at.sun_path, sizeof(at.sun_path), "%.107s", path);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(fd, 4), 0);
    return fd;
}

static inline void stage_mkdir(const char *a, const char *b)
{
    char path[400];
    (void)snprintf(path, sizeof(path), "%s/%s", a, b);
    (void)mkdir(path, 0700);
}

/* `name` is this worker's own: no two in one test program. */
static inline int worker_stage_open(struct worker_stage *w, const char *name, struct xos_error *err)
{
    *w = (struct worker_stage){.execd_listener = -1, .execd = -1, .shim_listener = -1, .shim = -1};
    w->isolation = EXECD_CGROUP2;
    w->body = XOS_BUF(XOS_BODY_BYTES_MAX);
    w->papers = XOS_BUF(XOS_BODY_BYTES_MAX);
    (void)snprintf(w->dir, sizeof(w->dir), "%s/%s", xt_dir(), name);
    (void)mkdir(w->dir, 0700);
    stage_mkdir(w->dir, "units");
    (void)snprintf(w->execd_path, sizeof(w->execd_path), "%s/execd.sock", w->dir);
    w->execd_listener = stage_listen(w->execd_path);
    return stage_open(&w->stage, name, err);
}

static inline struct jobmgr_config worker_stage_config(struct worker_stage *w)
{
    struct jobmgr_config c = stage_config(&w->stage);
    c.worker = true;
    c.execd_path = w->execd_path;
    c.run_dir = c.spool_dir = w->dir;
    c.cpus = 8;
    c.mem_bytes = UINT64_C(1) << 30;
    c.output_bytes_max = 1 << 20;
    return c;
}

static inline void stage_hang_up(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static inline void worker_stage_close(struct worker_stage *w)
{
    stage_close(&w->stage);
    stage_hang_up(&w->execd);
    stage_hang_up(&w->execd_listener);
    stage_hang_up(&w->shim);
    stage_hang_up(&w->shim_listener);
    xos_buf_free(&w->body);
    xos_buf_free(&w->papers);
}

static inline void stage_take_proof(struct worker_stage *w)
{
    static uint8_t bytes[XOS_BODY_BYTES_MAX];
    struct xos_error err;
    ssize_t n = w->papers_fd < 0 ? 0 : pread(w->papers_fd, bytes, sizeof(bytes), 0);
    xos_buf_clear(&w->papers);
    assert_true(n >= 0);
    if (w->papers_fd >= 0)
        assert_int_not_equal(fcntl(w->papers_fd, F_GET_SEALS) & F_SEAL_WRITE, 0);
    assert_int_equal(xos_buf_add(&w->papers, bytes, (size_t)n, &err), 0);
}

static inline void stage_execd_answer(struct worker_stage *w, const struct execd_request *r)
{
    uint8_t packet[sizeof(struct execd_answer) + sizeof(struct execd_entry)];
    bool lists = r->verb == EXECD_LIST && w->listed && !r->unit[0];
    struct execd_entry e = {.state = EXECD_UNIT_LIVE};
    struct execd_answer a = {.magic = EXECD_MAGIC,
                             .version = EXECD_VERSION,
                             .verb = r->verb,
                             .bytes = (uint32_t)(sizeof(a) + lists * sizeof(e)),
                             .serial = r->serial,
                             .isolation = w->isolation,
                             .count = lists};
    if (r->verb == EXECD_START) {
        static const char user[] = "XOS_USER=" STAGE_USER;
        w->starts++;
        stage_take_proof(w);
        w->as_user = memmem(r, r->bytes, user, sizeof(user)) != NULL;
    }
    (void)snprintf(e.unit, sizeof(e.unit), "%s", lists ? w->listed : "");
    memcpy(packet, &a, sizeof(a));
    memcpy(packet + sizeof(a), &e, sizeof(e));
    assert_int_equal(send(w->execd, packet, a.bytes, MSG_NOSIGNAL), a.bytes);
}

/* The others take what is there, and the loop runs. */
static inline int worker_stage_spin(struct worker_stage *w, struct xos_error *err)
{
    static _Alignas(8) uint8_t packet[EXECD_MESSAGE_BYTES_MAX];
    ssize_t n;
    if (w->execd < 0)
        w->execd = accept4(w->execd_listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    while (w->execd >= 0 && sys_recv_fd(w->execd, packet, sizeof(packet), &w->papers_fd, 0) > 0) {
        stage_execd_answer(w, (const void *)packet);
        if (w->papers_fd >= 0)
            close(w->papers_fd);
    }
    if (w->shim < 0 && w->shim_listener >= 0)
        w->shim = accept4(w->shim_listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    while (w->shim >= 0 && (n = recv(w->shim, packet, sizeof(packet), 0)) > 0) {
        struct shim_frame f;
        memcpy(&f, packet, sizeof(f));
        if (f.type == SHIM_ASK)
            continue;
        w->told = f;
        w->told_count++;
    }
    return raw_peer_spin(w->stage.loop, 1, err);
}

#define WORKER_UNTIL(w, condition)                                                                 \
    do {                                                                                           \
        for (int i_ = 0; !(condition); i_++) {                                                     \
            assert_true(i_ < PEER_WAIT_MS);                                                        \
            XT_TRY(worker_stage_spin(w, &err));                                                    \
        }                                                                                          \
    } while (0)

/* A shim for the unit of that name waits to be connected to. */
static inline void worker_stage_shim(struct worker_stage *w, const char *exec_id)
{
    char path[200];
    (void)snprintf(path, sizeof(path), "%s/units", w->dir);
    stage_mkdir(path, exec_id);
    (void)snprintf(path, sizeof(path), "%s/units/%s/ctl.sock", w->dir, exec_id);
    w->shim_listener = stage_listen(path);
}

static inline void worker_stage_say(struct worker_stage *w, enum shim_type type, const void *bytes,
                                    size_t len)
{
    uint8_t packet[4096];
    struct shim_frame f = {.magic = SHIM_MAGIC,
                           .version = SHIM_VERSION,
                           .type = (uint16_t)type,
                           .bytes = (uint32_t)len};
    memcpy(packet, &f, sizeof(f));
    memcpy(packet + sizeof(f), bytes, len);
    assert_int_equal(send(w->shim, packet, sizeof(f) + len, MSG_NOSIGNAL), sizeof(f) + len);
}

/* The shim says that its unit runs, or that its fence has frozen it. */
static inline void worker_stage_status(struct worker_stage *w, const char *exec_id, bool frozen)
{
    struct shim_status status = {.fenced = 1, .fence_frozen = frozen, .frozen = frozen};
    status.record.state = UNIT_RUNNING;
    (void)snprintf(status.record.unit, sizeof(status.record.unit), "%s", exec_id);
    state_record_seal(&status.record);
    worker_stage_say(w, SHIM_STATUS, &status, sizeof(status));
}

static inline void worker_stage_exit(struct worker_stage *w, const char *exec_id)
{
    struct exit_record r = {.how = EXIT_EXITED};
    (void)snprintf(r.unit, sizeof(r.unit), "%s", exec_id);
    exit_record_seal(&r);
    worker_stage_say(w, SHIM_EXIT, &r, sizeof(r));
}

static inline void stage_answered(void *arg, const struct xos_error *result, struct xos_slice body)
{
    struct worker_stage *w = arg;
    struct xos_error err;
    w->answers++;
    w->code = result->code;
    (void)snprintf(w->text, sizeof(w->text), "%.255s", result->text);
    xos_buf_clear(&w->body);
    assert_int_equal(xos_buf_add(&w->body, body.data, body.len, &err), 0);
}

/* Ask the worker, and wait for its answer: w->code, w->text, w->body. */
static inline int worker_stage_ask(struct worker_stage *w, const char *verb, const void *message,
                                   struct xos_error *err)
{
    struct xos_buf body = XOS_BUF(XOS_BODY_BYTES_MAX);
    unsigned before = w->answers;
    int rc = xos_pb_pack(message, &body, err);
    if (rc == 0)
        rc = xos_rpc_call(w->stage.rpc, NULL, STAGE_NODE, verb,
                          (struct xos_slice){body.data, body.len}, 5000, stage_answered, w, err);
    xos_buf_free(&body);
    for (int i = 0; rc == 0 && w->answers == before; i++) {
        assert_true(i < PEER_WAIT_MS);
        rc = worker_stage_spin(w, err);
    }
    return rc;
}

/* The worker takes requests once it has found its units. */
static inline int worker_stage_claim(struct worker_stage *w, const char *job, uint64_t epoch,
                                     bool fenced, struct xos_error *err)
{
    uint32_t units[] = {0};
    Xos__Job__ClaimPb m = XOS__JOB__CLAIM_PB__INIT;
    m.job = xos_pb_text(job);
    m.units = units;
    m.n_units = 1;
    m.epoch = epoch;
    m.cpus = 1;
    m.mem_bytes = 1 << 20;
    m.user = xos_pb_text(STAGE_USER);
    m.fenced = fenced;
    do {
        if (worker_stage_ask(w, "claim.grant", &m, err) < 0)
            return -1;
    } while (w->code == XOS_UNAVAILABLE);
    return 0;
}

static inline int worker_stage_start(struct worker_stage *w, const char *job, uint64_t epoch,
                                     bool fenced, struct xos_error *err)
{
    struct xos_buf spec;
    Xos__Job__StartPb m = XOS__JOB__START_PB__INIT;
    int rc = stage_spec(&spec, 1, fenced, err);
    m.job = xos_pb_text(job);
    m.units = 1;
    m.epoch = epoch;
    m.user = xos_pb_text(STAGE_USER);
    m.spec = (ProtobufCBinaryData){spec.len, spec.data};
    if (rc == 0)
        rc = worker_stage_ask(w, "unit.start", &m, err);
    xos_buf_free(&spec);
    return rc;
}

#endif
