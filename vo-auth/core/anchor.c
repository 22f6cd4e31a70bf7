// SPDX-License-Identifier: Apache-2.0
#include "vo-auth/core/anchor.h"

#include "libxos/base/alloc.h"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <string.h>

static size_t place(const struct auth_anchors *set, const char *institution)
{
    size_t low = 0, high = set->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (strcmp(set->at[middle].institution, institution) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct auth_anchor *auth_anchors_find(const struct auth_anchors *set, const char *institution)
{
    size_t i = place(set, institution);
    return i < set->count && strcmp(set->at[i].institution, institution) == 0 ? &set->at[i] : NULL;
}

void auth_anchors_free(struct auth_anchors *set)
{
    for (size_t i = 0; i < set->count; i++)
        auth_link_free(&set->at[i].root);
    xos_free(set->at);
    *set = (struct auth_anchors){0};
}

void auth_anchors_remove(struct auth_anchors *set, const char *institution)
{
    if (!auth_anchors_find(set, institution))
        return;
    size_t i = place(set, institution);
    auth_link_free(&set->at[i].root);
    set->count--;
    memmove(&set->at[i], &set->at[i + 1], (set->count - i) * sizeof(set->at[0]));
}

/* Well formed, of that name, and signed by its own key. */
static int root_read(struct auth_anchor *a, const char *institution, struct xos_slice der,
                     struct xos_error *err)
{
    if (auth_link_read(&a->root, der, AUTH_KIND_ROOT, err) < 0)
        return -1;
    if (strcmp(a->root.name.institution, institution) != 0)
        xos_fail(err, XOS_DENIED, "the root calls itself %s", a->root.name.institution);
    else if (a->root.to_ms <= a->root.from_ms ||
             a->root.to_ms - a->root.from_ms > AUTH_ROOT_LIFE_MS_MAX)
        xos_fail(err, XOS_DENIED, "the root lives longer than 10 years");
    else if (!auth_link_names_issuer(&a->root, &a->root) ||
             X509_verify(a->root.x509, X509_get0_pubkey(a->root.x509)) != 1)
        xos_fail(err, XOS_DENIED, "the root is not signed by itself");
    else if (xos_sha256(der, a->root_hash, err) == 0) {
        (void)strncpy(a->institution, a->root.name.institution, sizeof(a->institution));
        return 0;
    }
    auth_link_free(&a->root);
    return -1;
}

static int already(const struct auth_anchor *there, const struct auth_anchor *also,
                   struct xos_error *err)
{
    char one[2 * XOS_HASH_BYTES + 1], two[2 * XOS_HASH_BYTES + 1];
    if (memcmp(there->root_hash, also->root_hash, XOS_HASH_BYTES) == 0)
        return 0;
    xos_hex(there->root_hash, XOS_HASH_BYTES, one);
    xos_hex(also->root_hash, XOS_HASH_BYTES, two);
    return xos_fail(err, XOS_EXISTS,
                    "two roots call themselves %s: known is %s, refused is %s; ask %s which is its "
                    "own",
                    there->institution, one, two, there->institution);
}

static int insert(struct auth_anchors *set, const struct auth_anchor *a, struct xos_error *err)
{
    if (set->count == AUTH_ANCHORS_MAX)
        return xos_fail(err, XOS_LIMIT, "more than %d roots", AUTH_ANCHORS_MAX);
    struct auth_anchor *at = xos_realloc_array(set->at, set->count + 1, sizeof(*at));
    if (!at)
        return xos_fail(err, XOS_NOMEM, "%zu roots", set->count + 1);
    set->at = at;
    size_t i = place(set, a->institution);
    memmove(&at[i + 1], &at[i], (set->count - i) * sizeof(*at));
    at[i] = *a;
    set->count++;
    return 0;
}

int auth_anchors_add(struct auth_anchors *set, const char *institution, struct xos_slice der,
                     struct xos_error *err)
{
    struct auth_anchor a = {0};
    int rc = -1;
    ERR_set_mark();
    if (root_read(&a, institution, der, err) == 0) {
        const struct auth_anchor *there = auth_anchors_find(set, a.institution);
        rc = there ? already(there, &a, err) : insert(set, &a, err);
        if (there || rc < 0)
            auth_link_free(&a.root);
    }
    ERR_pop_to_mark();
    return rc < 0 ? xos_wrap(err, "root of %s", institution) : 0;
}
