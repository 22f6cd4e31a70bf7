// SPDX-License-Identifier: Apache-2.0
#include "jobmgr/service/unit.h"

#include "jobmgr/core/environ.h"
#include "jobmgr/core/spec.h"
#include "jobmgr/core/warrant.h"
#include "jobmgr/exec/execd_client.h"
#include "jobmgr/jobmgr.pb-c.h"
#include "jobmgr/judge/check.h"
#include "jobmgr/judge/request.h"
#include "jobmgr/service/worker.h"
#include "libxos/base/alloc.h"
#include "libxos/base/failpoint.h"
#include "libxos/base/telemetry.h"
#include "libxos/wire/pb.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

_Static_assert((int)EXIT_EXITED == (int)UNIT_END_EXITED, "how a unit ended has one numbering");
_Static_assert((int)EXIT_OOM == (int)UNIT_END_OOM, "how a unit ended has one numbering");
_Static_assert((int)EXIT_NODE_LOST == (int)UNIT_END_NODE_LOST,
               "how a unit ended has one numbering");
_Static_assert((int)STAGE_EXEC == UNIT_STAGE_EXEC, "so have the stages of a start");
_Static_assert((int)EXIT_START_FAILED == (int)UNIT_END_START_FAILED,
               "how a unit ended has one numbering");

static void on_timer(void *arg);
static void unit_end(struct unit *u);
static void unit_report(struct unit *u);

void unit_free(struct unit *u)
{
    if (!u)
        return;
    attach_detach(u);
    execd_link_forget(u->worker->execd, u);
    xos_rpc_cancel(u->report);
    packet_free(u->shim);
    xos_timer_free(u->timer);
    spec_free(u->spec);
    xos_buf_free(&u->start);
    xos_free(u);
}

static int name_take(ProtobufCBinaryData from, char *to, size_t size, const char *what,
                     struct xos_error *err)
{
    if (from.len >= size || (from.len && memchr(from.data, 0, from.len)))
        return xos_fail(err, XOS_PROTOCOL, "%s is too long or not text", what);
    if (from.len)
        memcpy(to, from.data, from.len);
    to[from.len] = '\0';
    return 0;
}

static int unit_fill(struct unit *u, const Xos__Job__StartPb *m, struct xos_error *err)
{
    if (name_take(m->job, u->job, sizeof(u->job), "the job's id", err) < 0 ||
        name_take(m->user, u->user, sizeof(u->user), "the user", err) < 0 ||
        name_take(m->vo, u->vo, sizeof(u->vo), "the VO", err) < 0 ||
        spec_decode(&u->spec, xos_pb_slice(m->spec), err) < 0)
        return -1;
    if (m->unit >= u->spec->units || m->epoch == 0)
        return xos_fail(err, XOS_INVALID, "unit %u under epoch %" PRIu64, m->unit, m->epoch);
    u->number = m->unit;
    u->epoch = m->epoch;
    return request_name(u->exec_id, u->job, u->number, u->epoch, err);
}

int unit_new(struct unit **out, struct worker *w, struct xos_slice start, const char *head,
             struct xos_error *err)
{
    struct unit *u = xos_alloc(sizeof(*u));
    if (!u)
        return xos_fail(err, XOS_NOMEM, "unit");
    u->worker = w;
    u->start = XOS_BUF(XOS_BODY_BYTES_MAX);
    (void)snprintf(u->head, sizeof(u->head), "%s", head);
    Xos__Job__StartPb *m = xos_pb_unpack(&xos__job__start_pb__descriptor, start, XOS_BODY_BYTES_MAX,
                                         XOS_PB_TOLERANT, err);
    int rc = m ? unit_fill(u, m, err) : -1;
    xos_pb_free(m);
    if (rc < 0 || xos_buf_add(&u->start, start.data, start.len, err) < 0 ||
        xos_timer_new(&u->timer, w->loop, on_timer, u, err) < 0) {
        unit_free(u);
        return -1;
    }
    *out = u;
    return 0;
}

static void unit_move(struct unit *u, enum worker_unit_state state)
{
    static const char *const names[] = {"saving", "ordering", "live", "ending", "telling", "gone"};
    u->state = state;
    u->tries = 0;
    xos_timer_cancel(u->timer); /* it was the old state's */
    xos_log(XOS_EV_UNIT, "unit=%s state=%s", u->exec_id, names[state]);
}

/* The record */

