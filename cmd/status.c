// SPDX-License-Identifier: Apache-2.0
/* status.c - xos status: how this node is, who one is here, and what is wrong. */
#include "cmd/commands.h"
#include "cmd/json.h"
#include "cmd/say.h"
#include "cmd/table.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <xos.h>

enum { STATUS_JSON = OPTION_OWN };

static int take(void *arg, int key, const char *value)
{
    (void)value;
    *(bool *)arg = key == STATUS_JSON;
    return 0;
}

static const struct argp_option table[] = {
    {"json", STATUS_JSON, NULL, 0, "Print JSON", 0},
    {0},
};
const struct cmd_options cmd_status_options = {
    .table = table,
    .usage = "",
    .summary = "Say how this node is, and what is wrong with it or with one's login.\v"
               "Exit status: 0 when all is well, 1 when something is wrong, 2 for a wrong option.",
    .take = take,
};

/* What was found: the node's own words, and ours about the login. */
struct found {
    struct xos_node_status *node;
    struct xos_identity *who; /* NULL: nobody is logged in */
    struct xos_fault no_login;
};

static bool login_is_missing(const struct found *f)
{
    return f->node->federated && !f->who;
}

/* For people */

static void line(const char *name, const char *value)
{
    char *safe = cmd_safe(value);
    printf("%-13s %s\n", name, safe);
    free(safe);
}

static void time_line(const char *name, uint64_t ms)
{
    char text[CMD_TIME_BYTES];
    if (ms)
        line(name, cmd_time(ms, text));
}

static void print_node(const struct xos_node_status *s)
{
    char text[256] = "";
    line("node", s->node);
    line("state", s->state);
    for (size_t i = 0, n = 0; i < s->role_count && n < sizeof(text); i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", i ? " " : "", s->roles[i]);
    line("roles", text);
    line("release", s->release);
    time_line("since", s->started_ms);
    (void)snprintf(text, sizeof(text), "%" PRIu32 " up, %" PRIu32 " down", s->nodes_up,
                   s->nodes_down);
    line("nodes", s->federated ? text : "it stands alone");
    (void)snprintf(text, sizeof(text),
                   "%" PRIu32 " live here; %" PRIu32 " units, %" PRIu32 " claims", s->jobs,
                   s->units, s->claims);
    line("jobs", text);
    (void)snprintf(text, sizeof(text), "%.0f %% free", s->disk_free * 100);
    line("disk", text);
    time_line("certificate", s->certificate_ms);
    time_line("issuing CA", s->ca_ms);
}

static void print(const struct found *f)
{
    print_node(f->node);
    if (f->who)
        line("user", f->who->user);
    if (f->who)
        time_line("login", f->who->until_ms);
    for (size_t i = 0; i < f->node->problem_count; i++)
        cmd_say("%s: %s", f->node->problems[i].what, f->node->problems[i].why);
    if (login_is_missing(f))
        cmd_say("login: %s", f->no_login.text);
}

/* For programs */

static json_t *problem_json(const char *what, const char *why)
{
    return json_pack("{s:o, s:o}", "what", cmd_json_text(what), "why", cmd_json_text(why));
}

static json_t *problems_json(const struct found *f)
{
    json_t *all = json_array();
    for (size_t i = 0; i < f->node->problem_count; i++)
        (void)json_array_append_new(
            all, problem_json(f->node->problems[i].what, f->node->problems[i].why));
    if (login_is_missing(f))
        (void)json_array_append_new(all, problem_json("login", f->no_login.text));
    return all;
}

static int print_json(const struct found *f)
{
    const struct xos_node_status *s = f->node;
    json_t *roles = json_array();
    for (size_t i = 0; i < s->role_count; i++)
        (void)json_array_append_new(roles, cmd_json_text(s->roles[i]));
    return cmd_json_print(json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:b, s:o, s:I, s:I, s:I, s:I, s:I, s:f, s:o, s:o, s:o, s:o}",
        "node", cmd_json_text(s->node), "institution", cmd_json_text(s->institution), "state",
        cmd_json_text(s->state), "roles", roles, "release", cmd_json_text(s->release), "federated",
        s->federated, "since", cmd_json_time(s->started_ms), "nodes_up", (json_int_t)s->nodes_up,
        "nodes_down", (json_int_t)s->nodes_down, "jobs", (json_int_t)s->jobs, "units",
        (json_int_t)s->units, "claims", (json_int_t)s->claims, "disk_free", s->disk_free,
        "certificate", cmd_json_time(s->certificate_ms), "ca", cmd_json_time(s->ca_ms), "user",
        f->who ? cmd_json_text(f->who->user) : json_null(), "problems", problems_json(f)));
}

int cmd_status(int argc, char **argv)
{
    bool json = false;
    struct found f = {.who = NULL};
    struct xos_fault fault;
    int first = cmd_options_parse(&cmd_status_options, argc, argv, &json), status = CMD_FAILED;
    if (first < argc) {
        cmd_say("%s: takes no words", argv[first]);
        return CMD_USAGE;
    }
    struct xos_client *client;
    if (xos_client_new(&client, NULL, &fault) < 0) {
        cmd_say("%s", fault.text);
        return CMD_FAILED;
    }
    if (xos_node_status(client, &f.node, &fault) < 0) {
        cmd_say("%s", fault.text);
    } else {
        if (f.node->federated && xos_whoami(&f.who, &f.no_login) < 0)
            f.who = NULL;
        bool well = f.node->problem_count == 0 && !login_is_missing(&f);
        if (!json)
            print(&f);
        status = (!json || print_json(&f) == 0) && well ? CMD_OK : CMD_FAILED;
    }
    xos_node_status_free(f.node);
    xos_identity_free(f.who);
    xos_client_free(client);
    return status;
}
