// SPDX-License-Identifier: Apache-2.0
#include "tests/lib/vo_fixture.h"

#include <string.h>

static int fill_manifest(struct vo_fixture *v, struct xos_error *err)
{
    struct auth_manifest *m = &v->m;
    if (auth_name_parse(&m->vo, AUTH_NAME_VO, auth_slice("vo:climate@inria"), NULL, err) < 0 ||
        auth_set_add(&m->keys, (struct xos_slice){xos_key_public(v->key), 32}, err) < 0 ||
        auth_set_add(&m->admins, auth_slice("bob@vu"), err) < 0 ||
        auth_set_add(&m->admins, auth_slice("alice@inria"), err) < 0)
        return -1;
    memcpy(m->root_key, xos_key_public(v->root), sizeof(m->root_key));
    m->seq = 3;
    m->issued_ms = FIXTURE_NOW_MS - AUTH_DAY_MS;
    return auth_key_hash(m->root_key, m->root_hash, err);
}

static int fill_attr(struct vo_fixture *v, struct xos_error *err)
{
    struct auth_attr *a = &v->a;
    a->vo = v->m.vo;
    memcpy(a->vo_root_hash, v->m.root_hash, sizeof(a->vo_root_hash));
    a->subject = v->alice.name;
    memcpy(a->subject_key_hash, v->alice.key_hash, sizeof(a->subject_key_hash));
    memcpy(a->subject_root_hash, v->alice.root_hash, sizeof(a->subject_root_hash));
    a->issued_ms = FIXTURE_NOW_MS - AUTH_HOUR_MS;
    a->expires_ms = a->issued_ms + AUTH_ATTR_LIFE_MS_MAX;
    a->seq = 9;
    if (auth_set_add(&a->groups, auth_slice("prod"), err) < 0 ||
        auth_set_add(&a->groups, auth_slice("dev"), err) < 0)
        return -1;
    return auth_set_add(&a->roles, auth_slice("prod:runner"), err);
}

int vo_fixture_open(struct vo_fixture *v, struct xos_error *err)
{
    struct xos_slice chain[3];
    *v = (struct vo_fixture){.manifest = XOS_BUF(AUTH_MANIFEST_BYTES_MAX),
                             .attr = XOS_BUF(AUTH_ATTR_BYTES_MAX)};
    if (fixture_open(&v->f, "inria", 1, err) < 0 || fixture_key(&v->root, 0xa1, err) < 0 ||
        fixture_key(&v->key, 0xa2, err) < 0)
        return -1;
    fixture_chain(&v->f, &v->f.user.der, chain);
    if (auth_verify(chain, 3, &v->f.ctx, &v->alice, err) < 0 || fill_manifest(v, err) < 0 ||
        fill_attr(v, err) < 0 || auth_manifest_sign(&v->manifest, &v->m, v->root, err) < 0 ||
        auth_attr_sign(&v->attr, &v->a, v->key, err) < 0)
        return -1;
    return auth_manifest_check(&v->known, fixture_slice(&v->manifest), &v->m.vo, v->m.root_hash, 1,
                               FIXTURE_NOW_MS, err);
}

void vo_fixture_close(struct vo_fixture *v)
{
    auth_manifest_free(&v->known);
    auth_principal_free(&v->alice);
    xos_buf_free(&v->manifest);
    xos_buf_free(&v->attr);
    xos_key_free(v->root);
    xos_key_free(v->key);
    fixture_close(&v->f);
}
