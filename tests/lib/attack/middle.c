// SPDX-License-Identifier: Apache-2.0
/* middle.c - a hostile xosd between a client and a real one: it passes on what it is given, except
 * for requests of one verb, to which it gives an answer of its own:
 *
 *     itself      signed by SIGNER, in its own name
 *     another     signed by SIGNER, in the name of the node that was asked (n1 of the institution)
 *     unsigned    in that name, with no signature
 *     flip        the real answer, with one bit of its body changed
 *     swap        the real answer to an earlier request
 *
 * One process for each connection; it goes on until it is killed. */
#include "tests/lib/attack/attack.h"

#include "jobmgr/jobmgr.pb-c.h"
#include "libxos/base/version.h"
#include "libxos/wire/frame.h"
#include "libxos/wire/pb.h"
#include "xosd/xosd.pb-c.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define KEPT_BYTES_MAX 65536

/* The first real answer, for all processes. */
struct kept {
    volatile size_t len;
    uint8_t bytes[KEPT_BYTES_MAX];
};

struct middle {
    const char *real, *verb, *way;
    struct party signer;
    struct kept *kept;
};

static int get(int fd, void *to, size_t len)
{
    for (size_t n = 0; n < len;) {
        ssize_t got = recv(fd, (uint8_t *)to + n, len - n, 0);
        if (got <= 0)
            return -1;
        n += (size_t)got;
    }
    return 0;
}

static int dial(const char *path)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    (void)snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0)
        return fd;
    return -1;
}

