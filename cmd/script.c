// SPDX-License-Identifier: Apache-2.0
#include "cmd/script.h"

#include "cmd/say.h"

#include <string.h>

#define OPTIONS_MARK "#XOS"
#define BLANKS " \t\r"

/* One word from *at on, quotes taken away; NULL at the end of the line. *open: a quote was not
 * closed. */
static char *next_word(const char **at, const char *end, int *open)
{
    const char *p = *at + strspn(*at, BLANKS);
    char *word, *to;
    *open = 0;
    if (p >= end)
        return NULL;
    word = to = cmd_need((size_t)(end - p) + 1);
    for (; p < end && (*open || !strchr(BLANKS, *p)); p++) {
        if (*open ? *p == *open : *p == '"' || *p == '\'')
            *open = *open ? 0 : *p;
        else
            *to++ = *p;
    }
    *to = '\0';
    *at = p;
    return word;
}

static int words_of(const char *p, const char *end, char *words[SCRIPT_WORDS_MAX])
{
    int n = 0, open = 0;
    char *word;
    while ((word = next_word(&p, end, &open))) {
        if (open || n == SCRIPT_WORDS_MAX)
            return -1;
        words[n++] = word;
    }
    return n;
}

int script_options(const char *text, size_t *at, unsigned *line, char *words[SCRIPT_WORDS_MAX])
{
    const size_t mark = strlen(OPTIONS_MARK);
    for (;;) {
        const char *p = text + *at;
        size_t len = strcspn(p, "\n"), blank = strspn(p, BLANKS);
        if (!*p || (blank < len && p[blank] != '#'))
            return 0;
        *at += len + (p[len] == '\n');
        *line += 1;
        if (strncmp(p, OPTIONS_MARK, mark) != 0 || !p[mark] || !strchr(BLANKS, p[mark]))
            continue;
        int n = words_of(p + mark, p + len, words);
        if (n)
            return n;
    }
}
