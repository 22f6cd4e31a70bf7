// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: what was signed yesterday is not accepted today.
 *
 * tests/golden/auth-1 holds every signed format of version 1, made with fixed keys and times. They
 * are encoded anew, byte for byte, and read. A new version gets a folder of its own; these stay.
 * XOS_GOLDEN_WRITE=1 writes the files of a format that has none yet. */
#include "tests/lib/vo_fixture.h"
#include "tests/lib/xtest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIRECTORY "tests/golden/auth-1/"
#define FILE_BYTES_MAX 65536
#define COUNT(table) (sizeof(table) / sizeof(table[0]))

enum { ROOT, CA, USER, NODE, JOB, MANIFEST, ATTRIBUTES, GRANT, ASSIGNMENT, REVOCATIONS, GOLDENS };

static const char *const names[GOLDENS] = {
    "root.der",     "ca.der",         "user.der",  "node.der",       "job.der",
    "manifest.bin", "attributes.bin", "grant.bin", "assignment.bin", "revocations.bin"};

struct scene {
    struct vo_fixture v;
    struct auth_grant grant;      /* checked */
    struct xos_buf made[GOLDENS]; /* by this build */
    struct xos_buf file[GOLDENS];
};

static int make_grant(struct scene *s, struct xos_error *err)
{
    struct fixture *f = &s->v.f;
    struct auth_grant g;
    struct auth_assignment a;
    struct xos_slice user[3];
    fixture_chain(f, &f->user.der, user);
    if (fixture_grant(f, &g, err) < 0 || auth_grant_sign(&s->made[GRANT], &g, f->user.key, err) < 0)
        return -1;
    struct auth_grant_offer offer = {fixture_slice(&s->made[GRANT]), user, 3,
                                     auth_slice(FIXTURE_SPEC), AUTH_FRESH};
    if (auth_grant_check(&s->grant, &offer, &f->ctx, err) < 0 ||
        fixture_assignment(f, &s->grant, &a, err) < 0)
        return -1;
    return auth_assignment_sign(&s->made[ASSIGNMENT], &a, f->node.key, err);
}

static int make_revocations(struct scene *s, struct xos_error *err)
{
    struct fixture *f = &s->v.f;
    uint8_t serial[AUTH_SERIAL_BYTES] = {0x41, 0x42}, subject[XOS_HASH_BYTES];
    struct auth_revocations *list = auth_revocations_new("inria", f->anchors.at[0].root_hash, err);
    if (!list)
        return -1;
    list->seq = 12;
    list->issued_ms = FIXTURE_NOW_MS;
    int rc = -1;
    if (auth_revoke_subject(&f->job_facts.node, subject, err) == 0 &&
        auth_revocations_add(list, AUTH_REVOKE_SERIAL, serial, err) == 0 &&
        auth_revocations_add(list, AUTH_REVOKE_KEY, s->v.known.root_hash, err) == 0 &&
        auth_revocations_add(list, AUTH_REVOKE_SUBJECT, subject, err) == 0 &&
        auth_revocations_add(list, AUTH_REVOKE_GRANT, s->grant.hash, err) == 0)
        rc = auth_revocations_sign(&s->made[REVOCATIONS], list, f->ca.key, err);
    auth_revocations_free(list);
    return rc;
}

static int make_all(struct scene *s, struct xos_error *err)
{
    memset(s, 0, sizeof(*s));
    for (int i = 0; i < GOLDENS; i++)
        s->made[i] = s->file[i] = XOS_BUF(FILE_BYTES_MAX);
    if (vo_fixture_open(&s->v, err) < 0)
        return -1;
    const struct fixture *f = &s->v.f;
    const struct xos_buf *const there[] = {&f->root.der, &f->ca.der,     &f->user.der, &f->node.der,
                                           &f->job.der,  &s->v.manifest, &s->v.attr};
    for (size_t i = 0; i < COUNT(there); i++)
        if (xos_buf_add(&s->made[i], there[i]->data, there[i]->len, err) < 0)
            return -1;
    return make_grant(s, err) < 0 ? -1 : make_revocations(s, err);
}

static void free_all(struct scene *s)
{
    for (int i = 0; i < GOLDENS; i++) {
        xos_buf_free(&s->made[i]);
        xos_buf_free(&s->file[i]);
    }
    auth_grant_free(&s->grant);
    vo_fixture_close(&s->v);
}

static int read_file(const char *name, struct xos_buf *out, struct xos_error *err)
{
    char path[128];
    (void)snprintf(path, sizeof(path), DIRECTORY "%s", name);
    FILE *file = fopen(path, "rb");
    if (!file)
        return xos_fail_errno(err, "%s", path);
    uint8_t *room = xos_buf_room(out, FILE_BYTES_MAX, err);
    if (room)
        out->len = fread(room, 1, FILE_BYTES_MAX, file);
    (void)fclose(file);
    return room ? 0 : -1;
}

