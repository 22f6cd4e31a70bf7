// SPDX-License-Identifier: Apache-2.0
/* ps.c - xps: jobs that live, and those that ended a short while ago. */
#include "cmd/commands.h"
#include "cmd/json.h"
#include "cmd/say.h"
#include "cmd/table.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <xos.h>

#define PS_JOBS_MAX 1024
#define PS_ENDED_WITHIN_MS 3600000
#define PS_NAME_BYTES_MAX 32 /* of a column */

enum { PS_JSON = OPTION_OWN };

struct ps_options {
    bool all, units, json;
};

static int take(void *arg, int key, const char *value)
{
    struct ps_options *o = arg;
    (void)value;
    *(key == 'a' ? &o->all : key == 'l' ? &o->units : &o->json) = true;
    return 0;
}

static const struct argp_option table[] = {
    {"all", 'a', NULL, 0, "All jobs that policy lets you see, not your own alone", 0},
    {"units", 'l', NULL, 0, "One line for each unit", 0},
    {"json", PS_JSON, NULL, 0, "Print JSON", 0},
    {0},
};
const struct cmd_options cmd_ps_options = {
    .table = table,
    .usage = "[JOB...]",
    .summary = "List your live jobs and those that ended in the last hour, or the named ones.\v"
               "Exit status: 0; 1 when a named job is not found or XOS failed or refused; 2 for a "
               "wrong option.",
    .take = take,
};

static bool is_done(const char *state)
{
    return strcmp(state, "done") == 0;
}

/* For people */

/* Its name, or the command as it was typed; cut to a column's width. */
static void name_add(struct cmd_table *t, const struct xos_job_info *j)
{
    char text[PS_NAME_BYTES_MAX + 1];
    size_t n = (size_t)snprintf(text, sizeof(text), "%s", j->name);
    for (size_t i = 0; !j->name[0] && i < j->argc && n < sizeof(text); i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", i ? " " : "", j->argv[i]);
    if (n >= sizeof(text))
        memcpy(text + sizeof(text) - 4, "...", 4);
    cmd_table_add(t, text);
}

/* The first of its nodes, and how many others there are. */
static void nodes_add(struct cmd_table *t, const struct xos_job_info *j)
{
    const char *first = "";
    size_t others = 0;
    for (size_t i = 0; i < j->unit_count; i++) {
        const char *node = j->units[i]->node;
        bool known = !node[0];
        for (size_t k = 0; k < i && !known; k++)
            known = strcmp(j->units[k]->node, node) == 0;
        if (known)
            continue;
        others += first[0] != '\0';
        first = first[0] ? first : node;
    }
    if (others)
        cmd_table_addf(t, "%.200s+%zu", first, others);
    else
        cmd_table_add(t, first);
}

static void age_add(struct cmd_table *t, const struct xos_job_info *j, uint64_t now_ms)
{
    char age[CMD_AGE_BYTES];
    uint64_t since = now_ms > j->submitted_ms ? now_ms - j->submitted_ms : 0;
    cmd_table_add(t, j->submitted_ms ? cmd_age(since, age) : "");
}

static void exit_add(struct cmd_table *t, const char *state, int status)
{
    if (is_done(state))
        cmd_table_addf(t, "%d", status);
    else
        cmd_table_add(t, "");
}

static void job_row(struct cmd_table *t, const struct xos_job_info *j, const struct ps_options *o,
                    uint64_t now_ms)
{
    cmd_table_add(t, j->id);
    if (o->all)
        cmd_table_add(t, j->user);
    name_add(t, j);
    cmd_table_add(t, j->state);
    cmd_table_addf(t, "%zu", j->unit_count);
    nodes_add(t, j);
    age_add(t, j, now_ms);
    exit_add(t, j->state, j->exit);
    cmd_table_add(t, j->reason);
}

static void unit_row(struct cmd_table *t, const struct xos_job_info *j,
                     const struct xos_unit_info *u, const struct ps_options *o, uint64_t now_ms)
{
    cmd_table_addf(t, "%.200s.%" PRIu32, j->id, u->unit);
    if (o->all)
        cmd_table_add(t, j->user);
    name_add(t, j);
    cmd_table_add(t, u->state);
    cmd_table_addf(t, "%zu", j->unit_count);
    cmd_table_add(t, u->node);
    age_add(t, j, now_ms);
    exit_add(t, u->state, u->exit);
    cmd_table_add(t, u->reason);
}

/* Whose a job is, is a column where it may be another's. */
static void heads_add(struct cmd_table *t, const struct ps_options *o)
{
    static const char *const heads[] = {"ID",   "USER", "NAME", "STATE", "UNITS",
                                        "NODE", "AGE",  "EXIT", "REASON"};
    size_t count = sizeof(heads) / sizeof(heads[0]);
    t->columns = o->all ? count : count - 1;
    for (size_t i = 0; i < count; i++)
        if (o->all || i != 1)
            cmd_table_add(t, heads[i]);
}

static void print_table(const struct xos_job_info **jobs, size_t count, const struct ps_options *o)
{
    struct cmd_table t = {.columns = 0};
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t now_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
    heads_add(&t, o);
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; o->units && k < jobs[i]->unit_count; k++)
            unit_row(&t, jobs[i], jobs[i]->units[k], o, now_ms);
        if (!o->units)
            job_row(&t, jobs[i], o, now_ms);
    }
    cmd_table_print(&t, stdout);
    cmd_table_free(&t);
}

