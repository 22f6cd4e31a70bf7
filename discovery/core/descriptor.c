// SPDX-License-Identifier: Apache-2.0
#include "discovery/core/descriptor.h"

#include "libxos/wire/pb.h"

#include "discovery/discovery.pb-c.h"

#include <assert.h>
#include <string.h>

uint64_t hash_mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

uint64_t node_name_hash(const char *name)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (; *name; name++)
        h = (h ^ (uint8_t)*name) * UINT64_C(0x100000001b3);
    return hash_mix(h);
}

int node_name_copy(char *to, size_t max, struct xos_slice from, struct xos_error *err)
{
    if (from.len == 0 || from.len > max)
        return xos_fail(err, XOS_PROTOCOL, "a name of %zu bytes, not 1 to %zu", from.len, max);
    for (size_t i = 0; i < from.len; i++)
        if (from.data[i] <= ' ' || from.data[i] > '~')
            return xos_fail(err, XOS_PROTOCOL, "a name with byte 0x%02x", from.data[i]);
    memcpy(to, from.data, from.len);
    to[from.len] = '\0';
    return 0;
}

static struct xos_slice slice_of(ProtobufCBinaryData b)
{
    return (struct xos_slice){b.data, b.len};
}

static int read_address(struct descriptor_address *to, const Xos__Discovery__Address *from,
                        struct xos_error *err)
{
    if (node_name_copy(to->host, DESCRIPTOR_HOST_BYTES_MAX, slice_of(from->host), err) < 0)
        return xos_wrap(err, "address");
    if (from->overlay_port > UINT16_MAX || from->bulk_port > UINT16_MAX)
        return xos_fail(err, XOS_PROTOCOL, "address with a port above 65535");
    to->overlay_port = (uint16_t)from->overlay_port;
    to->bulk_port = (uint16_t)from->bulk_port;
    return 0;
}

static int read_reach(struct descriptor_reach *to, const Xos__Discovery__Descriptor *from,
                      struct xos_error *err)
{
    if (from->n_addresses > DESCRIPTOR_ADDRESSES_MAX)
        return xos_fail(err, XOS_LIMIT, "%zu addresses, at most %d", from->n_addresses,
                        DESCRIPTOR_ADDRESSES_MAX);
    if (from->curve_key.len != DESCRIPTOR_CURVE_KEY_BYTES)
        return xos_fail(err, XOS_PROTOCOL, "a CURVE key of %zu bytes", from->curve_key.len);
    for (size_t i = 0; i < from->n_addresses; i++)
        if (read_address(&to->addresses[i], from->addresses[i], err) < 0)
            return -1;
    to->address_count = from->n_addresses;
    memcpy(to->curve_key, from->curve_key.data, DESCRIPTOR_CURVE_KEY_BYTES);
    return 0;
}

static int read_names(struct descriptor *to, const Xos__Discovery__Descriptor *from,
                      struct xos_error *err)
{
    if (from->expiry_ms > INT64_MAX)
        return xos_fail(err, XOS_PROTOCOL, "an expiry out of range");
    to->seq = from->seq;
    to->expiry_ms = (int64_t)from->expiry_ms;
    if (node_name_copy(to->node, NODE_NAME_BYTES_MAX, slice_of(from->node), err) < 0)
        return xos_wrap(err, "node");
    if (node_name_copy(to->institution, INSTITUTION_BYTES_MAX, slice_of(from->institution), err) <
        0)
        return xos_wrap(err, "institution");
    return 0;
}

/* Either result may be NULL: then it is checked and not kept. */
static int read_statement(struct xos_slice statement, struct descriptor *d,
                          struct descriptor_reach *reach, struct xos_error *err)
{
    struct descriptor_reach unused_reach;
    struct descriptor unused;
    Xos__Discovery__Descriptor *pb =
        xos_pb_unpack(&xos__discovery__descriptor__descriptor, statement, DESCRIPTOR_BYTES_MAX,
                      XOS_PB_TOLERANT, err);
    if (!pb)
        return xos_wrap(err, "descriptor");
    int rc = read_names(d ? d : &unused, pb, err);
    if (rc == 0)
        rc = read_reach(reach ? reach : &unused_reach, pb, err);
    xos_pb_free(pb);
    return rc < 0 ? xos_wrap(err, "descriptor") : 0;
}

int descriptor_parse(struct descriptor *out, struct xos_slice statement, struct xos_slice signature,
                     struct xos_error *err)
{
    if (statement.len > DESCRIPTOR_BYTES_MAX || signature.len > DESCRIPTOR_BYTES_MAX ||
        statement.len + signature.len > DESCRIPTOR_BYTES_MAX)
        return xos_fail(err, XOS_LIMIT, "descriptor of more than %d bytes", DESCRIPTOR_BYTES_MAX);
    if (read_statement(statement, out, NULL, err) < 0)
        return -1;
    out->statement_bytes = (uint16_t)statement.len;
    out->signature_bytes = (uint16_t)signature.len;
    memcpy(out->bytes, statement.data, statement.len);
    if (signature.len)
        memcpy(out->bytes + statement.len, signature.data, signature.len);
    return 0;
}

int descriptor_reach(const struct descriptor *d, struct descriptor_reach *out,
                     struct xos_error *err)
{
    return read_statement(descriptor_statement(d), NULL, out, err);
}

static ProtobufCBinaryData bytes_of(const void *data, size_t len)
{
    return (ProtobufCBinaryData){.len = len, .data = (uint8_t *)(uintptr_t)data};
}

int descriptor_state(struct xos_buf *out, const struct descriptor *d,
                     const struct descriptor_reach *reach, struct xos_error *err)
{
    assert(reach->address_count <= DESCRIPTOR_ADDRESSES_MAX);
    assert(d->expiry_ms >= 0);
    Xos__Discovery__Descriptor pb = XOS__DISCOVERY__DESCRIPTOR__INIT;
    Xos__Discovery__Address address[DESCRIPTOR_ADDRESSES_MAX];
    Xos__Discovery__Address *list[DESCRIPTOR_ADDRESSES_MAX];
    for (size_t i = 0; i < reach->address_count; i++) {
        const struct descriptor_address *a = &reach->addresses[i];
        address[i] = (Xos__Discovery__Address)XOS__DISCOVERY__ADDRESS__INIT;
        address[i].host = bytes_of(a->host, strlen(a->host));
        address[i].overlay_port = a->overlay_port;
        address[i].bulk_port = a->bulk_port;
        list[i] = &address[i];
    }
    pb.node = bytes_of(d->node, strlen(d->node));
    pb.institution = bytes_of(d->institution, strlen(d->institution));
    pb.n_addresses = reach->address_count;
    pb.addresses = list;
    pb.curve_key = bytes_of(reach->curve_key, DESCRIPTOR_CURVE_KEY_BYTES);
    pb.seq = d->seq;
    pb.expiry_ms = (uint64_t)d->expiry_ms;
    return xos_pb_pack(&pb.base, out, err);
}

struct xos_slice descriptor_statement(const struct descriptor *d)
{
    return (struct xos_slice){d->bytes, d->statement_bytes};
}

struct xos_slice descriptor_signature(const struct descriptor *d)
{
    return (struct xos_slice){d->bytes + d->statement_bytes, d->signature_bytes};
}

void descriptor_copy(struct descriptor *to, const struct descriptor *from)
{
    memcpy(to, from, offsetof(struct descriptor, bytes));
    memcpy(to->bytes, from->bytes, (size_t)from->statement_bytes + from->signature_bytes);
}