static int record_put(struct xos_tx *tx, void *arg, struct xos_error *err)
{
    const struct unit *u = arg;
    return xos_tx_exec(tx,
                       "INSERT INTO unit (exec_id, head, user_name, vo, start, ended_ms, told) "
                       "VALUES (?, ?, ?, ?, ?, 0, 0)",
                       XOS_V(xos_v_text(u->exec_id), xos_v_text(u->head), xos_v_text(u->user),
                             xos_v_text(u->vo), xos_v_blob(u->start.data, u->start.len)),
                       NULL, err);
}

static int record_end(struct xos_tx *tx, void *arg, struct xos_error *err)
{
    const struct unit *u = arg;
    struct xos_buf bytes = XOS_BUF(1024);
    Xos__Job__ExitPb m = XOS__JOB__EXIT_PB__INIT;
    unit_exit_put(&u->exit, &m);
    int rc = xos_pb_pack(&m, &bytes, err);
    if (rc == 0)
        rc = xos_tx_exec(tx, "UPDATE unit SET ended = ?, ended_ms = ? WHERE exec_id = ?",
                         XOS_V(xos_v_blob(bytes.data, bytes.len),
                               xos_v_int((int64_t)u->exit.ended_ms), xos_v_text(u->exec_id)),
                         NULL, err);
    xos_buf_free(&bytes);
    return rc;
}

/* The owner has the end; the record stays as long as the output does, to say whose it is. */
static int record_told(struct xos_tx *tx, void *arg, struct xos_error *err)
{
    const char *exec_id = arg;
    return xos_tx_exec(tx, "UPDATE unit SET told = 1 WHERE exec_id = ?", XOS_V(xos_v_text(exec_id)),
                       NULL, err);
}

static void on_told(void *arg, const struct xos_error *result)
{
    (void)result;
    xos_free(arg);
}

static void start_failed(struct unit *u, int number, const struct xos_error *why)
{
    xos_log_error(XOS_EV_UNIT, why, "unit=%s", u->exec_id);
    u->exit = (struct unit_exit){
        .how = UNIT_END_START_FAILED,
        .error = (uint32_t)number,
        .ended_ms = xos_env_real_ms(u->worker->env),
    };
    unit_end(u);
}

/* The shim */

void unit_tell_shim(struct unit *u, enum shim_type type, uint64_t a, uint64_t b, uint64_t c,
                    struct xos_slice data)
{
    struct xos_error err;
    uint8_t packet[SHIM_FRAME_BYTES_MAX];
    struct shim_frame f = {.magic = SHIM_MAGIC,
                           .version = SHIM_VERSION,
                           .type = (uint16_t)type,
                           .bytes = (uint32_t)data.len,
                           .a = a,
                           .b = b,
                           .c = c};
    assert(data.len <= SHIM_STDIN_BYTES_MAX);
    if (!u->shim)
        return;
    memcpy(packet, &f, sizeof(f));
    if (data.len)
        memcpy(packet + sizeof(f), data.data, data.len);
    /* UNAVAILABLE: it has just left, and its close is on the way to us. */
    if (packet_send(u->shim, (struct xos_slice){packet, sizeof(f) + data.len}, &err) < 0 &&
        err.code != XOS_UNAVAILABLE)
        xos_log_error(XOS_EV_LIMIT, &err, "unit=%s", u->exec_id);
}

static const struct xos_slice nothing = {NULL, 0};

static void unit_remove(struct unit *u);

static void kill_now(struct unit *u)
{
    if (!u->kill_signal || !u->shim)
        return;
    unit_tell_shim(u, SHIM_KILL, u->kill_how, u->kill_signal == 9 ? 0 : u->kill_grace_ms, 0,
                   nothing);
    u->kill_signal = 0;
}

void unit_signal(struct unit *u, int32_t signal, uint64_t grace_ms)
{
    if (signal == 15 || signal == 9) {
        u->kill_signal = signal;
        u->kill_grace_ms = grace_ms;
        u->kill_how = EXIT_KILLED;
        kill_now(u);
    } else if (signal == 19 || signal == 20) {
        unit_tell_shim(u, SHIM_STOP, 0, 0, 0, nothing);
    } else if (signal == 18) {
        unit_tell_shim(u, SHIM_CONT, 0, 0, 0, nothing);
    } else {
        unit_tell_shim(u, SHIM_SIGNAL, (uint64_t)signal, SHIM_GROUP, 0, nothing);
    }
}

