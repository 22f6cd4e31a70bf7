// SPDX-License-Identifier: Apache-2.0
#include "vo-auth/trust.h"

#include "libxos/base/alloc.h"
#include "libxos/wire/pb.h"
#include "vo-auth/ca.pb-c.h"

#define uthash_malloc(size) xos_alloc(size)
#define uthash_free(block, size) xos_free(block)
#define HASH_NONFATAL_OOM 1
#include <stdio.h>
#include <string.h>
#include <uthash.h>

struct trusted_vo {
    struct auth_name name;
    char text[AUTH_NAME_BYTES_MAX + 1];
    struct auth_manifest manifest;
};

/* What the directory says, as of one reading. */
struct picture {
    struct auth_anchors anchors;
    struct auth_revocations *lists[AUTH_ANCHORS_MAX];
    size_t list_count;
    struct trusted_vo *vos; /* AUTH_TRUST_VOS_MAX */
    size_t vo_count;
};

struct verdict {
    uint8_t key[XOS_HASH_BYTES];
    struct auth_principal who;
    UT_hash_handle hh;
};

struct auth_trust {
    struct xos_env *env;
    char *dir;
    struct picture now;
    struct verdict *verdicts; /* the oldest first */
};

static void picture_free(struct picture *p)
{
    auth_anchors_free(&p->anchors);
    for (size_t i = 0; i < p->list_count; i++)
        auth_revocations_free(p->lists[i]);
    for (size_t i = 0; i < p->vo_count; i++)
        auth_manifest_free(&p->vos[i].manifest);
    xos_free(p->vos);
    *p = (struct picture){0};
}

static void forget_oldest(struct auth_trust *t)
{
    struct verdict *v = t->verdicts;
    HASH_DEL(t->verdicts, v);
    auth_principal_free(&v->who);
    xos_free(v);
}

static void forget(struct auth_trust *t)
{
    while (t->verdicts)
        forget_oldest(t);
}

static struct xos_slice slice(const struct xos_buf *b)
{
    return (struct xos_slice){b->data, b->len};
}

/* Reading the directory */

struct reading {
    struct auth_trust *t;
    struct picture *p;
    int dir;
    int64_t now_ms;
    struct xos_error *err;
    int rc;
};

/* The part of a file's name before `suffix`; false when it is not such a file. */
static bool stem(const char *file, const char *suffix, char *out, size_t size)
{
    size_t len = strlen(file), tail = strlen(suffix);
    if (len <= tail || len - tail >= size || strcmp(file + len - tail, suffix) != 0)
        return false;
    memcpy(out, file, len - tail);
    out[len - tail] = '\0';
    return true;
}

static int read_file(struct reading *r, const char *folder, const char *name, const char *suffix,
                     struct xos_buf *out)
{
    char path[AUTH_NAME_BYTES_MAX + 32];
    (void)snprintf(path, sizeof(path), "%s/%s%s", folder, name, suffix);
    return xos_env_file_read(r->t->env, r->dir, path, out, r->err);
}

static int add_root(const char *file, void *arg)
{
    struct reading *r = arg;
    char name[AUTH_PART_BYTES_MAX + 1];
    struct xos_buf der = XOS_BUF(AUTH_CERT_BYTES_MAX);
    if (!stem(file, ".der", name, sizeof(name)))
        return 0;
    if (read_file(r, "roots", name, ".der", &der) < 0 ||
        auth_anchors_add(&r->p->anchors, name, slice(&der), r->err) < 0)
        r->rc = xos_wrap(r->err, "roots/%s", file);
    xos_buf_free(&der);
    return r->rc;
}

