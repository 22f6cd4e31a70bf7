// SPDX-License-Identifier: Apache-2.0
#include "vo-auth/core/sshwire.h"

#include <string.h>

bool auth_ssh_take_byte(struct xos_slice *in, uint8_t *value)
{
    if (in->len < 1)
        return false;
    *value = in->data[0];
    *in = (struct xos_slice){in->data + 1, in->len - 1};
    return true;
}

bool auth_ssh_take_u32(struct xos_slice *in, uint32_t *value)
{
    const uint8_t *at = in->data;
    if (in->len < 4)
        return false;
    *value = (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
    *in = (struct xos_slice){at + 4, in->len - 4};
    return true;
}

bool auth_ssh_take_string(struct xos_slice *in, struct xos_slice *value)
{
    struct xos_slice rest = *in;
    uint32_t len;
    if (!auth_ssh_take_u32(&rest, &len) || len > rest.len)
        return false;
    *value = (struct xos_slice){rest.data, len};
    *in = (struct xos_slice){rest.data + len, rest.len - len};
    return true;
}

bool auth_ssh_take_mpint(struct xos_slice *in, struct xos_slice *value)
{
    struct xos_slice rest = *in, number;
    if (!auth_ssh_take_string(&rest, &number) || number.len == 0 || number.data[0] & 0x80)
        return false;
    if (number.data[0] == 0 && (number.len == 1 || !(number.data[1] & 0x80)))
        return false;
    *in = rest;
    *value = number;
    return true;
}

int auth_ssh_put_u32(struct xos_buf *out, uint32_t value, struct xos_error *err)
{
    const uint8_t bytes[4] = {(uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8),
                              (uint8_t)value};
    return xos_buf_add(out, bytes, sizeof(bytes), err);
}

int auth_ssh_put_string(struct xos_buf *out, struct xos_slice value, struct xos_error *err)
{
    const size_t before = out->len;
    if (value.len > UINT32_MAX)
        return xos_fail(err, XOS_LIMIT, "a string of %zu bytes", value.len);
    if (auth_ssh_put_u32(out, (uint32_t)value.len, err) < 0)
        return -1;
    if (xos_buf_add(out, value.data, value.len, err) == 0)
        return 0;
    xos_buf_cut(out, before);
    return -1;
}

int auth_ssh_put_text(struct xos_buf *out, const char *value, struct xos_error *err)
{
    return auth_ssh_put_string(out, (struct xos_slice){(const uint8_t *)value, strlen(value)}, err);
}

bool auth_ssh_is(struct xos_slice value, const char *text)
{
    return value.len == strlen(text) &&
           (value.len == 0 || memcmp(value.data, text, value.len) == 0);
}
