// SPDX-License-Identifier: Apache-2.0
/* launch_bench MODE … SPEC… - how long commands take, from the fork to the exit status.
 *
 *   latency COUNT SPEC…            one at a time, the SPECs in turns
 *   rate COUNT IN_FLIGHT SPEC…     COUNT of each, IN_FLIGHT at once, one SPEC after the other
 *   bytes COUNT SPEC…              as latency, standard output through a pipe and counted
 *
 * A SPEC is "NAME UID WORD…": UID "-" is the caller's own, a WORD has no blanks. One line of JSON
 * for each SPEC; times in microseconds. The commands take turns so that a busy moment of the
 * machine hits all alike, and the driver is small so that its own fork costs nothing beside them.
 * Standard input is empty, standard output nothing, unless it is counted. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SPECS_MAX 8
#define WORDS_MAX 30
#define IN_FLIGHT_MAX 256
#define COUNT_MAX 1000000
#define READ_BYTES 1048576

struct spec {
    char *name, *uid, *argv[WORDS_MAX + 1];
    uint32_t *took_us;
    unsigned done, failed;
    uint64_t bytes, all_us; /* of standard output, and first start to last end */
};

struct flight {
    pid_t pid;
    uint64_t since_us;
};

static int nothing; /* /dev/null */

static void die(const char *what)
{
    (void)fprintf(stderr, "launch_bench: %s\n", what);
    exit(2);
}

static uint64_t now_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

static void become(const char *uid)
{
    if (strcmp(uid, "-") == 0)
        return;
    uid_t id = (uid_t)strtoul(uid, NULL, 10);
    if (setgroups(0, NULL) < 0 || setresgid(id, id, id) < 0 || setresuid(id, id, id) < 0)
        _exit(126);
}

static pid_t start(struct spec *s, int out)
{
    pid_t pid = fork();
    if (pid < 0)
        die("fork failed");
    if (pid > 0)
        return pid;
    if (dup2(nothing, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0)
        _exit(126);
    become(s->uid);
    (void)execvp(s->argv[0], s->argv);
    _exit(127);
}

static void note(struct spec *s, uint64_t since_us, int status)
{
    s->failed += status != 0;
    s->took_us[s->done++] = (uint32_t)(now_us() - since_us);
}

static void run_one(struct spec *s)
{
    int status = 1;
    uint64_t since_us = now_us();
    pid_t pid = start(s, nothing);
    if (waitpid(pid, &status, 0) < 0)
        die("waitpid failed");
    note(s, since_us, status);
}

static void drain(struct spec *s, int fd)
{
    static char buffer[READ_BYTES];
    ssize_t n;
    while ((n = read(fd, buffer, sizeof(buffer))) > 0 || (n < 0 && errno == EINTR))
        s->bytes += n > 0 ? (uint64_t)n : 0;
}

static void run_counted(struct spec *s)
{
    int ends[2], status = 1;
    if (pipe2(ends, O_CLOEXEC) < 0)
        die("pipe failed");
    uint64_t since_us = now_us();
    pid_t pid = start(s, ends[1]);
    (void)close(ends[1]);
    drain(s, ends[0]);
    (void)close(ends[0]);
    if (waitpid(pid, &status, 0) < 0)
        die("waitpid failed");
    note(s, since_us, status);
}

static void in_turns(struct spec *specs, unsigned count, unsigned rounds,
                     void (*run)(struct spec *s))
{
    for (unsigned r = 0; r < rounds; r++)
        for (unsigned i = 0; i < count; i++)
            run(&specs[i]);
}

static void land(struct spec *s, struct flight *flights, unsigned in_flight)
{
    int status = 1;
    pid_t pid = waitpid(-1, &status, 0);
    for (unsigned i = 0; i < in_flight; i++) {
        if (flights[i].pid != pid)
            continue;
        note(s, flights[i].since_us, status);
        flights[i].pid = 0;
    }
}

static void at_once(struct spec *s, unsigned count, unsigned in_flight)
{
    struct flight flights[IN_FLIGHT_MAX] = {0};
    uint64_t from_us = now_us();
    for (unsigned started = 0; s->done < count;) {
        for (unsigned i = 0; i < in_flight && started < count; i++) {
            if (flights[i].pid != 0)
                continue;
            flights[i] = (struct flight){.since_us = now_us()};
            flights[i].pid = start(s, nothing);
            started++;
        }
        land(s, flights, in_flight);
    }
    s->all_us = now_us() - from_us;
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void print(struct spec *s)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < s->done; i++)
        sum += s->took_us[i];
    qsort(s->took_us, s->done, sizeof(*s->took_us), by_value);
    printf("{\"name\":\"%s\",\"count\":%u,\"failed\":%u,\"min_us\":%u,\"p50_us\":%u,\"p99_us\":%u,"
           "\"mean_us\":%llu,\"all_us\":%llu,\"bytes\":%llu}\n",
           s->name, s->done, s->failed, s->took_us[0], s->took_us[s->done / 2],
           s->took_us[s->done * 99 / 100], (unsigned long long)(sum / s->done),
           (unsigned long long)(s->all_us ? s->all_us : sum), (unsigned long long)s->bytes);
}

static unsigned number(const char *text, unsigned max)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);
    if (*end || n == 0 || n > max)
        die("a number is 0 or too large");
    return (unsigned)n;
}

static void parse(struct spec *s, char *text, unsigned rounds)
{
    unsigned words = 0;
    char *save = NULL;
    s->name = strtok_r(text, " ", &save);
    s->uid = strtok_r(NULL, " ", &save);
    while (words < WORDS_MAX && (s->argv[words] = strtok_r(NULL, " ", &save)))
        words++;
    s->took_us = calloc(rounds, sizeof(*s->took_us));
    if (words == 0 || words == WORDS_MAX || !s->took_us)
        die("a SPEC is NAME UID WORD…");
}

int main(int argc, char **argv)
{
    struct spec specs[SPECS_MAX] = {0};
    int is_rate = argc > 1 && strcmp(argv[1], "rate") == 0, first = is_rate ? 4 : 3;
    unsigned count = 0;
    if (argc <= first || argc - first > SPECS_MAX)
        die("latency COUNT SPEC… | rate COUNT IN_FLIGHT SPEC… | bytes COUNT SPEC…");
    unsigned rounds = number(argv[2], COUNT_MAX);
    for (int i = first; i < argc; i++)
        parse(&specs[count++], argv[i], rounds);
    nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (unsigned i = 0; is_rate && i < count; i++)
        at_once(&specs[i], rounds, number(argv[3], IN_FLIGHT_MAX));
    if (!is_rate)
        in_turns(specs, count, rounds, strcmp(argv[1], "bytes") == 0 ? run_counted : run_one);
    for (unsigned i = 0; i < count; i++) {
        print(&specs[i]);
        free(specs[i].took_us);
    }
    return 0;
}