static int take_vo(struct reading *r, struct trusted_vo *vo, const char *name, struct xos_buf *root,
                   struct xos_buf *manifest)
{
    uint8_t hash[XOS_HASH_BYTES];
    char full[AUTH_NAME_BYTES_MAX + 1];
    (void)snprintf(full, sizeof(full), "vo:%.150s", name);
    if (auth_name_parse(&vo->name, AUTH_NAME_VO, auth_slice(full), NULL, r->err) < 0 ||
        read_file(r, "vo", name, ".root", root) < 0 ||
        read_file(r, "vo", name, ".manifest", manifest) < 0)
        return -1;
    while (root->len && (root->data[root->len - 1] == '\n' || root->data[root->len - 1] == ' '))
        xos_buf_cut(root, root->len - 1);
    if (!root->data || xos_unhex((const char *)root->data, hash, sizeof(hash)) < 0)
        return xos_fail(r->err, XOS_INVALID, "%s.root is not 64 hexadecimal digits", name);
    auth_name_print(&vo->name, vo->text);
    return auth_manifest_check(&vo->manifest, slice(manifest), &vo->name, hash, 1, r->now_ms,
                               r->err);
}

static int add_vo(const char *file, void *arg)
{
    struct reading *r = arg;
    char name[AUTH_NAME_BYTES_MAX + 1];
    struct xos_buf root = XOS_BUF(128), manifest = XOS_BUF(AUTH_MANIFEST_BYTES_MAX);
    if (!stem(file, ".root", name, sizeof(name)))
        return 0;
    if (r->p->vo_count == AUTH_TRUST_VOS_MAX)
        r->rc = xos_fail(r->err, XOS_LIMIT, "AUTH_TRUST_VOS_MAX: %d VOs", AUTH_TRUST_VOS_MAX);
    else if (take_vo(r, &r->p->vos[r->p->vo_count], name, &root, &manifest) < 0)
        r->rc = xos_wrap(r->err, "vo/%s", file);
    else
        r->p->vo_count++;
    xos_buf_free(&root);
    xos_buf_free(&manifest);
    return r->rc;
}

static void picture_context(const struct picture *p, enum auth_kind slot, int64_t now_ms,
                            struct auth_context *out)
{
    *out = (struct auth_context){.anchors = &p->anchors,
                                 .revocations = (const struct auth_revocations *const *)p->lists,
                                 .revocation_count = p->list_count,
                                 .now_ms = now_ms,
                                 .slot = slot};
}

static uint64_t known_number(const struct auth_trust *t, const char *domain)
{
    for (size_t i = 0; i < t->now.list_count; i++)
        if (strcmp(t->now.lists[i]->domain, domain) == 0)
            return t->now.lists[i]->seq;
    return 1;
}

static int take_list(struct reading *r, const char *name, const Ca__Crl *m)
{
    struct xos_slice chain[AUTH_CHAIN_MAX];
    struct auth_context ctx;
    struct auth_revocations *list = NULL;
    if (m->n_chain > AUTH_CHAIN_MAX)
        return xos_fail(r->err, XOS_LIMIT, "a chain of %zu certificates", m->n_chain);
    for (size_t i = 0; i < m->n_chain; i++)
        chain[i] = xos_pb_slice(m->chain[i]);
    picture_context(r->p, AUTH_KIND_CA, r->now_ms, &ctx);
    if (auth_revocations_check(&list, xos_pb_slice(m->list), chain, m->n_chain, &ctx,
                               known_number(r->t, name), r->err) < 0)
        return -1;
    if (strcmp(list->domain, name) != 0) {
        xos_fail(r->err, XOS_DENIED, "it is the list of %s", list->domain);
        auth_revocations_free(list);
        return -1;
    }
    r->p->lists[r->p->list_count++] = list;
    return 0;
}

static int add_list(const char *file, void *arg)
{
    struct reading *r = arg;
    char name[AUTH_PART_BYTES_MAX + 1];
    struct xos_buf bytes = XOS_BUF(AUTH_REVOKE_BYTES_MAX);
    if (!stem(file, ".crl", name, sizeof(name)))
        return 0;
    Ca__Crl *m = NULL;
    if (r->p->list_count == AUTH_ANCHORS_MAX)
        xos_fail(r->err, XOS_LIMIT, "AUTH_ANCHORS_MAX: %d lists", AUTH_ANCHORS_MAX);
    else if (read_file(r, "crl", name, ".crl", &bytes) == 0)
        m = xos_pb_unpack(&ca__crl__descriptor, slice(&bytes), AUTH_REVOKE_BYTES_MAX,
                          XOS_PB_TOLERANT, r->err);
    if (!m || take_list(r, name, m) < 0)
        r->rc = xos_wrap(r->err, "crl/%s", file);
    xos_pb_free(m);
    xos_buf_free(&bytes);
    return r->rc;
}