static void write_file(const char *name, const struct xos_buf *bytes)
{
    char path[128];
    (void)snprintf(path, sizeof(path), DIRECTORY "%s", name);
    FILE *file = fopen(path, "wbx");
    if (!file)
        return;
    assert_int_equal(fwrite(bytes->data, 1, bytes->len, file), bytes->len);
    assert_int_equal(fclose(file), 0);
}

static void every_format_is_encoded_as_ever(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct scene s;
    XT_TRY(make_all(&s, &err));
    for (int i = 0; i < GOLDENS; i++) {
        if (getenv("XOS_GOLDEN_WRITE"))
            write_file(names[i], &s.made[i]);
        XT_TRY(read_file(names[i], &s.file[i], &err));
        if (s.file[i].len != s.made[i].len ||
            memcmp(s.file[i].data, s.made[i].data, s.made[i].len) != 0)
            fail_msg("%s is not what this build makes", names[i]);
    }
out:
    free_all(&s);
}

static int verify_file(const struct scene *s, int which, enum auth_kind slot,
                       struct auth_principal *p, struct xos_error *err)
{
    struct auth_context ctx = s->v.f.ctx;
    struct xos_slice chain[] = {fixture_slice(&s->file[which]), fixture_slice(&s->file[CA]),
                                fixture_slice(&s->file[ROOT])};
    ctx.slot = slot;
    if (slot == AUTH_KIND_CA)
        chain[1] = chain[2];
    return auth_verify(chain, slot == AUTH_KIND_CA ? 2 : 3, &ctx, p, err);
}

static void every_file_is_read(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct scene s;
    struct auth_principal p[AUTH_KINDS];
    struct auth_manifest m = {0};
    struct auth_attr a = {0};
    struct auth_grant g = {0};
    struct auth_assignment as;
    struct auth_revocations *list = NULL;
    memset(p, 0, sizeof(p));
    XT_TRY(make_all(&s, &err));
    for (int i = 0; i < GOLDENS; i++)
        XT_TRY(read_file(names[i], &s.file[i], &err));
    auth_anchors_remove(&s.v.f.anchors, "inria");
    XT_TRY(auth_anchors_add(&s.v.f.anchors, "inria", fixture_slice(&s.file[ROOT]), &err));
    XT_TRY(verify_file(&s, CA, AUTH_KIND_CA, &p[0], &err));
    XT_TRY(verify_file(&s, USER, AUTH_KIND_USER, &p[1], &err));
    XT_TRY(verify_file(&s, NODE, AUTH_KIND_NODE, &p[2], &err));
    XT_TRY(verify_file(&s, JOB, AUTH_KIND_JOB, &p[3], &err));
    XT_TRY(auth_manifest_check(&m, fixture_slice(&s.file[MANIFEST]), &s.v.m.vo, s.v.m.root_hash, 3,
                               FIXTURE_NOW_MS, &err));
    XT_TRY(
        auth_attr_check(&a, fixture_slice(&s.file[ATTRIBUTES]), &m, &p[1], FIXTURE_NOW_MS, &err));
    struct xos_slice user[] = {fixture_slice(&s.file[USER]), fixture_slice(&s.file[CA])};
    struct xos_slice head[] = {fixture_slice(&s.file[NODE]), fixture_slice(&s.file[CA])};
    struct auth_grant_offer go = {fixture_slice(&s.file[GRANT]), user, 2, auth_slice(FIXTURE_SPEC),
                                  AUTH_FRESH};
    XT_TRY(auth_grant_check(&g, &go, &s.v.f.ctx, &err));
    struct auth_assignment_offer ao = {
        fixture_slice(&s.file[ASSIGNMENT]), head, 2, &g, &s.v.f.job_facts.node, 7, AUTH_FRESH};
    XT_TRY(auth_assignment_check(&as, &ao, &s.v.f.ctx, &err));
    XT_TRY(auth_revocations_check(&list, fixture_slice(&s.file[REVOCATIONS]), &head[1], 1,
                                  &s.v.f.ctx, 12, &err));
    assert_int_equal(auth_revocations_count(list), 4);
out:
    auth_revocations_free(list);
    auth_grant_free(&g);
    auth_attr_free(&a);
    auth_manifest_free(&m);
    for (size_t i = 0; i < COUNT(p); i++)
        auth_principal_free(&p[i]);
    free_all(&s);
}

static const struct xt_test tests[] = {
    XT(every_format_is_encoded_as_ever),
    XT(every_file_is_read),
};
XT_MAIN(tests)