void unit_supersede(struct unit *u)
{
    if (u->exit.how != UNIT_END_NONE)
        return;
    if (u->kill_how != EXIT_NODE_LOST)
        xos_log(XOS_EV_UNIT_LOST, "unit=%s reason=\"its owner has given it up\"", u->exec_id);
    u->kill_signal = 9;
    u->kill_how = EXIT_NODE_LOST;
    kill_now(u);
}

void unit_fence(struct unit *u, uint64_t deadline_ms)
{
    unit_tell_shim(u, SHIM_FENCE, u->epoch, deadline_ms, u->spec->fenced, nothing);
}

static void took_exit(struct unit *u, const struct exit_record *r)
{
    if (u->state >= WORKER_UNIT_ENDING)
        return;
    (void)xos_failpoint("unit.ended");
    u->exit = (struct unit_exit){
        .how = (enum unit_end)r->how,
        .value = r->value,
        .stage = r->stage,
        .error = r->how == EXIT_START_FAILED ? (uint32_t)r->value : 0,
        .started_ms = r->started_real_ms,
        .ended_ms = r->ended_real_ms,
        .cpu_ms = (r->user_us + r->system_us) / 1000,
        .memory_peak_bytes = r->peak_bytes,
        .out_bytes = r->out_bytes,
        .err_bytes = r->err_bytes,
        .dropped_bytes = r->out_dropped + r->err_dropped,
    };
    u->out_bytes = r->out_bytes;
    u->err_bytes = r->err_bytes;
    u->dropped_bytes = u->exit.dropped_bytes;
    unit_end(u);
}

static void took_status(struct unit *u, const struct shim_status *s)
{
    u->status = *s;
    u->known = true;
    u->out_bytes = s->out_bytes;
    u->err_bytes = s->err_bytes;
    kill_now(u);
    attach_more(u);
    attach_stdin_ack(u);
    unit_report(u);
}

static void on_shim_packet(void *arg, struct xos_slice packet)
{
    struct unit *u = arg;
    struct shim_frame f;
    if (shim_frame_check_event(packet.data, packet.len) < 0) {
        xos_log(XOS_EV_REFUSED, "unit=%s reason=\"its shim sent what is no frame\"", u->exec_id);
        return;
    }
    memcpy(&f, packet.data, sizeof(f));
    const uint8_t *body = packet.data + sizeof(f);
    if (f.type == SHIM_OUTPUT) {
        u->out_bytes = f.a;
        u->err_bytes = f.b;
        attach_more(u);
    } else if (f.type == SHIM_STDIN_ACK) {
        u->status.stdin_bytes = f.a;
        u->status.stdin_closed = f.b != 0;
        attach_stdin_ack(u);
    } else if (f.type == SHIM_STATUS) {
        struct shim_status s;
        memcpy(&s, body, sizeof(s));
        took_status(u, &s);
    } else if (f.type == SHIM_EXIT) {
        struct exit_record r;
        memcpy(&r, body, sizeof(r));
        took_exit(u, &r);
    }
}

static void ask_execd_about(struct unit *u);

static void on_shim_close(void *arg)
{
    struct unit *u = arg;
    packet_free(u->shim);
    u->shim = NULL;
    if (u->state == WORKER_UNIT_LIVE) {
        xos_timer_cancel(u->timer); /* a report of it may have been due */
        ask_execd_about(u);
    } else if (u->state == WORKER_UNIT_GONE) {
        unit_remove(u);
    }
}

static const struct packet_ops shim_ops = {.on_packet = on_shim_packet, .on_close = on_shim_close};

static void shim_connect(struct unit *u)
{
    struct xos_error err = {0};
    char units[512];
    (void)snprintf(units, sizeof(units), "%s/units", u->worker->config.run_dir);
    int fd = shim_client_connect(units, u->exec_id, &err);
    if (fd < 0 ||
        packet_new(&u->shim, u->worker->loop, fd, SHIM_FRAME_BYTES_MAX, &shim_ops, u, &err) < 0) {
        if (++u->tries > UNIT_CONNECT_TRIES_MAX && u->state == WORKER_UNIT_LIVE)
            ask_execd_about(u);
        else
            xos_timer_set(u->timer, UNIT_CONNECT_AGAIN_MS);
        return;
    }
    u->tries = 0;
    unit_tell_shim(u, SHIM_ASK, 0, 0, 0, nothing);
    if (u->state == WORKER_UNIT_GONE)
        unit_tell_shim(u, SHIM_ACK_EXIT, 0, 0, 0, nothing);
    if (u->foreground)
        unit_tell_shim(u, SHIM_FOREGROUND, 1, u->told_out, u->told_err, nothing);
}

