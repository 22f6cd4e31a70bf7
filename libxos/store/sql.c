// SPDX-License-Identifier: Apache-2.0
#include "libxos/store/sql.h"

#include <string.h>

struct sql_word {
    const char *ours;
    const char *pg;
    bool script_only;
};

static const struct sql_word words[] = {
    {"INTEGER", "BIGINT", false},
    {"BLOB", "BYTEA", false},
    {"TEXT", "TEXT COLLATE \"C\"", true},
    {"STRICT", "", true},
};

static bool in_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static size_t word_length(const char *p)
{
    size_t n = 0;
    while (in_word(p[n]))
        n++;
    return n;
}

/* The length of a quoted run or a comment that begins at p; 0 when none does. */
static size_t opaque_length(const char *p)
{
    const char *end = NULL;
    if (*p == '\'' || *p == '"') /* a doubled quote is two runs, side by side */
        end = strchr(p + 1, *p);
    else if (p[0] == '-' && p[1] == '-')
        end = strchr(p, '\n');
    else
        return 0;
    return end ? (size_t)(end - p) + 1 : strlen(p);
}

static int add_word(struct xos_buf *out, const char *p, size_t n, bool script,
                    struct xos_error *err)
{
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strlen(words[i].ours) == n && memcmp(words[i].ours, p, n) == 0 &&
            (script || !words[i].script_only))
            return xos_buf_add_text(out, words[i].pg, err);
    return xos_buf_add(out, p, n, err);
}

int xos_sql_for_pg(struct xos_buf *out, const char *sql, bool script, struct xos_error *err)
{
    unsigned values = 0;
    for (const char *p = sql; *p;) {
        size_t n = opaque_length(p);
        int rc;
        if (n) {
            rc = xos_buf_add(out, p, n, err);
        } else if ((n = word_length(p))) {
            rc = add_word(out, p, n, script, err);
        } else {
            n = 1;
            rc = *p == '?' ? xos_buf_addf(out, err, "$%u", ++values) : xos_buf_add(out, p, 1, err);
        }
        if (rc < 0)
            return -1;
        p += n;
    }
    return 0;
}

struct utf8_row {
    uint8_t lead_first, lead_last;     /* the first byte is in here */
    uint8_t second_first, second_last; /* the second byte is in here */
    uint8_t more;                      /* bytes after the first */
};

/* RFC 3629, section 4. */
static const struct utf8_row utf8_rows[] = {
    {0x01, 0x7f, 0, 0, 0},       {0xc2, 0xdf, 0x80, 0xbf, 1}, {0xe0, 0xe0, 0xa0, 0xbf, 2},
    {0xe1, 0xec, 0x80, 0xbf, 2}, {0xed, 0xed, 0x80, 0x9f, 2}, {0xee, 0xef, 0x80, 0xbf, 2},
    {0xf0, 0xf0, 0x90, 0xbf, 3}, {0xf1, 0xf3, 0x80, 0xbf, 3}, {0xf4, 0xf4, 0x80, 0x8f, 3},
};

/* The length of the character at p, or 0. */
static size_t character(const uint8_t *p, size_t len)
{
    for (size_t i = 0; i < sizeof(utf8_rows) / sizeof(utf8_rows[0]); i++) {
        const struct utf8_row *r = &utf8_rows[i];
        if (p[0] < r->lead_first || p[0] > r->lead_last)
            continue;
        if (r->more >= len || (r->more && (p[1] < r->second_first || p[1] > r->second_last)))
            return 0;
        for (size_t k = 2; k <= r->more; k++)
            if ((p[k] & 0xc0) != 0x80)
                return 0;
        return r->more + 1u;
    }
    return 0;
}

bool xos_sql_text_valid(const char *text, size_t len)
{
    const uint8_t *p = (const uint8_t *)text;
    while (len) {
        size_t n = character(p, len);
        if (!n)
            return false;
        p += n;
        len -= n;
    }
    return true;
}
