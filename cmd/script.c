// SPDX-License-Identifier: Apache-2.0
#include "cmd/script.h"

#include "cmd/say.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OPTIONS_MARK "#XOS"
#define BLANKS " \t\r"

static __attribute__((noreturn)) void refuse(const char *path, const char *why)
{
    cmd_say("%s: %s", path, why);
    exit(CMD_USAGE);
}

static void no_file(const char *path)
{
    const char *why = strerror(errno);
    if (errno == ENOENT && !strchr(path, '/'))
        cmd_say("%s: %s: a script is meant; for a command write %s -- %s", path, why, cmd_name(),
                path);
    else
        cmd_say("%s: %s", path, why);
    exit(CMD_USAGE);
}

static size_t read_up_to(int fd, char *to, size_t max)
{
    size_t got = 0;
    ssize_t n = 1;
    while (got < max && (n = read(fd, to + got, max - got)) > 0)
        got += (size_t)n;
    return n < 0 ? 0 : got;
}

void script_open(struct script *s, const char *path)
{
    struct stat st;
    const char *slash = strrchr(path, '/');
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        no_file(path);
    if (!S_ISREG(st.st_mode))
        refuse(path, "not a regular file: a script is one");
    *s = (struct script){.name = slash ? slash + 1 : path, .text = cmd_need(SCRIPT_BYTES_MAX + 2)};
    s->bytes = read_up_to(fd, s->text, SCRIPT_BYTES_MAX + 1);
    s->text[s->bytes] = '\0';
    close(fd);
    if (s->bytes > SCRIPT_BYTES_MAX)
        refuse(path, "more than 640 KiB (SCRIPT_BYTES_MAX): put what it needs on a volume, or send "
                     "it with --in");
    if (strncmp(s->text, "#!", 2) != 0 && strncmp(s->text, "\177ELF", 4) != 0)
        refuse(path, "no script: its first line must name what runs it, as in #!/bin/sh");
}

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
