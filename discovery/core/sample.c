// SPDX-License-Identifier: Apache-2.0
#include "discovery/core/sample.h"

#include <assert.h>
#include <string.h>

void sample_init(struct sample *s, struct peers_random *r)
{
    assert(!s->ready);
    for (size_t i = 0; i < SAMPLE_MAX; i++)
        s->at[i].key = peers_random(r);
    s->ready = true;
}

static void sampler_take(struct sampler *at, const struct descriptor *who, uint64_t hash)
{
    at->best = hash;
    at->failing_ms = 0;
    at->used = true;
    descriptor_copy(&at->who, who);
}

void sample_add(struct sample *s, const struct descriptor *who)
{
    assert(s->ready);
    uint64_t name = node_name_hash(who->node);
    for (size_t i = 0; i < SAMPLE_MAX; i++) {
        struct sampler *at = &s->at[i];
        uint64_t hash = hash_mix(name ^ at->key);
        if (!at->used || hash < at->best)
            sampler_take(at, who, hash);
        else if (hash == at->best && who->seq > at->who.seq && !strcmp(at->who.node, who->node))
            descriptor_copy(&at->who, who);
    }
}

void sample_failed(struct sample *s, const char *node, uint64_t now_ms)
{
    for (size_t i = 0; i < SAMPLE_MAX; i++) {
        struct sampler *at = &s->at[i];
        if (!at->used || strcmp(at->who.node, node))
            continue;
        if (at->failing_ms == 0)
            at->failing_ms = now_ms + 1;
        else if (now_ms - at->failing_ms >= SAMPLE_FORGET_MS && now_ms > at->failing_ms)
            at->used = false;
    }
}

bool sample_reached(struct sample *s, const char *node)
{
    bool had_failed = false;
    for (size_t i = 0; i < SAMPLE_MAX; i++) {
        if (!s->at[i].used || strcmp(s->at[i].who.node, node))
            continue;
        had_failed = had_failed || s->at[i].failing_ms;
        s->at[i].failing_ms = 0;
    }
    return had_failed;
}

void sample_forget(struct sample *s, const char *node)
{
    for (size_t i = 0; i < SAMPLE_MAX; i++)
        if (s->at[i].used && !strcmp(s->at[i].who.node, node))
            s->at[i].used = false;
}

const struct descriptor *sample_pick(const struct sample *s, bool failing, struct peers_random *r)
{
    size_t start = peers_random_below(r, SAMPLE_MAX);
    for (size_t i = 0; i < SAMPLE_MAX; i++) {
        const struct sampler *at = &s->at[(start + i) % SAMPLE_MAX];
        if (at->used && (!failing || at->failing_ms))
            return &at->who;
    }
    return NULL;
}

size_t sample_count(const struct sample *s)
{
    size_t n = 0;
    for (size_t i = 0; i < SAMPLE_MAX; i++)
        n += s->at[i].used;
    return n;
}