static int read_exit_record(struct unit *u, struct exit_record *r, struct xos_error *err)
{
    char units[512];
    (void)snprintf(units, sizeof(units), "%s/units", u->worker->config.run_dir);
    return exit_record_read(units, u->exec_id, r, err);
}

static void lost(struct unit *u, enum unit_end how)
{
    xos_log(XOS_EV_UNIT_LOST, "unit=%s how=%s", u->exec_id, unit_end_name(how));
    u->exit =
        (struct unit_exit){.how = how, .value = -1, .ended_ms = xos_env_real_ms(u->worker->env)};
    unit_end(u);
}

static void unit_found(struct unit *u, const struct execd_entry *found)
{
    struct xos_error err = {0};
    struct exit_record r;
    if (found->state == EXECD_UNIT_LIVE)
        shim_connect(u);
    else if (found->state == EXECD_UNIT_ENDED && read_exit_record(u, &r, &err) == 0)
        took_exit(u, &r);
    else
        lost(u, found->state == EXECD_UNIT_NODE_LOST ? UNIT_END_NODE_LOST : UNIT_END_SHIM_LOST);
}

/* The shim is not to be reached. What it left behind is killed, then its record is looked for; when
 * execd says that the shim lives, the link alone had broken. */
static void on_cleared(void *arg, const struct xos_error *result, const struct execd_answer *answer,
                       size_t bytes)
{
    struct unit *u = arg;
    struct exit_record r;
    struct xos_error err = {0};
    (void)answer;
    (void)bytes;
    if (result->code == XOS_BUSY || result->code == XOS_UNAVAILABLE)
        xos_timer_set(u->timer, WORKER_LIST_AGAIN_MS);
    else if (read_exit_record(u, &r, &err) == 0)
        took_exit(u, &r);
    else
        lost(u, UNIT_END_SHIM_LOST);
}

static void ask_execd_about(struct unit *u)
{
    struct xos_error err;
    struct execd_request r = {.verb = EXECD_KILL};
    memcpy(r.unit, u->exec_id, sizeof(r.unit));
    if (execd_link_ask(u->worker->execd, &r, &(struct execd_blobs){0}, -1, on_cleared, u, &err) < 0)
        xos_timer_set(u->timer, WORKER_LIST_AGAIN_MS);
}

/* The start */

static void on_started(void *arg, const struct xos_error *result, const struct execd_answer *answer,
                       size_t bytes)
{
    struct unit *u = arg;
    (void)answer;
    (void)bytes;
    (void)xos_failpoint("unit.started");
    /* A repeated START finds the unit there: just as good. */
    if (result->code == XOS_NONE || result->code == XOS_EXISTS) {
        unit_move(u, WORKER_UNIT_LIVE);
        shim_connect(u);
    } else if (result->code == XOS_UNAVAILABLE) {
        xos_timer_set(u->timer, WORKER_LIST_AGAIN_MS);
    } else {
        start_failed(u, EACCES, result);
    }
}

/* What this node decides of a START; the specification says the rest. */
static int order_fill(struct unit *u, struct execd_request *r, struct request_words *words,
                      struct xos_error *err)
{
    const struct worker_config *c = &u->worker->config;
    struct claim_id id = {.unit = u->number};
    char scratch[512];
    struct request_facts facts = {.job = u->job,
                                  .unit = u->number,
                                  .epoch = u->epoch,
                                  .node = c->node,
                                  .institution = c->institution,
                                  .user = u->user,
                                  .vo = u->vo};
    memcpy(id.job, u->job, sizeof(id.job));
    const struct claim *claim = claim_get(u->worker->claims, &id);
    *words = (struct request_words){.envp = NULL};
    if (!u->worker->isolated) {
        (void)snprintf(scratch, sizeof(scratch), "%s/../scratch/%s", c->spool_dir, u->exec_id);
        facts.scratch = scratch;
    }
    if (request_fill(r, words, u->spec, &facts, err) < 0)
        return -1;
    r->deadline_ms = claim ? claim->deadline_ms : xos_env_boot_ms(u->worker->env) + CLAIM_HOLD_MS;
    r->spool_bytes = c->output_bytes_max;
    return 0;
}

