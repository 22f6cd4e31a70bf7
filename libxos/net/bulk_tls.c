// SPDX-License-Identifier: Apache-2.0
/* The way of bytes through OpenSSL. It is driven directly, not through a bufferevent, for the sake
 * of copies and of bounds. What a user writes is encrypted at once, out of the user's own memory,
 * into the one output buffer; what arrives is decrypted onto the stack and handed on from there. A
 * bufferevent would hold every byte once more in clear on both ways, would make a TLS record of
 * each 12-byte header, read record by record, and would know no bound but a watermark.
 *
 * The socket lies behind a BIO of our own: writing appends to the output and never blocks, so that
 * SSL_write takes a frame whole or the connection ends; reading goes to the socket, 64 KiB at once.
 * All output of one round of the loop leaves in one send. */
#include "libxos/net/bulk_conn.h"

#include "libxos/base/telemetry.h"

#include <errno.h>
#include <netdb.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define OUT_KEEP_BYTES (1 << 20) /* an emptied output buffer above this goes back */

/* The peer's numeric address; IPv4 as IPv4 also on an IPv6 socket. */
int bulk_address(int fd, char out[static XOS_BULK_ADDRESS_BYTES])
{
    static const char mapped[] = "::ffff:";
    struct sockaddr_storage peer;
    socklen_t len = sizeof(peer);
    char text[XOS_BULK_ADDRESS_BYTES];
    if (getpeername(fd, (struct sockaddr *)&peer, &len) < 0 ||
        getnameinfo((struct sockaddr *)&peer, len, text, sizeof(text), NULL, 0, NI_NUMERICHOST) !=
            0)
        return -1;
    bool v4 = strncmp(text, mapped, sizeof(mapped) - 1) == 0 && strchr(text, '.');
    (void)snprintf(out, XOS_BULK_ADDRESS_BYTES, "%s", v4 ? text + sizeof(mapped) - 1 : text);
    return 0;
}

static int out_append(struct xos_bulk_conn *c, const void *data, size_t len, struct xos_error *err)
{
    if (c->sent > 0 && c->out.len + len >= c->out.cap) {
        xos_buf_shift(&c->out, c->sent);
        c->sent = 0;
    }
    if (xos_buf_add(&c->out, data, len, err) < 0)
        return -1;
    struct xos_bulk_stats *stats = &c->bulk->stats;
    if (bulk_conn_buffered(c) > stats->buffered_peak_bytes)
        stats->buffered_peak_bytes = bulk_conn_buffered(c);
    return 0;
}

static int bio_write(BIO *bio, const char *data, int len)
{
    struct xos_bulk_conn *c = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    return out_append(c, data, (size_t)len, &c->why) < 0 ? -1 : len;
}

static int bio_read(BIO *bio, char *data, int len)
{
    struct xos_bulk_conn *c = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (c->peeked.len > 0) {
        size_t part = c->peeked.len < (size_t)len ? c->peeked.len : (size_t)len;
        memcpy(data, c->peeked.data, part);
        xos_buf_shift(&c->peeked, part);
        return (int)part;
    }
    ssize_t n = recv(c->fd, data, (size_t)len, 0);
    if (n > 0)
        return (int)n;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        BIO_set_retry_read(bio);
    else
        c->eof = true;
    return n == 0 ? 0 : -1;
}

static long bio_ctrl(BIO *bio, int what, long number, void *pointer)
{
    (void)number;
    (void)pointer;
    const struct xos_bulk_conn *c = BIO_get_data(bio);
    if (what == BIO_CTRL_EOF)
        return c->eof;
    return what == BIO_CTRL_FLUSH;
}

static BIO_METHOD *bio_method;
static void bio_method_make(void)
{
    BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "xos bulk");
    if (m && BIO_meth_set_write(m, bio_write) && BIO_meth_set_read(m, bio_read) &&
        BIO_meth_set_ctrl(m, bio_ctrl))
        bio_method = m;
    else
        BIO_meth_free(m);
}

BIO *bulk_tls_bio(struct xos_bulk_conn *c)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, bio_method_make);
    BIO *bio = bio_method ? BIO_new(bio_method) : NULL;
    if (!bio)
        return NULL;
    BIO_set_data(bio, c);
    BIO_set_init(bio, 1);
    return bio;
}

/* Send what waits, as far as the socket takes it. */
int bulk_tls_flush(struct xos_bulk_conn *c, struct xos_error *err)
{
    size_t before = c->sent;
    while (c->sent < c->out.len) {
        ssize_t n = send(c->fd, c->out.data + c->sent, c->out.len - c->sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            break;
        if (n < 0) {
            xos_fail_errno(err, "send");
            err->code = XOS_UNAVAILABLE;
            return -1;
        }
        c->sent += (size_t)n;
    }
    if (c->sent > before)
        xos_metric_add(XOS_M_BYTES, "out", c->sent - before);
    if (c->sent == c->out.len) {
        c->sent = 0;
        xos_buf_clear(&c->out);
        if (c->out.cap > OUT_KEEP_BYTES)
            xos_buf_free(&c->out);
    }
    return 0;
}

static int tls_write(struct xos_bulk_conn *c, const void *data, size_t len, struct xos_error *err)
{
    size_t done;
    ERR_clear_error();
    if (len == 0 || SSL_write_ex(c->ssl, data, len, &done) == 1)
        return 0;
    if (c->why.code == XOS_NONE)
        return xos_tls_fail(err, "TLS");
    ERR_clear_error();
    return xos_fail(err, c->why.code, "%s", c->why.text);
}

/* Encrypt one frame into the output. Its first record is put together here, the rest is taken from
 * where it lies. */
int bulk_tls_send(struct xos_bulk_conn *c, const struct xos_mux_frame *f, struct xos_error *err)
{
    uint8_t first[BULK_RECORD_BYTES];
    size_t len = XOS_MUX_HEAD_BYTES;
    memcpy(first, f->head, len);
    memcpy(first + len, f->small, f->small_len);
    len += f->small_len;
    size_t part = f->payload.len < sizeof(first) - len ? f->payload.len : sizeof(first) - len;
    if (part > 0)
        memcpy(first + len, f->payload.data, part);
    if (tls_write(c, first, len + part, err) < 0 ||
        (part < f->payload.len &&
         tls_write(c, f->payload.data + part, f->payload.len - part, err) < 0))
        return -1;
    xos_loop_defer(c->bulk->loop, &c->task);
    return 0;
}

/* SSL_read gave nothing: 0 when it waits for bytes, -1 when there will be none. */
static int conn_read_ended(struct xos_bulk_conn *c, int rc, struct xos_error *err)
{
    int why = SSL_get_error(c->ssl, rc);
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
        return 0;
    if (why == SSL_ERROR_ZERO_RETURN && c->bye.text[0])
        return xos_fail(err, XOS_UNAVAILABLE, "the peer closed the connection: %s (%s)",
                        c->bye.text, xos_code_name(c->bye.code));
    if (why == SSL_ERROR_ZERO_RETURN)
        return xos_fail(err, XOS_UNAVAILABLE, "the peer closed the connection");
    if (!c->eof)
        return xos_tls_fail(err, "TLS");
    ERR_clear_error();
    return xos_fail(err, XOS_UNAVAILABLE, "the connection was lost");
}

int bulk_tls_read(struct xos_bulk_conn *c, uint8_t plain[static BULK_RECORD_BYTES], size_t *len,
                  struct xos_error *err)
{
    ERR_clear_error();
    int got = SSL_read_ex(c->ssl, plain, BULK_RECORD_BYTES, len);
    return got > 0 ? 1 : conn_read_ended(c, got, err);
}
