// SPDX-License-Identifier: Apache-2.0
/* Arbitrary bytes in arbitrary pieces from a peer that has shown a good certificate, into the
 * streams' state machine, while our side accepts, writes, consumes, ends and resets. The first byte
 * chooses the side and the sizes of the pieces. */
#include "libxos/net/mux.h"

#include "libxos/base/alloc.h"

#include <assert.h>

#define STREAMS_MAX 8
#define WINDOW_BYTES 4096

struct story {
    struct xos_mux *mux;
    uint64_t now_ms;
    uint32_t seed;
};

static uint32_t next(struct story *s)
{
    s->seed = s->seed * 1664525u + 1013904223u;
    return s->seed >> 16;
}

static void tell(struct story *s, enum xos_mux_event_kind kind, uint32_t stream, size_t count)
{
    static const uint8_t zeros[5000];
    struct xos_mux_actions acts;
    struct xos_error err;
    struct xos_mux_event ev = {.kind = kind,
                               .now_ms = s->now_ms,
                               .stream = stream,
                               .bytes = {zeros, kind == XOS_MUX_EV_CONSUMED ? 0 : count},
                               .room = 3000,
                               .count = count,
                               .text = "so"};
    (void)xos_mux_step(s->mux, &ev, &acts, &err);
    for (size_t i = 0; i < acts.count; i++)
        if (acts.at[i].kind == XOS_MUX_DO_SEND)
            assert(acts.at[i].frame.payload.len <= XOS_MUX_PAYLOAD_BYTES_MAX);
}

static void on_action(struct story *s, const struct xos_mux_action *a)
{
    static const enum xos_mux_event_kind ours[] = {XOS_MUX_EV_WRITE, XOS_MUX_EV_END,
                                                   XOS_MUX_EV_RESET, XOS_MUX_EV_ROOM};
    if (a->kind == XOS_MUX_DO_OPENED && next(s) % 4)
        tell(s, XOS_MUX_EV_ACCEPT, a->stream, 0);
    else if (a->kind == XOS_MUX_DO_DATA) {
        assert(a->bytes.len > 0 && a->bytes.len <= WINDOW_BYTES);
        if (next(s) % 3)
            tell(s, XOS_MUX_EV_CONSUMED, a->stream, a->bytes.len);
    }
    if (a->kind != XOS_MUX_DO_SEND && a->kind != XOS_MUX_DO_UP)
        tell(s, ours[next(s) % 4], a->stream, next(s) % 5000);
    else if (a->kind == XOS_MUX_DO_UP)
        tell(s, XOS_MUX_EV_OPEN, 0, 10);
}

static int feed(struct story *s, const uint8_t *data, size_t len)
{
    struct xos_mux_actions acts;
    struct xos_error err;
    while (len > 0) {
        struct xos_mux_event ev = {
            .kind = XOS_MUX_EV_BYTES, .now_ms = s->now_ms, .bytes = {data, len}};
        if (xos_mux_step(s->mux, &ev, &acts, &err) < 0)
            return -1;
        assert(acts.used > 0 && acts.used <= len);
        for (size_t i = 0; i < acts.count; i++)
            on_action(s, &acts.at[i]);
        assert(xos_mux_streams(s->mux) <= 2 * STREAMS_MAX);
        data += acts.used;
        len -= acts.used;
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct xos_error err;
    if (len == 0)
        return 0;
    struct xos_mux_config config = {.dialer = data[0] & 1,
                                    .window_bytes = WINDOW_BYTES,
                                    .streams_max = STREAMS_MAX,
                                    .ping_ms = 100,
                                    .dead_ms = 200,
                                    .idle_ms = 50};
    struct story s = {.seed = data[0]};
    size_t piece = 1u + data[0] / 4u;
    if (xos_mux_new(&s.mux, &config, &err) < 0)
        return 0;
    tell(&s, XOS_MUX_EV_START, 0, 0);
    for (size_t at = 1; at < len; at += piece) {
        if (feed(&s, data + at, piece < len - at ? piece : len - at) < 0)
            break;
        s.now_ms += 10;
        tell(&s, XOS_MUX_EV_TICK, 0, 0);
        tell(&s, XOS_MUX_EV_ROOM, 0, 0);
    }
    xos_mux_free(s.mux);
    assert(xos_alloc_live() == 0);
    return 0;
}