/* Its files, and behind them what xos-execd checks for itself: nothing on a node that stands
 * alone. */
static int papers_fill(const struct unit *u, struct xos_buf *out, struct xos_error *err)
{
    Xos__Job__StartPb *m = xos_pb_unpack(&xos__job__start_pb__descriptor,
                                         (struct xos_slice){u->start.data, u->start.len},
                                         XOS_BODY_BYTES_MAX, XOS_PB_TOLERANT, err);
    int rc = m ? request_bundle(out, u->spec, xos_pb_slice(m->hosts), err) : -1;
    if (rc == 0 && m->grant.len)
        rc = warrant_proof(out, m, err);
    xos_pb_free(m);
    return rc;
}

/* As a sealed file. */
static int unit_papers(const struct unit *u, struct xos_error *err)
{
    struct xos_buf papers = XOS_BUF(JUDGE_PAPERS_BYTES_MAX);
    int fd = -1;
    if (papers_fill(u, &papers, err) == 0)
        fd = execd_client_papers(papers.data, papers.len, err);
    xos_buf_free(&papers);
    return fd;
}

static int order_ask(struct unit *u, struct xos_error *err)
{
    struct execd_request r;
    struct request_words words;
    int papers = -1, rc = order_fill(u, &r, &words, err);
    if (rc == 0)
        rc = papers = unit_papers(u, err);
    if (rc >= 0)
        rc = execd_link_ask(u->worker->execd, &r, &words.blobs, papers, on_started, u, err);
    xos_env_close(u->worker->env, papers);
    request_words_free(&words);
    return rc < 0 ? -1 : 0;
}

static void unit_order(struct unit *u)
{
    struct xos_error err = {0};
    unit_move(u, WORKER_UNIT_ORDERING);
    int rc = order_ask(u, &err);
    (void)xos_failpoint("unit.ordered");
    if (rc < 0 && (err.code == XOS_UNAVAILABLE || err.code == XOS_NOT_FOUND))
        xos_timer_set(u->timer, WORKER_LIST_AGAIN_MS);
    else if (rc < 0)
        start_failed(u, EAGAIN, &err);
}

static void on_saved(void *arg, const struct xos_error *result)
{
    struct unit *u = arg;
    (void)xos_failpoint("unit.saved");
    if (result->code == XOS_NONE) {
        unit_order(u);
    } else if (!xos_store_failed(u->worker->store)) {
        xos_log_error(XOS_EV_STORE_FAILED, result, "unit=%s", u->exec_id);
        xos_timer_set(u->timer, UNIT_REPORT_AGAIN_MS); /* a full disk may have room later */
    } else {
        start_failed(u, EIO, result);
    }
}

void unit_begin(struct unit *u)
{
    struct xos_error err = {0};
    unit_move(u, WORKER_UNIT_SAVING);
    if (xos_store_add(u->worker->store, XOS_ORDERED, record_put, on_saved, u, &err) < 0)
        start_failed(u, EIO, &err);
}

void unit_resume(struct unit *u, const struct execd_entry *found)
{
    if (u->exit.how != UNIT_END_NONE) {
        u->saved = true;
        unit_move(u, WORKER_UNIT_TELLING);
        unit_report(u);
    } else if (found) {
        xos_log(XOS_EV_UNIT_FOUND, "unit=%s", u->exec_id);
        u->unsure = true;
        unit_move(u, WORKER_UNIT_LIVE);
        unit_found(u, found);
    } else {
        unit_order(u); /* its record was saved, its start had not gone out */
    }
}

/* The end */

/* Its shim has not left yet, or waits for a word that a restart of ours has cost it. */
static void leave_again(struct unit *u)
{
    if (!u->shim)
        shim_connect(u); /* and the acknowledgement goes out; else the timer is set */
    if (u->shim)
        xos_timer_set(u->timer, UNIT_LEAVE_MS);
}

