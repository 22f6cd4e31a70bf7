// SPDX-License-Identifier: Apache-2.0
/* Round trip of one message between two overlays in two processes over loopback, one at a time,
 * and what a process with one link weighs. Prints one line of JSON. */
#include "libxos/net/overlay.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MESSAGE_BYTES 200
#define WARM_UP 500
#define ROUND_TRIPS 10000
#define KEY XOS_CURVE_KEY_BYTES

struct end {
    struct xos_loop *loop;
    struct xos_overlay *overlay;
    uint8_t public_key[KEY], secret_key[KEY], peer[KEY];
    unsigned done;
    uint64_t sent_ns, took_ns[WARM_UP + ROUND_TRIPS];
};

static struct end end;

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void die(const struct xos_error *err)
{
    (void)fprintf(stderr, "overlay_bench: %s\n", err->text);
    exit(1);
}

static void ask(void)
{
    static const uint8_t message[MESSAGE_BYTES] = {1};
    struct xos_error err = {0};
    end.sent_ns = now_ns();
    if (xos_overlay_send(end.overlay, end.peer, (struct xos_slice){message, sizeof(message)},
                         &err) < 0)
        die(&err);
}

static void on_answer(void *arg, const uint8_t key[static KEY], struct xos_slice message)
{
    (void)arg;
    (void)key;
    (void)message;
    end.took_ns[end.done++] = now_ns() - end.sent_ns;
    if (end.done == WARM_UP + ROUND_TRIPS)
        xos_loop_stop(end.loop);
    else
        ask();
}

static void on_question(void *arg, const uint8_t key[static KEY], struct xos_slice message)
{
    (void)arg;
    (void)xos_overlay_send(end.overlay, key, message, NULL);
}

static void on_link(void *arg, const uint8_t key[static KEY], bool up)
{
    (void)arg;
    (void)key;
    if (up)
        ask();
}

static void open_end(bool asks, const char *host)
{
    struct xos_error err = {0};
    struct xos_overlay_config config = {.host = host,
                                        .public_key = end.public_key,
                                        .secret_key = end.secret_key,
                                        .on_message = asks ? on_answer : on_question,
                                        .on_link = asks ? on_link : NULL};
    if (xos_loop_new(&end.loop, xos_env_posix(), &err) < 0 ||
        xos_overlay_new(&end.overlay, end.loop, &config, &err) < 0 ||
        xos_overlay_admit(end.overlay, end.peer, &err) < 0)
        die(&err);
}

static int by_value(const void *a, const void *b)
{
    uint64_t x, y;
    memcpy(&x, a, sizeof(x));
    memcpy(&y, b, sizeof(y));
    return (x > y) - (x < y);
}

/* Resident and private memory of this process, in KiB. */
static void memory(long *resident, long *own)
{
    char line[128];
    FILE *f = fopen("/proc/self/smaps_rollup", "re");
    long value;
    *resident = *own = 0;
    while (f && fgets(line, sizeof(line), f)) {
        if (sscanf(line, "Rss: %ld", &value) == 1)
            *resident = value;
        else if (sscanf(line, "Private_Clean: %ld", &value) == 1 ||
                 sscanf(line, "Private_Dirty: %ld", &value) == 1)
            *own += value;
    }
    if (f)
        (void)fclose(f);
}

static void answer(int port_out)
{
    struct xos_error err = {0};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    open_end(false, "127.0.0.2");
    unsigned port = xos_overlay_port(end.overlay);
    if (write(port_out, &port, sizeof(port)) != sizeof(port) || xos_loop_run(end.loop, &err) < 0)
        die(&err);
}

int main(void)
{
    struct xos_error err = {0};
    uint8_t keys[2][2][KEY];
    int ports[2];
    unsigned port;
    long resident, own;
    for (int i = 0; i < 2; i++)
        if (xos_curve_keypair(keys[i][0], keys[i][1], &err) < 0)
            die(&err);
    if (pipe(ports) < 0)
        return 1;
    pid_t child = fork();
    int me = child == 0 ? 1 : 0;
    memcpy(end.public_key, keys[me][0], KEY);
    memcpy(end.secret_key, keys[me][1], KEY);
    memcpy(end.peer, keys[1 - me][0], KEY);
    if (child == 0)
        answer(ports[1]);
    open_end(true, "127.0.0.3");
    if (read(ports[0], &port, sizeof(port)) != sizeof(port) ||
        xos_overlay_connect(end.overlay, end.peer, "127.0.0.2", port, &err) < 0 ||
        xos_loop_run(end.loop, &err) < 0)
        die(&err);
    qsort(end.took_ns + WARM_UP, ROUND_TRIPS, sizeof(end.took_ns[0]), by_value);
    memory(&resident, &own);
    printf("{\"bench\":\"overlay\",\"message_bytes\":%d,\"round_trips\":%d,\"p50_us\":%.1f,"
           "\"p99_us\":%.1f,\"resident_kib\":%ld,\"private_kib\":%ld}\n",
           MESSAGE_BYTES, ROUND_TRIPS, (double)end.took_ns[WARM_UP + ROUND_TRIPS / 2] / 1000,
           (double)end.took_ns[WARM_UP + ROUND_TRIPS * 99 / 100] / 1000, resident, own);
    xos_overlay_free(end.overlay);
    xos_loop_free(end.loop);
    kill(child, SIGKILL);
    return waitpid(child, NULL, 0) == child ? 0 : 1;
}
