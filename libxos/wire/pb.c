// SPDX-License-Identifier: Apache-2.0
#include "libxos/wire/pb.h"

#include "libxos/base/alloc.h"

#include <string.h>

/* One arena per message: blocks in a list, so that a half-unpacked message cannot leak. protobuf-c
 * allocates the message itself first of all; its block leads back to the arena. */
struct arena_block {
    struct arena_block *next;
    struct arena *arena;
    max_align_t data[];
};

struct arena {
    ProtobufCAllocator allocator;
    struct arena_block *blocks;
    size_t left;    /* bytes of budget */
    bool exhausted; /* the budget ran out */
    bool starved;   /* the heap did */
};

static void *arena_alloc(void *data, size_t size)
{
    struct arena *a = data;
    struct arena_block *b;
    if (size > SIZE_MAX - sizeof(*b) || sizeof(*b) + size > a->left) {
        a->exhausted = true;
        return NULL;
    }
    b = xos_alloc(sizeof(*b) + size);
    if (!b) {
        a->starved = true;
        return NULL;
    }
    a->left -= sizeof(*b) + size;
    b->arena = a;
    b->next = a->blocks;
    a->blocks = b;
    return b->data;
}

/* All is freed with the arena; protobuf-c frees singly only when unpacking fails. */
static void arena_keep(void *data, void *block)
{
    (void)data;
    (void)block;
}

static void arena_free(struct arena *a)
{
    while (a->blocks) {
        struct arena_block *next = a->blocks->next;
        xos_free(a->blocks);
        a->blocks = next;
    }
    xos_free(a);
}

void xos_pb_free(void *message)
{
    if (!message)
        return;
    struct arena_block *b =
        (struct arena_block *)(void *)((char *)message - offsetof(struct arena_block, data));
    arena_free(b->arena);
}

static bool has_unknown(const ProtobufCMessage *m, unsigned depth);

static bool field_has_unknown(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f,
                              unsigned depth)
{
    const uint8_t *at = (const uint8_t *)m + f->offset;
    if (f->type != PROTOBUF_C_TYPE_MESSAGE)
        return false;
    if (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
        uint32_t chosen;
        memcpy(&chosen, (const uint8_t *)m + f->quantifier_offset, sizeof(chosen));
        if (chosen != f->id)
            return false; /* the place holds another member of the union */
    }
    if (f->label != PROTOBUF_C_LABEL_REPEATED) {
        const ProtobufCMessage *sub;
        memcpy(&sub, at, sizeof(sub));
        return sub && has_unknown(sub, depth + 1);
    }
    size_t count;
    ProtobufCMessage **list;
    memcpy(&count, (const uint8_t *)m + f->quantifier_offset, sizeof(count));
    memcpy(&list, at, sizeof(list));
    for (size_t i = 0; i < count; i++)
        if (has_unknown(list[i], depth + 1))
            return true;
    return false;
}

#define PB_DEPTH_MAX 8 /* no message of ours nests deeper */

static bool has_unknown(const ProtobufCMessage *m, unsigned depth)
{
    if (m->n_unknown_fields || depth > PB_DEPTH_MAX)
        return true;
    for (unsigned i = 0; i < m->descriptor->n_fields; i++)
        if (field_has_unknown(m, &m->descriptor->fields[i], depth))
            return true;
    return false;
}

static int check_strict(const ProtobufCMessage *m, struct xos_slice data, struct xos_error *err)
{
    if (has_unknown(m, 0))
        return xos_fail(err, XOS_PROTOCOL, "%s has a field that this version does not know",
                        m->descriptor->short_name);
    struct xos_buf again = XOS_BUF(data.len);
    int rc = xos_pb_pack(m, &again, err);
    if (rc < 0 && err && err->code == XOS_NOMEM)
        return -1;
    bool same = rc == 0 && again.len == data.len &&
                (data.len == 0 || memcmp(again.data, data.data, data.len) == 0);
    xos_buf_free(&again);
    if (!same)
        return xos_fail(err, XOS_PROTOCOL, "%s is not in its one canonical encoding",
                        m->descriptor->short_name);
    return 0;
}

static struct arena *arena_new(size_t budget, struct xos_error *err)
{
    struct arena *a = xos_alloc(sizeof(*a));
    if (!a) {
        xos_fail(err, XOS_NOMEM, "message");
        return NULL;
    }
    a->allocator = (ProtobufCAllocator){arena_alloc, arena_keep, a};
    a->left = budget;
    return a;
}

void *xos_pb_unpack(const ProtobufCMessageDescriptor *type, struct xos_slice data, size_t bytes_max,
                    enum xos_pb_mode mode, struct xos_error *err)
{
    if (data.len > bytes_max) {
        xos_fail(err, XOS_LIMIT, "%s of %zu bytes: at most %zu", type->short_name, data.len,
                 bytes_max);
        return NULL;
    }
    struct arena *a = arena_new(XOS_PB_BUDGET_BASE + data.len * XOS_PB_BUDGET_FACTOR, err);
    if (!a)
        return NULL;
    ProtobufCMessage *m = protobuf_c_message_unpack(type, &a->allocator, data.len, data.data);
    if (m && (mode == XOS_PB_TOLERANT || check_strict(m, data, err) == 0))
        return m;
    if (!m && a->starved)
        xos_fail(err, XOS_NOMEM, "%s", type->short_name);
    else if (!m && a->exhausted)
        xos_fail(err, XOS_LIMIT, "%s needs more memory than its size allows", type->short_name);
    else if (!m)
        xos_fail(err, XOS_PROTOCOL, "%s is not well formed", type->short_name);
    arena_free(a);
    return NULL;
}

int xos_pb_pack(const void *message, struct xos_buf *out, struct xos_error *err)
{
    size_t len = protobuf_c_message_get_packed_size(message);
    uint8_t *room = xos_buf_room(out, len, err);
    if (!room)
        return -1;
    out->len += protobuf_c_message_pack(message, room);
    out->data[out->len] = 0;
    return 0;
}

ProtobufCBinaryData xos_pb_text(const char *text)
{
    return (ProtobufCBinaryData){text ? strlen(text) : 0, (uint8_t *)(uintptr_t)text};
}