static void on_removed(void *arg, const struct xos_error *result, const struct execd_answer *answer,
                       size_t bytes)
{
    (void)answer;
    (void)bytes;
    struct unit *u = arg;
    struct xos_error err;
    char *exec_id;
    if (result->code == XOS_UNAVAILABLE) {
        xos_timer_set(u->timer, WORKER_LIST_AGAIN_MS);
        return;
    }
    if (result->code == XOS_BUSY) {
        leave_again(u);
        return;
    }
    if (result->code != XOS_NONE)
        xos_log_error(XOS_EV_UNIT, result, "unit=%s", u->exec_id);
    (void)xos_failpoint("unit.removed");
    exec_id = xos_strdup(u->exec_id);
    if (exec_id &&
        xos_store_add(u->worker->store, XOS_ORDERED, record_told, on_told, exec_id, &err) < 0)
        xos_free(exec_id);
    worker_forget(u->worker, u);
}

static void unit_remove(struct unit *u)
{
    struct xos_error err;
    struct execd_request r = {.verb = EXECD_REMOVE, .flags = EXECD_KEEP_SPOOL};
    memcpy(r.unit, u->exec_id, sizeof(r.unit));
    if (execd_link_ask(u->worker->execd, &r, &(struct execd_blobs){0}, -1, on_removed, u, &err) < 0)
        xos_timer_set(u->timer, WORKER_LIST_AGAIN_MS);
}

/* The shim may go now; what it leaves behind is cleared away when its link breaks. */
static void unit_leave(struct unit *u)
{
    unit_tell_shim(u, SHIM_ACK_EXIT, 0, 0, 0, nothing);
    (void)xos_failpoint("unit.acked");
    if (u->shim)
        xos_timer_set(u->timer, UNIT_LEAVE_MS);
    else
        unit_remove(u);
}

/* The record must say that it ended before the unit's traces go: a record without an end and
 * without a unit is started. */
static void end_settle(struct unit *u)
{
    if (!u->saved || u->state == WORKER_UNIT_GONE)
        return;
    unit_move(u, u->owner_has ? WORKER_UNIT_GONE : WORKER_UNIT_TELLING);
    if (u->owner_has)
        unit_leave(u);
    else
        unit_report(u);
}

static void on_end_saved(void *arg, const struct xos_error *result)
{
    struct unit *u = arg;
    u->saving = false;
    if (result->code != XOS_NONE) {
        xos_log_error(XOS_EV_STORE_FAILED, result, "unit=%s", u->exec_id);
        xos_timer_set(u->timer, UNIT_REPORT_AGAIN_MS);
        return;
    }
    (void)xos_failpoint("unit.end-saved");
    u->saved = true;
    end_settle(u);
}

/* Of a job that this node owns the end goes into the same store right behind this record, synced,
 * and only then to anybody else: one sync serves both. */
static enum xos_promise end_promise(const struct unit *u)
{
    return strcmp(u->head, u->worker->config.node) == 0 ? XOS_ORDERED : XOS_SYNCED;
}

/* Whoever has it first, it is not lost: the shim keeps it until both have it. */
static void end_save(struct unit *u)
{
    struct xos_error err = {0};
    if (!u->saving && !u->saved) {
        u->saving =
            xos_store_add(u->worker->store, end_promise(u), record_end, on_end_saved, u, &err) == 0;
        if (!u->saving)
            xos_timer_set(u->timer, UNIT_REPORT_AGAIN_MS);
    }
    if (!u->owner_has)
        unit_report(u);
}

static void unit_end(struct unit *u)
{
    struct claim_id id = {.unit = u->number};
    memcpy(id.job, u->job, sizeof(id.job));
    claim_release(u->worker->claims, &id, u->epoch, u->head, xos_env_boot_ms(u->worker->env));
    worker_room(u->worker);
    unit_move(u, WORKER_UNIT_ENDING);
    attach_more(u);
    end_save(u);
}

/* The owner is told */

static bool fence_froze(const struct unit *u)
{
    return u->status.fence_frozen && u->status.frozen;
}

/* When what the owner heard last is to be said again. */
static uint64_t again_in_ms(const struct unit *u)
{
    uint64_t now_ms = xos_env_boot_ms(u->worker->env), due_ms = u->told_ms + UNIT_FROZEN_AGAIN_MS;
    return due_ms > now_ms ? due_ms - now_ms : 0;
}

/* That it runs is news only if it goes on: each report costs two nodes signatures and a sync. */
static uint64_t started_in_ms(struct unit *u)
{
    uint64_t now_ms = xos_env_boot_ms(u->worker->env);
    if (!u->running_ms)
        u->running_ms = now_ms;
    uint64_t due_ms = u->running_ms + UNIT_STARTED_AFTER_MS;
    return due_ms > now_ms ? due_ms - now_ms : 0;
}

