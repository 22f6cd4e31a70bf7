// SPDX-License-Identifier: Apache-2.0
/* flood.c - many connections that say nothing, something else, or what they say very slowly. */
#include "tests/lib/attack/attack.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FLOOD_MAX 20000
#define FLOOD_TLS_MAX 1000

static int dial(const struct sockaddr_in *to)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    if (connect(fd, (const struct sockaddr *)to, sizeof(*to)) == 0 || errno == EINPROGRESS)
        return fd;
    close(fd);
    return -1;
}

/* Has the other side ended it? */
static bool ended(int fd)
{
    char byte[4096];
    ssize_t n = recv(fd, byte, sizeof(byte), MSG_DONTWAIT);
    return n == 0 || (n < 0 && errno != EAGAIN);
}

/* A TLS record's beginning, byte by byte; or nonsense. */
static void speak(int fd, bool slow, unsigned turn)
{
    static const uint8_t hello[] = {0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03};
    static const char garbage[] = "GET / HTTP/1.1\r\nHost: nobody\r\n\r\n";
    if (slow)
        (void)send(fd, &hello[turn % sizeof(hello)], 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    else
        (void)send(fd, garbage, sizeof(garbage) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Each connection that the other side ends is made again, as a flood would. */
static void hold(const struct sockaddr_in *to, int *fds, unsigned count, const char *kind,
                 int64_t until)
{
    bool slow = strcmp(kind, "slow") == 0, silent = strcmp(kind, "nothing") == 0;
    unsigned long made = 0, lost = 0;
    for (unsigned i = 0; i < count; i++)
        fds[i] = -1;
    for (unsigned turn = 0; attack_now_ms() < until; turn++) {
        for (unsigned i = 0; i < count; i++) {
            if (fds[i] >= 0 && ended(fds[i])) {
                close(fds[i]);
                fds[i] = -1;
                lost++;
            }
            if (fds[i] < 0 && (fds[i] = dial(to)) >= 0)
                made++;
            if (fds[i] >= 0 && !silent)
                speak(fds[i], slow, turn);
        }
        (void)poll(NULL, 0, 100);
    }
    printf("%lu made, %lu ended by the other side\n", made, lost);
}

/* Handshakes that are completed, without a certificate; then nothing. */
static int hold_tls(const char *to, unsigned count, int64_t until, struct xos_error *err)
{
    static struct attack_way *ways[FLOOD_TLS_MAX];
    const struct party nobody = {.name = ""};
    unsigned got = 0;
    for (unsigned i = 0; i < count && i < FLOOD_TLS_MAX && attack_now_ms() < until; i++)
        if (attack_connect(&ways[got], to, &nobody, err) == 0)
            got++;
    printf("%u came up\n", got);
    (void)fflush(stdout);
    while (attack_now_ms() < until)
        (void)poll(NULL, 0, 100);
    while (got)
        attack_leave(ways[--got]);
    return 0;
}

/* HOST:PORT nothing|garbage|slow|tls COUNT SECONDS */
int attack_flood(char **argv, struct xos_error *err)
{
    static int fds[FLOOD_MAX];
    struct sockaddr_in to = {.sin_family = AF_INET};
    char host[64];
    unsigned port, count = (unsigned)strtoul(argv[2], NULL, 10);
    int64_t until = attack_now_ms() + 1000 * strtoll(argv[3], NULL, 10);
    if (attack_address(argv[0], host, &port, err) < 0)
        return -1;
    if (strcmp(argv[1], "tls") == 0)
        return hold_tls(argv[0], count, until, err);
    to.sin_port = htons((uint16_t)port);
    if (inet_pton(AF_INET, host, &to.sin_addr) != 1)
        return xos_fail(err, XOS_INVALID, "%s: an IPv4 address is due", host);
    hold(&to, fds, count < FLOOD_MAX ? count : FLOOD_MAX, argv[1], until);
    return 0;
}

/* HOST:PORT PATH - one page, by HTTP/1.0. */
int attack_http(char **argv, struct xos_error *err)
{
    struct sockaddr_in to = {.sin_family = AF_INET};
    char host[64], text[65536];
    unsigned port;
    if (attack_address(argv[0], host, &port, err) < 0)
        return -1;
    to.sin_port = htons((uint16_t)port);
    (void)inet_pton(AF_INET, host, &to.sin_addr);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
        return xos_fail_errno(err, "%s", argv[0]);
    int len = snprintf(text, sizeof(text), "GET %s HTTP/1.0\r\n\r\n", argv[1]);
    ssize_t n = send(fd, text, (size_t)len, MSG_NOSIGNAL);
    while (n > 0 && (n = recv(fd, text, sizeof(text), 0)) > 0)
        (void)fwrite(text, 1, (size_t)n, stdout);
    close(fd);
    return 0;
}
