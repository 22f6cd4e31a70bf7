// SPDX-License-Identifier: Apache-2.0
/* ask.c - requests with one thing wrong:
 *
 *     good      nothing
 *     unsigned  no signature, no chain
 *     nochain   no certificates
 *     body      another body than the signed one
 *     flip      one bit of the signature
 *     replay    sent twice: the second answer counts
 *     old       issued ten minutes ago
 *     boot      for another run of the receiver
 *     garbage   no envelope at all */
#include "tests/lib/attack/attack.h"

#include "libxos/env/env.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is(const struct attack_request *r, const char *flaw)
{
    return strcmp(r->flaw, flaw) == 0;
}

static int fill(const struct attack_request *r, struct xos_request *h, struct xos_error *err)
{
    struct xos_env *env = xos_env_posix();
    *h = (struct xos_request){.issued_ms = attack_now_ms() - (is(r, "old") ? 600000 : 0)};
    h->expires_ms = h->issued_ms + 30000;
    h->has_boot_id = is(r, "boot");
    h->has_operation_id = !h->has_boot_id;
    (void)snprintf(h->verb, sizeof(h->verb), "%s", r->verb);
    (void)snprintf(h->signer, sizeof(h->signer), "%.127s", r->signer->name);
    (void)snprintf(h->to_institution, sizeof(h->to_institution), "%s", r->to_institution);
    (void)snprintf(h->to_node, sizeof(h->to_node), "%s", r->to_node);
    if (xos_env_random(env, h->request_id.bytes, XOS_ID_BYTES, err) < 0 ||
        xos_env_random(env, h->nonce.bytes, XOS_ID_BYTES, err) < 0 ||
        xos_env_random(env, h->operation_id.bytes, XOS_ID_BYTES, err) < 0 ||
        xos_env_random(env, h->boot_id.bytes, XOS_ID_BYTES, err) < 0)
        return -1;
    return xos_sha256(r->body, h->body_sha256, err);
}

int attack_pack(const struct attack_request *r, struct xos_buf *envelope, struct xos_error *err)
{
    static const uint8_t other[] = "another body";
    const struct party *p = r->signer;
    const struct xos_key *key = p->stolen.key ? p->stolen.key : p->key;
    struct xos_buf header = XOS_BUF(XOS_HEADER_BYTES_MAX);
    struct xos_envelope e = {.kind = XOS_ENVELOPE_REQUEST, .call = 1, .body = r->body};
    struct xos_request h;
    uint8_t signature[XOS_SIGNATURE_BYTES];
    if (is(r, "garbage"))
        return xos_buf_add(envelope, "\xff\xff\xff\xff no envelope", 16, err);
    int rc = fill(r, &h, err) < 0 ? -1 : xos_request_encode(&h, &header, err);
    e.header = (struct xos_slice){header.data, header.len};
    if (rc == 0 && key && !is(r, "unsigned")) {
        rc = xos_key_sign(key, XOS_REQUEST_DOMAIN, e.header, signature, err);
        signature[0] ^= is(r, "flip");
        e.signature = (struct xos_slice){signature, sizeof(signature)};
        memcpy(e.chain, p->chain, sizeof(e.chain));
        e.chain_count = is(r, "nochain") ? 0 : p->chain_count;
    }
    if (is(r, "body"))
        e.body = (struct xos_slice){other, sizeof(other)};
    if (rc == 0)
        rc = xos_envelope_encode(&e, envelope, err);
    xos_buf_free(&header);
    return rc;
}

/* "DENIED text", "served", or "closed: why". */
static int print_answer(struct attack_way *w, struct xos_error *err)
{
    struct xos_buf frame = XOS_BUF(XOS_ENVELOPE_BYTES_MAX);
    struct xos_envelope e = {.kind = XOS_ENVELOPE_NONE};
    struct xos_answer a;
    int rc = attack_hear(w, &frame, err);
    if (rc < 0) {
        printf("%s\n", err->text);
        xos_buf_free(&frame);
        return 0;
    }
    rc = xos_envelope_decode(&e, (struct xos_slice){frame.data, frame.len}, err);
    if (rc == 0)
        rc = xos_answer_decode(&a, e.header, err);
    if (rc == 0 && a.code == XOS_NONE)
        printf("served by %s\n", a.node);
    else if (rc == 0)
        printf("%s %.*s\n", xos_code_name(a.code), (int)e.body.len, (const char *)e.body.data);
    xos_envelope_free(&e);
    xos_buf_free(&frame);
    return rc;
}

