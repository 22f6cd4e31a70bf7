// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: xosd refuses what a command says, or a signature covers other bytes. */
#include "client/request.h"
#include "tests/lib/xtest.h"

#include <string.h>

struct signing {
    struct xos_key *key;
    struct xos_buf header;
    uint8_t signature[XOS_SIGNATURE_BYTES];
};

static int sign(void *arg, const struct xos_request *fields, struct request_signed *out,
                struct xos_error *err)
{
    struct signing *s = arg;
    if (xos_request_encode(fields, &s->header, err) < 0)
        return -1;
    out->header = (struct xos_slice){s->header.data, s->header.len};
    out->signature = (struct xos_slice){s->signature, sizeof(s->signature)};
    out->chain[0] = (struct xos_slice){(const uint8_t *)"certificate", 11};
    out->chain_count = 1;
    return xos_key_sign(s->key, XOS_REQUEST_DOMAIN, out->header, s->signature, err);
}

static void what_is_built_is_what_a_node_accepts(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct signing s = {.header = XOS_BUF(XOS_HEADER_BYTES_MAX)};
    struct xos_buf out = XOS_BUF(XOS_ENVELOPE_BYTES_MAX);
    struct xos_envelope e = {0};
    struct xos_request r;
    uint8_t hash[XOS_HASH_BYTES], own[XOS_HASH_BYTES];
    struct request_signer signer = {
        .name = "alice@inria", .institution = "inria", .sign = sign, .arg = &s};
    struct client_request request = {.verb = "job.run",
                                     .to_node = "",
                                     .to_institution = "inria",
                                     .vo = "vo:climate@inria",
                                     .operation_id = {{1, 2, 3}},
                                     .body = {(const uint8_t *)"body", 4}};
    struct xos_request_context here = {.node = "n1.inria", .institution = "inria"};
    XT_TRY(xos_key_generate(&s.key, &err));
    XT_TRY(client_request_build(&request, &signer, xos_env_posix(), &out, hash, &err));
    XT_TRY(xos_envelope_decode(&e, (struct xos_slice){out.data, out.len}, &err));
    XT_TRY(xos_request_decode(&r, e.header, &err));
    here.now_ms = xos_env_real_ms(xos_env_posix());
    here.body = e.body;
    XT_TRY(xos_request_check(&r, &here, &err));
    XT_TRY(xos_key_verify(xos_key_public(s.key), XOS_REQUEST_DOMAIN, e.header, e.signature, &err));
    XT_TRY(xos_sha256(e.header, own, &err));
    assert_memory_equal(own, hash, sizeof(hash));
    assert_int_equal(e.header.len, s.header.len);
    assert_memory_equal(e.header.data, s.header.data, s.header.len);
    assert_int_equal(e.chain_count, 1);
    assert_string_equal(r.signer, "alice@inria");
    assert_string_equal(r.vo, "vo:climate@inria");
    assert_memory_equal(r.operation_id.bytes, request.operation_id.bytes, XOS_ID_BYTES);
out:
    xos_envelope_free(&e);
    xos_buf_free(&out);
    xos_buf_free(&s.header);
    xos_key_free(s.key);
}

static const struct {
    const char *text, *node, *job; /* the institution, or NULL: it is none */
} names[] = {
    {"n17.inria", "inria", NULL},
    {"a.b.vu", "vu", NULL},
    {"inria-1042", NULL, "inria"},
    {"a-b-7", NULL, "a-b"},
    {"-7", NULL, NULL},
    {"inria-", NULL, NULL},
    {"inria-12x", NULL, NULL},
    {"n17.", NULL, NULL},
    {".inria", "", NULL},
    {"", NULL, NULL},
};

static void institutions_of_names(void **state)
{
    (void)state;
    char out[XOS_HEADER_NAME_MAX];
    struct xos_error err;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        bool node = client_institution_of_node(names[i].text, out, &err) == 0;
        assert_int_equal(node, names[i].node && names[i].node[0]);
        if (node)
            assert_string_equal(out, names[i].node);
        bool job = client_institution_of_job(names[i].text, out, &err) == 0;
        assert_int_equal(job, names[i].job != NULL);
        if (job)
            assert_string_equal(out, names[i].job);
    }
}

static const struct xt_test tests[] = {
    XT(what_is_built_is_what_a_node_accepts),
    XT(institutions_of_names),
};
XT_MAIN(tests)