/* For programs */

static json_t *exit_json(const char *state, int status)
{
    return is_done(state) ? json_integer(status) : json_null();
}

static json_t *unit_json(const struct xos_unit_info *u)
{
    return json_pack("{s:I, s:o, s:o, s:o, s:o}", "unit", (json_int_t)u->unit, "node",
                     cmd_json_text(u->node), "state", cmd_json_text(u->state), "exit",
                     exit_json(u->state, u->exit), "reason", cmd_json_text(u->reason));
}

static json_t *job_json(const struct xos_job_info *j)
{
    json_t *units = json_array();
    for (size_t i = 0; i < j->unit_count; i++)
        (void)json_array_append_new(units, unit_json(j->units[i]));
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "id",
                     cmd_json_text(j->id), "user", cmd_json_text(j->user), "vo",
                     cmd_json_text(j->vo), "institution", cmd_json_text(j->institution), "name",
                     cmd_json_text(j->name), "state", cmd_json_text(j->state), "reason",
                     cmd_json_text(j->reason), "submitted", cmd_json_time(j->submitted_ms),
                     "started", cmd_json_time(j->started_ms), "ended", cmd_json_time(j->ended_ms),
                     "exit", exit_json(j->state, j->exit), "units", units);
}

static int print_json(const struct xos_job_info **jobs, size_t count)
{
    json_t *all = json_array();
    for (size_t i = 0; all && i < count; i++)
        if (json_array_append_new(all, job_json(jobs[i])) < 0) {
            json_decref(all);
            all = NULL;
        }
    return cmd_json_print(all);
}

/* Asking */

static int by_age(const void *a, const void *b)
{
    const struct xos_job_info *x = *(const struct xos_job_info *const *)a;
    const struct xos_job_info *y = *(const struct xos_job_info *const *)b;
    if (x->submitted_ms != y->submitted_ms)
        return x->submitted_ms < y->submitted_ms ? -1 : 1;
    return strcmp(x->id, y->id);
}

/* Oldest first, as ps does, and so that the last one is above the prompt. */
static int print(const struct xos_jobs *list, const struct ps_options *o)
{
    const struct xos_job_info **jobs = cmd_need((list->count + 1) * sizeof(*jobs));
    int rc = 0;
    for (size_t i = 0; i < list->count; i++)
        jobs[i] = list->jobs[i];
    qsort(jobs, list->count, sizeof(*jobs), by_age);
    if (o->json)
        rc = print_json(jobs, list->count);
    else
        print_table(jobs, list->count, o);
    free(jobs);
    if (list->more)
        cmd_say("there are more jobs than one listing has: name those that you want to see");
    return rc < 0 ? CMD_FAILED : CMD_OK;
}

static bool find(const struct xos_jobs *list, const char *id)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->jobs[i]->id, id) == 0)
            return true;
    return false;
}

static int not_found(const struct xos_jobs *list, char *const *ids, int count)
{
    int status = CMD_OK;
    for (int i = 0; i < count; i++) {
        if (find(list, ids[i]))
            continue;
        cmd_say("%s: no such job, or not one of yours", ids[i]);
        status = CMD_FAILED;
    }
    return status;
}

/* Each name once: it is a line. */
static int names_take(struct xos_client *client, char **words, int count, char **ids)
{
    char id[XOS_JOB_ID_BYTES];
    uint32_t unit;
    struct xos_fault fault;
    int n = 0;
    for (int i = 0; i < count; i++) {
        if (xos_client_parse_job(client, words[i], id, &unit, &fault) < 0) {
            cmd_say("%s", fault.text);
            exit(CMD_USAGE);
        }
        if (unit != XOS_ALL_UNITS) {
            cmd_say("%s: name the whole job, -l shows its units: xps -l %s", words[i], id);
            exit(CMD_USAGE);
        }
        int k = 0;
        while (k < n && strcmp(ids[k], id) != 0)
            k++;
        if (k == n)
            ids[n++] = cmd_textf("%s", id);
    }
    return n;
}

int cmd_ps(int argc, char **argv)
{
    struct ps_options o = {0};
    char *ids[PS_JOBS_MAX];
    struct xos_jobs *list = NULL;
    struct xos_fault fault;
    int first = cmd_options_parse(&cmd_ps_options, argc, argv, &o), status = CMD_FAILED;
    if (argc - first > PS_JOBS_MAX) {
        cmd_say("PS_JOBS_MAX: more than %d jobs at once", PS_JOBS_MAX);
        return CMD_USAGE;
    }
    struct xos_client *client = cmd_connect(NULL, CMD_FAILED);
    int count = names_take(client, argv + first, argc - first, ids);
    if (xos_jobs_list(client, (const char *const *)ids, (size_t)count, PS_ENDED_WITHIN_MS,
                      o.all ? XOS_LIST_EVERYBODY : 0, &list, &fault) < 0)
        cmd_say("%s", fault.text);
    else if ((status = print(list, &o)) == CMD_OK)
        status = not_found(list, ids, count);
    xos_jobs_free(list);
    while (count > 0)
        free(ids[--count]);
    xos_client_free(client);
    return status;
}
