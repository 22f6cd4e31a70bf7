// SPDX-License-Identifier: Apache-2.0
/* nodes.c - xnodes: which nodes there are, and which of them meet a need. */
#include "cmd/commands.h"
#include "cmd/json.h"
#include "cmd/say.h"
#include "cmd/table.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xos.h>

enum { NODES_NEED = OPTION_OWN, NODES_PREFER, NODES_EXPLAIN, NODES_JSON };

struct nodes_options {
    const char *need, *prefer;
    bool explain, json;
};

static int take(void *arg, int key, const char *value)
{
    struct nodes_options *o = arg;
    if (key == NODES_NEED)
        o->need = value;
    else if (key == NODES_PREFER)
        o->prefer = value;
    else if (key == NODES_EXPLAIN)
        o->explain = true;
    else
        o->json = true;
    return 0;
}

static const struct argp_option table[] = {
    {"need", NODES_NEED, "EXPR", 0, "Only nodes that meet this, as in xrun (XQL, docs/xql.md)", 0},
    {"prefer", NODES_PREFER, "EXPR", 0, "The highest value first", 0},
    {"explain", NODES_EXPLAIN, NULL, 0, "Say what each part of the need drops", 0},
    {"json", NODES_JSON, NULL, 0, "As JSON", 0},
    {0},
};
const struct cmd_options cmd_nodes_options = {
    .table = table,
    .usage = "[NODE...]",
    .summary = "Find nodes, of all institutions.\v"
               "Exit status: 0, 1 when no node meets the need or XOS failed, 2 for a wrong option "
               "or expression.",
    .take = take,
};

/* Printing */

static const char *text_of(const json_t *all, const char *key)
{
    const char *text = json_string_value(json_object_get(all, key));
    return text ? text : "";
}

/* "62.5G", or nothing for what a node does not say. */
static void add_size(struct cmd_table *t, const json_t *all, const char *free, const char *of)
{
    const json_t *f = json_object_get(all, free), *a = json_object_get(all, of);
    if (!f && !a)
        cmd_table_add(t, "");
    else if (!a)
        cmd_table_addf(t, "%.1fG", json_number_value(f) / 1073741824);
    else
        cmd_table_addf(t, "%.1f/%.1fG", json_number_value(f) / 1073741824,
                       json_number_value(a) / 1073741824);
}

static void add_row(struct cmd_table *t, const struct xos_node_info *n)
{
    json_t *all = json_loads(n->attributes, 0, NULL);
    cmd_table_add(t, n->name);
    cmd_table_add(t, n->state);
    cmd_table_addf(t, "%.0f/%.0f", json_number_value(json_object_get(all, "cpu.free")),
                   json_number_value(json_object_get(all, "cpu.cores")));
    add_size(t, all, "mem.free", "mem");
    cmd_table_addf(t, "%zu", json_array_size(json_object_get(all, "gpu")));
    cmd_table_addf(t, "%.2f", json_number_value(json_object_get(all, "load1")));
    cmd_table_add(t, text_of(all, "arch"));
    cmd_table_add(t, text_of(all, "isolation"));
    json_decref(all);
}

static void print_table(const struct xos_nodes *list, const bool *shown)
{
    static const char *const heads[] = {"NODE", "STATE", "CPUS", "MEMORY",
                                        "GPUS", "LOAD",  "ARCH", "ISOLATION"};
    struct cmd_table t = {.columns = sizeof(heads) / sizeof(heads[0])};
    for (size_t i = 0; i < t.columns; i++)
        cmd_table_add(&t, heads[i]);
    for (size_t i = 0; i < list->count; i++)
        if (shown[i])
            add_row(&t, &list->nodes[i]);
    cmd_table_print(&t, stdout);
    cmd_table_free(&t);
}

static json_t *node_json(const struct xos_node_info *n)
{
    json_t *attributes = json_loads(n->attributes, 0, NULL);
    return json_pack("{s:s, s:s, s:s, s:o}", "name", n->name, "institution", n->institution,
                     "state", n->state, "attributes", attributes ? attributes : json_object());
}

static int print_json(const struct xos_nodes *list, const bool *shown)
{
    json_t *all = json_array();
    for (size_t i = 0; i < list->count; i++)
        if (shown[i])
            (void)json_array_append_new(all, node_json(&list->nodes[i]));
    return cmd_json_print(all);
}

/* Asking */

/* Mark those that were named, all when none was. Returns how many there are. */
static size_t choose(const struct xos_nodes *list, char **names, int count, bool *shown)
{
    size_t n = 0;
    for (size_t i = 0; i < list->count; i++) {
        shown[i] = count == 0;
        for (int k = 0; k < count; k++)
            shown[i] = shown[i] || strcmp(names[k], list->nodes[i].name) == 0;
        n += shown[i];
    }
    return n;
}

static int show(const struct xos_nodes *list, const struct nodes_options *o, char **names,
                int count)
{
    bool *shown = cmd_need((list->count + 1) * sizeof(*shown));
    size_t n = choose(list, names, count, shown);
    int rc = 0;
    if (o->json)
        rc = print_json(list, shown);
    else if (n)
        print_table(list, shown);
    free(shown);
    if (o->explain && list->explanation[0])
        printf("%s%s", n && !o->json ? "\n" : "", list->explanation);
    if (list->more)
        cmd_say("there are more nodes than one listing has: narrow it with --need");
    if (n == 0 && count)
        cmd_say("%s%s: no such node is known here", names[0], count > 1 ? ", …" : "");
    else if (n == 0)
        cmd_say("no node meets the need: --explain says why");
    return rc < 0 || n == 0 ? CMD_FAILED : CMD_OK;
}

int cmd_nodes(int argc, char **argv)
{
    struct nodes_options o = {.need = NULL};
    struct xos_nodes *list = NULL;
    struct xos_fault fault;
    int first = cmd_options_parse(&cmd_nodes_options, argc, argv, &o);
    struct xos_client *client = cmd_connect(NULL, CMD_FAILED);
    int status = CMD_FAILED;
    if (xos_nodes_list(client, o.need, o.prefer, o.explain ? XOS_NODES_EXPLAIN : 0, &list,
                       &fault) == 0) {
        status = show(list, &o, argv + first, argc - first);
    } else {
        cmd_say("%s", fault.text);
        status = fault.code == XOS_FAULT_INVALID ? CMD_USAGE : CMD_FAILED;
    }
    xos_nodes_free(list);
    xos_client_free(client);
    return status;
}
