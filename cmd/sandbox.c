// SPDX-License-Identifier: Apache-2.0
/* sandbox.c - xos sandbox: a federation of several institutions on this one machine. */
#include "cmd/sandbox.h"
#include "cmd/commands.h"
#include "cmd/json.h"
#include "cmd/say.h"
#include "cmd/table.h"

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xos.h>

enum { BOX_DIR = OPTION_OWN, BOX_INSTITUTIONS, BOX_NODES, BOX_NODE, BOX_NET, BOX_JSON };

struct box_options {
    const char *dir, *institutions, *node, *net;
    uint64_t nodes;
    bool json;
};

static int take(void *arg, int key, const char *value)
{
    struct box_options *o = arg;
    if (key == BOX_DIR)
        o->dir = value;
    else if (key == BOX_INSTITUTIONS)
        o->institutions = value;
    else if (key == BOX_NODES)
        return cmd_option_number("--nodes", value, 1, SANDBOX_NODES_MAX, &o->nodes);
    else if (key == BOX_NODE)
        o->node = value;
    else if (key == BOX_NET)
        o->net = value;
    else
        o->json = true;
    return 0;
}

static const struct argp_option table[] = {
    {"dir", BOX_DIR, "DIR", 0,
     "Where it lives ($XOS_SANDBOX, else ~/.xos/sandbox; of root /var/lib/xos-sandbox)", 0},
    {"institutions", BOX_INSTITUTIONS, "LIST", 0, "up: their names (inria,vu)", 0},
    {"nodes", BOX_NODES, "N", 0, "up: nodes of each institution (2)", 0},
    {"node", BOX_NODE, "NODE", 0, "env: the node to work on (n1 of the user's institution)", 0},
    {"net", BOX_NET, "KIND", 0,
     "up: namespaces (as root: each node has a network of its own) or loopback", 0},
    {"json", BOX_JSON, NULL, 0, "status: as JSON", 0},
    {0},
};
const struct cmd_options cmd_sandbox_options = {
    .table = table,
    .usage = "up|status|down|env USER@INST|kill NODE|lose NODE|start NODE|cut A B|heal",
    .summary =
        "A federation of several institutions on this one machine, to try and to test.\v"
        "up makes it, down removes it without a trace. env prints what a shell evaluates: "
        "eval \"$(xos sandbox env alice@inria)\" && xos login. kill ends a node's xosd, lose all "
        "of the node; start brings it back. cut parts two nodes or institutions, heal joins all. "
        "Exit status: 0 done, 1 failed, 2 for a wrong option or word.",
    .take = take,
};

/* Up and down */

