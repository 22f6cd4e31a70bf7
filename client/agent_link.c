// SPDX-License-Identifier: Apache-2.0
#include "client/agent_link.h"

#include "libxos/base/alloc.h"
#include "libxos/env/private_socket.h"
#include "libxos/wire/frame.h"
#include "libxos/wire/pb.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define NO_LOGIN "not logged in: run xos login"
#define READ_BYTES 4096
#define AGAIN_FIRST_MS 5 /* an agent with all its hands full is asked again, later and later */
#define AGAIN_MS_MAX 200

struct agent_link {
    struct xos_env *env;
    int fd;
    struct xos_frame_reader reader;
};

static void hang_up(struct agent_link *l)
{
    xos_env_close(l->env, l->fd);
    xos_frame_reader_free(&l->reader);
    xos_frame_reader_init(&l->reader, AGENT_LINK_FRAME_BYTES_MAX);
    l->fd = -1;
}

void agent_link_free(struct agent_link *l)
{
    if (!l)
        return;
    hang_up(l);
    xos_frame_reader_free(&l->reader);
    xos_free(l);
}

static int connect_agent(struct agent_link *l, struct xos_error *err)
{
    const struct xos_private_socket which = {.name = "xos-agent",
                                             .chosen = getenv("XOS_AGENT"),
                                             .runtime_dir = getenv("XDG_RUNTIME_DIR"),
                                             .uid = getuid()};
    char path[XOS_SOCKET_PATH_BYTES];
    struct xos_peer peer;
    if (xos_private_socket_path(path, &which, err) < 0)
        return -1;
    l->fd = xos_env_unix_connect(l->env, path, SOCK_STREAM, err);
    if (l->fd < 0)
        return err && err->code == XOS_UNAVAILABLE ? xos_fail(err, XOS_NO_LOGIN, NO_LOGIN) : -1;
    if (xos_env_socket_peer(l->env, l->fd, &peer, err) < 0)
        return -1;
    if (peer.uid == which.uid)
        return 0;
    return xos_fail(err, XOS_DENIED, "socket %s: uid %u listens there, not you", path, peer.uid);
}

int agent_link_open(struct agent_link **out, struct xos_env *env, struct xos_error *err)
{
    struct xos_error why = {.code = XOS_NONE};
    struct agent_link *l = xos_alloc(sizeof(*l));
    if (!l)
        return xos_fail(err, XOS_NOMEM, "agent");
    l->env = env;
    l->fd = -1;
    xos_frame_reader_init(&l->reader, AGENT_LINK_FRAME_BYTES_MAX);
    if (connect_agent(l, &why) < 0) {
        agent_link_free(l);
        return xos_fail(err, why.code, "%s", why.text);
    }
    *out = l;
    return 0;
}

/* One question, one answer */

static int wait_for(struct agent_link *l, short what, uint64_t until_ms, struct xos_error *err)
{
    for (;;) {
        const uint64_t now = xos_env_mono_ms(l->env);
        struct pollfd p = {.fd = l->fd, .events = what};
        if (now >= until_ms)
            return xos_fail(err, XOS_TIMEOUT, "the agent does not answer");
        int n = poll(&p, 1, (int)(until_ms - now));
        if (n > 0)
            return 0;
        if (n < 0 && errno != EINTR)
            return xos_fail_errno(err, "agent");
    }
}

static int send_all(struct agent_link *l, const struct xos_buf *frame, uint64_t until_ms,
                    struct xos_error *err)
{
    for (size_t sent = 0; sent < frame->len;) {
        ssize_t n = send(l->fd, frame->data + sent, frame->len - sent, MSG_NOSIGNAL);
        if (n >= 0)
            sent += (size_t)n;
        else if (errno == EPIPE || errno == ECONNRESET)
            return xos_fail(err, XOS_UNAVAILABLE, "the agent has gone away");
        else if (errno != EAGAIN && errno != EINTR)
            return xos_fail_errno(err, "agent: send");
        else if (wait_for(l, POLLOUT, until_ms, err) < 0)
            return -1;
    }
    return 0;
}

