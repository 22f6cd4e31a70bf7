// SPDX-License-Identifier: Apache-2.0
#include "discovery/remembered.h"

#include "discovery/discovery.pb-c.h"
#include "discovery/proof.h"
#include "libxos/base/alloc.h"
#include "libxos/wire/pb.h"

#define REMEMBERED_FILE "members"
#define REMEMBERED_BYTES_MAX ((size_t)REMEMBERED_MAX * (DESCRIPTOR_BYTES_MAX + 16))

static int read_file(struct xos_buf *out, struct xos_env *env, const char *state,
                     struct xos_error *err)
{
    int dir = xos_env_dir_open(env, state, err);
    int rc = dir < 0 ? -1 : xos_env_file_read(env, dir, REMEMBERED_FILE, out, err);
    xos_env_close(env, dir);
    return rc;
}

size_t remembered_read(struct descriptor *out, struct xos_env *env, const char *state,
                       struct auth_trust *trust)
{
    struct xos_buf file = XOS_BUF(REMEMBERED_BYTES_MAX);
    struct xos_error err;
    size_t count = 0;
    Xos__Discovery__Remembered *m = NULL;
    if (read_file(&file, env, state, &err) == 0)
        m = xos_pb_unpack(&xos__discovery__remembered__descriptor,
                          (struct xos_slice){file.data, file.len}, REMEMBERED_BYTES_MAX,
                          XOS_PB_TOLERANT, &err);
    for (size_t i = 0; m && i < m->n_who && count < REMEMBERED_MAX; i++)
        if (descriptor_parse(&out[count], xos_pb_slice(m->who[i]->statement),
                             xos_pb_slice(m->who[i]->signature), &err) == 0 &&
            proof_check_descriptor(trust, &out[count], xos_env_real_ms(env), &err) == 0)
            count++;
    xos_pb_free(m);
    xos_buf_free(&file);
    return count;
}

struct gathering {
    const struct descriptor *at[REMEMBERED_MAX];
    size_t count;
    uint64_t hash; /* of the names, in any order */
};

static void gather(const struct descriptor *d, void *arg)
{
    struct gathering *g = arg;
    if (g->count == REMEMBERED_MAX)
        return;
    g->at[g->count++] = d;
    g->hash ^= hash_mix(node_name_hash(d->node));
}

static int pack(const struct gathering *g, struct xos_buf *out, struct xos_error *err)
{
    Xos__Discovery__Remembered m = XOS__DISCOVERY__REMEMBERED__INIT;
    Xos__Discovery__Signed rows[REMEMBERED_MAX], *list[REMEMBERED_MAX];
    for (size_t i = 0; i < g->count; i++) {
        xos__discovery__signed__init(&rows[i]);
        rows[i].statement = xos_pb_bytes(descriptor_statement(g->at[i]));
        rows[i].signature = xos_pb_bytes(descriptor_signature(g->at[i]));
        list[i] = &rows[i];
    }
    m.n_who = g->count;
    m.who = list;
    return xos_pb_pack(&m, out, err);
}

int remembered_write(const struct view *view, struct xos_env *env, const char *state,
                     uint64_t *hash, struct xos_error *err)
{
    struct gathering g = {.count = 0};
    struct xos_buf bytes = XOS_BUF(REMEMBERED_BYTES_MAX);
    view_remember(view, gather, &g);
    if (g.count == 0 || g.hash == *hash)
        return 0; /* nobody is known now: who was before may be there again */
    int dir = xos_env_dir_open(env, state, err);
    int rc = dir < 0 ? -1 : pack(&g, &bytes, err);
    if (rc == 0)
        rc = xos_env_file_replace(env, dir, REMEMBERED_FILE, bytes.data, bytes.len, 0644, err);
    if (rc == 0)
        *hash = g.hash;
    xos_env_close(env, dir);
    xos_buf_free(&bytes);
    return rc;
}
