// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: what was taken back still opens doors, or anybody can lock one. */
#include "tests/lib/forge.h"
#include "tests/lib/xtest.h"

#include <stdio.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof(table[0]))

struct scene {
    struct fixture f;
    struct auth_revocations *list;
    struct xos_buf bytes;
    struct xos_slice ca[2];
};

static int open_scene(struct scene *s, struct xos_error *err)
{
    memset(s, 0, sizeof(*s));
    s->bytes = XOS_BUF(AUTH_REVOKE_BYTES_MAX);
    if (fixture_open(&s->f, "inria", 1, err) < 0)
        return -1;
    s->ca[0] = fixture_slice(&s->f.ca.der);
    s->ca[1] = fixture_slice(&s->f.root.der);
    s->list = auth_revocations_new("inria", s->f.anchors.at[0].root_hash, err);
    if (!s->list)
        return -1;
    s->list->seq = 5;
    s->list->issued_ms = FIXTURE_NOW_MS;
    for (unsigned kind = 0; kind < AUTH_REVOKE_KINDS; kind++)
        for (int i = 9; i >= 0; i--) {
            uint8_t entry[XOS_HASH_BYTES] = {(uint8_t)(i * 7 % 10), (uint8_t)kind};
            if (auth_revocations_add(s->list, (enum auth_revoke_kind)kind, entry, err) < 0)
                return -1;
        }
    return auth_revocations_sign(&s->bytes, s->list, s->f.ca.key, err);
}

static void close_scene(struct scene *s)
{
    auth_revocations_free(s->list);
    xos_buf_free(&s->bytes);
    fixture_close(&s->f);
}

static int check(const struct scene *s, uint64_t seq_min, struct xos_error *err)
{
    struct auth_revocations *again = NULL;
    int rc =
        auth_revocations_check(&again, fixture_slice(&s->bytes), s->ca, 2, &s->f.ctx, seq_min, err);
    auth_revocations_free(again);
    return rc;
}

static void a_list_comes_back_whole(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct scene s;
    struct auth_revocations *again = NULL;
    XT_TRY(open_scene(&s, &err));
    XT_TRY(auth_revocations_check(&again, fixture_slice(&s.bytes), s.ca, 1, &s.f.ctx, 5, &err));
    assert_int_equal(auth_revocations_count(again), 40);
    assert_int_equal(again->seq, 5);
    assert_string_equal(again->domain, "inria");
    for (unsigned kind = 0; kind < AUTH_REVOKE_KINDS; kind++)
        for (int i = 0; i < 12; i++) {
            uint8_t entry[XOS_HASH_BYTES] = {(uint8_t)i, (uint8_t)kind};
            assert_int_equal(auth_revocations_has(again, (enum auth_revoke_kind)kind, entry),
                             i < 10);
        }
    uint8_t twice[XOS_HASH_BYTES] = {3, AUTH_REVOKE_KEY};
    XT_TRY(auth_revocations_add(again, AUTH_REVOKE_KEY, twice, &err));
    assert_int_equal(auth_revocations_count(again), 40);
out:
    auth_revocations_free(again);
    close_scene(&s);
}

static void a_list_never_goes_back(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct scene s;
    XT_TRY(open_scene(&s, &err));
    XT_TRY(check(&s, 5, &err));
    XT_REFUSED(check(&s, 6, &err), XOS_STALE);
    s.f.ctx.now_ms = FIXTURE_NOW_MS - 60001;
    XT_REFUSED(check(&s, 5, &err), XOS_CLOCK);
    s.f.ctx.now_ms = FIXTURE_NOW_MS + AUTH_CA_LIFE_MS_MAX;
    XT_REFUSED(check(&s, 5, &err), XOS_EXPIRED);
    s.f.ctx.now_ms = FIXTURE_NOW_MS;
    /* the list of an institution that has the name, but another root */
    s.list->root_hash[0] ^= 1;
    xos_buf_clear(&s.bytes);
    XT_TRY(auth_revocations_sign(&s.bytes, s.list, s.f.ca.key, &err));
    XT_REFUSED(check(&s, 5, &err), XOS_DENIED);
    s.list->issued_ms = 0;
    XT_REFUSED(auth_revocations_sign(&s.bytes, s.list, s.f.ca.key, &err), XOS_INVALID);
    s.list->issued_ms = 1;
    s.list->seq = 0;
    XT_REFUSED(auth_revocations_sign(&s.bytes, s.list, s.f.ca.key, &err), XOS_INVALID);
out:
    close_scene(&s);
}

static void only_the_domain_revokes_its_own(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct scene s;
    struct fixture vu;
    memset(&vu, 0, sizeof(vu));
    XT_TRY(open_scene(&s, &err));
    XT_TRY(fixture_open(&vu, "vu", 2, &err));
    XT_TRY(auth_anchors_add(&s.f.anchors, "vu", fixture_slice(&vu.root.der), &err));
    /* the right chain, another key */
    xos_buf_clear(&s.bytes);
    XT_TRY(auth_revocations_sign(&s.bytes, s.list, s.f.user.key, &err));
    XT_REFUSED(check(&s, 1, &err), XOS_DENIED);
    /* another institution's CA */
    xos_buf_clear(&s.bytes);
    XT_TRY(auth_revocations_sign(&s.bytes, s.list, vu.ca.key, &err));
    s.ca[0] = fixture_slice(&vu.ca.der);
    s.ca[1] = fixture_slice(&vu.root.der);
    XT_REFUSED(check(&s, 1, &err), XOS_DENIED);
    /* a node's certificate as the CA's */
    s.ca[0] = fixture_slice(&s.f.node.der);
    s.ca[1] = fixture_slice(&s.f.root.der);
    XT_REFUSED(check(&s, 1, &err), XOS_DENIED);
    /* a CA that was taken back cannot give itself back */
    struct auth_principal ca = {0};
    s.ca[0] = fixture_slice(&s.f.ca.der);
    xos_buf_clear(&s.bytes);
    XT_TRY(auth_revocations_sign(&s.bytes, s.list, s.f.ca.key, &err));
    XT_TRY(check(&s, 1, &err));
    s.f.ctx.slot = AUTH_KIND_CA;
    XT_TRY(auth_verify(s.ca, 2, &s.f.ctx, &ca, &err));
    XT_TRY(auth_revocations_add(s.list, AUTH_REVOKE_KEY, ca.key_hash, &err));
    const struct auth_revocations *const lists[] = {s.list};
    s.f.ctx.revocations = lists;
    s.f.ctx.revocation_count = 1;
    XT_REFUSED(check(&s, 1, &err), XOS_DENIED);
out:
    fixture_close(&vu);
    close_scene(&s);
}

