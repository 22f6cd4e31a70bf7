// SPDX-License-Identifier: Apache-2.0
#include "vo-auth/ca/authkeys.h"

#include "vo-auth/core/sshkey.h"
#include "vo-auth/core/sshwire.h"

#include <string.h>

static int sextet(uint8_t c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = memchr(digits, c, sizeof(digits) - 1);
    return at ? (int)(at - digits) : -1;
}

/* Four characters, of which the last `pad` are padding. */
static int quantum(const uint8_t *in, size_t pad, uint8_t to[static 3])
{
    uint32_t bits = 0;
    for (size_t i = 0; i < 4; i++) {
        int v = i < 4 - pad ? sextet(in[i]) : in[i] == '=' ? 0 : -1;
        if (v < 0)
            return -1;
        bits = bits << 6 | (uint32_t)v;
    }
    to[0] = (uint8_t)(bits >> 16);
    to[1] = (uint8_t)(bits >> 8);
    to[2] = (uint8_t)bits;
    bool unused_bits = (pad > 0 && to[2]) || (pad > 1 && to[1]);
    return unused_bits ? -1 : 0;
}

int ca_base64_decode(struct xos_slice text, uint8_t *to, size_t to_max)
{
    size_t len = 0;
    if (text.len == 0 || text.len % 4 != 0 || text.len / 4 * 3 > to_max)
        return -1;
    for (size_t at = 0; at < text.len; at += 4) {
        const uint8_t *in = text.data + at;
        size_t pad = at + 4 < text.len ? 0 : in[2] == '=' ? 2 : in[3] == '=' ? 1 : 0;
        uint8_t bytes[3];
        if (quantum(in, pad, bytes) < 0)
            return -1;
        memcpy(to + len, bytes, 3 - pad);
        len += 3 - pad;
    }
    return (int)len;
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* The next word of a line; empty at its end. */
static struct xos_slice take_word(struct xos_slice *line)
{
    while (line->len && is_blank(line->data[0]))
        *line = (struct xos_slice){line->data + 1, line->len - 1};
    struct xos_slice word = {line->data, 0};
    while (word.len < line->len && !is_blank(line->data[word.len]))
        word.len++;
    *line = (struct xos_slice){line->data + word.len, line->len - word.len};
    return word;
}

static struct xos_slice take_line(struct xos_slice *text)
{
    const uint8_t *end = memchr(text->data, '\n', text->len);
    const size_t len = end ? (size_t)(end - text->data) : text->len;
    struct xos_slice line = {text->data, len};
    const size_t used = len + (end ? 1 : 0);
    *text = (struct xos_slice){text->data + used, text->len - used};
    return line;
}

/* The key of one line, decoded into to; -1: it enrols none. */
static int key_of(struct xos_slice line, uint8_t to[static AUTH_SSHKEY_BYTES_MAX])
{
    struct xos_slice type = take_word(&line), name;
    int len = ca_base64_decode(take_word(&line), to, AUTH_SSHKEY_BYTES_MAX);
    struct xos_slice blob = {to, len < 0 ? 0 : (size_t)len};
    if (len < 0 || !auth_sshkey_type_of(blob) || !auth_ssh_take_string(&blob, &name) ||
        name.len != type.len || memcmp(name.data, type.data, type.len) != 0)
        return -1;
    return len;
}

bool ca_authkeys_has(struct xos_slice text, struct xos_slice blob)
{
    uint8_t key[AUTH_SSHKEY_BYTES_MAX];
    while (text.len) {
        int len = key_of(take_line(&text), key);
        if (len > 0 && (size_t)len == blob.len && memcmp(key, blob.data, blob.len) == 0)
            return true;
    }
    return false;
}

size_t ca_authkeys_count(struct xos_slice text)
{
    uint8_t key[AUTH_SSHKEY_BYTES_MAX];
    size_t count = 0;
    while (text.len)
        if (key_of(take_line(&text), key) > 0)
            count++;
    return count;
}
