// SPDX-License-Identifier: Apache-2.0
#include "cmd/session_own.h"

#include "cmd/say.h"
#include "cmd/tty.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define INTERRUPT_AGAIN_MS 1000

static const int forwarded[] = {SIGINT, SIGQUIT, SIGHUP, SIGTERM, SIGUSR1, SIGUSR2};

/* What was ignored when we were started stays ignored: nohup, and `&` in a script. */
static bool ignored(int number)
{
    struct sigaction now;
    return sigaction(number, NULL, &now) == 0 && now.sa_handler == SIG_IGN;
}

int session_catch(struct session *s)
{
    sigset_t set;
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof(forwarded) / sizeof(forwarded[0]); i++)
        if (!ignored(forwarded[i]))
            sigaddset(&set, forwarded[i]);
    sigaddset(&set, SIGWINCH);
    sigaddset(&set, SIGCONT); /* interrupts the wait: we may be in the foreground now */
    (void)sigaction(SIGPIPE, &ignore, NULL);
    (void)sigaction(SIGTTIN, &ignore, NULL); /* reading in the background is EIO then */
    s->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (s->signals < 0 || sigprocmask(SIG_BLOCK, &set, NULL) < 0) {
        cmd_say("signals: %s", strerror(errno));
        return -1;
    }
    return 0;
}

/* Nobody is told of a refusal: the job may just have ended. */
void session_send(struct session *s, int number)
{
    struct xos_fault fault;
    if (!s->job || !xos_job_id(s->job)[0])
        s->waiting_signal = number;
    else if (xos_job_signal(s->client, xos_job_id(s->job), XOS_ALL_UNITS, number,
                            s->config.grace_ms, NULL, NULL, &fault) < 0)
        cmd_say("%s: %s", strsignal(number), fault.text);
}

static void interrupted(struct session *s)
{
    static const int steps[] = {SIGINT, SIGTERM, SIGKILL};
    uint64_t now = cmd_now_ms();
    s->interrupts = now - s->interrupt_ms <= INTERRUPT_AGAIN_MS ? s->interrupts + 1 : 0;
    s->interrupt_ms = now;
    const char *id = s->job ? xos_job_id(s->job) : "";
    if (s->interrupts > 2 || (s->interrupts > 0 && !id[0])) {
        cmd_say("given up waiting%s%s", id[0] ? ": see what became of " : "", id);
        s->status = CMD_XOS;
        s->over = true;
        return;
    }
    session_send(s, steps[s->interrupts]);
    if (s->interrupts == 0 && id[0] && isatty(STDERR_FILENO))
        cmd_say("sent INT to %s: again within 1 s sends TERM, then KILL", id);
}

void session_resize(struct session *s)
{
    uint16_t rows, columns;
    if (s->config.pty && s->job && cmd_tty_size(&rows, &columns))
        xos_job_window(s->job, s->pty_unit, rows, columns);
}

static void hung_up(struct session *s)
{
    if (!s->config.pty) {
        session_send(s, SIGHUP);
        return;
    }
    s->status = 128 + SIGHUP;
    s->over = true;
}

/* Whoever only attached leaves: a Ctrl-C that was meant so has ended jobs elsewhere. */
static void leave(struct session *s, int number)
{
    cmd_tty_restore();
    cmd_say("left %s running: xattach %s", xos_job_id(s->job), xos_job_id(s->job));
    s->status = 128 + number;
    s->over = true;
}

static void take(struct session *s, int number)
{
    if (number == SIGWINCH)
        session_resize(s);
    else if (number == SIGCONT)
        return;
    else if (s->config.attach)
        leave(s, number);
    else if (number == SIGINT)
        interrupted(s);
    else if (number == SIGHUP)
        hung_up(s);
    else
        session_send(s, number);
}

void session_caught(struct session *s)
{
    struct signalfd_siginfo info;
    while (!s->over && read(s->signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
        take(s, (int)info.ssi_signo);
}
