// SPDX-License-Identifier: Apache-2.0
/* login.c - xos login, xos logout and xos whoami: single sign-on. */
#include "cmd/commands.h"
#include "cmd/json.h"
#include "cmd/say.h"
#include "cmd/table.h"

#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <xos.h>

#define LOGIN_AGENT "xos-agent"
#define LOGIN_AGENT_INSTALLED "/usr/lib/xos/" LOGIN_AGENT

enum { LOGIN_KEY = OPTION_OWN, LOGIN_LIFE, LOGIN_SESSION, WHOAMI_JSON };

/* The agent */

/* Beside this very program in a build tree, else where it is installed. */
static const char *agent_path(char path[static PATH_MAX])
{
    ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - sizeof(LOGIN_AGENT) - 1);
    char *slash = NULL;
    if (n > 0) {
        path[n] = '\0';
        slash = strrchr(path, '/');
    }
    if (slash)
        memcpy(slash + 1, LOGIN_AGENT, sizeof(LOGIN_AGENT));
    return slash && access(path, X_OK) == 0 ? path : LOGIN_AGENT_INSTALLED;
}

/* One that runs already is left in place. It says itself what is wrong, on stderr. */
static int agent_start(void)
{
    char path[PATH_MAX];
    const char *program = agent_path(path);
    char name[] = LOGIN_AGENT, *argv[] = {name, NULL};
    posix_spawn_file_actions_t actions;
    pid_t pid = 0;
    int status = 0;
    if (posix_spawn_file_actions_init(&actions) != 0)
        return -1;
    int rc = posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    if (rc == 0)
        rc = posix_spawn(&pid, program, &actions, NULL, argv, environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    if (rc != 0) {
        cmd_say("%s: %s", program, strerror(rc));
        return -1;
    }
    return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0
                                                                                            : -1;
}

/* xos login */

static int take_login(void *arg, int key, const char *value)
{
    struct xos_login *l = arg;
    if (key == LOGIN_KEY)
        l->key = value;
    else if (key == LOGIN_LIFE)
        return cmd_option_duration("--life", value, &l->life_ms);
    else
        return cmd_option_duration("--session", value, &l->session_ms);
    return 0;
}

static const struct argp_option login_table[] = {
    {"key", LOGIN_KEY, "COMMENT", 0, "The SSH key with this comment (whichever is enrolled)", 0},
    {"life", LOGIN_LIFE, "TIME", 0, "How long the certificate holds (12h, the longest)", 0},
    {"session", LOGIN_SESSION, "TIME", 0, "For how long it is renewed by itself (7d, the longest)",
     0},
    {0},
};
const struct cmd_options cmd_login_options = {
    .table = login_table,
    .usage = "[USER[@INSTITUTION]]",
    .summary = "Log in to the grid with an SSH key that your ssh-agent holds.\v"
               "Starts xos-agent when none runs; it holds the key of this login, and every XOS "
               "command of yours uses it, on all nodes of this machine. Exit status: 0 logged in, "
               "1 refused or failed, 2 for a wrong option.",
    .take = take_login,
};

static void warn(void *arg, const char *institution, const char *why)
{
    (void)arg;
    cmd_say("what the VOs kept at %s say of you is missing: %s", institution, why);
}

static const char *left(uint64_t until_ms, char out[static CMD_AGE_BYTES])
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    uint64_t now_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
    return cmd_age(until_ms > now_ms ? until_ms - now_ms : 0, out);
}

static void print_identity(const struct xos_identity *id)
{
    char life[CMD_AGE_BYTES], session[CMD_AGE_BYTES];
    printf("%s, for %s, renewed for %s%s\n", id->user, left(id->until_ms, life),
           left(id->session_until_ms, session), id->locked ? ", locked" : "");
    for (size_t i = 0; i < id->vo_count; i++)
        printf("  %s  %s\n", id->vos[i].name, id->vos[i].rights);
}

