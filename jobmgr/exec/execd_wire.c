// SPDX-License-Identifier: Apache-2.0
#include "jobmgr/exec/execd_wire.h"

#include <string.h>

_Static_assert(sizeof(struct wire_blob) == 16, "part of the format");
_Static_assert(sizeof(struct execd_request) == 200, "part of the format");
_Static_assert(sizeof(struct execd_answer) == 560, "part of the format");
_Static_assert(sizeof(struct execd_entry) == 88, "part of the format");

static const struct wire_blob_rule start_rules[EXECD_BLOBS] = {
    [EXECD_ARGV] = {"argv", EXECD_MESSAGE_BYTES_MAX, 1, EXECD_ARGS_MAX},
    [EXECD_ENVP] = {"envp", EXECD_MESSAGE_BYTES_MAX, 0, EXECD_ARGS_MAX},
    [EXECD_CWD] = {"cwd", EXECD_PATH_BYTES_MAX, 0, 1},
};

static const struct wire_blob_rule empty_rules[EXECD_BLOBS] = {
    [EXECD_ARGV] = {"argv", 0, 0, 0},
    [EXECD_ENVP] = {"envp", 0, 0, 0},
    [EXECD_CWD] = {"cwd", 0, 0, 0},
};

#define START_FLAGS (EXECD_FENCED | EXECD_PTY | EXECD_STDIN | EXECD_CPU_QUOTA | EXECD_FILES)

static const struct verb_row {
    const char *name;
    uint32_t flags;
    bool names_unit;
    bool unit_optional;
    bool starts;
} verb_table[EXECD_VERBS] = {
    [EXECD_START] = {"START", START_FLAGS, true, false, true},
    [EXECD_KILL] = {"KILL", EXECD_FORCE, true, false, false},
    [EXECD_REMOVE] = {"REMOVE", EXECD_KEEP_SPOOL, true, false, false},
    [EXECD_PROBE] = {"PROBE", 0, false, false, false},
    [EXECD_LIST] = {"LIST", 0, true, true, false},
};

static bool unit_absent(const char unit[static EXEC_UNIT_BYTES])
{
    static const char none[EXEC_UNIT_BYTES];
    return memcmp(unit, none, EXEC_UNIT_BYTES) == 0;
}

static bool unit_good(const struct execd_request *r, const struct verb_row *row)
{
    bool absent = unit_absent(r->unit);
    if (absent)
        return !row->names_unit || row->unit_optional;
    return row->names_unit && exec_unit_valid(r->unit);
}

/* Everything that only START may set. */
static bool start_fields_clear(const struct execd_request *r)
{
    return (r->epoch | r->deadline_ms | r->walltime_ms | r->grace_ms | r->spool_bytes |
            r->mem_bytes | r->cpu_milli | r->pids | r->rows | r->cols) == 0;
}

static int head_check(const struct execd_request *r, size_t bytes, struct xos_error *err)
{
    if (r->magic != EXECD_MAGIC)
        return xos_fail(err, XOS_PROTOCOL, "not a request to xos-execd");
    if (r->version != EXECD_VERSION)
        return xos_fail(err, XOS_VERSION, "request version %u, this is %u", r->version,
                        EXECD_VERSION);
    if (r->bytes != bytes)
        return xos_fail(err, XOS_PROTOCOL, "the packet has %zu bytes, its head says %u", bytes,
                        r->bytes);
    if (r->verb == EXECD_NONE || r->verb >= EXECD_VERBS)
        return xos_fail(err, XOS_DENIED, "unknown verb %u", r->verb);
    const struct verb_row *row = &verb_table[r->verb];
    if (r->flags & ~row->flags || r->zero != 0)
        return xos_fail(err, XOS_PROTOCOL, "%s: unknown flags %#x", row->name, r->flags);
    if (!unit_good(r, row))
        return xos_fail(err, XOS_PROTOCOL, "%s: malformed unit id", row->name);
    if (!row->starts && !start_fields_clear(r))
        return xos_fail(err, XOS_PROTOCOL, "%s: a field that it does not use is set", row->name);
    return 0;
}

int execd_request_check(const void *packet, size_t bytes, struct xos_error *err)
{
    const struct execd_request *r = packet;
    if (bytes > EXECD_MESSAGE_BYTES_MAX)
        return xos_fail(err, XOS_LIMIT, "request above EXECD_MESSAGE_BYTES_MAX");
    if (bytes < sizeof(*r))
        return xos_fail(err, XOS_PROTOCOL, "request of %zu bytes is too short", bytes);
    if (head_check(r, bytes, err) < 0)
        return -1;
    const struct verb_row *row = &verb_table[r->verb];
    const char *wrong = wire_blobs_check(packet, bytes, sizeof(*r), r->blobs,
                                         row->starts ? start_rules : empty_rules, EXECD_BLOBS);
    if (wrong)
        return xos_fail(err, XOS_PROTOCOL, "%s: malformed %s", row->name, wrong);
    return 0;
}

int execd_request_finish(void *packet, const struct execd_blobs *b, struct xos_error *err)
{
    struct execd_request *r = packet;
    const char *cwd[] = {b->cwd, NULL};
    size_t end = sizeof(*r), max = EXECD_MESSAGE_BYTES_MAX;
    r->magic = EXECD_MAGIC;
    r->version = EXECD_VERSION;
    if (wire_blob_put_strings(packet, max, &end, &r->blobs[EXECD_ARGV], b->argv) < 0 ||
        wire_blob_put_strings(packet, max, &end, &r->blobs[EXECD_ENVP], b->envp) < 0 ||
        wire_blob_put_strings(packet, max, &end, &r->blobs[EXECD_CWD], cwd) < 0)
        return xos_fail(err, XOS_LIMIT, "command and environment above EXECD_MESSAGE_BYTES_MAX");
    r->bytes = (uint32_t)end;
    return 0;
}

int execd_answer_check(const void *packet, size_t bytes, struct xos_error *err)
{
    const struct execd_answer *a = packet;
    if (bytes < sizeof(*a) || a->magic != EXECD_MAGIC || a->bytes != bytes)
        return xos_fail(err, XOS_PROTOCOL, "not an answer of xos-execd");
    if (a->version != EXECD_VERSION)
        return xos_fail(err, XOS_VERSION, "answer version %u, this is %u", a->version,
                        EXECD_VERSION);
    if (a->count > EXECD_LIST_MAX || bytes != sizeof(*a) + a->count * sizeof(struct execd_entry))
        return xos_fail(err, XOS_PROTOCOL, "answer with %u entries in %zu bytes", a->count, bytes);
    if (a->text[EXECD_TEXT_BYTES - 1] != 0)
        return xos_fail(err, XOS_PROTOCOL, "answer without the end of its text");
    return 0;
}

const char *execd_isolation_name(enum execd_isolation isolation)
{
    static const char *const names[] = {"none", "rlimit", "cgroup1", "cgroup2"};
    return (unsigned)isolation < 4 ? names[isolation] : "none";
}
