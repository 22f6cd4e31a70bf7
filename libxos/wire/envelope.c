// SPDX-License-Identifier: Apache-2.0
#include "libxos/wire/envelope.h"

#include "libxos/wire/key.h"
#include "libxos/wire/pb.h"
#include "libxos/wire/wire.pb-c.h"

#include <assert.h>

int xos_envelope_encode(const struct xos_envelope *e, struct xos_buf *out, struct xos_error *err)
{
    ProtobufCBinaryData chain[XOS_CHAIN_MAX];
    Xos__Wire__EnvelopePb m = XOS__WIRE__ENVELOPE_PB__INIT;
    assert(e->chain_count <= XOS_CHAIN_MAX);
    if (e->body.len > XOS_BODY_BYTES_MAX)
        return xos_fail(err, XOS_LIMIT, "a body of %zu bytes: at most %zu", e->body.len,
                        XOS_BODY_BYTES_MAX);
    for (size_t i = 0; i < e->chain_count; i++)
        chain[i] = xos_pb_bytes(e->chain[i]);
    m.kind = (uint32_t)e->kind;
    m.call = e->call;
    m.header = xos_pb_bytes(e->header);
    m.signature = xos_pb_bytes(e->signature);
    m.n_chain = e->chain_count;
    m.chain = e->chain_count ? chain : NULL;
    m.body = xos_pb_bytes(e->body);
    m.attributes = xos_pb_bytes(e->attributes);
    return xos_pb_pack(&m, out, err);
}

static int check_lengths(const Xos__Wire__EnvelopePb *m, struct xos_error *err)
{
    if (m->kind == XOS_ENVELOPE_NONE || m->kind > XOS_ENVELOPE_CANCEL)
        return xos_fail(err, XOS_PROTOCOL, "envelope of unknown kind %u", m->kind);
    if (m->header.len > XOS_HEADER_BYTES_MAX)
        return xos_fail(err, XOS_LIMIT, "a header of %zu bytes", m->header.len);
    if (m->signature.len != 0 && m->signature.len != XOS_SIGNATURE_BYTES)
        return xos_fail(err, XOS_PROTOCOL, "a signature of %zu bytes", m->signature.len);
    if (m->body.len > XOS_BODY_BYTES_MAX)
        return xos_fail(err, XOS_LIMIT, "a body of %zu bytes", m->body.len);
    if (m->attributes.len > XOS_ATTRIBUTES_BYTES_MAX)
        return xos_fail(err, XOS_LIMIT, "attributes of %zu bytes", m->attributes.len);
    if (m->n_chain > XOS_CHAIN_MAX)
        return xos_fail(err, XOS_LIMIT, "a chain of %zu certificates", m->n_chain);
    for (size_t i = 0; i < m->n_chain; i++)
        if (m->chain[i].len > XOS_CERTIFICATE_BYTES_MAX)
            return xos_fail(err, XOS_LIMIT, "a certificate of %zu bytes", m->chain[i].len);
    return 0;
}

int xos_envelope_decode(struct xos_envelope *out, struct xos_slice data, struct xos_error *err)
{
    Xos__Wire__EnvelopePb *m = xos_pb_unpack(&xos__wire__envelope_pb__descriptor, data,
                                             XOS_ENVELOPE_BYTES_MAX, XOS_PB_TOLERANT, err);
    if (!m)
        return -1;
    if (check_lengths(m, err) < 0) {
        xos_pb_free(m);
        return -1;
    }
    *out = (struct xos_envelope){.kind = (enum xos_envelope_kind)m->kind,
                                 .call = m->call,
                                 .header = xos_pb_slice(m->header),
                                 .signature = xos_pb_slice(m->signature),
                                 .chain_count = m->n_chain,
                                 .body = xos_pb_slice(m->body),
                                 .attributes = xos_pb_slice(m->attributes),
                                 .owner = m};
    for (size_t i = 0; i < m->n_chain; i++)
        out->chain[i] = xos_pb_slice(m->chain[i]);
    return 0;
}

void xos_envelope_free(struct xos_envelope *e)
{
    xos_pb_free(e->owner);
    *e = (struct xos_envelope){0};
}
