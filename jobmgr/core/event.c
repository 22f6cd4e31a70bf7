// SPDX-License-Identifier: Apache-2.0
#include "jobmgr/core/event.h"

#include "jobmgr/jobmgr.pb-c.h"
#include "libxos/wire/pb.h"

#include <errno.h>
#include <string.h>

const char *job_event_name(enum job_event_kind kind)
{
    static const char *const names[] = {[JOB_EVENT_NONE] = "none",
#define X(name, number, text) [number] = text,
                                        JOB_EVENT_KINDS(X)
#undef X
    };
    return (size_t)kind < sizeof(names) / sizeof(names[0]) ? names[kind] : "unknown";
}

const char *unit_end_name(enum unit_end how)
{
    static const char *const names[] = {[UNIT_END_NONE] = "none",
#define X(name, number, text) [number] = text,
                                        UNIT_ENDS(X)
#undef X
    };
    return (size_t)how < sizeof(names) / sizeof(names[0]) ? names[how] : "unknown";
}

int unit_exit_status(const struct unit_exit *e)
{
    switch (e->how) {
    case UNIT_END_EXITED:
        return e->value & 0xff;
    case UNIT_END_SIGNALLED:
    case UNIT_END_OOM: /* the kernel's signal */
        return 128 + (e->value & 0x7f);
    case UNIT_END_TIME_LIMIT:
    case UNIT_END_KILLED:
    case UNIT_END_PREEMPTED:
        /* A program that catches TERM and exits with 0 was stopped all the same. */
        return e->value > 0 && e->value <= 0xff ? e->value : 128 + 15;
    case UNIT_END_START_FAILED:
        if (e->stage != UNIT_STAGE_EXEC)
            break;
        return e->error == ENOENT || e->error == ENOTDIR ? 127 : 126;
    case UNIT_END_NONE:
    case UNIT_END_NODE_LOST:
    case UNIT_END_SHIM_LOST:
        break;
    }
    return 125;
}

void unit_exit_put(const struct unit_exit *e, Xos__Job__ExitPb *m)
{
    m->how = (uint32_t)e->how;
    m->value = e->value;
    m->stage = e->stage;
    m->error = e->error;
    m->started_ms = (uint64_t)e->started_ms;
    m->ended_ms = (uint64_t)e->ended_ms;
    m->cpu_ms = e->cpu_ms;
    m->memory_peak_bytes = e->memory_peak_bytes;
    m->out_bytes = e->out_bytes;
    m->err_bytes = e->err_bytes;
    m->dropped_bytes = e->dropped_bytes;
}

int unit_exit_take(const Xos__Job__ExitPb *m, struct unit_exit *e, struct xos_error *err)
{
    if (m->how == UNIT_END_NONE || m->how > UNIT_END_START_FAILED)
        return xos_fail(err, XOS_PROTOCOL, "a unit ended in the unknown way %u", m->how);
    *e = (struct unit_exit){
        .how = (enum unit_end)m->how,
        .value = m->value,
        .stage = m->stage,
        .error = m->error,
        .started_ms = (int64_t)m->started_ms,
        .ended_ms = (int64_t)m->ended_ms,
        .cpu_ms = m->cpu_ms,
        .memory_peak_bytes = m->memory_peak_bytes,
        .out_bytes = m->out_bytes,
        .err_bytes = m->err_bytes,
        .dropped_bytes = m->dropped_bytes,
    };
    return 0;
}

int job_event_encode(const struct job_event *ev, struct xos_buf *out, struct xos_error *err)
{
    Xos__Job__EventPb m = XOS__JOB__EVENT_PB__INIT;
    Xos__Job__ExitPb exit = XOS__JOB__EXIT_PB__INIT;
    m.sequence = ev->sequence;
    m.at_ms = (uint64_t)ev->at_ms;
    m.kind = (uint32_t)ev->kind;
    m.unit = ev->unit;
    m.epoch = ev->epoch;
    m.node = xos_pb_text(ev->node);
    m.reason = xos_pb_text(ev->reason);
    m.user = xos_pb_text(ev->user);
    m.vo = xos_pb_text(ev->vo);
    m.signal = ev->signal;
    m.spec = xos_pb_bytes(ev->spec);
    m.grant = xos_pb_bytes(ev->grant);
    m.operation_id = xos_pb_bytes(ev->operation_id);
    if (ev->exit.how != UNIT_END_NONE) {
        unit_exit_put(&ev->exit, &exit);
        m.exit = &exit;
    }
    return xos_pb_pack(&m, out, err);
}

static int text_take(ProtobufCBinaryData from, char *to, size_t size, const char *what,
                     struct xos_error *err)
{
    if (from.len >= size || (from.len && memchr(from.data, 0, from.len)))
        return xos_fail(err, XOS_PROTOCOL, "event: %s is too long or not text", what);
    if (from.len)
        memcpy(to, from.data, from.len);
    to[from.len] = '\0';
    return 0;
}

static int event_take(struct job_event *ev, const Xos__Job__EventPb *m, struct xos_error *err)
{
    if (m->kind == JOB_EVENT_NONE || m->kind > JOB_EVENT_DONE)
        return xos_fail(err, XOS_PROTOCOL, "event of unknown kind %u", m->kind);
    *ev = (struct job_event){
        .kind = (enum job_event_kind)m->kind,
        .sequence = m->sequence,
        .at_ms = (int64_t)m->at_ms,
        .unit = m->unit,
        .epoch = m->epoch,
        .signal = m->signal,
        .spec = xos_pb_slice(m->spec),
        .grant = xos_pb_slice(m->grant),
        .operation_id = xos_pb_slice(m->operation_id),
    };
    if (text_take(m->node, ev->node, sizeof(ev->node), "node", err) < 0 ||
        text_take(m->reason, ev->reason, sizeof(ev->reason), "reason", err) < 0 ||
        text_take(m->user, ev->user, sizeof(ev->user), "user", err) < 0 ||
        text_take(m->vo, ev->vo, sizeof(ev->vo), "vo", err) < 0)
        return -1;
    return m->exit ? unit_exit_take(m->exit, &ev->exit, err) : 0;
}

int job_event_decode(struct job_event *out, void **owner, struct xos_slice data,
                     struct xos_error *err)
{
    Xos__Job__EventPb *m = xos_pb_unpack(&xos__job__event_pb__descriptor, data, JOB_EVENT_BYTES_MAX,
                                         XOS_PB_TOLERANT, err);
    if (!m)
        return -1;
    struct job_event ev;
    if (event_take(&ev, m, err) < 0) {
        xos_pb_free(m);
        return -1;
    }
    *out = ev;
    *owner = m;
    return 0;
}

void job_event_free(void *owner)
{
    xos_pb_free(owner);
}
