// SPDX-License-Identifier: Apache-2.0
#include "client/request.h"

#include "libxos/wire/pb.h"

#include <string.h>

static int name_put(char to[static XOS_HEADER_NAME_MAX], const char *from, size_t len,
                    struct xos_error *err)
{
    if (len >= XOS_HEADER_NAME_MAX)
        return xos_fail(err, XOS_LIMIT, "XOS_HEADER_NAME_MAX: the name \"%.40s…\" is too long",
                        from);
    memcpy(to, from, len);
    to[len] = '\0';
    return 0;
}

static int text_put(char to[static XOS_HEADER_NAME_MAX], const char *from, struct xos_error *err)
{
    return from ? name_put(to, from, strlen(from), err) : 0;
}

static int header_fill(struct xos_request *h, const struct client_request *r,
                       const struct request_signer *signer, struct xos_env *env,
                       struct xos_error *err)
{
    *h = (struct xos_request){.issued_ms = xos_env_real_ms(env),
                              .has_operation_id = true,
                              .operation_id = r->operation_id};
    h->expires_ms = h->issued_ms + CLIENT_REQUEST_LIFE_MS;
    if (text_put(h->verb, r->verb, err) < 0 || text_put(h->to_node, r->to_node, err) < 0 ||
        text_put(h->to_institution, r->to_institution, err) < 0 ||
        text_put(h->vo, r->vo, err) < 0 || text_put(h->role, r->role, err) < 0 ||
        text_put(h->signer, signer ? signer->name : NULL, err) < 0)
        return -1;
    if (xos_env_random(env, h->request_id.bytes, XOS_ID_BYTES, err) < 0 ||
        xos_env_random(env, h->nonce.bytes, XOS_ID_BYTES, err) < 0)
        return -1;
    return xos_sha256(r->body, h->body_sha256, err);
}

void request_signed_free(struct request_signed *s)
{
    xos_pb_free(s->owner);
    *s = (struct request_signed){0};
}

int client_request_build(const struct client_request *r, const struct request_signer *signer,
                         struct xos_env *env, struct xos_buf *out,
                         uint8_t sha256[static XOS_HASH_BYTES], struct xos_error *err)
{
    struct xos_buf header = XOS_BUF(XOS_HEADER_BYTES_MAX);
    struct xos_envelope e = {.kind = XOS_ENVELOPE_REQUEST, .call = 1, .body = r->body};
    struct request_signed s = {.owner = NULL};
    struct xos_request h;
    int rc = -1;
    if (r->body.len > XOS_BODY_BYTES_MAX)
        return xos_fail(err, XOS_LIMIT, "XOS_BODY_BYTES_MAX: a request of %zu bytes", r->body.len);
    if (header_fill(&h, r, signer, env, err) < 0)
        return -1;
    if (signer) {
        if (signer->sign(signer->arg, &h, &s, err) < 0)
            goto out;
        e.header = s.header;
        e.signature = s.signature;
        e.chain_count = s.chain_count;
        memcpy(e.chain, s.chain, sizeof(e.chain));
        e.attributes = s.attributes;
    } else {
        if (xos_request_encode(&h, &header, err) < 0)
            goto out;
        e.header = (struct xos_slice){header.data, header.len};
    }
    if (xos_sha256(e.header, sha256, err) == 0)
        rc = xos_envelope_encode(&e, out, err);
out:
    request_signed_free(&s);
    xos_buf_free(&header);
    return rc;
}

int client_institution_of_node(const char *node, char out[static XOS_HEADER_NAME_MAX],
                               struct xos_error *err)
{
    const char *dot = strrchr(node, '.');
    if (!dot || dot == node || !dot[1])
        return xos_fail(err, XOS_INVALID, "\"%.60s\" is not a node: n17.inria is one", node);
    return name_put(out, dot + 1, strlen(dot + 1), err);
}

int client_institution_of_job(const char *job, char out[static XOS_HEADER_NAME_MAX],
                              struct xos_error *err)
{
    const char *dash = strrchr(job, '-');
    size_t digits = dash ? strspn(dash + 1, "0123456789") : 0;
    if (!dash || dash == job || digits == 0 || dash[1 + digits])
        return xos_fail(err, XOS_INVALID, "\"%.60s\" is not a job: inria-1042 is one", job);
    return name_put(out, job, (size_t)(dash - job), err);
}
