// SPDX-License-Identifier: Apache-2.0
/* What a shim reads from its socket and execd from disk: a sequence of frames never brings the
 * input buffer or the core out of their bounds. Each frame: 2 bytes length, then the packet. */
#include "jobmgr/exec/ledger.h"
#include "jobmgr/exec/shim_core.h"
#include "jobmgr/exec/shim_in.h"

#include <assert.h>
#include <string.h>

static struct shim_in in;

static void feed(struct shim_core *c, const struct shim_frame *f)
{
    struct shim_actions out = {0};
    struct shim_event ev = {.now_ms = f->serial, .number = (int)(f->a & 127)};
    if (f->type == SHIM_STDIN)
        (void)shim_in_take(&in, f->a, (const uint8_t *)(f + 1), f->bytes);
    if (f->type == SHIM_STDIN_EOF)
        (void)shim_in_eof(&in, f->a);
    if (f->type == SHIM_FENCE)
        ev = (struct shim_event){
            .kind = SHIM_EV_FENCE, .epoch = f->a, .deadline_ms = f->b, .fenced = f->c != 0};
    if (f->type == SHIM_KILL)
        ev =
            (struct shim_event){.kind = SHIM_EV_KILL, .how = (enum exit_how)f->a, .grace_ms = f->b};
    (void)shim_step(c, &ev, &out);
    assert(in.received >= in.written && in.received - in.written <= sizeof(in.ring));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t packet[SHIM_FRAME_BYTES_MAX] __attribute__((aligned(8)));
    struct shim_core c;
    shim_core_init(&c, &(struct fence){.epoch = 1}, 0, 10);
    memset(&in, 0, sizeof(in));
    in.fd = -1;
    while (size >= 2) {
        size_t n = (size_t)(data[0] | data[1] << 8);
        data += 2;
        size -= 2;
        n = n > size ? size : n;
        n = n > sizeof(packet) ? sizeof(packet) : n;
        memcpy(packet, data, n);
        data += n;
        size -= n;
        (void)state_record_check(packet, n);
        (void)exit_record_check(packet, n);
        (void)ledger_entry_check(packet, n);
        (void)shim_frame_check_event(packet, n);
        if (shim_frame_check_command(packet, n) == 0)
            feed(&c, (const struct shim_frame *)packet);
    }
    return 0;
}
