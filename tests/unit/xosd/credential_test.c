// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a node shows another's certificate, stands alone because a file is torn, or
 * loses its key when it renews. */
#include "libxos/wire/pb.h"
#include "tests/lib/home.h"
#include "tests/lib/xtest.h"
#include "vo-auth/ca.pb-c.h"
#include "xosd/credential.h"

#include <stdio.h>
#include <string.h>

#define NOW INT64_C(1772366400000)

static struct scene {
    struct home home;
    struct clock_env clock;
    struct credential id;
    struct xos_buf issued;
    char state[128];
    int dir;
} s;

static int set_up(struct xos_error *err)
{
    static unsigned count;
    struct xos_env *env = clock_env_init(&s.clock, NOW);
    s.home = (struct home){.now_ms = 0};
    s.id = (struct credential){.key = NULL};
    s.issued = XOS_BUF(65536);
    s.dir = -1;
    (void)snprintf(s.state, sizeof(s.state), "%s/state%u", xt_dir(), ++count);
    int top = xos_env_dir_open(env, xt_dir(), err);
    int rc = top < 0 ? -1 : xos_env_dir_make(env, top, strrchr(s.state, '/') + 1, 0700, err);
    xos_env_close(env, top);
    if (rc < 0)
        return -1;
    s.dir = xos_env_dir_open(env, s.state, err);
    return s.dir < 0 ? -1 : home_open(&s.home, NOW, 7, err);
}

static void tear_down(void)
{
    credential_close(&s.id);
    home_close(&s.home);
    xos_buf_free(&s.issued);
    xos_env_close(xos_env_posix(), s.dir);
}

/* What xos-ca gives for these names and keys, as its answer. */
static int issue(const char *part, const uint8_t *key, const uint8_t *curve, int64_t from_ms,
                 struct xos_error *err)
{
    struct auth_node_facts facts = {.roles = AUTH_NODE_WORKER};
    struct auth_cert_request r = {
        .kind = AUTH_KIND_NODE, .from_ms = from_ms, .to_ms = from_ms + AUTH_DAY_MS, .node = &facts};
    struct auth_issuer by = {{s.home.ca.data, s.home.ca.len}, xos_key_evp(s.home.ca_key)};
    struct xos_buf leaf = XOS_BUF(AUTH_CERT_BYTES_MAX);
    struct xos_slice chain[3];
    ProtobufCBinaryData list[3];
    Ca__Issued m = CA__ISSUED__INIT;
    r.name.kind = AUTH_NAME_NODE;
    (void)snprintf(r.name.part, sizeof(r.name.part), "%s", part);
    (void)snprintf(r.name.institution, sizeof(r.name.institution), "inria");
    memcpy(r.key, key, sizeof(r.key));
    memcpy(facts.curve_key, curve, sizeof(facts.curve_key));
    memset(r.serial, 0x41, sizeof(r.serial));
    int rc = auth_cert_issue(&leaf, &r, &by, err);
    home_chain(&s.home, &leaf, chain);
    for (size_t i = 0; i < 3; i++)
        list[i] = xos_pb_bytes(chain[i]);
    m.n_chain = 3;
    m.chain = list;
    xos_buf_clear(&s.issued);
    if (rc == 0)
        rc = xos_pb_pack(&m, &s.issued, err);
    xos_buf_free(&leaf);
    return rc;
}

static int install(struct xos_error *err)
{
    return credential_install(&s.id, &s.clock.env, s.state, "n1.inria",
                              (struct xos_slice){s.issued.data, s.issued.len}, err);
}

static int reopen(struct xos_error *err)
{
    credential_close(&s.id);
    return credential_open(&s.id, &s.clock.env, s.state, "n1.inria", err);
}

static int enrol(struct xos_error *err)
{
    if (credential_prepare(&s.id, &s.clock.env, s.state, err) < 0 ||
        issue("n1", xos_key_public(s.id.key), s.id.curve_public, NOW - 1000, err) < 0)
        return -1;
    return install(err);
}

static void a_node_has_its_certificate_after_a_restart(void **state)
{
    (void)state;
    struct xos_error err = {0};
    uint8_t key[XOS_KEY_PUBLIC_BYTES], curve[XOS_CURVE_KEY_BYTES];
    XT_TRY(set_up(&err));
    XT_REFUSED(reopen(&err), XOS_NOT_FOUND); /* it stands alone */
    XT_TRY(enrol(&err));
    memcpy(key, xos_key_public(s.id.key), sizeof(key));
    memcpy(curve, s.id.curve_public, sizeof(curve));
    XT_TRY(reopen(&err));
    assert_memory_equal(xos_key_public(s.id.key), key, sizeof(key));
    assert_memory_equal(s.id.curve_public, curve, sizeof(curve));
    assert_int_equal(s.id.self.chain_count, 3);
    assert_string_equal(s.id.self.name.part, "n1");
    assert_int_equal(s.id.facts.roles, AUTH_NODE_WORKER);
    assert_int_equal(s.id.to_ms, NOW - 1000 + AUTH_DAY_MS);
out:
    tear_down();
}

