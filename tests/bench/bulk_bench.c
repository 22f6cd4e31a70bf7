// SPDX-License-Identifier: Apache-2.0
/* One stream between two processes over loopback, beside socat's TLS 1.3 with the same cipher and
 * certificate, zeros from memory into nothing; socat once as it comes and once with 64 KiB blocks.
 * Best of ROUNDS. XOS_BENCH_MB: how much in each round (2048). */
#include "tests/lib/bulkpair.h"
#include "tests/lib/netenv.h"

#include "libxos/base/telemetry.h"

#include <netinet/in.h>
#include <openssl/pem.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHUNK_BYTES 262144
#define ROUNDS 3

static double seconds(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void die(const char *what, const struct xos_error *err)
{
    fprintf(stderr, "bulk_bench: %s: %s\n", what, err ? err->text : "failed");
    exit(1);
}

/* Ours */

struct side {
    struct xos_loop *loop;
    struct xos_stream *stream;
    struct xt_root *root;
    uint64_t left;
    double up_at;
    unsigned ups;
};

static int on_verify(void *arg, const struct xos_slice *chain, size_t count,
                     struct xos_tls_peer *out, struct xos_error *err)
{
    struct side *s = arg;
    return xt_verify(s->root, chain, count, out, err);
}

static void on_down(void *arg, struct xos_bulk_conn *conn, const struct xos_error *why)
{
    struct side *s = arg;
    (void)conn;
    (void)why;
    xos_loop_stop(s->loop);
}

static void on_reset(void *arg, struct xos_stream *stream, const struct xos_error *why)
{
    (void)arg;
    (void)stream;
    (void)why;
}

static void sink_data(void *arg, struct xos_stream *stream, struct xos_slice data)
{
    (void)arg;
    xos_stream_consumed(stream, data.len);
}

static void sink_end(void *arg, struct xos_stream *stream)
{
    (void)arg;
    xos_stream_end(stream); /* "all is here" */
}

static const struct xos_stream_ops sink_ops = {
    .on_data = sink_data, .on_end = sink_end, .on_reset = on_reset};

static int sink_stream(void *arg, struct xos_bulk_conn *conn, struct xos_stream *stream,
                       struct xos_slice payload, struct xos_error *err)
{
    struct side *s = arg;
    (void)conn;
    (void)payload;
    s->stream = stream;
    return xos_stream_accept(stream, &sink_ops, s, err);
}

static void source_pump(void *arg, struct xos_stream *stream)
{
    static const uint8_t zeros[CHUNK_BYTES];
    struct side *s = arg;
    while (s->left > 0) {
        size_t len = s->left < CHUNK_BYTES ? (size_t)s->left : CHUNK_BYTES;
        size_t n = xos_stream_write(stream, (struct xos_slice){zeros, len});
        if (n == 0)
            return;
        s->left -= n;
    }
    xos_stream_end(stream);
}

static void source_end(void *arg, struct xos_stream *stream)
{
    struct side *s = arg;
    (void)stream;
    xos_loop_stop(s->loop);
}

static void source_data(void *arg, struct xos_stream *stream, struct xos_slice data)
{
    (void)arg;
    (void)stream;
    (void)data;
}

static const struct xos_stream_ops source_ops = {.on_accepted = source_pump,
                                                 .on_data = source_data,
                                                 .on_writable = source_pump,
                                                 .on_end = source_end,
                                                 .on_reset = on_reset};

static void source_up(void *arg, struct xos_bulk_conn *conn)
{
    struct side *s = arg;
    (void)conn;
    s->up_at = seconds();
    s->ups++;
    xos_loop_stop(s->loop);
}

static void endpoint(struct xos_bulk **out, struct side *s, const struct xt_cert *cert)
{
    struct xos_error err;
    struct xos_bulk_config config = {.chain = cert->chain,
                                     .chain_count = 2,
                                     .key = cert->key,
                                     .verify = on_verify,
                                     .on_stream = sink_stream,
                                     .on_down = on_down,
                                     .arg = s};
    if (xos_loop_new(&s->loop, xt_netenv(), &err) < 0 ||
        xos_bulk_new(out, s->loop, &config, &err) < 0)
        die("endpoint", &err);
}

static void serve(struct xt_root *root, const struct xt_cert *cert, int port_to)
{
    struct side s = {.root = root};
    struct xos_bulk *b;
    struct xos_error err;
    endpoint(&b, &s, cert);
    if (xos_bulk_listen(b, "127.0.0.1", 0, &err) < 0)
        die("listen", &err);
    unsigned port = xos_bulk_port(b);
    if (write(port_to, &port, sizeof(port)) != sizeof(port))
        die("port", NULL);
    for (;;)
        (void)xos_loop_run(s.loop, &err);
}

static struct xos_bulk_conn *dial(struct side *s, struct xos_bulk *b, unsigned port)
{
    struct xos_bulk_conn *conn;
    struct xos_error err;
    struct xos_bulk_dial d = {.host = "127.0.0.1",
                              .port = port,
                              .expected = "server",
                              .on_up = source_up,
                              .on_down = on_down,
                              .arg = s};
    unsigned ups = s->ups;
    if (xos_bulk_connect(&conn, b, &d, &err) < 0 || xos_loop_run(s->loop, &err) < 0)
        die("dial", &err);
    if (s->ups == ups)
        die("did not come up", NULL);
    return conn;
}

static double ours(uint64_t bytes, struct xt_root *root, const struct xt_cert *server,
                   const struct xt_cert *client, double *handshake_ms)
{
    int port_pipe[2];
    unsigned port;
    struct xos_error err;
    if (pipe(port_pipe) < 0)
        die("pipe", NULL);
    pid_t pid = fork();
    if (pid == 0)
        serve(root, server, port_pipe[1]);
    if (pid < 0 || read(port_pipe[0], &port, sizeof(port)) != sizeof(port))
        die("server", NULL);
    struct side s = {.root = root, .left = bytes};
    struct xos_bulk *b;
    endpoint(&b, &s, client);
    struct xos_bulk_conn *conn = NULL;
    double begin = seconds();
    for (int i = 0; i < 20; i++)
        conn = dial(&s, b, port);
    *handshake_ms = (s.up_at - begin) * 1000 / 20;
    begin = seconds();
    if (xos_stream_open(&s.stream, conn, (struct xos_slice){NULL, 0}, &source_ops, &s, &err) < 0 ||
        xos_loop_run(s.loop, &err) < 0)
        die("stream", &err);
    double took = seconds() - begin;
    xos_bulk_free(b);
    xos_stream_free(s.stream);
    xos_loop_free(s.loop);
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
    return took;
}

/* Socat */

static void pem_write(const char *path, const struct xt_cert *cert)
{
    const uint8_t *at = cert->chain[0].data;
    X509 *leaf = d2i_X509(NULL, &at, (long)cert->chain[0].len);
    FILE *f = fopen(path, "w");
    if (!f || PEM_write_X509(f, leaf) != 1 ||
        PEM_write_PrivateKey(f, xos_key_evp(cert->key), NULL, NULL, 0, NULL, NULL) != 1)
        die("write PEM", NULL);
    (void)fclose(f);
    X509_free(leaf);
}

static pid_t run(const char *block, const char *from, const char *to)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    (void)execlp("socat", "socat", "-u", "-b", block, from, to, (char *)NULL);
    _exit(127);
}