/* A folder that is not there has nothing to say. */
static int read_folder(struct reading *r, const char *folder, xos_env_entry_f each)
{
    struct xos_error why = {0};
    r->rc = 0;
    if (xos_env_dir_list(r->t->env, r->dir, folder, each, r, &why) < 0 && why.code != XOS_NOT_FOUND)
        return xos_fail(r->err, why.code, "%s", why.text);
    return r->rc;
}

static int read_all(struct reading *r)
{
    r->p->vos = xos_alloc_array(AUTH_TRUST_VOS_MAX, sizeof(*r->p->vos));
    if (!r->p->vos)
        return xos_fail(r->err, XOS_NOMEM, "VOs");
    if (read_folder(r, "roots", add_root) < 0 || read_folder(r, "vo", add_vo) < 0 ||
        read_folder(r, "crl", add_list) < 0)
        return -1;
    if (r->p->anchors.count == 0)
        return xos_fail(r->err, XOS_NOT_FOUND, "roots/ has no root: put INSTITUTION.der there");
    return 0;
}

int auth_trust_reload(struct auth_trust *t, struct xos_error *err)
{
    struct picture fresh = {.list_count = 0};
    struct reading r = {
        .t = t, .p = &fresh, .now_ms = xos_env_real_ms(t->env), .err = err, .dir = -1};
    r.dir = xos_env_dir_open(t->env, t->dir, err);
    int rc = r.dir < 0 ? -1 : read_all(&r);
    xos_env_close(t->env, r.dir);
    if (rc < 0) {
        picture_free(&fresh);
        return xos_wrap(err, "trust %s", t->dir);
    }
    forget(t);
    picture_free(&t->now);
    t->now = fresh;
    return 0;
}

int auth_trust_open(struct auth_trust **out, struct xos_env *env, const char *dir,
                    struct xos_error *err)
{
    struct auth_trust *t = xos_alloc(sizeof(*t));
    if (!t)
        return xos_fail(err, XOS_NOMEM, "trust");
    t->env = env;
    t->dir = xos_strdup(dir);
    if (!t->dir) {
        auth_trust_free(t);
        return xos_fail(err, XOS_NOMEM, "trust");
    }
    if (auth_trust_reload(t, err) < 0) {
        auth_trust_free(t);
        return -1;
    }
    *out = t;
    return 0;
}

void auth_trust_free(struct auth_trust *t)
{
    if (!t)
        return;
    forget(t);
    picture_free(&t->now);
    xos_free(t->dir);
    xos_free(t);
}

int auth_trust_add_root(struct auth_trust *t, const char *institution, struct xos_slice der,
                        struct xos_error *err)
{
    return auth_anchors_add(&t->now.anchors, institution, der, err);
}

/* Asking */

static bool holds(const struct verdict *v, int64_t now_ms)
{
    return now_ms >= v->who.from_ms && now_ms <= v->who.until_ms;
}

/* For who verifies by itself, as the checks of grants and assignments do. A job's facts are owned
 * by the verdict: those are verified anew. */
static bool known(const void *arg, const struct xos_slice *der, size_t count, enum auth_kind slot,
                  int64_t now_ms, struct auth_principal *out)
{
    const struct auth_trust *t = arg;
    uint8_t key[XOS_HASH_BYTES];
    struct xos_error err;
    struct verdict *v = NULL;
    if (t->verdicts && auth_chain_hash(der, count, slot, key, &err) == 0)
        HASH_FIND(hh, t->verdicts, key, XOS_HASH_BYTES, v);
    if (!v || !holds(v, now_ms) || v->who.memory)
        return false;
    *out = v->who;
    return true;
}

