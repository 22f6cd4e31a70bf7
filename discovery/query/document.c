// SPDX-License-Identifier: Apache-2.0
/* document.c - docs/xql.md and the completion words, printed from the table of attributes. */
#include "discovery/query/attr.h"
#include "discovery/query/expr.h"

static const char introduction[] =
    "# XQL: how to say what a job needs\n"
    "\n"
    "    xnodes --need 'cpu.cores>=16 && mem>=64GiB && gpu.count(vram>=40GiB && !mig)>=2'\n"
    "\n"
    "This page is printed from discovery/query/attributes.def.\n"
    "\n"
    "## Conditions\n"
    "\n"
    "| write | means |\n"
    "|---|---|\n"
    "| `a && b`, `a \\|\\| b`, `!a`, `( )` | and, or, not; `&&` binds closer than `\\|\\|` |\n"
    "| `==` `!=` | equal, different: any type |\n"
    "| `<` `<=` `>` `>=` | order: numbers, sizes, durations, versions |\n"
    "| `model ~ \"H100*\"` | the whole text fits the pattern; `*` is any run, `?` any one "
    "character |\n"
    "| `arch in [\"x86_64\", \"aarch64\"]` | one of these texts or versions |\n"
    "| `has(price)` | the node says it at all |\n"
    "| `ckpt.vm`, `true`, `false` | a condition may stand alone |\n"
    "\n"
    "The attribute may stand on either side: `64GiB<=mem`. Two numbers, or two sizes, may be "
    "compared with one another: `load1<cpu.cores`.\n"
    "\n"
    "## Devices\n"
    "\n"
    "Inside the parentheses names mean the attributes of one device, with or without `gpu.`. A "
    "server's console chip is no device; a virtual function is one.\n"
    "\n"
    "| write | means |\n"
    "|---|---|\n"
    "| `gpu.count`, `gpu.count(E)` | how many devices, how many of them meet E |\n"
    "| `gpu.any(E)`, `gpu.all(E)` | at least one meets E; none fails it (true where there is "
    "none) |\n"
    "| `gpu.sum(vram)`, `gpu.sum(vram, E)` | the sum over all, or over those that meet E |\n"
    "| `gpu.same(model)`, `gpu.same(model, E)` | all of them, or all that meet E, have the same "
    "model |\n"
    "| `gpu.same(model, E)>=4` | the largest group with the same model has four devices |\n"
    "\n"
    "## Values\n"
    "\n"
    "Numbers: `16`, `0.5`. Sizes: `64GiB`, `1.5T`; K M G T and KiB MiB GiB TiB are both the "
    "binary units, a bare number is bytes. Durations: `90s`, `15m`, `12h`, `7d`; a bare number is "
    "seconds. Texts: `\"in quotes\"` (`\\\"` and `\\\\` inside), or bare where they have only "
    "letters, digits and `._-:/@+`. Versions compare part by part: 6.10 is above 6.9, 6.1 equals "
    "6.1.0, 6.2-rc1 is below 6.2.\n"
    "\n"
    "What a node does not say is UNKNOWN. UNKNOWN never matches, whether negated or not; "
    "`--explain` names what was missing. `has(x)` asks for it.\n"
    "\n"
    "## Ranking and placing\n"
    "\n"
    "`--prefer EXPR`: a number from `+ - * /`, parentheses, numeric attributes, `gpu.count(E)` "
    "and `gpu.sum(vram, E)`; sizes count in bytes, durations in seconds. The highest comes first, "
    "UNKNOWN last. `--want spread`, `pack`, `spread=institution`, `same(cpu.model)`; several are "
    "parted by `;`.\n"
    "\n"
    "## Limits\n"
    "\n";

static int add_rows(struct xos_buf *out, unsigned from, unsigned to, struct xos_error *err)
{
    if (xos_buf_add_text(
            out, "\n| name | type | unit | meaning | example |\n|---|---|---|---|---|\n", err) < 0)
        return -1;
    for (unsigned a = from; a < to; a++) {
        const struct xql_attr_row *r = xql_attr_row((enum xql_attr)a);
        if (xos_buf_addf(out, err, "| %s | %s | %s | %s | `%s` |\n", r->full,
                         xql_type_word(r->type), r->unit, r->meaning, r->example) < 0)
            return -1;
    }
    return 0;
}

int xql_document(struct xos_buf *out, struct xos_error *err)
{
    if (xos_buf_add_text(out, introduction, err) < 0 ||
        xos_buf_addf(out, err,
                     "An expression has at most %u bytes and %u parts, a text %u bytes, a node %u "
                     "devices.\n\n## Attributes of a node\n",
                     XQL_SOURCE_BYTES_MAX, XQL_NODES_MAX, XQL_TEXT_BYTES_MAX, XQL_DEVICES_MAX) < 0)
        return -1;
    if (add_rows(out, 0, XQL_NODE_ATTRS, err) < 0 ||
        xos_buf_add_text(out, "\n## Attributes of a device\n", err) < 0)
        return -1;
    return add_rows(out, XQL_NODE_ATTRS, XQL_ATTRS, err);
}

int xql_completion_words(struct xos_buf *out, struct xos_error *err)
{
    for (unsigned a = 0; a < XQL_ATTRS; a++)
        if (xos_buf_addf(out, err, "%s\n", xql_attr_row((enum xql_attr)a)->full) < 0)
            return -1;
    for (size_t i = 0; i < XQL_FUNCTIONS; i++)
        if (xos_buf_addf(out, err, "%s(\n", xql_functions[i]) < 0)
            return -1;
    return 0;
}
