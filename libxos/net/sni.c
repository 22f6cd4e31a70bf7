// SPDX-License-Identifier: Apache-2.0
#include "libxos/net/sni.h"

#include <string.h>

#define RECORD_HANDSHAKE 22
#define RECORD_BYTES_MAX 16384
#define HELLO_HEAD_BYTES 4
#define HELLO_TYPE 1
#define EXTENSION_SERVER_NAME 0
#define NAME_TYPE_HOST 0

static int bad(struct xos_error *err, const char *what)
{
    return xos_fail(err, XOS_PROTOCOL, "not a TLS ClientHello: %s", what);
}

/* Take n bytes off the front as a slice; false when there are not so many. */
static bool take(struct xos_slice *in, size_t n, struct xos_slice *out)
{
    if (n > in->len)
        return false;
    *out = (struct xos_slice){in->data, n};
    *in = (struct xos_slice){in->data + n, in->len - n};
    return true;
}

/* A big-endian number of `bytes` bytes. */
static bool number(struct xos_slice *in, size_t bytes, size_t *out)
{
    struct xos_slice at;
    if (!take(in, bytes, &at))
        return false;
    *out = 0;
    for (size_t i = 0; i < bytes; i++)
        *out = *out << 8 | at.data[i];
    return true;
}

/* A vector with its length in front. */
static bool vector(struct xos_slice *in, size_t length_bytes, struct xos_slice *out)
{
    size_t len;
    return number(in, length_bytes, &len) && take(in, len, out);
}

/* Put the records' contents together. 1: the hello is whole, 0: more is to come. */
static int gather(struct xos_slice in, uint8_t *hello, size_t *len, struct xos_error *err)
{
    *len = 0;
    while (in.len > 0) {
        size_t type, version, size;
        struct xos_slice part;
        if (in.data[0] != RECORD_HANDSHAKE)
            return bad(err, "another record");
        if (in.len > 1 && in.data[1] != 3)
            return bad(err, "another version");
        if (!number(&in, 1, &type) || !number(&in, 2, &version) || !number(&in, 2, &size))
            return 0;
        if (size == 0 || size > RECORD_BYTES_MAX)
            return bad(err, "a record of impossible length");
        (void)take(&in, size < in.len ? size : in.len, &part);
        memcpy(hello + *len, part.data, part.len);
        *len += part.len;
        if (*len > 0 && hello[0] != HELLO_TYPE)
            return bad(err, "another handshake message");
        size_t whole =
            *len < HELLO_HEAD_BYTES
                ? SIZE_MAX
                : HELLO_HEAD_BYTES + ((size_t)hello[1] << 16 | (size_t)hello[2] << 8 | hello[3]);
        if (*len >= HELLO_HEAD_BYTES && whole > XOS_SNI_BYTES_MAX)
            return bad(err, "it is too long");
        if (*len >= whole) {
            *len = whole;
            return 1;
        }
    }
    return 0;
}

static int host_name(struct xos_slice text, char *name, struct xos_error *err)
{
    if (text.len == 0 || text.len >= XOS_SNI_NAME_BYTES)
        return bad(err, "a server name of impossible length");
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && !(c >= '0' && c <= '9') && c != '.' && c != '-' && c != '_')
            return bad(err, "a server name with impossible characters");
        name[i] = (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
    }
    name[text.len] = '\0';
    return 1;
}

static int server_name(struct xos_slice body, char *name, struct xos_error *err)
{
    struct xos_slice list, host;
    size_t type;
    if (!vector(&body, 2, &list) || !number(&list, 1, &type) || type != NAME_TYPE_HOST ||
        !vector(&list, 2, &host))
        return bad(err, "a broken server name");
    return host_name(host, name, err);
}

int xos_sni_peek(struct xos_slice bytes, char name[static XOS_SNI_NAME_BYTES],
                 struct xos_error *err)
{
    uint8_t hello[XOS_SNI_BYTES_MAX];
    struct xos_slice in = {hello, 0}, skipped, extensions, body;
    size_t type;
    name[0] = '\0';
    if (bytes.len > XOS_SNI_BYTES_MAX)
        return bad(err, "it is too long");
    int rc = gather(bytes, hello, &in.len, err);
    if (rc == 0 && bytes.len == XOS_SNI_BYTES_MAX)
        return bad(err, "it is too long");
    if (rc <= 0)
        return rc;
    /* header, version, random; session id, cipher suites, compression methods */
    if (!take(&in, HELLO_HEAD_BYTES + 2 + 32, &skipped) || !vector(&in, 1, &skipped) ||
        !vector(&in, 2, &skipped) || !vector(&in, 1, &skipped) || !vector(&in, 2, &extensions))
        return bad(err, "its parts do not fit");
    while (extensions.len > 0) {
        if (!number(&extensions, 2, &type) || !vector(&extensions, 2, &body))
            return bad(err, "a broken extension");
        if (type == EXTENSION_SERVER_NAME)
            return server_name(body, name, err);
    }
    return 1;
}
