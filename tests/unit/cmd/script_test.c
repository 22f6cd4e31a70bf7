// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a job runs with other options than its script says. */
#include "cmd/script.h"
#include "tests/lib/xtest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* All words of all lines, "line:word word|line:…"; a fault as "line:!". */
static void all_of(const char *text, char out[static 512])
{
    char *words[SCRIPT_WORDS_MAX];
    size_t at = 0, len = 0;
    unsigned line = 0;
    int n;
    out[0] = '\0';
    while ((n = script_options(text, &at, &line, words)) != 0) {
        len += (size_t)snprintf(out + len, 512 - len, "%s%u:%s", len ? "|" : "", line,
                                n < 0 ? "!" : "");
        for (int i = 0; i < n; i++) {
            len += (size_t)snprintf(out + len, 512 - len, "%s<%s>", i ? " " : "", words[i]);
            free(words[i]);
        }
        if (n < 0)
            return; /* its words are lost, as they are in a command that then ends */
    }
}

static void options_are_read_from_the_top(void **state)
{
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"", ""},
        {"#!/bin/sh\n", ""},
        {"#!/bin/sh\n#XOS -n 2\n", "2:<-n> <2>"},
        {"#!/bin/sh\n\n# why\n#XOS\t-n 2   --mem=1GiB\r\n#XOS -t 1h",
         "4:<-n> <2> <--mem=1GiB>|5:<-t> <1h>"},
        {"#XOS --need 'mem>=1GiB && arch==\"x86_64\"'\n",
         "1:<--need> <mem>=1GiB && arch==\"x86_64\">"},
        {"#XOS -N \"my job\" --env A=''\n", "1:<-N> <my job> <--env> <A=>"},
        {"#XOS\n#XOS   \n", ""},
        {"#XOSX -n 2\n# XOS -n 2\n ##XOS -n 3\n", ""},
        {"  # comment\n#XOS -n 2\n", "2:<-n> <2>"},
        {"echo\n#XOS -n 2\n", ""},
        {"#XOS -n 2\necho\n#XOS -n 3\n", "1:<-n> <2>"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char words[512];
        all_of(cases[i].text, words);
        assert_string_equal(words, cases[i].words);
    }
}

static const struct xt_test tests[] = {
    XT_PLAIN(options_are_read_from_the_top),
};
XT_MAIN(tests)