static void a_changed_bit_is_seen(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct scene s;
    XT_TRY(open_scene(&s, &err));
    for (size_t i = 0; i < s.bytes.len; i++) {
        s.bytes.data[i] ^= (uint8_t)(1u << (i % 8));
        if (check(&s, 1, &err) == 0)
            fail_msg("byte %zu", i);
        s.bytes.data[i] ^= (uint8_t)(1u << (i % 8));
    }
    const size_t whole = s.bytes.len;
    for (s.bytes.len = 0; s.bytes.len < whole; s.bytes.len += 7)
        assert_int_equal(check(&s, 1, &err), -1);
    s.bytes.len = whole;
    XT_TRY(check(&s, 1, &err));
out:
    close_scene(&s);
}

static void payloads_are_read_strictly(void **state)
{
    (void)state;
    /* appended to the payload and signed by the right key */
    static const struct {
        const char *bytes;
        size_t len;
    } extras[] = {
        {"\x48\x01", 2},     /* field 9 */
        {"\x18\x06", 2},     /* seq once more */
        {"\x20\x80\x00", 3}, /* a long varint */
        {"\x2a\x01\x00", 3}, /* not a whole serial */
        {"\x52\x00", 2},     /* field 10 */
    };
    struct xos_error err = {0};
    struct scene s;
    struct xos_buf forged = XOS_BUF(AUTH_REVOKE_BYTES_MAX);
    XT_TRY(open_scene(&s, &err));
    for (size_t i = 0; i < COUNT(extras); i++) {
        struct auth_revocations *again = NULL;
        XT_TRY(forge_statement(&forged, &s.bytes,
                               (struct xos_slice){(const uint8_t *)extras[i].bytes, extras[i].len},
                               AUTH_REVOKE_DOMAIN, s.f.ca.key, &err));
        XT_REFUSED(
            auth_revocations_check(&again, fixture_slice(&forged), s.ca, 2, &s.f.ctx, 1, &err),
            XOS_PROTOCOL);
    }
    /* unsorted, and one twice: the sign function does not look */
    struct xos_buf *keys = &s.list->entries[AUTH_REVOKE_KEY];
    memcpy(keys->data, keys->data + XOS_HASH_BYTES, XOS_HASH_BYTES);
    xos_buf_clear(&s.bytes);
    XT_TRY(auth_revocations_sign(&s.bytes, s.list, s.f.ca.key, &err));
    XT_REFUSED(check(&s, 1, &err), XOS_PROTOCOL);
    keys->len--;
    xos_buf_clear(&s.bytes);
    XT_TRY(auth_revocations_sign(&s.bytes, s.list, s.f.ca.key, &err));
    XT_REFUSED(check(&s, 1, &err), XOS_PROTOCOL);
out:
    xos_buf_free(&forged);
    close_scene(&s);
}

static void a_list_is_bounded(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct scene s;
    XT_TRY(open_scene(&s, &err));
    struct xos_buf *keys = &s.list->entries[AUTH_REVOKE_KEY];
    xos_buf_clear(keys);
    for (uint32_t i = 0; auth_revocations_count(s.list) < AUTH_REVOCATIONS_MAX; i++) {
        uint8_t entry[XOS_HASH_BYTES] = {(uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i};
        XT_TRY(auth_revocations_add(s.list, AUTH_REVOKE_KEY, entry, &err));
    }
    uint8_t more[XOS_HASH_BYTES] = {0xff};
    XT_REFUSED(auth_revocations_add(s.list, AUTH_REVOKE_KEY, more, &err), XOS_LIMIT);
    xos_buf_clear(&s.bytes);
    XT_TRY(auth_revocations_sign(&s.bytes, s.list, s.f.ca.key, &err));
    XT_TRY(check(&s, 1, &err));
    /* one more than the maximum, put there behind the back of _add */
    XT_TRY(xos_buf_add(&s.list->entries[AUTH_REVOKE_GRANT], more, sizeof(more), &err));
    xos_buf_clear(&s.bytes);
    XT_REFUSED(auth_revocations_sign(&s.bytes, s.list, s.f.ca.key, &err) < 0 ? -1
                                                                             : check(&s, 1, &err),
               XOS_LIMIT);
    XT_REFUSED((auth_revocations_new("no.such", more, &err) ? 0 : -1), XOS_INVALID);
out:
    close_scene(&s);
}

static const struct xt_test tests[] = {
    XT(a_list_comes_back_whole),          XT(a_list_never_goes_back),
    XT(only_the_domain_revokes_its_own),  XT_PLAIN(a_changed_bit_is_seen),
    XT_PLAIN(payloads_are_read_strictly), XT_PLAIN(a_list_is_bounded),
};
XT_MAIN(tests)
