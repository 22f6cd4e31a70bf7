// SPDX-License-Identifier: Apache-2.0
#include "jobmgr/exec/shim_wire.h"

#include <errno.h>

_Static_assert(sizeof(struct shim_frame) == 40, "part of the format");
_Static_assert(sizeof(struct state_record) == 144, "part of the format");
_Static_assert(sizeof(struct exit_record) == 184, "part of the format");
_Static_assert(sizeof(struct shim_status) == 216, "part of the format");

#define FROM_XOSD 1
#define FROM_SHIM 2

/* Highest value of a, b, c; bytes that must, or may, follow. */
static const struct type_row {
    int from;
    uint64_t a_max, b_max, c_max;
    uint32_t bytes_min, bytes_max;
} type_table[SHIM_TYPES] = {
    [SHIM_ASK] = {FROM_XOSD, 0, 0, 0, 0, 0},
    [SHIM_SIGNAL] = {FROM_XOSD, 64, SHIM_ALL, 0, 0, 0},
    [SHIM_STOP] = {FROM_XOSD, 0, 0, 0, 0, 0},
    [SHIM_CONT] = {FROM_XOSD, 0, 0, 0, 0, 0},
    [SHIM_KILL] = {FROM_XOSD, EXIT_NODE_LOST, UINT32_MAX, 0, 0, 0},
    [SHIM_FENCE] = {FROM_XOSD, UINT64_MAX, INT64_MAX, 1, 0, 0},
    [SHIM_FOREGROUND] = {FROM_XOSD, 1, INT64_MAX, INT64_MAX, 0, 0},
    [SHIM_STDIN] = {FROM_XOSD, INT64_MAX, 0, 0, 1, SHIM_STDIN_BYTES_MAX},
    [SHIM_STDIN_EOF] = {FROM_XOSD, INT64_MAX, 0, 0, 0, 0},
    [SHIM_WINSIZE] = {FROM_XOSD, UINT16_MAX, UINT16_MAX, 0, 0, 0},
    [SHIM_ACK_EXIT] = {FROM_XOSD, 0, 0, 0, 0, 0},
    [SHIM_REPLY] = {FROM_SHIM, UINT32_MAX, 0, 0, 0, 0},
    [SHIM_STATUS] = {FROM_SHIM, 0, 0, 0, sizeof(struct shim_status), sizeof(struct shim_status)},
    [SHIM_OUTPUT] = {FROM_SHIM, INT64_MAX, INT64_MAX, INT64_MAX, 0, 0},
    [SHIM_STDIN_ACK] = {FROM_SHIM, INT64_MAX, 1, 0, 0, 0},
    [SHIM_EXIT] = {FROM_SHIM, 0, 0, 0, sizeof(struct exit_record), sizeof(struct exit_record)},
};

static int frame_check(const struct shim_frame *f, size_t bytes, int from)
{
    if (bytes < sizeof(*f) || f->magic != SHIM_MAGIC || f->version != SHIM_VERSION)
        return -1;
    if (f->type >= SHIM_TYPES || type_table[f->type].from != from)
        return -1;
    const struct type_row *row = &type_table[f->type];
    if (f->bytes != bytes - sizeof(*f) || f->bytes < row->bytes_min || f->bytes > row->bytes_max)
        return -1;
    return f->a <= row->a_max && f->b <= row->b_max && f->c <= row->c_max ? 0 : -1;
}

int shim_frame_check_command(const void *packet, size_t bytes)
{
    return frame_check(packet, bytes, FROM_XOSD);
}

int shim_frame_check_event(const void *packet, size_t bytes)
{
    return frame_check(packet, bytes, FROM_SHIM);
}

uint32_t exec_crc32c(const void *data, size_t bytes)
{
    const uint8_t *p = data;
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < bytes; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (UINT32_C(0x82f63b78) & (0 - (crc & 1)));
    }
    return ~crc;
}

void state_record_seal(struct state_record *r)
{
    r->magic = SHIM_MAGIC;
    r->version = SHIM_VERSION;
    r->crc = exec_crc32c(r, offsetof(struct state_record, crc));
}

void exit_record_seal(struct exit_record *r)
{
    r->magic = SHIM_MAGIC;
    r->version = SHIM_VERSION;
    r->crc = exec_crc32c(r, offsetof(struct exit_record, crc));
}

int state_record_check(const void *data, size_t bytes)
{
    const struct state_record *r = data;
    if (bytes != sizeof(*r) || r->magic != SHIM_MAGIC || r->version != SHIM_VERSION)
        return -1;
    if (r->crc != exec_crc32c(r, offsetof(struct state_record, crc)))
        return -1;
    return exec_unit_valid(r->unit) && r->state <= UNIT_ENDED ? 0 : -1;
}

int exit_record_check(const void *data, size_t bytes)
{
    const struct exit_record *r = data;
    if (bytes != sizeof(*r) || r->magic != SHIM_MAGIC || r->version != SHIM_VERSION)
        return -1;
    if (r->crc != exec_crc32c(r, offsetof(struct exit_record, crc)))
        return -1;
    return exec_unit_valid(r->unit) && r->how && r->how < EXIT_HOWS ? 0 : -1;
}

static int start_failed_status(const struct exit_record *r)
{
    if (r->stage != STAGE_EXEC)
        return 125;
    return r->value == ENOENT || r->value == ENOTDIR ? 127 : 126;
}

int exit_record_status(const struct exit_record *r)
{
    if (r->how == EXIT_EXITED)
        return r->value;
    if (r->how == EXIT_SIGNALLED || r->how == EXIT_OOM)
        return 128 + r->value;
    if (r->how == EXIT_START_FAILED)
        return start_failed_status(r);
    if (r->how == EXIT_SHIM_LOST || r->how == EXIT_NODE_LOST)
        return 125;
    /* We ended it: a job that ends well on TERM still did not do its work. */
    return r->value ? r->value : 128 + 15;
}

const char *exec_stage_name(enum exec_stage stage)
{
    static const char *const names[STAGE_COUNT] = {
        "none", "order",    "cgroup", "streams",   "clone", "root",   "proc",
        "dev",  "scratch",  "pivot",  "init",      "seal",  "limits", "identity",
        "fork", "terminal", "files",  "directory", "exec",
    };
    return (unsigned)stage < STAGE_COUNT ? names[stage] : "none";
}

const char *exit_how_name(enum exit_how how)
{
    static const char *const names[EXIT_HOWS] = {
        "none",   "exited",    "signalled", "oom",       "time-limit",
        "killed", "preempted", "node-lost", "shim-lost", "start-failed",
    };
    return (unsigned)how < EXIT_HOWS ? names[how] : "none";
}