/* Free a moment ago. */
static unsigned free_port(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, len) < 0 ||
        getsockname(fd, (struct sockaddr *)&a, &len) < 0)
        die("free port", NULL);
    (void)close(fd);
    return ntohs(a.sin_port);
}

/* Zeros from the one into nothing at the other; until both have ended. */
static double socat(uint64_t bytes, const char *block, const char *pem)
{
    char listen[256], connect[256], zeros[64];
    unsigned port = free_port();
    int server_status = 1, client_status = 1;
    (void)snprintf(listen, sizeof(listen),
                   "openssl-listen:%u,bind=127.0.0.1,reuseaddr,cert=%s,verify=0,"
                   "openssl-min-proto-version=TLS1.3",
                   port, pem);
    (void)snprintf(connect, sizeof(connect),
                   "openssl-connect:127.0.0.1:%u,verify=0,openssl-min-proto-version=TLS1.3", port);
    (void)snprintf(zeros, sizeof(zeros), "OPEN:/dev/zero,readbytes=%llu",
                   (unsigned long long)bytes);
    pid_t server = run(block, listen, "OPEN:/dev/null,wronly");
    (void)usleep(300000);
    double begin = seconds();
    pid_t client = run(block, zeros, connect);
    (void)waitpid(client, &client_status, 0);
    (void)waitpid(server, &server_status, 0);
    double took = seconds() - begin;
    if (client_status != 0 || server_status != 0)
        die("socat", NULL);
    return took;
}

static double best(double a, double b)
{
    return a == 0 || b < a ? b : a;
}

int main(void)
{
    const char *mb = getenv("XOS_BENCH_MB");
    uint64_t bytes = (mb ? strtoull(mb, NULL, 10) : 2048) << 20;
    struct xt_root root;
    struct xt_cert server, client;
    struct xos_error err;
    char dir[] = "/tmp/xos-bench.XXXXXX", pem[64];
    double handshake_ms;
    xos_log_threshold(XOS_LOG_WARNING);
    if (xt_root_new(&root, &err) < 0 || xt_cert_new(&server, &root, "server", &err) < 0 ||
        xt_cert_new(&client, &root, "client", &err) < 0 || !mkdtemp(dir))
        die("certificates", &err);
    (void)snprintf(pem, sizeof(pem), "%s/server.pem", dir);
    pem_write(pem, &server);
    double size = (double)bytes / 1e6, us = 0, plain = 0, tuned = 0;
    for (int i = 0; i < ROUNDS; i++) { /* in turns, so that a busy moment hits all alike */
        us = best(us, ours(bytes, &root, &server, &client, &handshake_ms));
        plain = best(plain, socat(bytes, "8192", pem));
        tuned = best(tuned, socat(bytes, "65536", pem));
    }
    printf("metric                                  ours     peer   ratio\n");
    printf("bulk_stream_MBps, socat             %8.0f %8.0f %7.2f\n", size / us, size / plain,
           plain / us);
    printf("bulk_stream_MBps, socat -b 65536    %8.0f %8.0f %7.2f\n", size / us, size / tuned,
           tuned / us);
    printf("bulk_handshake_ms, mutual           %8.2f\n", handshake_ms);
    (void)unlink(pem);
    (void)rmdir(dir);
    return 0;
}
