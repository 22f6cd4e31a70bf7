// SPDX-License-Identifier: Apache-2.0
#include "client/proof.h"

#include "client/login.h"
#include "libxos/wire/pb.h"

#include <string.h>

static int chain_sha256(const struct xos_envelope *e, uint8_t out[static XOS_HASH_BYTES],
                        struct xos_error *err)
{
    uint8_t all[XOS_CHAIN_MAX * XOS_HASH_BYTES];
    for (size_t i = 0; i < e->chain_count; i++)
        if (xos_sha256(e->chain[i], all + i * XOS_HASH_BYTES, err) < 0)
            return -1;
    return xos_sha256((struct xos_slice){all, e->chain_count * XOS_HASH_BYTES}, out, err);
}

static int ask_agent(struct client_login *l, const struct xos_envelope *e,
                     struct client_node_key *out, struct xos_error *err)
{
    ProtobufCBinaryData chain[XOS_CHAIN_MAX];
    Agent__VerifyNode m = AGENT__VERIFY_NODE__INIT;
    void *answer = NULL;
    for (size_t i = 0; i < e->chain_count; i++)
        chain[i] = xos_pb_bytes(e->chain[i]);
    m.n_chain = e->chain_count;
    m.chain = chain;
    if (agent_link_call(l->agent, "verify-node", &m.base, &agent__verify_node_answer__descriptor,
                        &answer, AGENT_LINK_MS_MAX, err) < 0)
        return -1;
    const Agent__VerifyNodeAnswer *a = answer;
    int rc = a->node.len < sizeof(out->node) && a->key.len == XOS_KEY_PUBLIC_BYTES
                 ? 0
                 : xos_fail(err, XOS_PROTOCOL, "agent: not a node's name and key");
    if (rc == 0) {
        memcpy(out->node, a->node.data, a->node.len);
        out->node[a->node.len] = '\0';
        memcpy(out->key, a->key.data, sizeof(out->key));
        out->head = a->head != 0;
    }
    xos_pb_free(answer);
    return rc;
}

/* A program meets few nodes; of many the oldest is forgotten. */
static int node_key(struct client_login *l, const struct xos_envelope *e,
                    const struct client_node_key **out, struct xos_error *err)
{
    struct client_node_key k = {.node = ""};
    if (chain_sha256(e, k.chain_sha256, err) < 0)
        return -1;
    for (size_t i = 0; i < l->node_count; i++)
        if (memcmp(l->nodes[i].chain_sha256, k.chain_sha256, sizeof(k.chain_sha256)) == 0) {
            *out = &l->nodes[i];
            return 0;
        }
    if (ask_agent(l, e, &k, err) < 0)
        return -1;
    size_t at = l->node_next++ % CLIENT_PROOF_NODES_MAX;
    if (l->node_count <= at)
        l->node_count = at + 1;
    l->nodes[at] = k;
    *out = &l->nodes[at];
    return 0;
}

static int first_check(struct xos_client *c, struct client_answerer *who,
                       const struct xos_envelope *e, const struct xos_answer *a,
                       const struct client_asked *asked, struct xos_error *err)
{
    const struct client_node_key *k;
    char of[XOS_HEADER_NAME_MAX];
    if (node_key(c->login, e, &k, err) < 0 || client_institution_of_node(k->node, of, err) < 0)
        return -1;
    if (strcmp(k->node, a->node) != 0)
        return xos_fail(err, XOS_DENIED, "%s answers in the name of %s", k->node, a->node);
    /* A refusal may come from a node on the way. */
    if (a->code == XOS_NONE && asked->institution[0] && strcmp(of, asked->institution) != 0)
        return xos_fail(err, XOS_DENIED, "%s answers for %s", k->node, asked->institution);
    if (a->code == XOS_NONE && asked->institution[0] && !asked->node[0] && !k->head)
        return xos_fail(err, XOS_DENIED, "%s answers for %s, and is no head of it", k->node,
                        asked->institution);
    memcpy(who->node, k->node, sizeof(who->node));
    memcpy(who->key, k->key, sizeof(who->key));
    return 0;
}

int client_proof_check(struct xos_client *c, struct client_answerer *who,
                       const struct xos_envelope *e, const struct xos_answer *a,
                       const struct client_asked *asked, struct xos_error *err)
{
    if (!who->node[0] && first_check(c, who, e, a, asked, err) < 0)
        return xos_wrap(err, "who answered");
    if (strcmp(who->node, a->node) != 0)
        return xos_fail(err, XOS_DENIED, "%s goes on where %s began to answer", a->node, who->node);
    if (xos_key_verify(who->key, XOS_ANSWER_DOMAIN, e->header, e->signature, err) < 0)
        return xos_wrap(err, "answer of %s", who->node);
    return 0;
}
