// SPDX-License-Identifier: Apache-2.0
#include "cmd/tty.h"

#include "cmd/say.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

static struct termios before;
static volatile sig_atomic_t raw;

bool cmd_tty_size(uint16_t *rows, uint16_t *columns)
{
    struct winsize size;
    if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_row == 0 || size.ws_col == 0)
        return false;
    *rows = size.ws_row;
    *columns = size.ws_col;
    return true;
}

/* Safe in a signal handler: one system call, no lock. */
static void restore_now(void)
{
    if (!raw)
        return;
    raw = 0;
    (void)tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
}

void cmd_tty_restore(void)
{
    restore_now();
    cmd_say_raw(false);
}

static void on_fatal(int number)
{
    restore_now();
    raise(number); /* the handler is gone (SA_RESETHAND): this one ends the process */
}

static void restore_always(void)
{
    static const int fatal[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS, SIGALRM, SIGXCPU};
    struct sigaction action = {.sa_handler = on_fatal,
                               .sa_flags = (int)(SA_RESETHAND | SA_NODEFER)};
    static bool done;
    if (done)
        return;
    done = true;
    atexit(cmd_tty_restore);
    for (size_t i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++)
        (void)sigaction(fatal[i], &action, NULL);
}

int cmd_tty_raw(void)
{
    struct termios now;
    if (raw)
        return 0;
    if (tcgetattr(STDIN_FILENO, &before) < 0)
        return -1;
    restore_always();
    now = before;
    cfmakeraw(&now);
    raw = 1;
    if (tcsetattr(STDIN_FILENO, TCSADRAIN, &now) < 0) {
        raw = 0;
        return -1;
    }
    cmd_say_raw(true);
    return 0;
}

bool cmd_tty_foreground(int fd)
{
    return !isatty(fd) || tcgetpgrp(fd) == getpgrp();
}