static int receive(struct agent_link *l, struct xos_slice *payload, uint64_t until_ms,
                   struct xos_error *err)
{
    uint8_t bytes[READ_BYTES];
    for (;;) {
        int got = xos_frame_next(&l->reader, payload, err);
        if (got != 0)
            return got < 0 ? -1 : 0;
        ssize_t n = recv(l->fd, bytes, sizeof(bytes), 0);
        if (n > 0) {
            if (xos_frame_feed(&l->reader, (struct xos_slice){bytes, (size_t)n}, err) < 0)
                return -1;
        } else if (n == 0 || errno == ECONNRESET)
            return xos_fail(err, XOS_UNAVAILABLE, "the agent has gone away");
        else if (errno != EAGAIN && errno != EINTR)
            return xos_fail_errno(err, "agent: receive");
        else if (wait_for(l, POLLIN, until_ms, err) < 0)
            return -1;
    }
}

/* A body may hold a passphrase: what was made of it is wiped. */
static int send_request(struct agent_link *l, const char *verb, const ProtobufCMessage *body,
                        uint64_t until_ms, struct xos_error *err)
{
    struct xos_buf inner = XOS_BUF(AGENT_LINK_FRAME_BYTES_MAX - 64);
    struct xos_buf outer = XOS_BUF(AGENT_LINK_FRAME_BYTES_MAX);
    struct xos_buf frame = XOS_BUF(AGENT_LINK_FRAME_BYTES_MAX + XOS_FRAME_HEAD_BYTES);
    Agent__Request m = AGENT__REQUEST__INIT;
    int rc = body ? xos_pb_pack(body, &inner, err) : 0;
    m.verb = xos_pb_text(verb);
    m.body = xos_pb_bytes((struct xos_slice){inner.data, inner.len});
    if (rc == 0)
        rc = xos_pb_pack(&m.base, &outer, err);
    if (rc == 0)
        rc = xos_frame_add(&frame, (struct xos_slice){outer.data, outer.len}, err);
    if (rc == 0)
        rc = send_all(l, &frame, until_ms, err);
    xos_buf_wipe(&inner);
    xos_buf_wipe(&outer);
    xos_buf_wipe(&frame);
    return rc;
}

static int read_answer(struct xos_slice payload, const ProtobufCMessageDescriptor *type,
                       void **answer, struct xos_error *err)
{
    Agent__Answer *m = xos_pb_unpack(&agent__answer__descriptor, payload,
                                     AGENT_LINK_FRAME_BYTES_MAX, XOS_PB_TOLERANT, err);
    if (!m)
        return -1;
    int rc = 0;
    if (m->code)
        rc = xos_fail(err, xos_code_from_wire(m->code), "%.*s", (int)m->text.len,
                      m->text.data ? (const char *)m->text.data : "");
    else if (!m->done)
        rc = xos_fail(err, XOS_PROTOCOL, "agent: neither an answer nor an error");
    else if (type) {
        *answer = xos_pb_unpack(type, xos_pb_slice(m->body), AGENT_LINK_FRAME_BYTES_MAX,
                                XOS_PB_TOLERANT, err);
        rc = *answer ? 0 : -1;
    }
    xos_pb_free(m);
    return rc;
}

static int talk(struct agent_link *l, const char *verb, const ProtobufCMessage *body,
                struct xos_slice *payload, uint64_t until_ms, struct xos_error *err)
{
    if (l->fd < 0 && connect_agent(l, err) < 0)
        return -1;
    if (send_request(l, verb, body, until_ms, err) < 0)
        return -1;
    return receive(l, payload, until_ms, err);
}

/* A connection for each question: hundreds of commands may wait for their jobs at once, and an
 * agent has room for few. One that closes without an answer had none left. */
int agent_link_call(struct agent_link *l, const char *verb, const ProtobufCMessage *body,
                    const ProtobufCMessageDescriptor *type, void **answer, uint64_t ms_max,
                    struct xos_error *err)
{
    const uint64_t until = xos_env_mono_ms(l->env) + ms_max;
    struct xos_slice payload;
    struct xos_error why = {.code = XOS_NONE};
    int rc, again_ms = AGAIN_FIRST_MS;
    assert(ms_max <= INT32_MAX);
    while ((rc = talk(l, verb, body, &payload, until, &why)) < 0 && why.code == XOS_UNAVAILABLE &&
           xos_env_mono_ms(l->env) + (uint64_t)again_ms < until) {
        hang_up(l);
        (void)poll(NULL, 0, again_ms);
        again_ms = 2 * again_ms < AGAIN_MS_MAX ? 2 * again_ms : AGAIN_MS_MAX;
        why = (struct xos_error){.code = XOS_NONE};
    }
    rc =
        rc == 0 ? read_answer(payload, type, answer, err) : xos_fail(err, why.code, "%s", why.text);
    hang_up(l);
    return rc;
}

/* The questions of commands */

