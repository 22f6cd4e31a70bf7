// SPDX-License-Identifier: Apache-2.0
#include "client/job_event.h"

#include "jobmgr/jobmgr.pb-c.h"
#include "libxos/wire/envelope.h"
#include "libxos/wire/pb.h"

#include <string.h>

/* Goes to a terminal: what is no printable ASCII is a question mark there. */
static const char *text_take(ProtobufCBinaryData from, char to[static CLIENT_EVENT_TEXT_MAX])
{
    size_t n = from.len < CLIENT_EVENT_TEXT_MAX - 1 ? from.len : CLIENT_EVENT_TEXT_MAX - 1;
    for (size_t i = 0; i < n; i++)
        to[i] = from.data[i] >= 0x20 && from.data[i] < 0x7f ? (char)from.data[i] : '?';
    to[n] = '\0';
    return to;
}

static void exit_take(struct xos_job_event *ev, const Xos__Job__ExitPb *m)
{
    ev->end = (int)m->how;
    ev->value = m->value;
    ev->error = (int)m->error;
    ev->in_files = m->stage == CLIENT_STAGE_FILES;
    ev->in_directory = m->stage == CLIENT_STAGE_DIRECTORY;
    ev->in_command = m->stage == CLIENT_STAGE_EXEC;
    ev->started_ms = m->started_ms;
    ev->ended_ms = m->ended_ms;
    ev->cpu_ms = m->cpu_ms;
    ev->memory_peak_bytes = m->memory_peak_bytes;
    ev->out_bytes = m->out_bytes;
    ev->err_bytes = m->err_bytes;
    ev->dropped_bytes = m->dropped_bytes;
}

int client_job_event_decode(struct client_job_event *out, struct xos_slice bytes,
                            struct xos_error *err)
{
    Xos__Job__EventPb *m = xos_pb_unpack(&xos__job__event_pb__descriptor, bytes, XOS_BODY_BYTES_MAX,
                                         XOS_PB_TOLERANT, err);
    if (!m)
        return -1;
    *out = (struct client_job_event){.event = {.size = sizeof(out->event),
                                               .kind = (int)m->kind,
                                               .sequence = m->sequence,
                                               .at_ms = m->at_ms,
                                               .unit = m->unit,
                                               .epoch = m->epoch,
                                               .signal = m->signal}};
    out->event.node = text_take(m->node, out->node);
    out->event.reason = text_take(m->reason, out->reason);
    out->event.user = text_take(m->user, out->user);
    if (m->exit)
        exit_take(&out->event, m->exit);
    xos_pb_free(m);
    return 0;
}

const char *xos_unit_end_name(int end)
{
    static const char *const names[] = {"none",       "exited",      "signalled", "oom",
                                        "time-limit", "killed",      "preempted", "node-lost",
                                        "shim-lost",  "start-failed"};
    return end >= 0 && (size_t)end < sizeof(names) / sizeof(names[0]) ? names[end] : "unknown";
}
