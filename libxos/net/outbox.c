// SPDX-License-Identifier: Apache-2.0
#include "libxos/net/outbox.h"

#include "libxos/base/alloc.h"

#include <stdatomic.h>
#include <string.h>

struct xos_outbox {
    _Atomic size_t held;
    _Atomic unsigned refs; /* the owner, and one per message */
    size_t bytes_max;
};

struct parcel {
    struct xos_outbox *box;
    size_t charge;
    uint8_t data[];
};

int xos_outbox_new(struct xos_outbox **out, size_t bytes_max, struct xos_error *err)
{
    struct xos_outbox *box = xos_alloc(sizeof(*box));
    if (!box)
        return xos_fail(err, XOS_NOMEM, "outbox");
    box->bytes_max = bytes_max;
    atomic_init(&box->held, 0);
    atomic_init(&box->refs, 1);
    *out = box;
    return 0;
}

void xos_outbox_free(struct xos_outbox *box)
{
    if (box && atomic_fetch_sub(&box->refs, 1) == 1)
        xos_free(box);
}

/* Called by libzmq, in any thread. */
static void release(void *data, void *hint)
{
    (void)data;
    struct parcel *parcel = hint;
    atomic_fetch_sub(&parcel->box->held, parcel->charge);
    xos_outbox_free(parcel->box);
    xos_free(parcel);
}

int xos_outbox_message(struct xos_outbox *box, struct xos_slice data, zmq_msg_t *msg,
                       struct xos_error *err)
{
    size_t charge = data.len + XOS_OUTBOX_MESSAGE_BYTES;
    /* One thread adds and others only take away, so that the look before cannot be too low. */
    if (charge > box->bytes_max || atomic_load(&box->held) > box->bytes_max - charge)
        return xos_fail(err, XOS_LIMIT, "queue_bytes_max: more than %zu bytes wait",
                        box->bytes_max);
    struct parcel *parcel = xos_alloc(sizeof(*parcel) + data.len);
    if (!parcel)
        return xos_fail(err, XOS_NOMEM, "message of %zu bytes", data.len);
    parcel->box = box;
    parcel->charge = charge;
    if (data.len)
        memcpy(parcel->data, data.data, data.len);
    if (zmq_msg_init_data(msg, parcel->data, data.len, release, parcel) < 0) {
        xos_free(parcel);
        return xos_fail(err, XOS_NOMEM, "message of %zu bytes", data.len);
    }
    atomic_fetch_add(&box->held, charge);
    atomic_fetch_add(&box->refs, 1);
    return 0;
}

size_t xos_outbox_held(const struct xos_outbox *box)
{
    return atomic_load(&box->held);
}
