// SPDX-License-Identifier: Apache-2.0
#include "libxos/net/cut.h"

#include "libxos/base/alloc.h"

#include <assert.h>
#include <utlist.h>

struct xos_cut {
    struct xos_address *addresses;
    size_t count;
    struct xos_cut_listener *listeners;
};

int xos_cut_new(struct xos_cut **out, struct xos_error *err)
{
    *out = xos_alloc(sizeof(**out));
    return *out ? 0 : xos_fail(err, XOS_NOMEM, "cut set");
}

void xos_cut_free(struct xos_cut *cut)
{
    if (!cut)
        return;
    assert(!cut->listeners);
    xos_free(cut->addresses);
    xos_free(cut);
}

static void tell(struct xos_cut *cut)
{
    struct xos_cut_listener *each, *next;
    DL_FOREACH_SAFE(cut->listeners, each, next)
    {
        each->changed(each->arg);
    }
}

int xos_cut_set(struct xos_cut *cut, const char *const *addresses, size_t count,
                struct xos_error *err)
{
    if (count > XOS_CUT_ADDRESSES_MAX)
        return xos_fail(err, XOS_LIMIT, "cut_addresses_max: more than %d", XOS_CUT_ADDRESSES_MAX);
    struct xos_address *set = xos_alloc_array(count, sizeof(*set));
    if (!set)
        return xos_fail(err, XOS_NOMEM, "cut set");
    for (size_t i = 0; i < count; i++)
        if (xos_address_parse(&set[i], addresses[i], err) < 0) {
            xos_free(set);
            return -1;
        }
    xos_free(cut->addresses);
    cut->addresses = set;
    cut->count = count;
    tell(cut);
    return 0;
}

bool xos_cut_has(const struct xos_cut *cut, const char *address)
{
    struct xos_address a;
    if (!cut || cut->count == 0 || xos_address_parse(&a, address, NULL) < 0)
        return false;
    for (size_t i = 0; i < cut->count; i++)
        if (xos_address_equal(&cut->addresses[i], &a))
            return true;
    return false;
}

void xos_cut_listen(struct xos_cut *cut, struct xos_cut_listener *listener)
{
    if (cut)
        DL_APPEND(cut->listeners, listener);
}

void xos_cut_unlisten(struct xos_cut *cut, struct xos_cut_listener *listener)
{
    if (cut && listener->prev)
        DL_DELETE(cut->listeners, listener);
    listener->prev = listener->next = NULL;
}
