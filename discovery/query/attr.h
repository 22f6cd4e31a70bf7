// SPDX-License-Identifier: Apache-2.0
/* attr.h - the attributes of a node and of its devices, out of attributes.def. */
#ifndef DISCOVERY_QUERY_ATTR_H
#define DISCOVERY_QUERY_ATTR_H

#include "libxos/base/buf.h"

#include <stdint.h>

/* name, what a message calls it, what a literal looks like */
#define XQL_TYPES(X)                                                                               \
    X(NONE, "nothing", "")                                                                         \
    X(TEXT, "text", "a text such as \"n17\"")                                                      \
    X(NUMBER, "number", "a number such as 16")                                                     \
    X(SIZE, "size", "a size such as 64GiB")                                                        \
    X(DURATION, "duration", "a duration such as 30m")                                              \
    X(BOOL, "condition", "true or false")                                                          \
    X(VERSION, "version", "a version such as 6.1")

enum xql_type {
#define X(name, word, sample) XQL_##name,
    XQL_TYPES(X)
#undef X
        XQL_TYPE_COUNT
};

/* Node level first, then device level: enum xql_attr counts through both. */
enum xql_attr {
#define XQL_NODE_ATTR(id, name, type, unit, meaning, example) XQL_A_##id,
#define XQL_GPU_ATTR(id, name, type, unit, meaning, example)
#include "discovery/query/attributes.def"
#undef XQL_NODE_ATTR
#undef XQL_GPU_ATTR
    XQL_NODE_ATTRS,
    XQL_A_LAST_OF_NODE = XQL_NODE_ATTRS - 1, /* so that the next row takes number XQL_NODE_ATTRS */
#define XQL_NODE_ATTR(id, name, type, unit, meaning, example)
#define XQL_GPU_ATTR(id, name, type, unit, meaning, example) XQL_A_##id,
#include "discovery/query/attributes.def"
#undef XQL_NODE_ATTR
#undef XQL_GPU_ATTR
    XQL_ATTRS,
    XQL_ATTR_NONE = 255
};
#define XQL_GPU_ATTRS (XQL_ATTRS - XQL_NODE_ATTRS)

struct xql_attr_row {
    const char *name; /* "mem"; of a device without its "gpu." */
    const char *full; /* "mem", "gpu.vram" */
    enum xql_type type;
    const char *unit;
    const char *meaning;
    const char *example;
};

/* A set of attributes: bit XQL_SET(XQL_A_MEM) is mem. */
typedef uint64_t xql_set;
#define XQL_SET(attr) (UINT64_C(1) << (attr))

const struct xql_attr_row *xql_attr_row(enum xql_attr a);
bool xql_attr_of_device(enum xql_attr a);

/* The attribute of that name at that level, or XQL_ATTR_NONE. A device's may be written with or
 * without "gpu.". */
enum xql_attr xql_attr_find(const char *name, bool device);

/* The nearest attribute or function that may stand at that level (borrowed), or NULL. */
const char *xql_attr_nearest(const char *typed, bool device);

#define XQL_FUNCTIONS 6
extern const char *const xql_functions[XQL_FUNCTIONS]; /* gpu.count …, has last */

const char *xql_type_word(enum xql_type t);   /* "size" */
const char *xql_type_sample(enum xql_type t); /* "a size such as 64GiB" */

/* docs/xql.md: the language and its attributes. */
int xql_document(struct xos_buf *out, struct xos_error *err);

/* What a shell may complete a need with: attributes and quantifiers, one in a line. */
int xql_completion_words(struct xos_buf *out, struct xos_error *err);

#endif