static int show(void)
{
    struct xos_identity *id;
    struct xos_fault fault;
    if (xos_whoami(&id, &fault) < 0) {
        cmd_say("%s", fault.text);
        return CMD_FAILED;
    }
    print_identity(id);
    xos_identity_free(id);
    return CMD_OK;
}

int cmd_login(int argc, char **argv)
{
    struct xos_login wish = XOS_LOGIN;
    struct xos_client *client;
    struct xos_fault fault;
    wish.warn = warn;
    int first = cmd_options_parse(&cmd_login_options, argc, argv, &wish);
    if (argc - first > 1) {
        cmd_say("one user at a time: %s", argv[first + 1]);
        return CMD_USAGE;
    }
    wish.user = first < argc ? argv[first] : NULL;
    if (xos_client_new(&client, NULL, &fault) < 0) {
        cmd_say("%s", fault.text);
        return CMD_FAILED;
    }
    int rc = agent_start();
    if (rc == 0 && (rc = xos_login(client, &wish, &fault)) < 0)
        cmd_say("%s", fault.text);
    xos_client_free(client);
    return rc < 0 ? CMD_FAILED : show();
}

/* xos logout, xos whoami */

static const struct argp_option no_options[] = {{0}};
const struct cmd_options cmd_logout_options = {
    .table = no_options,
    .usage = "",
    .summary = "Forget who one is: xos-agent wipes the key of this login.",
};

int cmd_logout(int argc, char **argv)
{
    struct xos_fault fault;
    int first = cmd_options_parse(&cmd_logout_options, argc, argv, NULL);
    if (first < argc) {
        cmd_say("%s: takes no words", argv[first]);
        return CMD_USAGE;
    }
    if (xos_logout(&fault) == 0)
        return CMD_OK;
    cmd_say("%s", fault.text);
    return CMD_FAILED;
}

static int take_whoami(void *arg, int key, const char *value)
{
    (void)value;
    *(bool *)arg = key == WHOAMI_JSON;
    return 0;
}

static const struct argp_option whoami_table[] = {
    {"json", WHOAMI_JSON, NULL, 0, "As JSON", 0},
    {0},
};
const struct cmd_options cmd_whoami_options = {
    .table = whoami_table,
    .usage = "",
    .summary = "Say who is logged in, until when, and in which VOs.\v"
               "Exit status: 0, or 1 when nobody is.",
    .take = take_whoami,
};

static int print_json(const struct xos_identity *id)
{
    char time[CMD_TIME_BYTES];
    json_t *vos = json_array();
    for (size_t i = 0; i < id->vo_count; i++)
        (void)json_array_append_new(vos, json_pack("{s:s, s:s, s:s}", "name", id->vos[i].name,
                                                   "rights", id->vos[i].rights, "until",
                                                   cmd_time(id->vos[i].until_ms, time)));
    json_t *all = json_pack("{s:s, s:s, s:b, s:o}", "user", id->user, "institution",
                            id->institution, "locked", id->locked, "vos", vos);
    (void)json_object_set_new(all, "until", json_string(cmd_time(id->until_ms, time)));
    (void)json_object_set_new(all, "session_until",
                              json_string(cmd_time(id->session_until_ms, time)));
    return cmd_json_print(all) == 0 ? CMD_OK : CMD_FAILED;
}

int cmd_whoami(int argc, char **argv)
{
    bool json = false;
    struct xos_identity *id;
    struct xos_fault fault;
    int first = cmd_options_parse(&cmd_whoami_options, argc, argv, &json), status = CMD_OK;
    if (first < argc) {
        cmd_say("%s: takes no words", argv[first]);
        return CMD_USAGE;
    }
    if (xos_whoami(&id, &fault) < 0) {
        cmd_say("%s", fault.text);
        return CMD_FAILED;
    }
    if (json)
        status = print_json(id);
    else
        print_identity(id);
    xos_identity_free(id);
    return status;
}
