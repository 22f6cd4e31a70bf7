// SPDX-License-Identifier: Apache-2.0
#include "libxos/base/conf.h"

#include "libxos/base/alloc.h"
#include "libxos/base/suggest.h"
#include "libxos/base/units.h"

#include <assert.h>
#include <ini.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONF_KEYS_MAX 256 /* of one section, looked at for a suggestion */

struct conf_value {
    char *text;      /* NULL = unset */
    uint64_t number; /* for the types that are numbers */
};

struct xos_conf {
    const struct xos_conf_key *table;
    size_t rows;
    struct conf_value *values;
};

/* What is known while parsing. inih tells its callback neither the line nor whether a value is the
 * continuation of the one before (it repeats the key), so the lines are handed to it one by one
 * and looked at on the way. */
struct conf_parse {
    struct xos_conf *c;
    const char *at;  /* the rest of the text */
    int line;        /* the last line handed out, from 1 */
    bool indented;   /* that line begins with white space */
    size_t last_row; /* of the key before it in this section; c->rows = none */
    int failed_line; /* 0 = none */
    struct xos_error first;
};

void xos_conf_free(struct xos_conf *c)
{
    if (!c)
        return;
    for (size_t i = 0; c->values && i < c->rows; i++)
        xos_free(c->values[i].text);
    xos_free(c->values);
    xos_free(c);
}

static int parse_bool(const char *text, uint64_t *value)
{
    static const char *const words[] = {"no", "yes", "false", "true", "off", "on", "0", "1"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcmp(words[i], text) == 0) {
            *value = i % 2;
            return 0;
        }
    return -1;
}

static int parse_percent(const char *text, uint64_t *value, struct xos_error *err)
{
    char digits[24];
    size_t n = strspn(text, "0123456789");
    const char *rest = text + n;
    rest += strspn(rest, " ");
    if (n >= sizeof(digits) || (strcmp(rest, "%") != 0 && *rest != '\0'))
        return xos_fail(err, XOS_INVALID, "\"%.40s\" is not a percentage: write 5 %%", text);
    memcpy(digits, text, n);
    digits[n] = '\0';
    return xos_parse_u64(digits, 0, 100, value, err);
}

/* A size or duration against its bounds, which are named as a person would write them. */
static int range_check(const struct xos_conf_key *row, const char *text, uint64_t number,
                       struct xos_error *err)
{
    char low[32], high[32];
    void (*format)(uint64_t, char *, size_t) =
        row->type == XOS_CONF_SIZE ? xos_format_size : xos_format_duration;
    format(row->min, low, sizeof(low));
    format(row->max, high, sizeof(high));
    if (number < row->min)
        return xos_fail(err, XOS_INVALID, "\"%.40s\" is less than %s", text, low);
    if (row->max && number > row->max)
        return xos_fail(err, XOS_INVALID, "\"%.40s\" is more than %s", text, high);
    return 0;
}

static int value_parse(const struct xos_conf_key *row, const char *text, uint64_t *number,
                       struct xos_error *err)
{
    switch (row->type) {
    case XOS_CONF_TEXT:
        return 0;
    case XOS_CONF_BOOL:
        if (parse_bool(text, number) < 0)
            return xos_fail(err, XOS_INVALID, "\"%.40s\" is neither yes nor no", text);
        return 0;
    case XOS_CONF_NUMBER:
        return xos_parse_u64(text, row->min, row->max ? row->max : UINT64_MAX, number, err);
    case XOS_CONF_SIZE:
        if (xos_parse_size(text, number, err) < 0)
            return -1;
        break;
    case XOS_CONF_DURATION:
        if (xos_parse_duration(text, number, err) < 0)
            return -1;
        break;
    case XOS_CONF_PERCENT:
        return parse_percent(text, number, err);
    }
    return range_check(row, text, *number, err);
}

/* Set row i; a continuation is joined to what is there by a space. */
static int value_set(struct xos_conf *c, size_t i, const char *text, bool continued,
                     struct xos_error *err)
{
    struct conf_value *v = &c->values[i];
    uint64_t number = 0;
    if (v->text && !continued)
        return xos_fail(err, XOS_INVALID, "[%s] %s: given twice: remove one", c->table[i].section,
                        c->table[i].key);
    char *joined = v->text ? xos_asprintf("%s %s", v->text, text) : xos_strdup(text);
    if (!joined)
        return xos_fail(err, XOS_NOMEM, "configuration");
    if (value_parse(&c->table[i], joined, &number, err) < 0) {
        xos_free(joined);
        return xos_wrap(err, "[%s] %s", c->table[i].section, c->table[i].key);
    }
    xos_free(v->text);
    v->text = joined;
    v->number = number;
    return 0;
}

static int unknown_key(const struct xos_conf *c, const char *section, const char *key,
                       struct xos_error *err)
{
    const char *words[CONF_KEYS_MAX];
    size_t keys = 0;
    if (*section == '\0')
        return xos_fail(err, XOS_INVALID, "\"%.40s\" stands before any [section]", key);
    for (size_t i = 0; i < c->rows && keys < CONF_KEYS_MAX; i++)
        if (strcmp(c->table[i].section, section) == 0)
            words[keys++] = c->table[i].key;
    const char *near =
        keys ? xos_suggest(key, words, keys, sizeof(words[0]))
             : xos_suggest(section, &c->table[0].section, c->rows, sizeof(c->table[0]));
    const char *open = near ? ": did you mean " : "";
    if (keys == 0)
        return xos_fail(err, XOS_INVALID, "unknown section [%.40s]%s%s", section, open,
                        near ? near : "");
    return xos_fail(err, XOS_INVALID, "[%s] unknown key \"%.40s\"%s%s", section, key, open,
                    near ? near : "");
}