static void renewing_keeps_the_keys(void **state)
{
    (void)state;
    struct xos_error err = {0};
    XT_TRY(set_up(&err));
    XT_TRY(enrol(&err));
    s.clock.real_ms += 20 * AUTH_HOUR_MS;
    XT_TRY(issue("n1", xos_key_public(s.id.key), s.id.curve_public, s.clock.real_ms, &err));
    XT_TRY(install(&err));
    assert_int_equal(s.id.to_ms, NOW + 44 * AUTH_HOUR_MS);
    XT_TRY(reopen(&err));
    assert_int_equal(s.id.to_ms, NOW + 44 * AUTH_HOUR_MS);
    s.clock.real_ms += 3 * AUTH_DAY_MS; /* it may still be renewed, and so it is read */
    XT_TRY(reopen(&err));
    s.clock.real_ms += 40 * AUTH_DAY_MS;
    XT_REFUSED(reopen(&err), XOS_EXPIRED);
out:
    tear_down();
}

static void what_is_not_this_nodes_is_not_installed(void **state)
{
    (void)state;
    static const uint8_t other[XOS_KEY_PUBLIC_BYTES] = {9};
    struct xos_error err = {0};
    struct credential another = {.key = NULL};
    int64_t until;
    XT_TRY(set_up(&err));
    XT_TRY(enrol(&err));
    until = s.id.to_ms;
    const uint8_t *key = xos_key_public(s.id.key), *curve = s.id.curve_public;
    const struct {
        const char *part;
        const uint8_t *key, *curve;
    } rows[] = {
        {"n2", key, curve}, {"n1", xos_key_public(s.home.vo_key), curve}, {"n1", key, other}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        XT_TRY(issue(rows[i].part, rows[i].key, rows[i].curve, NOW, &err));
        XT_REFUSED(install(&err), XOS_DENIED);
        assert_int_equal(s.id.to_ms, until);
    }
    XT_REFUSED(credential_install(&s.id, &s.clock.env, s.state, "n1.inria",
                                  (struct xos_slice){(const uint8_t *)"\x0a\x01x", 3}, &err),
               XOS_PROTOCOL);
    XT_TRY(reopen(&err)); /* the disk has what was good */
    assert_int_equal(s.id.to_ms, until);
    XT_REFUSED(credential_open(&another, &s.clock.env, s.state, "n2.inria", &err), XOS_DENIED);
out:
    tear_down();
}

/* No damage makes a node of a federation one that stands alone. */
static void a_file_that_is_missing_or_torn_is_said(void **state)
{
    (void)state;
    static const struct {
        const char *file, *bytes; /* NULL: gone */
        enum xos_code code;
    } rows[] = {
        {"node/key.pem", NULL, XOS_CORRUPT},
        {"node/key.pem", "no key", XOS_INVALID},
        {"node/curve.key", NULL, XOS_CORRUPT},
        {"node/curve.key", "short", XOS_CORRUPT},
        {"node/curve.key", "a secret of another pair of keys", XOS_DENIED},
        {"node/chain", "torn", XOS_PROTOCOL},
        {"node/chain", "", XOS_PROTOCOL},
    };
    struct xos_error err = {0};
    struct xos_buf was = XOS_BUF(65536);
    XT_TRY(set_up(&err));
    XT_TRY(enrol(&err));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct xos_env *env = xos_env_posix();
        xos_buf_clear(&was);
        XT_TRY(xos_env_file_read(env, s.dir, rows[i].file, &was, &err));
        if (rows[i].bytes)
            XT_TRY(xos_env_file_replace(env, s.dir, rows[i].file, rows[i].bytes,
                                        strlen(rows[i].bytes), 0600, &err));
        else
            XT_TRY(xos_env_remove(env, s.dir, rows[i].file, &err));
        XT_REFUSED(reopen(&err), rows[i].code);
        XT_TRY(xos_env_file_replace(env, s.dir, rows[i].file, was.data, was.len, 0600, &err));
        XT_TRY(reopen(&err));
    }
out:
    xos_buf_free(&was);
    tear_down();
}

static const struct xt_test tests[] = {
    XT(a_node_has_its_certificate_after_a_restart),
    XT_PLAIN(renewing_keeps_the_keys),
    XT_PLAIN(what_is_not_this_nodes_is_not_installed),
    XT_PLAIN(a_file_that_is_missing_or_torn_is_said),
};
XT_MAIN(tests)
