// SPDX-License-Identifier: Apache-2.0
/* sandbox_up.c - make a federation as its administrators would: institutions with their own xos-ca,
 * peering by fingerprint, a VO across them, nodes that join with tokens, users with SSH keys. */
#include "cmd/sandbox.h"
#include "cmd/say.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <xos.h>

#define UP_TEXT_MAX 8192
#define UP_FINGERPRINT_CHARS 64

static const char *const users[] = {"alice", "bob",   "carol", "dave",
                                    "erin",  "frank", "grace", "heidi"};

const char *sandbox_user_of(size_t institution)
{
    return institution < sizeof(users) / sizeof(users[0]) ? users[institution] : NULL;
}

/* The programs */

static int copy_program(const struct sandbox *s, const char *from_dir, const char *name)
{
    char from[2 * SANDBOX_PATH_MAX];
    sandbox_path to;
    struct stat st;
    (void)snprintf(from, sizeof(from), "%s/%s", from_dir, name);
    int in = open(from, O_RDONLY | O_CLOEXEC);
    int out =
        open(sandbox_at(s, to, "bin/%s", name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
    bool good = in >= 0 && out >= 0 && fstat(in, &st) == 0;
    for (off_t left = good ? st.st_size : 0; good && left > 0;) {
        ssize_t n = sendfile(out, in, NULL, (size_t)left);
        good = n > 0;
        left -= n;
    }
    if (!good)
        cmd_say("%s: %s", in < 0 ? from : to, strerror(errno));
    if (in >= 0)
        close(in);
    if (out >= 0)
        close(out);
    return good ? 0 : -1;
}

/* As root the daemons' user may not reach where the programs are: it gets copies. */
static int copy_programs(const struct sandbox *s, const char *from)
{
    static const char *const names[] = {"xosd",     "xos-ca",   "xos-execd",
                                        "xos-shim", "xos-init", "xos-agent"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (copy_program(s, from, names[i]) < 0)
            return -1;
    return 0;
}

/* Institutions */

#define WORDS_MAX 20

/* xos-ca --state DIR/INST/ca WORDS…; output may be NULL. */
static int ca(const struct sandbox *s, const char *inst, char *output, const char *const *words)
{
    sandbox_path state, root;
    char name[2 * SANDBOX_NAME_MAX];
    const char *argv[WORDS_MAX + 8] = {"xos-ca", "--state", sandbox_at(s, state, "%s/ca", inst),
                                       "--root-dir", sandbox_at(s, root, "%s/root", inst)};
    size_t n = 5;
    for (size_t i = 0; words[i] && i < WORDS_MAX; i++)
        argv[n++] = words[i];
    argv[n] = NULL;
    (void)snprintf(name, sizeof(name), "xos-ca.%s.admin", inst);
    const struct sandbox_run r = {
        .name = name, .argv = argv, .output = output, .output_bytes = output ? UP_TEXT_MAX : 0};
    return sandbox_do(s, &r);
}

static int make_directories(const struct sandbox *s, const char *inst)
{
    static const struct {
        const char *name;
        mode_t mode;
    } rows[] = {{"ca", 0700},          {"root", 0700},      {"users", 0755},   {"trust", 0755},
                {"trust/roots", 0755}, {"trust/crl", 0755}, {"trust/vo", 0755}};
    sandbox_path path;
    if (sandbox_mkdir(s, sandbox_at(s, path, "%s", inst), 0755) < 0)
        return -1;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (sandbox_mkdir(s, sandbox_at(s, path, "%s/%s", inst, rows[i].name), rows[i].mode) < 0)
            return -1;
    return 0;
}

static int make_institution(const struct sandbox *s, const char *inst, char *fingerprint)
{
    char text[UP_TEXT_MAX] = "", policy[UP_TEXT_MAX];
    sandbox_path path;
    if (make_directories(s, inst) < 0 ||
        ca(s, inst, text, (const char *const[]){"--create", inst, NULL}) < 0)
        return -1;
    const char *root = strstr(text, " root ");
    if (!root || strlen(root + 6) < UP_FINGERPRINT_CHARS) {
        cmd_say("xos-ca: no fingerprint in \"%.60s\"", text);
        return -1;
    }
    memcpy(fingerprint, root + 6, UP_FINGERPRINT_CHARS);
    fingerprint[UP_FINGERPRINT_CHARS] = '\0';
    (void)snprintf(policy, sizeof(policy),
                   "# what %s lets whom do on its nodes: xos-policy(5)\n"
                   "allow admin:%s to *\n"
                   "allow institution:%s to * when own==yes\n"
                   "allow vo:" SANDBOX_VO "@%s to job.*, unit.attach, node.list when own==yes\n",
                   inst, inst, inst, s->institutions[0]);
    return sandbox_put(s, sandbox_at(s, path, "%s/policy", inst), 0644, policy);
}

/* Each institution registers the others' roots, by what they say themselves. */
static int make_peers(const struct sandbox *s, char fingerprints[][UP_FINGERPRINT_CHARS + 1])
{
    sandbox_path root;
    for (size_t i = 0; i < s->institution_count; i++)
        for (size_t k = 0; k < s->institution_count; k++)
            if (i != k &&
                ca(s, s->institutions[i], NULL,
                   (const char *const[]){"--peer-add",
                                         sandbox_at(s, root, "%s/ca/root.der", s->institutions[k]),
                                         "--fingerprint", fingerprints[k], NULL}) < 0)
                return -1;
    return 0;
}

static int make_vo(const struct sandbox *s)
{
    const char *home = s->institutions[0];
    char admin[2 * SANDBOX_NAME_MAX], member[2 * SANDBOX_NAME_MAX];
    (void)snprintf(admin, sizeof(admin), "%s@%s", users[0], home);
    if (ca(s, home, NULL,
           (const char *const[]){"--vo-create", SANDBOX_VO, "--admin", admin, NULL}) < 0)
        return -1;
    for (size_t i = 0; i < s->institution_count; i++) {
        (void)snprintf(member, sizeof(member), "%s@%s", users[i], s->institutions[i]);
        if (ca(s, home, NULL,
               (const char *const[]){"--vo-add", member, "--vo", SANDBOX_VO, "--rights",
                                     "prod prod:runner", NULL}) < 0)
            return -1;
    }
    return 0;
}

/* What each institution says goes to all of them. */
static int publish(const struct sandbox *s)
{
    sandbox_path trust;
    for (size_t i = 0; i < s->institution_count; i++)
        for (size_t k = 0; k < s->institution_count; k++)
            if (ca(s, s->institutions[i], NULL,
                   (const char *const[]){"--publish",
                                         sandbox_at(s, trust, "%s/trust", s->institutions[k]),
                                         NULL}) < 0)
                return -1;
    return 0;
}

static int start_ca(const struct sandbox *s, const char *inst)
{
    sandbox_path state, people, socket_path;
    char name[2 * SANDBOX_NAME_MAX];
    (void)snprintf(name, sizeof(name), "xos-ca.%s", inst);
    const char *argv[] = {"xos-ca",
                          "--state",
                          sandbox_at(s, state, "%s/ca", inst),
                          "--users",
                          sandbox_at(s, people, "%s/users", inst),
                          "--socket",
                          sandbox_at(s, socket_path, "%s/ca.sock", inst),
                          NULL};
    const struct sandbox_run r = {.name = name, .argv = argv};
    if (sandbox_pid(s, name))
        return 0;
    if (sandbox_start(s, &r) < 0)
        return -1;
    return sandbox_listens(s, name, socket_path, SOCK_STREAM);
}

static int own_directory(const char *path, mode_t mode)
{
    if (mkdir(path, mode) == 0 || errno == EEXIST)
        return 0;
    cmd_say("%s: %s", path, strerror(errno));
    return -1;
}

/* Users */

static int read_text(const char *path, char *to, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, to, size - 1);
    if (fd >= 0)
        close(fd);
    if (n < 0)
        cmd_say("%s: %s", path, strerror(errno));
    to[n > 0 ? n : 0] = '\0';
    return n < 0 ? -1 : 0;
}

static int make_key(const struct sandbox *s, const char *user, const char *inst, char *public_key)
{
    sandbox_path key, pub;
    char full[2 * SANDBOX_NAME_MAX];
    (void)snprintf(full, sizeof(full), "%s@%s", user, inst);
    const char *argv[] = {"/usr/bin/ssh-keygen",
                          "-q",
                          "-t",
                          "ed25519",
                          "-N",
                          "",
                          "-C",
                          full,
                          "-f",
                          sandbox_at(s, key, "users/%s/key", full),
                          NULL};
    const struct sandbox_run r = {.name = "ssh-keygen", .argv = argv, .own = true};
    if (sandbox_do(s, &r) < 0)
        return -1;
    return read_text(sandbox_at(s, pub, "users/%s/key.pub", full), public_key, UP_TEXT_MAX);
}

/* A real ssh-agent that holds the key, as the caller, who is the user here. */
static int start_ssh_agent(const struct sandbox *s, const char *full)
{
    sandbox_path socket_path, key;
    char name[2 * SANDBOX_NAME_MAX + 16], env[SANDBOX_PATH_MAX + 32];
    (void)snprintf(name, sizeof(name), "ssh-agent.%s", full);
    sandbox_at(s, socket_path, "users/%s/ssh", full);
    (void)snprintf(env, sizeof(env), "SSH_AUTH_SOCK=%s", socket_path);
    const char *argv[] = {"/usr/bin/ssh-agent", "-D", "-a", socket_path, NULL};
    const struct sandbox_run agent = {.name = name, .argv = argv, .own = true};
    const char *add_argv[] = {"/usr/bin/ssh-add", "-q", sandbox_at(s, key, "users/%s/key", full),
                              NULL};
    const char *add_env[] = {env, NULL};
    const struct sandbox_run add = {
        .name = "ssh-add", .argv = add_argv, .env = add_env, .own = true};
    if (sandbox_start(s, &agent) < 0 || sandbox_listens(s, name, socket_path, SOCK_STREAM) < 0)
        return -1;
    return sandbox_do(s, &add);
}

static int start_agent(const struct sandbox *s, const char *full, const char *inst)
{
    sandbox_path socket_path, trust, node;
    char name[2 * SANDBOX_NAME_MAX + 16], env[2][SANDBOX_PATH_MAX + 32];
    (void)snprintf(name, sizeof(name), "xos-agent.%s", full);
    (void)snprintf(env[0], sizeof(env[0]), "XOS_TRUST=%s", sandbox_at(s, trust, "%s/trust", inst));
    (void)snprintf(env[1], sizeof(env[1]), "XOS_SOCKET=%s",
                   sandbox_at(s, node, "%s/n1/run/xosd.sock", inst));
    const char *argv[] = {"xos-agent", "--foreground", "--socket",
                          sandbox_at(s, socket_path, "users/%s/agent", full), NULL};
    const char *envp[] = {env[0], env[1], NULL};
    const struct sandbox_run r = {.name = name, .argv = argv, .env = envp, .own = true};
    if (sandbox_start(s, &r) < 0)
        return -1;
    return sandbox_listens(s, name, socket_path, SOCK_STREAM);
}

static int make_user(const struct sandbox *s, size_t i)
{
    const char *inst = s->institutions[i], *user = users[i];
    char full[2 * SANDBOX_NAME_MAX], public_key[UP_TEXT_MAX];
    sandbox_path path;
    (void)snprintf(full, sizeof(full), "%s@%s", user, inst);
    if (own_directory(sandbox_at(s, path, "users"), 0700) < 0 ||
        own_directory(sandbox_at(s, path, "users/%s", full), 0700) < 0 ||
        make_key(s, user, inst, public_key) < 0 ||
        sandbox_put(s, sandbox_at(s, path, "%s/users/%s.keys", inst, user), 0644, public_key) < 0 ||
        start_ssh_agent(s, full) < 0)
        return -1;
    return start_agent(s, full, inst);
}

/* Nodes */

/* Continuation lines, since a line of the file has its bound. */
static void seeds_text(const struct sandbox *s, char *to, size_t size)
{
    size_t n = 0;
    to[0] = '\0';
    for (size_t i = 0; i < s->node_count && n < size; i++)
        if (s->nodes[i].head)
            n += (size_t)snprintf(to + n, size - n, "%s%s:7402", n ? "\n  " : "",
                                  s->nodes[i].address);
}

static int write_config(const struct sandbox *s, const struct sandbox_node *n)
{
    char seeds[UP_TEXT_MAX / 4], text[UP_TEXT_MAX], node[SANDBOX_PATH_MAX], own[600] = "";
    sandbox_path path;
    size_t home = 0;
    while (strcmp(s->institutions[home], n->institution) != 0)
        home++;
    seeds_text(s, seeds, sizeof(seeds));
    sandbox_at(s, node, "%s/%s", n->institution, n->part);
    if (!s->net[0])
        (void)snprintf(own, sizeof(own), "cut = %.480s/cut\nhttp = off\n", node);
    int len = snprintf(
        text, sizeof(text),
        "[node]\nname = %s\nroles = %s\ncpus = " SANDBOX_CPUS "\nmem = " SANDBOX_MEM
        "\naccept_unisolated = %s\nstate = %s/state\nrun = %s/run\n"
        "[net]\nlisten = %s\nseeds = %s\n%s"
        "[trust]\ndir = %s/%s/trust\npolicy = %s/%s/policy\nadmins = %s@%s\nca = %s/%s/ca.sock\n"
        "[exec]\nsocket = %s/execd/socket\nrun = %s/execd\nspool = %s/spool\n",
        n->name, n->head ? "head gateway worker storage" : "worker storage",
        s->net[0] ? "no" : "yes", node, node, n->address, seeds, own, s->dir, n->institution,
        s->dir, n->institution, users[home], n->institution, s->dir, n->institution, node, node,
        node);
    if (len >= (int)sizeof(text)) {
        cmd_say("--dir: the path is too long");
        return -1;
    }
    return sandbox_put(s, sandbox_at(s, path, "%s/%s/xosd.conf", n->institution, n->part), 0644,
                       text);
}

/* On a real node /run does not survive a boot, and a sync there costs nothing: so it is here, where
 * root allows it. */
static int mount_run(const struct sandbox *s, const char *path)
{
    if (!s->net[0] || mount("xos-sandbox", path, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755") == 0)
        return 0;
    cmd_say("%s: tmpfs: %s", path, strerror(errno));
    return -1;
}

/* What execd keeps is its own: root's, where it is root. */
static int make_node(const struct sandbox *s, const struct sandbox_node *n)
{
    static const struct {
        const char *name;
        bool execs;
    } folders[] = {{"", false},      {"/state", false}, {"/run", false},
                   {"/execd", true}, {"/spool", true},  {"/scratch", true}};
    sandbox_path path;
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        sandbox_at(s, path, "%s/%s%s", n->institution, n->part, folders[i].name);
        if ((s->net[0] && folders[i].execs ? own_directory(path, 0755)
                                           : sandbox_mkdir(s, path, 0755)) < 0)
            return -1;
    }
    if (mount_run(s, sandbox_at(s, path, "%s/%s/execd", n->institution, n->part)) < 0 ||
        sandbox_put(s, sandbox_at(s, path, "%s/%s/cut", n->institution, n->part), 0644, "") < 0)
        return -1;
    return write_config(s, n);
}

/* A process of the node: where its network is. */
static void place(const struct sandbox *s, const struct sandbox_node *n, struct sandbox_run *r)
{
    static char net[2 * SANDBOX_NAME_MAX];
    r->net = s->net[0] ? sandbox_net_of(s, n->name, net, sizeof(net)) : NULL;
}

static int join(const struct sandbox *s, const struct sandbox_node *n)
{
    sandbox_path config;
    char text[UP_TEXT_MAX] = "", name[SANDBOX_NAME_MAX + 16];
    if (ca(s, n->institution, text,
           (const char *const[]){"--token", n->name, "--roles",
                                 n->head ? "head,gateway,worker,storage" : "worker,storage",
                                 NULL}) < 0)
        return -1;
    char *token = strstr(text, "xosj1-");
    if (!token) {
        cmd_say("xos-ca: no token in its answer");
        return -1;
    }
    token[strspn(token, "xosj1-0123456789abcdef")] = '\0';
    (void)snprintf(name, sizeof(name), "xosd.%s.join", n->name);
    const char *argv[] = {
        "xosd",   "--config", sandbox_at(s, config, "%s/%s/xosd.conf", n->institution, n->part),
        "--join", "-",        NULL};
    char said[256];
    struct sandbox_run r = {
        .name = name, .argv = argv, .input = token, .output = said, .output_bytes = sizeof(said)};
    place(s, n, &r);
    int rc = sandbox_do(s, &r);
    explicit_bzero(text, sizeof(text));
    return rc;
}

/* With namespaces as on a real machine: root, which believes signatures alone, and gives each user
 * a uid of his own. */
static int start_execd(const struct sandbox *s, const struct sandbox_node *n)
{
    sandbox_path socket_path, run, spool, scratch, idmap, trust;
    char name[SANDBOX_NAME_MAX + 16], cgroup[2 * SANDBOX_NAME_MAX], peer[16];
    (void)snprintf(name, sizeof(name), "xos-execd.%s", n->name);
    (void)snprintf(cgroup, sizeof(cgroup), "%s-%s", s->net, n->name);
    (void)snprintf(peer, sizeof(peer), "%u", (unsigned)s->uid);
    sandbox_at(s, socket_path, "%s/%s/execd/socket", n->institution, n->part);
    sandbox_at(s, run, "%s/%s/execd", n->institution, n->part);
    sandbox_at(s, spool, "%s/%s/spool", n->institution, n->part);
    sandbox_at(s, scratch, "%s/%s/scratch", n->institution, n->part);
    sandbox_at(s, idmap, "%s/%s/scratch/.uids", n->institution, n->part);
    sandbox_at(s, trust, "%s/trust", n->institution);
    const char *plain[] = {"xos-execd", "--socket", socket_path, "--run", run,
                           "--spool",   spool,      "--scratch", scratch, NULL};
    const char *root[] = {
        "xos-execd",  "--socket",   socket_path,  "--run",      run,      "--spool",    spool,
        "--scratch",  scratch,      "--idmap",    idmap,        "--node", n->name,      "--trust",
        trust,        "--cgroup",   cgroup,       "--peer-uid", peer,     "--peer-gid", peer,
        "--shim-uid", SANDBOX_SHIM, "--shim-gid", SANDBOX_SHIM, NULL};
    struct sandbox_run r = {
        .name = name, .argv = s->net[0] ? root : plain, .own = s->net[0] != '\0'};
    place(s, n, &r);
    if (sandbox_pid(s, name))
        return 0;
    (void)unlink(socket_path); /* of one that was killed */
    return sandbox_start(s, &r);
}

static int start_xosd(const struct sandbox *s, const struct sandbox_node *n)
{
    sandbox_path config;
    char name[SANDBOX_NAME_MAX + 16];
    (void)snprintf(name, sizeof(name), "xosd.%s", n->name);
    const char *argv[] = {"xosd", "--config",
                          sandbox_at(s, config, "%s/%s/xosd.conf", n->institution, n->part), NULL};
    struct sandbox_run r = {.name = name, .argv = argv};
    place(s, n, &r);
    return sandbox_pid(s, name) ? 0 : sandbox_start(s, &r);
}

static int node_ready(const struct sandbox *s, const struct sandbox_node *n)
{
    sandbox_path path;
    char name[SANDBOX_NAME_MAX + 16];
    (void)snprintf(name, sizeof(name), "xosd.%s", n->name);
    return sandbox_listens(
        s, name, sandbox_at(s, path, "%s/%s/run/xosd.sock", n->institution, n->part), SOCK_STREAM);
}

int sandbox_start_node(const struct sandbox *s, const struct sandbox_node *n)
{
    if ((n->head && start_ca(s, n->institution) < 0) || start_execd(s, n) < 0 ||
        start_xosd(s, n) < 0)
        return -1;
    return node_ready(s, n);
}

/* Heads first: the others join through them. */
static int start_nodes(const struct sandbox *s, bool heads)
{
    for (size_t i = 0; i < s->node_count; i++)
        if (s->nodes[i].head == heads &&
            (join(s, &s->nodes[i]) < 0 || start_execd(s, &s->nodes[i]) < 0 ||
             start_xosd(s, &s->nodes[i]) < 0))
            return -1;
    for (size_t i = 0; i < s->node_count; i++)
        if (s->nodes[i].head == heads && node_ready(s, &s->nodes[i]) < 0)
            return -1;
    return 0;
}

/* All of it */

int sandbox_build(const struct sandbox *s)
{
    static char fingerprints[SANDBOX_INSTITUTIONS_MAX][UP_FINGERPRINT_CHARS + 1];
    sandbox_path own;
    char exe[SANDBOX_PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
    exe[n > 0 ? n : 0] = '\0';
    if (n > 0)
        *strrchr(exe, '/') = '\0';
    if (strcmp(s->bin, sandbox_at(s, own, "bin")) == 0 && copy_programs(s, exe) < 0)
        return -1;
    if (s->net[0] && sandbox_net_up(s) < 0)
        return -1;
    for (size_t i = 0; i < s->institution_count; i++)
        if (make_institution(s, s->institutions[i], fingerprints[i]) < 0)
            return -1;
    if (make_peers(s, fingerprints) < 0 || make_vo(s) < 0 || publish(s) < 0)
        return -1;
    for (size_t i = 0; i < s->institution_count; i++)
        if (start_ca(s, s->institutions[i]) < 0)
            return -1;
    for (size_t i = 0; i < s->node_count; i++)
        if (make_node(s, &s->nodes[i]) < 0)
            return -1;
    if (start_nodes(s, true) < 0 || start_nodes(s, false) < 0)
        return -1;
    for (size_t i = 0; i < s->institution_count; i++)
        if (make_user(s, i) < 0)
            return -1;
    return sandbox_wait_all(s);
}

/* How many nodes one of them knows to be up; 0: it cannot be asked. */
static unsigned known_by(const struct sandbox *s, const struct sandbox_node *n)
{
    sandbox_path path;
    struct xos_client *client;
    unsigned count = 0;
    if (xos_client_new(&client, sandbox_at(s, path, "%s/%s/run/xosd.sock", n->institution, n->part),
                       NULL) == 0) {
        count = xos_client_nodes(client);
        xos_client_free(client);
    }
    return count;
}

int sandbox_wait_all(const struct sandbox *s)
{
    const struct timespec pause = {.tv_nsec = 20000000};
    uint64_t until = cmd_now_ms() + SANDBOX_MEET_MS;
    for (size_t i = 0; i < s->node_count; i++)
        while (known_by(s, &s->nodes[i]) < s->node_count) {
            if (cmd_now_ms() > until) {
                cmd_say("%s does not know all other nodes yet: xos sandbox status, and log/xosd.%s",
                        s->nodes[i].name, s->nodes[i].name);
                return -1;
            }
            (void)nanosleep(&pause, NULL);
        }
    return 0;
}

/* Cuts */

static bool is_of(const struct sandbox_node *n, const char *name)
{
    return strcmp(n->name, name) == 0 || strcmp(n->institution, name) == 0;
}

static bool are_cut(const struct sandbox *s, size_t at, size_t to)
{
    const struct sandbox_node *a = &s->nodes[at], *b = &s->nodes[to];
    for (size_t i = 0; i < s->cut_count; i++) {
        const struct sandbox_cut *c = &s->cuts[i];
        if ((is_of(a, c->a) && is_of(b, c->b)) || (is_of(a, c->b) && is_of(b, c->a)))
            return true;
    }
    return false;
}

/* Both sides pretend to have no cable to the other. */
static int pretend_cuts(const struct sandbox *s)
{
    char text[SANDBOX_NODES_MAX * SANDBOX_NAME_MAX], name[SANDBOX_NAME_MAX + 16];
    sandbox_path path;
    for (size_t i = 0; i < s->node_count; i++) {
        const struct sandbox_node *a = &s->nodes[i];
        size_t n = 0;
        text[0] = '\0';
        for (size_t k = 0; k < s->node_count; k++)
            if (k != i && are_cut(s, i, k))
                n += (size_t)snprintf(text + n, sizeof(text) - n, "%s\n", s->nodes[k].address);
        if (sandbox_put(s, sandbox_at(s, path, "%s/%s/cut", a->institution, a->part), 0644, text) <
            0)
            return -1;
        (void)snprintf(name, sizeof(name), "xosd.%s", a->name);
        (void)sandbox_signal(s, name, SIGHUP);
    }
    return 0;
}

int sandbox_apply_cuts(const struct sandbox *s)
{
    return s->net[0] ? sandbox_net_cut(s, are_cut) : pretend_cuts(s);
}
