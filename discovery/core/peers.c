// SPDX-License-Identifier: Apache-2.0
#include "discovery/core/peers.h"

#include <assert.h>
#include <string.h>

uint64_t peers_random(struct peers_random *r)
{
    r->state += UINT64_C(0x9e3779b97f4a7c15);
    return hash_mix(r->state);
}

size_t peers_random_below(struct peers_random *r, size_t n)
{
    assert(n > 0);
    return (size_t)(peers_random(r) % n);
}

size_t peers_find(const struct peers *p, const char *node)
{
    uint64_t name = node_name_hash(node);
    for (size_t i = 0; i < p->count; i++)
        if (p->names[i] == name && !strcmp(p->at[i].who.node, node))
            return i;
    return PEERS_NO_PLACE;
}

bool peers_full(const struct peers *p)
{
    return p->count >= p->max;
}

struct peer *peers_add(struct peers *p, const struct descriptor *who, uint32_t age)
{
    assert(!peers_full(p) && p->max <= PEERS_MAX);
    assert(peers_find(p, who->node) == PEERS_NO_PLACE);
    p->names[p->count] = node_name_hash(who->node);
    struct peer *peer = &p->at[p->count++];
    descriptor_copy(&peer->who, who);
    peer->age = age < PEERS_AGE_MAX ? age : PEERS_AGE_MAX;
    peer->heard_ms = 0;
    peer->high = false;
    peer->seed = -1;
    return peer;
}

static void peer_copy(struct peer *to, const struct peer *from)
{
    memcpy(to, from, offsetof(struct peer, who));
    descriptor_copy(&to->who, &from->who);
}

void peers_remove(struct peers *p, size_t place)
{
    assert(place < p->count);
    p->count--;
    if (place == p->count)
        return;
    p->names[place] = p->names[p->count];
    peer_copy(&p->at[place], &p->at[p->count]);
}

size_t peers_of(const struct peers *p, const char *institution)
{
    size_t n = 0;
    for (size_t i = 0; i < p->count; i++)
        n += !strcmp(p->at[i].who.institution, institution);
    return n;
}

size_t peers_not_of(const struct peers *p, const char *institution)
{
    return p->count - peers_of(p, institution);
}

size_t peers_oldest_of_most(const struct peers *p)
{
    assert(p->count > 0);
    size_t found = 0, most = 0;
    for (size_t i = 0; i < p->count; i++) {
        size_t n = peers_of(p, p->at[i].who.institution);
        if (n > most || (n == most && p->at[i].age > p->at[found].age)) {
            most = n;
            found = i;
        }
    }
    return found;
}

size_t peers_pick_of(const struct peers *p, const char *institution, struct peers_random *r)
{
    size_t n = peers_of(p, institution);
    if (n == 0)
        return PEERS_NO_PLACE;
    size_t skip = peers_random_below(r, n);
    for (size_t i = 0; i < p->count; i++)
        if (!strcmp(p->at[i].who.institution, institution) && skip-- == 0)
            return i;
    return PEERS_NO_PLACE;
}
