// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: nodes of two versions of XOS cannot talk to each other any more. */
#include "libxos/net/mux_frame.h"

#include "libxos/wire/key.h"
#include "tests/lib/xtest.h"

#include <stdio.h>
#include <string.h>

#define FRAME_BYTES_MAX 128

static void make_hello(struct xos_mux_frame *f)
{
    xos_mux_frame_hello(f, &(struct xos_mux_hello){1, 1, 262144, 4096});
}

static void make_open(struct xos_mux_frame *f)
{
    f->payload = (struct xos_slice){(const uint8_t *)"xrun", 4};
    xos_mux_frame_seal(f, XOS_MUX_OPEN, 1);
}

static void make_accept(struct xos_mux_frame *f)
{
    xos_mux_frame_seal(f, XOS_MUX_ACCEPT, 1);
}

static void make_data(struct xos_mux_frame *f)
{
    f->payload = (struct xos_slice){(const uint8_t *)"hello\n", 6};
    xos_mux_frame_seal(f, XOS_MUX_DATA, 0x01020304);
}

static void make_credit(struct xos_mux_frame *f)
{
    xos_mux_frame_credit(f, 2, 65536);
}

static void make_end(struct xos_mux_frame *f)
{
    xos_mux_frame_seal(f, XOS_MUX_END, 1);
}

static void make_reset(struct xos_mux_frame *f)
{
    xos_mux_frame_reason(f, XOS_MUX_RESET, 3, XOS_DENIED, "no rule allows this");
}

static void make_ping(struct xos_mux_frame *f)
{
    f->payload = (struct xos_slice){(const uint8_t *)"\0\1\2\3\4\5\6\7", 8};
    xos_mux_frame_seal(f, XOS_MUX_PING, 0);
}

static void make_pong(struct xos_mux_frame *f)
{
    f->payload = (struct xos_slice){(const uint8_t *)"\0\1\2\3\4\5\6\7", 8};
    xos_mux_frame_seal(f, XOS_MUX_PONG, 0);
}

static void make_goaway(struct xos_mux_frame *f)
{
    xos_mux_frame_reason(f, XOS_MUX_GOAWAY, 0, XOS_NONE, "idle");
}

static const struct golden_row {
    enum xos_mux_type type;
    void (*make)(struct xos_mux_frame *f);
} golden_table[] = {
    {XOS_MUX_HELLO, make_hello},   {XOS_MUX_OPEN, make_open},     {XOS_MUX_ACCEPT, make_accept},
    {XOS_MUX_DATA, make_data},     {XOS_MUX_CREDIT, make_credit}, {XOS_MUX_END, make_end},
    {XOS_MUX_RESET, make_reset},   {XOS_MUX_PING, make_ping},     {XOS_MUX_PONG, make_pong},
    {XOS_MUX_GOAWAY, make_goaway},
};

static size_t golden_read(const char *name, uint8_t *out)
{
    char path[128], text[2 * FRAME_BYTES_MAX + 2] = "";
    (void)snprintf(path, sizeof(path), "tests/golden/bulk-1/%s.hex", name);
    FILE *f = fopen(path, "r");
    if (!f || !fgets(text, sizeof(text), f))
        fail_msg("cannot read %s", path);
    (void)fclose(f);
    text[strcspn(text, "\n")] = '\0';
    size_t len = strlen(text) / 2;
    assert_int_equal(xos_unhex(text, out, len), 0);
    return len;
}

static void frames_are_the_golden_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(golden_table) / sizeof(golden_table[0]); i++) {
        uint8_t golden[FRAME_BYTES_MAX], ours[FRAME_BYTES_MAX];
        struct xos_mux_frame f = {0};
        struct xos_mux_head head;
        struct xos_error err;
        golden_table[i].make(&f);
        size_t len = XOS_MUX_HEAD_BYTES + f.small_len + f.payload.len;
        memcpy(ours, f.head, XOS_MUX_HEAD_BYTES);
        memcpy(ours + XOS_MUX_HEAD_BYTES, f.small, f.small_len);
        if (f.payload.len)
            memcpy(ours + XOS_MUX_HEAD_BYTES + f.small_len, f.payload.data, f.payload.len);
        assert_int_equal(golden_read(xos_mux_type_name(golden_table[i].type), golden), len);
        assert_memory_equal(ours, golden, len);
        assert_int_equal(xos_mux_head_read(golden, &head, &err), 0);
        assert_int_equal(head.type, golden_table[i].type);
        assert_int_equal(head.length, len - XOS_MUX_HEAD_BYTES);
    }
}

static void a_long_text_is_cut(void **state)
{
    (void)state;
    char text[2000];
    struct xos_mux_frame f = {0};
    struct xos_mux_head head;
    struct xos_error err;
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    xos_mux_frame_reason(&f, XOS_MUX_RESET, 1, XOS_IO, text);
    assert_int_equal(xos_mux_head_read(f.head, &head, &err), 0);
    assert_int_equal(head.length, 2 + XOS_MUX_TEXT_BYTES_MAX);
}

static const struct xt_test tests[] = {
    XT(frames_are_the_golden_bytes),
    XT(a_long_text_is_cut),
};
XT_MAIN(tests)
