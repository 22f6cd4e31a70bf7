// SPDX-License-Identifier: Apache-2.0
#include "libxos/net/zap.h"

#include "libxos/base/alloc.h"
#include "libxos/wire/key.h"

#include <assert.h>
#include <string.h>

#define ZAP_ENDPOINT "inproc://zeromq.zap.01"
#define ZAP_VERSION "1.0"
#define REPLY_FRAMES 8

enum frame { VERSION, SEQUENCE, DOMAIN_NAME, ADDRESS, ROUTING_ID, MECHANISM, KEY, FRAMES };

struct xos_zap {
    struct xos_zsock *router;
    xos_zap_decide_f decide;
    xos_zap_malformed_f malformed;
    void *arg;
};

/* What each frame must be: this text, or anything of this length. */
static const struct {
    const char *name;
    const char *text;
    size_t len_min, len_max;
} shape[FRAMES] = {
    [VERSION] = {"version", ZAP_VERSION, 0, 0},
    [SEQUENCE] = {"sequence", NULL, 1, XOS_ZAP_SEQUENCE_BYTES_MAX},
    [DOMAIN_NAME] = {"domain", XOS_CURVE_ZAP_DOMAIN, 0, 0},
    [ADDRESS] = {"address", NULL, 2, XOS_ADDRESS_TEXT_MAX - 1},
    [ROUTING_ID] = {"routing id", NULL, 0, 255},
    [MECHANISM] = {"mechanism", "CURVE", 0, 0},
    [KEY] = {"key", NULL, XOS_CURVE_KEY_BYTES, XOS_CURVE_KEY_BYTES},
};

static bool fits(size_t i, struct xos_slice frame)
{
    if (shape[i].text)
        return frame.len == strlen(shape[i].text) &&
               memcmp(frame.data, shape[i].text, frame.len) == 0;
    return frame.len >= shape[i].len_min && frame.len <= shape[i].len_max;
}

int xos_zap_parse(const struct xos_slice *frames, size_t count, struct xos_zap_request *out,
                  struct xos_error *err)
{
    struct xos_zap_request request = {0};
    struct xos_address address;
    if (count != FRAMES)
        return xos_fail(err, XOS_PROTOCOL, "zap request of %zu frames", count);
    for (size_t i = 0; i < FRAMES; i++)
        if (!fits(i, frames[i]))
            return xos_fail(err, XOS_PROTOCOL, "zap %s of %zu bytes", shape[i].name, frames[i].len);
    memcpy(request.address, frames[ADDRESS].data, frames[ADDRESS].len);
    if (strlen(request.address) != frames[ADDRESS].len ||
        xos_address_parse(&address, request.address, NULL) < 0)
        return xos_fail(err, XOS_PROTOCOL, "zap address is none");
    memcpy(request.key, frames[KEY].data, sizeof(request.key));
    request.sequence = frames[SEQUENCE];
    *out = request;
    return 0;
}

static void frame_copy(zmq_msg_t *frame, const void *data, size_t len)
{
    /* Small: libzmq keeps up to 33 bytes in the zmq_msg_t itself, and aborts anyway when its own
     * allocations fail. */
    int rc = zmq_msg_init_size(frame, len);
    assert(rc == 0);
    if (len)
        memcpy(zmq_msg_data(frame), data, len);
}

static void reply(struct xos_zap *zap, zmq_msg_t *route, const struct xos_zap_request *request,
                  bool admit)
{
    char user_id[XOS_ZAP_USER_ID_CHARS + 1];
    zmq_msg_t frames[REPLY_FRAMES];
    xos_hex(request->key, sizeof(request->key), user_id);
    frame_copy(&frames[0], zmq_msg_data(route), zmq_msg_size(route));
    frame_copy(&frames[1], "", 0);
    frame_copy(&frames[2], ZAP_VERSION, strlen(ZAP_VERSION));
    frame_copy(&frames[3], request->sequence.data, request->sequence.len);
    frame_copy(&frames[4], admit ? "200" : "400", 3);
    frame_copy(&frames[5], admit ? "OK" : "", admit ? 2 : 0);
    frame_copy(&frames[6], user_id, admit ? XOS_ZAP_USER_ID_CHARS : 0);
    frame_copy(&frames[7], "", 0);
    (void)xos_zsock_send(zap->router, frames, REPLY_FRAMES, NULL); /* the asker may be gone */
}

static void on_request(void *arg, zmq_msg_t *frames, size_t count)
{
    struct xos_zap *zap = arg;
    struct xos_zap_request request;
    struct xos_error err = {0};
    struct xos_slice parts[XOS_ZSOCK_FRAMES_MAX];
    if (count < 2 || count > XOS_ZSOCK_FRAMES_MAX || zmq_msg_size(&frames[1]) != 0) {
        xos_fail(&err, XOS_PROTOCOL, "zap request of %zu frames", count);
        zap->malformed(zap->arg, &err);
        return;
    }
    for (size_t i = 2; i < count; i++)
        parts[i - 2] = (struct xos_slice){zmq_msg_data(&frames[i]), zmq_msg_size(&frames[i])};
    if (xos_zap_parse(parts, count - 2, &request, &err) < 0) {
        zap->malformed(zap->arg, &err);
        return;
    }
    enum xos_zap_verdict verdict = zap->decide(zap->arg, &request);
    if (verdict != XOS_ZAP_IGNORE)
        reply(zap, &frames[0], &request, verdict == XOS_ZAP_ADMIT);
}

int xos_zap_new(struct xos_zap **out, struct xos_loop *loop, void *context, xos_zap_decide_f decide,
                xos_zap_malformed_f malformed, void *arg, struct xos_error *err)
{
    if (!zmq_has("curve"))
        return xos_fail(err, XOS_UNSUPPORTED, "this libzmq was built without CURVE");
    struct xos_zap *zap = xos_alloc(sizeof(*zap));
    if (!zap)
        return xos_fail(err, XOS_NOMEM, "zap handler");
    *zap = (struct xos_zap){.decide = decide, .malformed = malformed, .arg = arg};
    if (xos_zsock_new(&zap->router, loop, context, ZMQ_ROUTER, on_request, zap, err) < 0 ||
        xos_zsock_set(zap->router, ZMQ_LINGER, 0, err) < 0 ||
        xos_zsock_bind(zap->router, ZAP_ENDPOINT, err) < 0) {
        xos_zap_free(zap);
        return -1;
    }
    *out = zap;
    return 0;
}

void xos_zap_free(struct xos_zap *zap)
{
    if (!zap)
        return;
    xos_zsock_free(zap->router);
    xos_free(zap);
}
