// SPDX-License-Identifier: Apache-2.0
/* A log from a damaged store: each length byte begins an event, and each that decodes is folded
 * into a job. Nothing of it may trip an assertion, nor may what the job then does about it. */
#include "jobmgr/core/job.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
    if (!good)
        abort();
}

static void round_trip(const struct job_event *ev)
{
    struct xos_buf bytes = XOS_BUF(JOB_EVENT_BYTES_MAX);
    struct job_event again;
    void *owner;
    must(job_event_encode(ev, &bytes, NULL) == 0);
    must(job_event_decode(&again, &owner, (struct xos_slice){bytes.data, bytes.len}, NULL) == 0);
    must(again.kind == ev->kind && strcmp(again.reason, ev->reason) == 0);
    must(memcmp(&again.exit, &ev->exit, sizeof(ev->exit)) == 0);
    job_event_free(owner);
    xos_buf_free(&bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct job_shape shape = {.units = 3, .fenced = true, .fail_fast = true};
    struct job *j;
    struct job_actions out = {0};
    must(job_new(&j, "inria-1", &shape, NULL) == 0);
    while (size > 1) {
        struct job_event ev;
        void *owner;
        size_t len = data[0] < size ? data[0] : size - 1;
        if (job_event_decode(&ev, &owner, (struct xos_slice){data + 1, len}, NULL) == 0) {
            round_trip(&ev);
            ev.sequence = j->sequence + 1; /* or hardly any would ever follow */
            (void)job_apply(j, &ev, NULL);
            job_event_free(owner);
        }
        data += 1 + len;
        size -= 1 + len;
    }
    if (j->sequence)
        must(job_step(j, &(struct job_input){.kind = JOB_IN_AGAIN, .now_ms = 9}, &out, NULL) == 0);
    (void)job_state_name(j);
    job_actions_free(&out);
    job_free(j);
    return 0;
}