/* inih's callback: nonzero = go on. */
static int on_key(void *arg, const char *section, const char *key, const char *value)
{
    struct conf_parse *p = arg;
    const struct xos_conf *c = p->c;
    size_t i = 0;
    if (p->failed_line)
        return 0;
    while (i < c->rows &&
           (strcmp(c->table[i].section, section) != 0 || strcmp(c->table[i].key, key) != 0))
        i++;
    int rc = i < c->rows ? value_set(p->c, i, value ? value : "", p->indented && i == p->last_row,
                                     &p->first)
                         : unknown_key(c, section, key, &p->first);
    p->last_row = i;
    p->failed_line = rc < 0 ? p->line : 0;
    return rc == 0;
}

/* inih cuts a comment from a value's first line, but not from those that continue it. */
static void comment_cut(char *line)
{
    for (char *p = line; (p = strchr(p, ';')); p++)
        if (p > line && (p[-1] == ' ' || p[-1] == '\t')) {
            *p = '\0';
            return;
        }
}

/* inih's fgets(): one line into buf. Nothing more once something was wrong. */
static char *next_line(char *buf, int size, void *arg)
{
    struct conf_parse *p = arg;
    if (p->failed_line || *p->at == '\0')
        return NULL;
    size_t len = strcspn(p->at, "\n");
    p->line++;
    p->indented = *p->at == ' ' || *p->at == '\t';
    if (p->at[strspn(p->at, " \t")] == '[')
        p->last_row = p->c->rows;
    if (len >= (size_t)size - 1) {
        xos_fail(&p->first, XOS_LIMIT,
                 "the line is longer than %d bytes: go on in the next one, indented", size - 2);
        p->failed_line = p->line;
        return NULL;
    }
    memcpy(buf, p->at, len);
    buf[len] = '\0';
    comment_cut(buf);
    p->at += len + (p->at[len] == '\n');
    return buf;
}

static int presets_set(struct xos_conf *c, struct xos_error *err)
{
    for (size_t i = 0; i < c->rows; i++)
        if (!c->values[i].text && c->table[i].preset &&
            value_set(c, i, c->table[i].preset, false, err) < 0)
            return xos_wrap(err, "preset");
    return 0;
}

static int text_parse(struct xos_conf *c, const char *text, const char *source,
                      struct xos_error *err)
{
    struct conf_parse p = {.c = c, .at = text, .last_row = c->rows};
    if (strnlen(text, XOS_CONF_BYTES_MAX + 1) > XOS_CONF_BYTES_MAX)
        return xos_fail(err, XOS_LIMIT, "%s: more than %d bytes (XOS_CONF_BYTES_MAX)", source,
                        XOS_CONF_BYTES_MAX);
    int line = ini_parse_stream(next_line, &p, on_key, &p); /* the first that it could not read */
    if (line == 0 && !p.failed_line)
        return 0;
    if (p.failed_line && (line == 0 || p.failed_line <= line)) {
        line = p.failed_line;
        if (err)
            *err = p.first;
    } else
        xos_fail(err, XOS_INVALID, "neither [section] nor key = value");
    return xos_wrap(err, "%s:%d", source, line);
}

int xos_conf_parse(struct xos_conf **out, const struct xos_conf_key *table, size_t rows,
                   const char *text, const char *source, struct xos_error *err)
{
    struct xos_conf *c = xos_alloc(sizeof(*c));
    if (c) {
        *c = (struct xos_conf){.table = table, .rows = rows};
        c->values = xos_alloc_array(rows, sizeof(*c->values));
    }
    if (!c || !c->values) {
        xos_fail(err, XOS_NOMEM, "configuration %s", source);
        goto error;
    }
    if (text_parse(c, text, source, err) < 0 || presets_set(c, err) < 0)
        goto error;
    *out = c;
    return 0;
error:
    xos_conf_free(c);
    return -1;
}

static size_t row_need(const struct xos_conf *c, const char *section, const char *key)
{
    for (size_t i = 0; i < c->rows; i++)
        if (strcmp(c->table[i].section, section) == 0 && strcmp(c->table[i].key, key) == 0)
            return i;
    const bool key_is_in_the_table = false;
    assert(key_is_in_the_table);
    abort();
}

const char *xos_conf_text(const struct xos_conf *c, const char *section, const char *key)
{
    return c->values[row_need(c, section, key)].text;
}

uint64_t xos_conf_number(const struct xos_conf *c, const char *section, const char *key)
{
    size_t i = row_need(c, section, key);
    assert(c->table[i].type != XOS_CONF_TEXT && c->table[i].type != XOS_CONF_BOOL);
    return c->values[i].number;
}

bool xos_conf_bool(const struct xos_conf *c, const char *section, const char *key)
{
    size_t i = row_need(c, section, key);
    assert(c->table[i].type == XOS_CONF_BOOL);
    return c->values[i].number != 0;
}

bool xos_conf_has(const struct xos_conf *c, const char *section, const char *key)
{
    return c->values[row_need(c, section, key)].text != NULL;
}
