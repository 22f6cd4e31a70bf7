// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a terminal has the wrong size, Ctrl-C does not reach the program, a shell has
 * no job control, or a session hangs at its end. */
#include "tests/lib/execbed.h"
#include "tests/lib/xtest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define UNIT "inria-4.0"

static uint64_t typed;

static void type(int fd, const char *text)
{
    struct xos_error err = {0};
    struct shim_frame f = {.type = SHIM_STDIN, .a = typed, .bytes = (uint32_t)strlen(text)};
    if (shim_client_send(fd, &f, text, &err) < 0)
        fail_msg("typing: %s", err.text);
    typed += strlen(text);
}

static void expect(struct bed *b, const char *word)
{
    char text[65536];
    for (int i = 0; i < 2000; i++) {
        (void)bed_output(b, UNIT, "out", text, sizeof(text));
        if (strstr(text, word))
            return;
        bed_sleep_ms(5);
    }
    fail_msg("no \"%s\" in: %s", word, text);
}

static int open_shell(struct bed *b, int *fd, const char *const *argv, struct xos_error *err)
{
    struct execd_request head = {.flags = EXECD_PTY, .rows = 31, .cols = 117};
    typed = 0;
    *fd = -1;
    if (bed_up(b, err) < 0 || bed_start(b, UNIT, &head, argv, err) < 0)
        return -1;
    *fd = bed_connect(b, UNIT, err);
    return *fd < 0 ? -1 : 0;
}

static const char *const bash[] = {"bash", "--norc", "--noprofile", "--noediting", "-i", NULL};

static void a_shell_works_as_at_a_terminal(void)
{
    struct xos_error err = {0};
    struct bed b;
    struct exit_record r;
    int fd;
    XT_TRY(open_shell(&b, &fd, bash, &err));
    type(fd, "PS1=; stty -echo; stty size; tty\r");
    expect(&b, "31 117\r\n");
    expect(&b, "/dev/pts/");
    assert_int_equal(bed_command(fd, SHIM_WINSIZE, 50, 200, 0), 0);
    type(fd, "stty size\r");
    expect(&b, "50 200\r\n");
    /* Ctrl-C ends the sleep, not the shell. */
    type(fd, "sleep 1000; echo st=$?\r");
    bed_sleep_ms(200);
    type(fd, "\003");
    bed_sleep_ms(50);
    type(fd, "\recho alive\r");
    expect(&b, "alive");
    /* Ctrl-Z stops it, fg brings it back. */
    type(fd, "sh -c 'echo be\"\"gan; sleep 2; echo wo\"\"ke'\r");
    expect(&b, "began");
    /* A stop that hits between the vfork and the exec of sleep would hang this shell anywhere. */
    bed_sleep_ms(500);
    type(fd, "\032");
    expect(&b, "Stopped");
    type(fd, "jobs; echo now; fg\r");
    expect(&b, "now");
    expect(&b, "woke");
    type(fd, "exit 9\r");
    close(fd);
    XT_TRY(bed_wait(&b, UNIT, &r, &err));
    assert_int_equal(exit_record_status(&r), 9);
out:
    bed_down(&b);
}

static void end_of_input_is_typed(void)
{
    struct xos_error err = {0};
    struct bed b;
    struct exit_record r;
    static const char *const cat[] = {"cat", NULL};
    int fd;
    XT_TRY(open_shell(&b, &fd, cat, &err));
    type(fd, "line\r");
    expect(&b, "line\r\nline\r\n");
    struct shim_frame f = {.type = SHIM_STDIN_EOF, .a = typed};
    XT_TRY(shim_client_send(fd, &f, NULL, &err));
    close(fd);
    XT_TRY(bed_wait(&b, UNIT, &r, &err));
    assert_int_equal(exit_record_status(&r), 0);
out:
    bed_down(&b);
}

/* The last bytes before the end are there, though nobody holds the terminal any more. */
static void last_words_are_kept(void)
{
    struct xos_error err = {0};
    struct bed b;
    struct exit_record r;
    static const char *const argv[] = {
        "sh", "-c", "exec 3<&0 <&- >&- 2>&- 3<&-; sleep 0.2; exec >/dev/tty; seq 2000", NULL};
    int fd;
    char text[65536];
    XT_TRY(open_shell(&b, &fd, argv, &err));
    close(fd);
    XT_TRY(bed_wait(&b, UNIT, &r, &err));
    assert_int_equal(exit_record_status(&r), 0);
    (void)bed_output(&b, UNIT, "out", text, sizeof(text));
    assert_non_null(strstr(text, "\r\n1999\r\n2000\r\n"));
out:
    bed_down(&b);
}

#define TWICE(body)                                                                                \
    static void body##_root(void **state)                                                          \
    {                                                                                              \
        (void)state;                                                                               \
        if (geteuid() != 0)                                                                        \
            skip();                                                                                \
        body();                                                                                    \
    }                                                                                              \
    static void body##_user(void **state)                                                          \
    {                                                                                              \
        (void)state;                                                                               \
        bed_as_user(body);                                                                         \
    }
TWICE(a_shell_works_as_at_a_terminal)
TWICE(end_of_input_is_typed)
TWICE(last_words_are_kept)

static const struct xt_test tests[] = {
    XT_PLAIN(a_shell_works_as_at_a_terminal_root),
    XT_PLAIN(a_shell_works_as_at_a_terminal_user),
    XT_PLAIN(end_of_input_is_typed_root),
    XT_PLAIN(end_of_input_is_typed_user),
    XT_PLAIN(last_words_are_kept_root),
    XT_PLAIN(last_words_are_kept_user),
};
XT_MAIN(tests)