void auth_trust_context(const struct auth_trust *t, enum auth_kind slot, int64_t now_ms,
                        struct auth_context *out)
{
    picture_context(&t->now, slot, now_ms, out);
    out->recall = known;
    out->recall_arg = t;
}

static int remember(struct auth_trust *t, struct verdict *v, struct xos_error *err)
{
    if (HASH_COUNT(t->verdicts) >= AUTH_TRUST_CACHE_MAX)
        forget_oldest(t);
    HASH_ADD(hh, t->verdicts, key, sizeof(v->key), v);
    if (v->hh.tbl)
        return 0;
    auth_principal_free(&v->who);
    xos_free(v);
    return xos_fail(err, XOS_NOMEM, "verified chain");
}

/* A verdict holds as long as the whole chain does, without the allowance for skewed clocks. */
static struct verdict *recall(struct auth_trust *t, const uint8_t key[static XOS_HASH_BYTES],
                              int64_t now_ms)
{
    struct verdict *v;
    HASH_FIND(hh, t->verdicts, key, XOS_HASH_BYTES, v);
    if (!v || holds(v, now_ms))
        return v;
    HASH_DEL(t->verdicts, v);
    auth_principal_free(&v->who);
    xos_free(v);
    return NULL;
}

int auth_trust_verify(struct auth_trust *t, const struct xos_slice *der, size_t count,
                      enum auth_kind slot, int64_t now_ms, const struct auth_principal **out,
                      struct xos_error *err)
{
    struct auth_context ctx;
    uint8_t key[XOS_HASH_BYTES];
    if (auth_chain_hash(der, count, slot, key, err) < 0)
        return -1;
    struct verdict *v = recall(t, key, now_ms);
    if (!v) {
        v = xos_alloc(sizeof(*v));
        if (!v)
            return xos_fail(err, XOS_NOMEM, "verified chain");
        memcpy(v->key, key, sizeof(v->key));
        auth_trust_context(t, slot, now_ms, &ctx);
        if (auth_verify(der, count, &ctx, &v->who, err) < 0) {
            xos_free(v);
            return -1;
        }
        if (remember(t, v, err) < 0)
            return -1;
    }
    *out = &v->who;
    return 0;
}

static const struct trusted_vo *vo_of(const struct auth_trust *t, const struct auth_name *acting)
{
    for (size_t i = 0; i < t->now.vo_count; i++) {
        const struct auth_name *n = &t->now.vos[i].name;
        if (strcmp(n->part, acting->part) == 0 && strcmp(n->institution, acting->institution) == 0)
            return &t->now.vos[i];
    }
    return NULL;
}

int auth_trust_attr(const struct auth_trust *t, struct auth_attr *out,
                    const struct auth_name *acting, struct xos_slice bytes,
                    const struct auth_principal *who, int64_t now_ms, struct xos_error *err)
{
    char text[AUTH_NAME_BYTES_MAX + 1];
    const struct trusted_vo *vo = vo_of(t, acting);
    auth_name_print(acting, text);
    if (!vo)
        return xos_fail(err, XOS_DENIED,
                        "%s is not known here: its administrator gives its .root and .manifest, "
                        "which belong into vo/ of the trust directory",
                        text);
    if (bytes.len == 0)
        return xos_fail(err, XOS_DENIED, "nothing came with the request that says who is in %s",
                        text);
    if (auth_attr_check(out, bytes, &vo->manifest, who, now_ms, err) < 0)
        return -1;
    if (auth_attr_has(out, acting))
        return 0;
    auth_attr_free(out);
    return xos_fail(err, XOS_DENIED, "its VO does not say that the signer may act as %s", text);
}

const char *auth_trust_institution(const struct auth_trust *t, size_t i)
{
    return i < t->now.anchors.count ? t->now.anchors.at[i].institution : NULL;
}

const char *auth_trust_vo(const struct auth_trust *t, size_t i)
{
    return i < t->now.vo_count ? t->now.vos[i].text : NULL;
}
