// SPDX-License-Identifier: Apache-2.0
#include "discovery/query/attr.h"

#include "libxos/base/suggest.h"

#include <assert.h>
#include <string.h>

static const struct xql_attr_row attrs[XQL_ATTRS] = {
#define XQL_NODE_ATTR(id, name, type, unit, meaning, example)                                      \
    [XQL_A_##id] = {name, name, XQL_##type, unit, meaning, example},
#define XQL_GPU_ATTR(id, name, type, unit, meaning, example)                                       \
    [XQL_A_##id] = {name, "gpu." name, XQL_##type, unit, meaning, example},
#include "discovery/query/attributes.def"
#undef XQL_NODE_ATTR
#undef XQL_GPU_ATTR
};
_Static_assert(XQL_ATTRS <= 64, "xql_set has 64 bits");

static const struct {
    const char *word;
    const char *sample;
} types[XQL_TYPE_COUNT] = {
#define X(name, word, sample) {word, sample},
    XQL_TYPES(X)
#undef X
};

const struct xql_attr_row *xql_attr_row(enum xql_attr a)
{
    assert((unsigned)a < XQL_ATTRS);
    return &attrs[a];
}

bool xql_attr_of_device(enum xql_attr a)
{
    return a >= XQL_NODE_ATTRS && a < XQL_ATTRS;
}

enum xql_attr xql_attr_find(const char *name, bool device)
{
    unsigned from = device ? XQL_NODE_ATTRS : 0, to = device ? XQL_ATTRS : XQL_NODE_ATTRS;
    for (unsigned a = from; a < to; a++)
        if (strcmp(attrs[a].name, name) == 0 || strcmp(attrs[a].full, name) == 0)
            return (enum xql_attr)a;
    return XQL_ATTR_NONE;
}

const char *const xql_functions[XQL_FUNCTIONS] = {"gpu.count", "gpu.any",  "gpu.all",
                                                  "gpu.sum",   "gpu.same", "has"};

const char *xql_attr_nearest(const char *typed, bool device)
{
    const char *words[XQL_ATTRS + XQL_FUNCTIONS];
    size_t count = 0;
    for (unsigned a = device ? XQL_NODE_ATTRS : 0; a < (device ? XQL_ATTRS : XQL_NODE_ATTRS); a++)
        words[count++] = attrs[a].name;
    for (unsigned f = device ? XQL_FUNCTIONS - 1 : 0; f < XQL_FUNCTIONS; f++)
        words[count++] = xql_functions[f];
    if (device && strncmp(typed, "gpu.", 4) == 0)
        typed += 4;
    return xos_suggest(typed, words, count, sizeof(words[0]));
}

const char *xql_type_word(enum xql_type t)
{
    assert((unsigned)t < XQL_TYPE_COUNT);
    return types[t].word;
}

const char *xql_type_sample(enum xql_type t)
{
    assert((unsigned)t < XQL_TYPE_COUNT);
    return types[t].sample;
}