/* One frame with its head. */
static int get_frame(int fd, struct xos_buf *out)
{
    uint8_t head[XOS_FRAME_HEAD_BYTES];
    static uint8_t bytes[XOS_ENVELOPE_BYTES_MAX];
    if (get(fd, head, sizeof(head)) < 0)
        return -1;
    size_t len = (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
    if (len > sizeof(bytes) || get(fd, bytes, len) < 0)
        return -1;
    return xos_frame_add(out, (struct xos_slice){bytes, len}, NULL);
}

static int put(int fd, const struct xos_buf *b)
{
    for (size_t n = 0; n < b->len;) {
        ssize_t sent = send(fd, b->data + n, b->len - n, MSG_NOSIGNAL);
        if (sent <= 0)
            return -1;
        n += (size_t)sent;
    }
    return 0;
}

static void pass_on(int a, int b)
{
    struct pollfd both[2] = {{a, POLLIN, 0}, {b, POLLIN, 0}};
    char bytes[65536];
    while (poll(both, 2, -1) > 0)
        for (int i = 0; i < 2; i++) {
            if (!both[i].revents)
                continue;
            ssize_t n = recv(both[i].fd, bytes, sizeof(bytes), 0);
            if (n <= 0 || send(both[1 - i].fd, bytes, (size_t)n, MSG_NOSIGNAL) != n)
                return;
        }
}

static int forge_header(const struct middle *m, const struct xos_envelope *asked,
                        struct xos_slice body, struct xos_buf *out)
{
    struct xos_request r;
    struct xos_answer a = {.issued_ms = attack_now_ms()};
    if (xos_request_decode(&r, asked->header, NULL) < 0 ||
        xos_sha256(asked->header, a.request_sha256, NULL) < 0 ||
        xos_sha256(body, a.body_sha256, NULL) < 0)
        return -1;
    if (strcmp(m->way, "itself") == 0)
        (void)snprintf(a.node, sizeof(a.node), "%.127s", m->signer.name);
    else if (r.to_node[0])
        (void)snprintf(a.node, sizeof(a.node), "%s", r.to_node);
    else
        (void)snprintf(a.node, sizeof(a.node), "n1.%.40s", r.to_institution);
    return xos_answer_encode(&a, out, NULL);
}

/* Of node.hello: a node that stands alone, where nobody signs. */
static int forge_body(const struct middle *m, struct xos_buf *out)
{
    Xos__Job__SubmittedPb submitted = XOS__JOB__SUBMITTED_PB__INIT;
    Xos__Node__HelloPb hello = XOS__NODE__HELLO_PB__INIT;
    hello.node = xos_pb_text("n1.inria");
    hello.institution = xos_pb_text("inria");
    hello.protocol = XOS_PROTOCOL_VERSION;
    submitted.job = xos_pb_text("inria-666");
    return strcmp(m->verb, "node.hello") == 0 ? xos_pb_pack(&hello, out, NULL)
                                              : xos_pb_pack(&submitted, out, NULL);
}

static int forge(const struct middle *m, const struct xos_envelope *asked, struct xos_buf *out)
{
    const struct xos_key *key = m->signer.stolen.key ? m->signer.stolen.key : m->signer.key;
    struct xos_buf header = XOS_BUF(XOS_HEADER_BYTES_MAX), body = XOS_BUF(1024);
    struct xos_buf bytes = XOS_BUF(XOS_ENVELOPE_BYTES_MAX);
    uint8_t signature[XOS_SIGNATURE_BYTES];
    struct xos_envelope e = {.kind = XOS_ENVELOPE_ANSWER, .call = asked->call};
    int rc = forge_body(m, &body);
    e.body = (struct xos_slice){body.data, body.len};
    if (rc == 0)
        rc = forge_header(m, asked, e.body, &header);
    e.header = (struct xos_slice){header.data, header.len};
    if (rc == 0 && strcmp(m->way, "unsigned") != 0) {
        rc = xos_key_sign(key, XOS_ANSWER_DOMAIN, e.header, signature, NULL);
        e.signature = (struct xos_slice){signature, sizeof(signature)};
        memcpy(e.chain, m->signer.chain, sizeof(e.chain));
        e.chain_count = m->signer.chain_count;
    }
    if (rc == 0 && xos_envelope_encode(&e, &bytes, NULL) == 0)
        rc = xos_frame_add(out, (struct xos_slice){bytes.data, bytes.len}, NULL);
    xos_buf_free(&header);
    xos_buf_free(&body);
    xos_buf_free(&bytes);
    return rc;
}

/* The last byte of the frame is the body's or the chain's: both are covered. */
static void spoil(const struct middle *m, struct xos_buf *answer)
{
    if (strcmp(m->way, "flip") == 0) {
        answer->data[answer->len - 1] ^= 1;
    } else if (m->kept->len) {
        xos_buf_clear(answer);
        (void)xos_buf_add(answer, m->kept->bytes, m->kept->len, NULL);
    } else if (answer->len < KEPT_BYTES_MAX) {
        memcpy(m->kept->bytes, answer->data, answer->len);
        m->kept->len = answer->len;
    }
}

static void serve(const struct middle *m, int client)
{
    struct xos_buf asked = XOS_BUF(2 * XOS_ENVELOPE_BYTES_MAX);
    struct xos_buf answer = XOS_BUF(2 * XOS_ENVELOPE_BYTES_MAX);
    struct xos_envelope e = {.kind = XOS_ENVELOPE_NONE};
    struct xos_request r = {.verb = ""};
    int real = dial(m->real);
    if (real < 0 || get_frame(client, &asked) < 0)
        return;
    if (xos_envelope_decode(&e, (struct xos_slice){asked.data + 4, asked.len - 4}, NULL) == 0)
        (void)xos_request_decode(&r, e.header, NULL);
    bool ours = strcmp(r.verb, m->verb) == 0;
    bool spoils = ours && (strcmp(m->way, "flip") == 0 || strcmp(m->way, "swap") == 0);
    if (ours && !spoils) {
        if (forge(m, &e, &answer) == 0)
            (void)put(client, &answer);
        (void)get(client, &(char){0}, 1); /* until it leaves */
        return;
    }
    struct pollfd readable = {real, POLLIN, 0};
    if (put(real, &asked) < 0)
        return;
    if (spoils && poll(&readable, 1, ATTACK_WAIT_MS) == 1 && get_frame(real, &answer) == 0) {
        spoil(m, &answer);
        if (put(client, &answer) < 0)
            return;
    }
    pass_on(client, real);
}

static int listen_at(const char *path)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    (void)snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
    (void)unlink(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || chmod(path, 0666) < 0 ||
        listen(fd, 64) < 0)
        return -1;
    return fd;
}

/* SOCKET REAL VERB WAY SIGNER */
int attack_middle(char **argv, struct xos_error *err)
{
    struct middle m = {.real = argv[1], .verb = argv[2], .way = argv[3]};
    if (party_open(&m.signer, argv[4], err) < 0)
        return -1;
    m.kept = mmap(NULL, sizeof(*m.kept), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int fd = listen_at(argv[0]);
    if (fd < 0 || m.kept == MAP_FAILED)
        return xos_fail_errno(err, "%s", argv[0]);
    (void)signal(SIGCHLD, SIG_IGN);
    for (;;) {
        int client = accept(fd, NULL, NULL);
        if (client >= 0 && fork() == 0) {
            serve(&m, client);
            _exit(0);
        }
        close(client);
    }
}
