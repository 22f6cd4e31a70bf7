// SPDX-License-Identifier: Apache-2.0
#include "jobmgr/exec/shim_ctl.h"

#include "libxos/base/error.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CTL_COMMANDS 32 /* of one peer, before the loop looks at others */

static const struct news_row {
    enum ctl_news news;
    enum shim_type type;
} news_table[] = {
    {CTL_STATUS, SHIM_STATUS},
    {CTL_OUTPUT, SHIM_OUTPUT},
    {CTL_STDIN, SHIM_STDIN_ACK},
    {CTL_EXIT, SHIM_EXIT},
};

void shim_ctl_init(struct shim_ctl *c, int listen, uid_t peer_uid)
{
    *c = (struct shim_ctl){.listen = listen, .peer_uid = peer_uid};
    for (int i = 0; i < SHIM_PEERS_MAX; i++)
        c->peers[i].fd = -1;
}

void shim_ctl_close(struct shim_ctl *c, int index)
{
    if (c->peers[index].fd >= 0)
        close(c->peers[index].fd);
    c->peers[index] = (struct ctl_peer){.fd = -1};
}

static bool peer_allowed(const struct shim_ctl *c, int fd)
{
    struct ucred cred;
    socklen_t len = sizeof(cred);
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 && cred.uid == c->peer_uid;
}

static int free_place(struct shim_ctl *c)
{
    int oldest = 0;
    for (int i = 0; i < SHIM_PEERS_MAX; i++) {
        if (c->peers[i].fd < 0)
            return i;
        if (c->peers[i].order < c->peers[oldest].order)
            oldest = i;
    }
    shim_ctl_close(c, oldest);
    return oldest;
}

int shim_ctl_accept(struct shim_ctl *c)
{
    int fd = accept4(c->listen, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return -1;
    if (!peer_allowed(c, fd)) {
        close(fd);
        return -1;
    }
    int i = free_place(c);
    c->peers[i] = (struct ctl_peer){.fd = fd, .order = ++c->accepted};
    return i;
}

static bool wants_reply(const struct shim_frame *f)
{
    return f->type != SHIM_STDIN && f->type != SHIM_FOREGROUND;
}

static int take_command(struct shim_ctl *c, struct ctl_peer *p)
{
    static uint8_t packet[SHIM_FRAME_BYTES_MAX + 1] __attribute__((aligned(8)));
    ssize_t n = recv(p->fd, packet, sizeof(packet), MSG_DONTWAIT);
    /* Told once, before what the peer sent as its last. */
    if (n < 0 && errno == ECONNRESET)
        n = recv(p->fd, packet, sizeof(packet), MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n <= 0 || shim_frame_check_command(packet, (size_t)n) < 0)
        return -1;
    const struct shim_frame *f = (const struct shim_frame *)packet;
    unsigned code = c->command(c->arg, f);
    if (!wants_reply(f))
        return code == XOS_PROTOCOL ? -1 : 1;
    p->reply = (struct shim_frame){.magic = SHIM_MAGIC,
                                   .version = SHIM_VERSION,
                                   .type = SHIM_REPLY,
                                   .serial = f->serial,
                                   .a = code};
    p->reply_waits = true;
    return code == XOS_PROTOCOL ? -1 : 1;
}

/* True when it is gone (sent, or the peer is). */
static bool put(struct shim_ctl *c, int index, const void *data, size_t bytes)
{
    if (send(c->peers[index].fd, data, bytes, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
        return true;
    if (errno == EAGAIN || errno == EINTR || errno == ENOBUFS)
        return false;
    shim_ctl_close(c, index);
    return true;
}

static void put_reply(struct shim_ctl *c, int index)
{
    struct ctl_peer *p = &c->peers[index];
    if (p->fd >= 0 && p->reply_waits && put(c, index, &p->reply, sizeof(p->reply)))
        p->reply_waits = false;
}

void shim_ctl_serve(struct shim_ctl *c, int index)
{
    struct ctl_peer *p = &c->peers[index];
    for (int n = 0; n < CTL_COMMANDS && p->fd >= 0 && !p->reply_waits; n++) {
        int got = take_command(c, p);
        if (got == 0)
            return;
        put_reply(c, index);
        if (got < 0)
            shim_ctl_close(c, index);
    }
}

void shim_ctl_news(struct shim_ctl *c, unsigned news)
{
    for (int i = 0; i < SHIM_PEERS_MAX; i++)
        if (c->peers[i].fd >= 0)
            c->peers[i].news |= news;
}

static void flush_peer(struct shim_ctl *c, int index)
{
    struct {
        struct shim_frame head;
        uint8_t bytes[sizeof(struct shim_status)];
    } packet;
    struct ctl_peer *p = &c->peers[index];
    for (size_t i = 0; i < sizeof(news_table) / sizeof(news_table[0]); i++) {
        const struct news_row *row = &news_table[i];
        if (p->fd < 0 || !(p->news & row->news))
            continue;
        packet.head = (struct shim_frame){
            .magic = SHIM_MAGIC, .version = SHIM_VERSION, .type = (uint16_t)row->type};
        size_t n = c->compose(c->arg, row->news, &packet.head, packet.bytes);
        packet.head.bytes = (uint32_t)n;
        if (!put(c, index, &packet, sizeof(packet.head) + n))
            return;
        p->news &= ~(unsigned)row->news;
    }
}

void shim_ctl_flush(struct shim_ctl *c)
{
    for (int i = 0; i < SHIM_PEERS_MAX; i++) {
        if (c->peers[i].fd < 0)
            continue;
        put_reply(c, i);
        flush_peer(c, i);
    }
}

bool shim_ctl_connected(const struct shim_ctl *c)
{
    for (int i = 0; i < SHIM_PEERS_MAX; i++)
        if (c->peers[i].fd >= 0)
            return true;
    return false;
}