Agent__StatusAnswer *agent_link_status(struct agent_link *l, struct xos_error *err)
{
    void *answer = NULL;
    (void)agent_link_call(l, "status", NULL, &agent__status_answer__descriptor, &answer,
                          AGENT_LINK_MS_MAX, err);
    return answer;
}

static int take_chain(struct request_signed *s, size_t count, const ProtobufCBinaryData *chain,
                      struct xos_error *err)
{
    if (count == 0 || count > XOS_CHAIN_MAX) {
        request_signed_free(s);
        return xos_fail(err, XOS_PROTOCOL, "agent: a chain of %zu certificates", count);
    }
    for (size_t i = 0; i < count; i++)
        s->chain[i] = xos_pb_slice(chain[i]);
    s->chain_count = count;
    return 0;
}

static ProtobufCBinaryData id_bytes(const struct xos_id *id, bool there)
{
    return xos_pb_bytes((struct xos_slice){there ? id->bytes : NULL, there ? XOS_ID_BYTES : 0});
}

int agent_link_sign_request(struct agent_link *l, const struct xos_request *r,
                            struct request_signed *out, struct xos_error *err)
{
    const int64_t life = r->expires_ms - r->issued_ms;
    Agent__SignRequest m = AGENT__SIGN_REQUEST__INIT;
    void *answer = NULL;
    m.verb = xos_pb_text(r->verb);
    m.vo = xos_pb_text(r->vo);
    m.role = xos_pb_text(r->role);
    m.to_node = xos_pb_text(r->to_node);
    m.to_institution = xos_pb_text(r->to_institution);
    m.request_id = id_bytes(&r->request_id, true);
    m.nonce = id_bytes(&r->nonce, true);
    m.body_sha256 = xos_pb_bytes((struct xos_slice){r->body_sha256, XOS_HASH_BYTES});
    m.boot_id = id_bytes(&r->boot_id, r->has_boot_id);
    m.operation_id = id_bytes(&r->operation_id, r->has_operation_id);
    m.life_ms = life > 0 && life < XOS_HEADER_LIFE_MS_MAX ? (uint32_t)life : 0;
    if (agent_link_call(l, "sign-request", &m.base, &agent__signed_request__descriptor, &answer,
                        AGENT_LINK_MS_MAX, err) < 0)
        return -1;
    const Agent__SignedRequest *a = answer;
    struct request_signed s = {.header = xos_pb_slice(a->header),
                               .signature = xos_pb_slice(a->signature),
                               .attributes = xos_pb_slice(a->attributes),
                               .owner = answer};
    if (take_chain(&s, a->n_chain, a->chain, err) < 0)
        return -1;
    if (s.signature.len != XOS_SIGNATURE_BYTES || s.header.len > XOS_HEADER_BYTES_MAX) {
        request_signed_free(&s);
        return xos_fail(err, XOS_PROTOCOL, "agent: not a signed header");
    }
    *out = s;
    return 0;
}

int agent_link_sign_grant(struct agent_link *l, const Agent__SignGrant *fields,
                          struct request_signed *out, struct xos_error *err)
{
    void *answer = NULL;
    if (agent_link_call(l, "sign-grant", &fields->base, &agent__signed_grant__descriptor, &answer,
                        AGENT_LINK_MS_MAX, err) < 0)
        return -1;
    const Agent__SignedGrant *a = answer;
    struct request_signed s = {.header = xos_pb_slice(a->grant),
                               .attributes = xos_pb_slice(a->attributes),
                               .owner = answer};
    if (take_chain(&s, a->n_chain, a->chain, err) < 0)
        return -1;
    *out = s;
    return 0;
}

static int sign(void *arg, const struct xos_request *fields, struct request_signed *out,
                struct xos_error *err)
{
    return agent_link_sign_request(arg, fields, out, err);
}

static bool copy_name(char to[static XOS_HEADER_NAME_MAX], ProtobufCBinaryData from)
{
    if (from.len == 0 || from.len >= XOS_HEADER_NAME_MAX)
        return false;
    memcpy(to, from.data, from.len);
    to[from.len] = '\0';
    return true;
}

int agent_link_signer(struct agent_link *l, const Agent__StatusAnswer *m, struct agent_signer *out,
                      struct xos_error *err)
{
    if (!copy_name(out->name, m->user) || !copy_name(out->institution, m->institution))
        return xos_fail(err, XOS_NO_LOGIN, NO_LOGIN);
    out->signer = (struct request_signer){
        .name = out->name, .institution = out->institution, .sign = sign, .arg = l};
    return 0;
}