static int ask_over(struct attack_way *w, const struct attack_request *r, const char *to,
                    const struct party *as, struct xos_error *err)
{
    struct xos_buf frame = XOS_BUF(XOS_ENVELOPE_BYTES_MAX), first = XOS_BUF(XOS_ENVELOPE_BYTES_MAX);
    struct attack_way *again = NULL;
    int rc = attack_pack(r, &frame, err);
    struct xos_slice bytes = {frame.data, frame.len};
    if (rc == 0)
        rc = attack_say(w, bytes, err);
    if (rc == 0 && is(r, "replay")) {
        rc = attack_hear(w, &first, err);
        if (rc == 0 && attack_connect(&again, to, as, err) == 0)
            rc = attack_say(again, bytes, err);
    }
    if (rc == 0)
        rc = print_answer(again ? again : w, err);
    attack_leave(again);
    xos_buf_free(&frame);
    xos_buf_free(&first);
    return rc;
}

/* TO AS SIGNER VERB INST NODE FLAW */
int attack_ask(char **argv, struct xos_error *err)
{
    struct party as, signer;
    struct attack_way *w = NULL;
    struct attack_request r = {.signer = &signer,
                               .verb = argv[3],
                               .to_institution = argv[4],
                               .to_node = strcmp(argv[5], "-") ? argv[5] : "",
                               .flaw = argv[6]};
    signer.name[0] = '\0';
    int rc = party_open(&as, argv[1], err);
    if (party_open(&signer, argv[2], rc < 0 ? NULL : err) < 0)
        rc = -1;
    if (rc == 0 && attack_connect(&w, argv[0], &as, err) < 0)
        printf("%s\n", err->text);
    else if (rc == 0)
        rc = ask_over(w, &r, argv[0], &as, err);
    attack_leave(w);
    party_close(&as);
    party_close(&signer);
    return rc;
}

/* The same request again and again, each time fresh, with one bit changed on the way. Prints how
 * many were served. TO AS SIGNER VERB INST NODE COUNT */
int attack_flip(char **argv, struct xos_error *err)
{
    struct party as, signer;
    struct attack_request r = {.verb = argv[3], .to_institution = argv[4], .to_node = argv[5]};
    unsigned long count = strtoul(argv[6], NULL, 10), served = 0, refused = 0;
    int rc = party_open(&as, argv[1], err);
    if (party_open(&signer, argv[2], rc < 0 ? NULL : err) < 0)
        rc = -1;
    r.signer = &signer;
    r.flaw = "good";
    srandom(1);
    for (unsigned long i = 0; rc == 0 && i < count; i++) {
        struct xos_buf frame = XOS_BUF(XOS_ENVELOPE_BYTES_MAX), answer = frame;
        struct attack_way *w = NULL;
        rc = attack_pack(&r, &frame, err);
        size_t bit = 32 + (size_t)random() % (8 * frame.len - 32); /* behind kind and call */
        if (rc == 0)
            frame.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (rc == 0 && attack_connect(&w, argv[0], &as, err) == 0 &&
            attack_say(w, (struct xos_slice){frame.data, frame.len}, err) == 0 &&
            attack_hear(w, &answer, err) == 0) {
            struct xos_envelope e = {.kind = XOS_ENVELOPE_NONE};
            struct xos_answer a = {.code = XOS_INTERNAL};
            if (xos_envelope_decode(&e, (struct xos_slice){answer.data, answer.len}, err) == 0)
                (void)xos_answer_decode(&a, e.header, err);
            *(a.code == XOS_NONE ? &served : &refused) += 1;
            xos_envelope_free(&e);
        }
        attack_leave(w);
        xos_buf_free(&frame);
        xos_buf_free(&answer);
    }
    printf("%lu served, %lu refused\n", served, refused);
    party_close(&as);
    party_close(&signer);
    return rc;
}
