// SPDX-License-Identifier: Apache-2.0
/* attack COMMAND … - what a stranger, a stolen node or a hostile xosd may try (attack.h).
 *
 * Each prints one line: what it got. The status is 0 when it could do what it was told, whatever
 * the answer. */
#include "tests/lib/attack/attack.h"

#include "libxos/base/telemetry.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name, *words;
    int argc;
    int (*run)(char **argv, struct xos_error *err);
} commands[] = {
    {"root", "INST", 1, attack_root},
    {"ask", "TO AS SIGNER VERB INST NODE FLAW", 7, attack_ask},
    {"flip", "TO AS SIGNER VERB INST NODE COUNT", 7, attack_flip},
    {"overlay", "HOST:PORT null|curve AS SERVER-STATE SERVER-NODE", 5, attack_overlay},
    {"flood", "HOST:PORT nothing|garbage|slow|tls COUNT SECONDS", 4, attack_flood},
    {"middle", "SOCKET REAL VERB WAY SIGNER", 5, attack_middle},
    {"ca", "SOCKET CASE AS NODE TOKEN", 5, attack_ca},
    {"http", "HOST:PORT PATH", 2, attack_http},
    {"expire", "CA-STATE NODE-STATE NODE", 3, attack_expire},
};

static void quiet(enum xos_log_level level, const char *line, void *arg)
{
    (void)level;
    (void)line;
    (void)arg;
}

int main(int argc, char **argv)
{
    struct xos_error err = {0};
    xos_log_sink(quiet, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; argc > 1 && i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(argv[1], commands[i].name) != 0)
            continue;
        if (argc - 2 != commands[i].argc) {
            fprintf(stderr, "attack %s %s\n", commands[i].name, commands[i].words);
            return 2;
        }
        if (commands[i].run(argv + 2, &err) == 0)
            return 0;
        fprintf(stderr, "attack %s: %s\n", argv[1], err.text);
        return 1;
    }
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        fprintf(stderr, "attack %s %s\n", commands[i].name, commands[i].words);
    return 2;
}