static int prepare(struct sandbox *s)
{
    static const char *const folders[] = {"log", "pid"};
    sandbox_path path;
    char exe[SANDBOX_PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
    exe[n > 0 ? n : 0] = '\0';
    if (n > 0)
        *strrchr(exe, '/') = '\0';
    (void)snprintf(s->bin, sizeof(s->bin), "%s", geteuid() == 0 ? sandbox_at(s, path, "bin") : exe);
    if (sandbox_mkdir(s, s->dir, 0755) < 0)
        return -1;
    for (size_t i = 0; i < 2; i++)
        if (sandbox_mkdir(s, sandbox_at(s, path, "%s", folders[i]), 0755) < 0)
            return -1;
    /* Root runs some of these: they are nobody else's to change. */
    if (mkdir(sandbox_at(s, path, "bin"), 0755) < 0 && errno != EEXIST) {
        cmd_say("%s: %s", path, strerror(errno));
        return -1;
    }
    return sandbox_write(s);
}

static int clear(const struct sandbox *s)
{
    sandbox_end_all(s);
    if (s->net[0])
        sandbox_net_down(s);
    return sandbox_remove(s) < 0 ? CMD_FAILED : CMD_OK;
}

static bool lives(const struct sandbox *s)
{
    char name[SANDBOX_NAME_MAX + 16];
    for (size_t i = 0; i < s->node_count; i++) {
        (void)snprintf(name, sizeof(name), "xosd.%s", s->nodes[i].name);
        if (sandbox_pid(s, name))
            return true;
    }
    return false;
}

/* What a killed `up`, or a boot, has left behind goes first. */
static int make_way(const struct sandbox *s)
{
    struct sandbox old = *s;
    if (!sandbox_exists(s))
        return access(s->dir, F_OK) != 0 || rmdir(s->dir) == 0
                   ? 0
                   : (cmd_say("%s: not empty, and no sandbox: choose another --dir", s->dir), -1);
    if (sandbox_read(&old) == 0 && lives(&old)) {
        cmd_say("there is one already in %s: xos sandbox status, or down", s->dir);
        return -1;
    }
    return clear(&old) == CMD_OK ? 0 : -1;
}

/* 1: namespaces, 0: loopback, -1: said why not. */
static int choose_kind(const char *kind)
{
    const char *why;
    if (kind && strcmp(kind, "namespaces") != 0 && strcmp(kind, "loopback") != 0) {
        cmd_say("--net %s: namespaces or loopback", kind);
        return -1;
    }
    if (kind && strcmp(kind, "loopback") == 0)
        return 0;
    if (sandbox_net_possible(&why))
        return 1;
    if (kind)
        cmd_say("--net namespaces: %s: take --net loopback", why);
    else if (geteuid() == 0)
        cmd_say("on loopback addresses, since %s", why);
    return kind ? -1 : 0;
}

static int up(struct sandbox *s, const struct box_options *o)
{
    uint64_t began = cmd_now_ms();
    int netns = choose_kind(o->net);
    if (netns < 0)
        return CMD_USAGE;
    if (make_way(s) < 0)
        return CMD_FAILED;
    if (sandbox_plan(s, o->institutions ? o->institutions : "inria,vu",
                     o->nodes ? (unsigned)o->nodes : 2, netns) < 0)
        return CMD_USAGE;
    if (prepare(s) < 0 || sandbox_build(s) < 0) {
        cmd_say("not up: its logs are in %s/log; xos sandbox down removes it", s->dir);
        return CMD_FAILED;
    }
    printf("%zu nodes of %zu institutions, up in %.1f s\n", s->node_count, s->institution_count,
           (double)(cmd_now_ms() - began) / 1000);
    printf("next:  eval \"$(xos sandbox env %s@%s%s%s)\" && xos login && xnodes\n",
           sandbox_user_of(0), s->institutions[0], o->dir ? " --dir " : "", o->dir ? o->dir : "");
    return CMD_OK;
}

static int down(struct sandbox *s)
{
    if (!sandbox_exists(s)) {
        cmd_say("no sandbox in %s", s->dir);
        return CMD_FAILED;
    }
    (void)sandbox_read(s);
    return clear(s);
}

/* Status */

static const char *state_of(const struct sandbox *s, const char *program, const char *of)
{
    char name[SANDBOX_NAME_MAX + 32];
    (void)snprintf(name, sizeof(name), "%s.%s", program, of);
    return sandbox_pid(s, name) ? "up" : "down";
}

static void status_json(const struct sandbox *s)
{
    json_t *nodes = json_array(), *cuts = json_array();
    for (size_t i = 0; i < s->node_count; i++) {
        const struct sandbox_node *n = &s->nodes[i];
        (void)json_array_append_new(nodes,
                                    json_pack("{s:s, s:s, s:s, s:s, s:s}", "name", n->name,
                                              "institution", n->institution, "address", n->address,
                                              "xosd", state_of(s, "xosd", n->name), "execd",
                                              state_of(s, "xos-execd", n->name)));
    }
    for (size_t i = 0; i < s->cut_count; i++)
        (void)json_array_append_new(cuts, json_pack("[s, s]", s->cuts[i].a, s->cuts[i].b));
    json_t *all = json_pack("{s:s, s:o, s:o}", "dir", s->dir, "nodes", nodes, "cuts", cuts);
    (void)cmd_json_print(all);
}

static int status(const struct sandbox *s, bool json)
{
    struct cmd_table t = {.columns = 4};
    int rc = CMD_OK;
    for (size_t i = 0; i < s->node_count; i++)
        if (strcmp(state_of(s, "xosd", s->nodes[i].name), "up") != 0)
            rc = CMD_FAILED;
    if (json) {
        status_json(s);
        return rc;
    }
    cmd_table_add(&t, "NODE");
    cmd_table_add(&t, "ADDRESS");
    cmd_table_add(&t, "XOSD");
    cmd_table_add(&t, "EXECD");
    for (size_t i = 0; i < s->node_count; i++) {
        const struct sandbox_node *n = &s->nodes[i];
        cmd_table_add(&t, n->name);
        cmd_table_add(&t, n->address);
        cmd_table_add(&t, state_of(s, "xosd", n->name));
        cmd_table_add(&t, state_of(s, "xos-execd", n->name));
    }
    cmd_table_print(&t, stdout);
    cmd_table_free(&t);
    for (size_t i = 0; i < s->cut_count; i++)
        printf("cut: %s from %s\n", s->cuts[i].a, s->cuts[i].b);
    return rc;
}

/* Env */

/* In single quotes, as a POSIX shell takes anything. */
static void print_export(const char *name, const char *value, const char *more)
{
    printf("export %s='", name);
    for (const char *p = value; *p; p++)
        if (*p == '\'')
            printf("'\\''");
        else
            putchar(*p);
    printf("'%s\n", more);
}

static int env(const struct sandbox *s, const char *who, const char *node)
{
    char n1[2 * SANDBOX_NAME_MAX], exe[SANDBOX_PATH_MAX];
    sandbox_path path;
    const char *at = who ? strchr(who, '@') : NULL;
    size_t i = 0;
    while (at && i < s->institution_count && strcmp(s->institutions[i], at + 1) != 0)
        i++;
    const char *user = at && i < s->institution_count ? sandbox_user_of(i) : NULL;
    if (!user || strlen(user) != (size_t)(at - who) ||
        strncmp(user, who, (size_t)(at - who)) != 0) {
        const bool two = s->institution_count > 1;
        cmd_say("env: %s%s%s@%s%s%s%s%s", who ? who : "which user? ",
                who ? " is nobody here: name " : "", sandbox_user_of(0), s->institutions[0],
                two ? " or " : "", two ? sandbox_user_of(1) : "", two ? "@" : "",
                two ? s->institutions[1] : "");
        return CMD_USAGE;
    }
    (void)snprintf(n1, sizeof(n1), "n1.%s", s->institutions[i]);
    const struct sandbox_node *n = sandbox_node(s, node ? node : n1);
    if (!n) {
        cmd_say("--node %s: no such node: xos sandbox status", node);
        return CMD_USAGE;
    }
    print_export("XOS_SANDBOX", s->dir, "");
    print_export("XOS_USER", who, "");
    print_export("XOS_SOCKET", sandbox_at(s, path, "%s/%s/run/xosd.sock", n->institution, n->part),
                 "");
    print_export("XOS_AGENT", sandbox_at(s, path, "users/%s/agent", who), "");
    print_export("SSH_AUTH_SOCK", sandbox_at(s, path, "users/%s/ssh", who), "");
    print_export("XOS_TRUST", sandbox_at(s, path, "%s/trust", s->institutions[i]), "");
    ssize_t len = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
    exe[len > 0 ? len : 0] = '\0';
    if (len > 0)
        *strrchr(exe, '/') = '\0';
    print_export("PATH", exe, ":\"$PATH\"");
    return CMD_OK;
}

/* Faults */

static const struct sandbox_node *need_node(const struct sandbox *s, const char *verb,
                                            const char *name)
{
    const struct sandbox_node *n = name ? sandbox_node(s, name) : NULL;
    if (!n)
        cmd_say("%s: %s%sis not a node: xos sandbox status lists them", verb, name ? name : "",
                name ? " " : "nothing ");
    return n;
}

static int kill_xosd(const struct sandbox *s, const char *name)
{
    char process[SANDBOX_NAME_MAX + 16];
    const struct sandbox_node *n = need_node(s, "kill", name);
    if (!n)
        return CMD_USAGE;
    (void)snprintf(process, sizeof(process), "xosd.%s", n->name);
    if (sandbox_signal(s, process, SIGKILL) == 0)
        return CMD_OK;
    cmd_say("kill: the xosd of %s does not run", n->name);
    return CMD_FAILED;
}

static int lose(const struct sandbox *s, const char *name)
{
    sandbox_path dir;
    char process[SANDBOX_NAME_MAX + 16];
    const struct sandbox_node *n = need_node(s, "lose", name);
    if (!n)
        return CMD_USAGE;
    (void)snprintf(process, sizeof(process), "xosd.%s", n->name);
    (void)sandbox_signal(s, process, SIGKILL);
    (void)sandbox_kill_all(s, sandbox_at(s, dir, "%s/%s", n->institution, n->part));
    return CMD_OK;
}

static int start(const struct sandbox *s, const char *name)
{
    const struct sandbox_node *n = need_node(s, "start", name);
    if (!n)
        return CMD_USAGE;
    return sandbox_start_node(s, n) < 0 ? CMD_FAILED : CMD_OK;
}

static bool known(const struct sandbox *s, const char *name)
{
    for (size_t i = 0; i < s->institution_count; i++)
        if (strcmp(s->institutions[i], name) == 0)
            return true;
    return sandbox_node(s, name) != NULL;
}

static int cut(struct sandbox *s, const char *a, const char *b)
{
    const char *strange = a && !known(s, a) ? a : b && !known(s, b) ? b : NULL;
    if (strange) {
        cmd_say("cut: %s is neither a node nor an institution: xos sandbox status lists them",
                strange);
        return CMD_USAGE;
    }
    if (!a || !b || strcmp(a, b) == 0) {
        cmd_say("cut: two nodes or institutions are needed: xos sandbox cut inria vu");
        return CMD_USAGE;
    }
    if (s->cut_count == SANDBOX_CUTS_MAX) {
        cmd_say("SANDBOX_CUTS_MAX: %d cuts", SANDBOX_CUTS_MAX);
        return CMD_FAILED;
    }
    struct sandbox_cut *c = &s->cuts[s->cut_count++];
    (void)snprintf(c->a, sizeof(c->a), "%s", a);
    (void)snprintf(c->b, sizeof(c->b), "%s", b);
    return sandbox_write(s) < 0 || sandbox_apply_cuts(s) < 0 ? CMD_FAILED : CMD_OK;
}

static int heal(struct sandbox *s)
{
    s->cut_count = 0;
    return sandbox_write(s) < 0 || sandbox_apply_cuts(s) < 0 ? CMD_FAILED : CMD_OK;
}

/* The verbs */

static const struct verb {
    const char *name;
    int words; /* that follow */
} verbs[] = {{"up", 0},   {"status", 0}, {"down", 0}, {"env", 1}, {"kill", 1},
             {"lose", 1}, {"start", 1},  {"cut", 2},  {"heal", 0}};
#define VERBS (sizeof(verbs) / sizeof(verbs[0]))

static const struct verb *find(const char *name, int words)
{
    const char *names[VERBS];
    for (size_t i = 0; i < VERBS; i++) {
        names[i] = verbs[i].name;
        if (!name || strcmp(verbs[i].name, name) != 0)
            continue;
        if (verbs[i].words == words)
            return &verbs[i];
        cmd_say("%s: takes %d word%s, not %d", name, verbs[i].words, verbs[i].words == 1 ? "" : "s",
                words);
        return NULL;
    }
    const char *near = name ? xos_client_suggest(name, names, VERBS) : NULL;
    if (name)
        cmd_say("%s: no such verb: %s%s%s", name, near ? "did you mean " : "--help lists them",
                near ? near : "", near ? "?" : "");
    else
        cmd_say("no verb: up, status, down, env, kill, lose, start, cut or heal");
    return NULL;
}

static int run(struct sandbox *s, const char *verb, const struct box_options *o, char **words)
{
    if (strcmp(verb, "up") == 0)
        return up(s, o);
    if (strcmp(verb, "down") == 0)
        return down(s);
    if (sandbox_read(s) < 0)
        return CMD_FAILED;
    if (strcmp(verb, "status") == 0)
        return status(s, o->json);
    if (strcmp(verb, "env") == 0)
        return env(s, words[0], o->node);
    if (strcmp(verb, "kill") == 0)
        return kill_xosd(s, words[0]);
    if (strcmp(verb, "lose") == 0)
        return lose(s, words[0]);
    if (strcmp(verb, "start") == 0)
        return start(s, words[0]);
    return strcmp(verb, "cut") == 0 ? cut(s, words[0], words[1]) : heal(s);
}

int cmd_sandbox(int argc, char **argv)
{
    struct box_options o = {.dir = NULL};
    static struct sandbox s;
    int first = cmd_options_parse(&cmd_sandbox_options, argc, argv, &o);
    char **words = argv + first;
    const struct verb *v = find(first < argc ? words[0] : NULL, argc - first - 1);
    if (!v)
        return CMD_USAGE;
    if (sandbox_find(&s, o.dir) < 0)
        return CMD_FAILED;
    return run(&s, v->name, &o, words + 1);
}