static enum unit_report news(const struct unit *u)
{
    bool stands = (u->status.suspended || u->status.fence_frozen) && u->status.frozen;
    bool goes = !u->status.suspended && !u->status.fence_frozen;
    if (u->state >= WORKER_UNIT_ENDING)
        return UNIT_REPORT_ENDED;
    if (!u->known || u->status.record.state < UNIT_RUNNING)
        return UNIT_REPORT_NONE;
    if (u->reported == UNIT_REPORT_NONE)
        return UNIT_REPORT_STARTED;
    if (stands && (u->reported != UNIT_REPORT_SUSPENDED || (fence_froze(u) && !again_in_ms(u))))
        return UNIT_REPORT_SUSPENDED;
    if (goes && (u->reported == UNIT_REPORT_SUSPENDED || u->unsure))
        return UNIT_REPORT_RESUMED;
    return UNIT_REPORT_NONE;
}

/* The owner knows of no such unit under this epoch: nobody waits for it any more. Only the owner
 * itself says STALE; any other failure may be the way there. */
static void given_up(struct unit *u)
{
    if (u->state >= WORKER_UNIT_ENDING) {
        u->owner_has = true;
        end_settle(u);
    } else {
        unit_supersede(u);
    }
}

static void on_reported(void *arg, const struct xos_error *result, struct xos_slice body)
{
    struct unit *u = arg;
    (void)body;
    u->report = NULL;
    if (result->code == XOS_STALE) {
        given_up(u);
        return;
    }
    if (result->code != XOS_NONE) {
        xos_timer_set(u->timer, UNIT_REPORT_AGAIN_MS);
        return;
    }
    u->reported = u->reporting;
    u->told_ms = xos_env_boot_ms(u->worker->env);
    u->unsure = u->unsure && u->reporting == UNIT_REPORT_STARTED;
    if (u->reporting != UNIT_REPORT_ENDED) {
        unit_report(u);
        return;
    }
    (void)xos_failpoint("unit.told");
    u->owner_has = true;
    end_settle(u);
}

static void unit_report(struct unit *u)
{
    struct xos_error err = {0};
    struct xos_buf body = XOS_BUF(4096);
    Xos__Job__UnitReportPb m = XOS__JOB__UNIT_REPORT_PB__INIT;
    Xos__Job__ExitPb exit = XOS__JOB__EXIT_PB__INIT;
    enum unit_report kind = news(u);
    if (u->report || u->owner_has)
        return;
    if (kind == UNIT_REPORT_NONE) {
        if (u->state == WORKER_UNIT_LIVE && u->shim && fence_froze(u))
            xos_timer_set(u->timer, again_in_ms(u));
        return;
    }
    if (kind == UNIT_REPORT_STARTED && started_in_ms(u)) {
        xos_timer_set(u->timer, started_in_ms(u));
        return;
    }
    m.job = xos_pb_text(u->job);
    m.unit = u->number;
    m.epoch = u->epoch;
    m.state = (uint32_t)kind;
    m.at_ms = (uint64_t)xos_env_real_ms(u->worker->env);
    if (kind == UNIT_REPORT_ENDED) {
        unit_exit_put(&u->exit, &exit);
        m.exit = &exit;
    }
    u->reporting = kind;
    if (xos_pb_pack(&m, &body, &err) < 0 ||
        xos_rpc_call(u->worker->rpc, &u->report, u->head, "unit.report",
                     (struct xos_slice){body.data, body.len}, UNIT_REPORT_TIMEOUT_MS, on_reported,
                     u, &err) < 0)
        xos_timer_set(u->timer, UNIT_REPORT_AGAIN_MS);
    xos_buf_free(&body);
}

/* One timer serves every state: each has one thing that it may have to try again. */
static void on_timer(void *arg)
{
    struct unit *u = arg;
    switch (u->state) {
    case WORKER_UNIT_SAVING:
        unit_begin(u);
        break;
    case WORKER_UNIT_ORDERING:
        unit_order(u);
        break;
    case WORKER_UNIT_LIVE:
        if (u->shim)
            unit_report(u);
        else
            shim_connect(u);
        break;
    case WORKER_UNIT_ENDING:
        end_save(u);
        break;
    case WORKER_UNIT_TELLING:
        unit_report(u);
        break;
    case WORKER_UNIT_GONE:
        unit_remove(u);
        break;
    }
}
