// SPDX-License-Identifier: Apache-2.0
/* Requests to an agent that somebody is logged in to, several in a row: two bytes of length, then
 * that many bytes, and again. Whatever comes, each gets one answer, and no answer holds the key. */
#include "libxos/wire/pb.h"
#include "tests/lib/home.h"
#include "vo-auth/agent/agent.pb-c.h"
#include "vo-auth/agent/verbs.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW INT64_C(1772366400000)

static struct clock_env clock_now;
static struct home home;

static void must(bool good)
{
    if (!good)
        abort();
}

static int no_ssh(void *arg, const struct login_ssh_ask *ask, struct xos_error *err)
{
    (void)arg;
    must(strlen(ask->socket) <= AGENT_SOCKET_BYTES_MAX);
    return xos_fail(err, XOS_UNAVAILABLE, "no ssh-agent");
}

static void log_in(struct agent_state *s)
{
    static struct xos_buf leaf = XOS_BUF(AUTH_CERT_BYTES_MAX);
    uint8_t key[XOS_KEY_PUBLIC_BYTES], secret[XOS_KEY_SECRET_BYTES];
    struct xos_slice chain[3];
    memset(secret, 0x77, sizeof(secret));
    must(xos_key_from_secret(&s->identity.next, secret, NULL) == 0);
    must(identity_public(&s->identity, key, NULL) == 0);
    if (leaf.len == 0)
        must(home_certify(&home, AUTH_KIND_USER, "alice", key, NOW, AUTH_HOUR_MS, &leaf, NULL) ==
             0);
    home_chain(&home, &leaf, chain);
    const struct identity_offer offer = {chain, 3, NULL, 0, 0};
    must(verbs_install(s, &offer, NULL) == 0);
}

static bool holds_secret(const void *data, size_t len)
{
    static const uint8_t part[16] = {0x77, 0x77, 0x77, 0x77, 0x77, 0x77, 0x77, 0x77,
                                     0x77, 0x77, 0x77, 0x77, 0x77, 0x77, 0x77, 0x77};
    return len && memmem(data, len, part, sizeof(part));
}

static void check_answer(const struct xos_buf *answer, bool said_it)
{
    Agent__Answer *a =
        xos_pb_unpack(&agent__answer__descriptor, (struct xos_slice){answer->data, answer->len},
                      AGENT_FRAME_BYTES_MAX, XOS_PB_STRICT, NULL);
    must(a && a->done == (a->code == 0));
    must(said_it || !holds_secret(answer->data, answer->len));
    xos_pb_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct agent_state s; /* who logged in stays so, until a run logs out */
    struct xos_buf answer = XOS_BUF(AGENT_FRAME_BYTES_MAX);
    static uint8_t frame[65536];
    if (!home.root_key)
        must(home_open(&home, NOW, 0x10, NULL) == 0);
    if (!s.env)
        s.env = clock_env_init(&clock_now, NOW);
    lock_clear(&s.lock);
    xos_key_free(s.identity.next);
    s.identity.next = NULL;
    if (!s.identity.key)
        log_in(&s);
    const bool said_it = holds_secret(data, size); /* then it may come back */
    while (size >= 2) {
        size_t len = (size_t)data[0] << 8 | data[1];
        len = len < size - 2 ? len : size - 2;
        memcpy(frame, data + 2, len);
        data += 2 + len;
        size -= 2 + len;
        xos_buf_clear(&answer);
        must(verbs_run(&s, frame, len, no_ssh, NULL, &answer));
        check_answer(&answer, said_it);
        clock_now.boot_ms += 500;
    }
    xos_buf_free(&answer);
    return 0;
}
