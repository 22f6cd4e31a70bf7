// SPDX-License-Identifier: Apache-2.0
/* conf.h - INI configuration against a table of known keys.
 *
 * The text is read by inih (sections, `key = value`, lines that begin with `;` or `#` and ` ;`
 * after a value are comments, indented continuation lines are joined by a space; a line has at
 * most 198 bytes). Everything that the table does not know is an error with the
 * nearest known name, and so is a key that is given twice; every value is checked when it is read,
 * so that a process never meets a bad one later. */
#ifndef XOS_BASE_CONF_H
#define XOS_BASE_CONF_H

#include "libxos/base/error.h"

#include <stdint.h>

#define XOS_CONF_BYTES_MAX 65536 /* one file */

enum xos_conf_type {
    XOS_CONF_TEXT,
    XOS_CONF_BOOL,     /* yes no true false on off 1 0 */
    XOS_CONF_NUMBER,   /* in [min, max] */
    XOS_CONF_SIZE,     /* bytes, in [min, max] */
    XOS_CONF_DURATION, /* milliseconds, in [min, max] */
    XOS_CONF_PERCENT,  /* "5 %" or "5%" or "5": 0 … 100 */
};

struct xos_conf_key {
    const char *section;
    const char *key;
    enum xos_conf_type type;
    const char *preset; /* value when the file has none; NULL: unset */
    uint64_t min;
    uint64_t max; /* 0: no bound */
    const char *meaning;
};

struct xos_conf;

/* Parse `text` (NUL-terminated). `source` names it in errors: "xosd.conf:12: [net] listne: …".
 * `table` is borrowed and must outlive the result. */
int xos_conf_parse(struct xos_conf **out, const struct xos_conf_key *table, size_t rows,
                   const char *text, const char *source, struct xos_error *err);
void xos_conf_free(struct xos_conf *c);

/* section and key must be in the table with that type (asserted). Text is borrowed; NULL = unset.
 * Numbers of an unset key are 0: ask xos_conf_has first where that matters. */
const char *xos_conf_text(const struct xos_conf *c, const char *section, const char *key);
uint64_t xos_conf_number(const struct xos_conf *c, const char *section, const char *key);
bool xos_conf_bool(const struct xos_conf *c, const char *section, const char *key);
bool xos_conf_has(const struct xos_conf *c, const char *section, const char *key);

#endif
