// SPDX-License-Identifier: Apache-2.0
/* sandbox_layout.c - the directory of a sandbox:
 *
 *     sandbox.json                what there is: institutions, nodes, addresses, cuts
 *     bin/                        as root: copies of the programs, for the daemons' user
 *     log/ pid/                   one file per process
 *     INSTITUTION/ca root users   of xos-ca; ca.sock
 *     INSTITUTION/trust policy    what its nodes go by
 *     INSTITUTION/NODE/           xosd.conf cut state run execd spool scratch; as root, execd lies
 *                                 in memory
 *     users/NAME@INSTITUTION/     SSH key, sockets of ssh-agent and xos-agent */
#include "cmd/sandbox.h"
#include "cmd/say.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <jansson.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define LAYOUT_JOURNAL "sandbox.json"
#define LAYOUT_PRESET ".xos/sandbox"
#define LAYOUT_PRESET_ROOT "/var/lib/xos-sandbox"
#define LAYOUT_NETS 64000u /* 127.A.B.0/24 to choose from */
#define LAYOUT_PORT 7401

const char *sandbox_at(const struct sandbox *s, sandbox_path out, const char *fmt, ...)
{
    char what[SANDBOX_PATH_MAX];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(what, sizeof(what), fmt, args);
    va_end(args);
    int m = snprintf(out, SANDBOX_PATH_MAX, "%s/%s", s->dir, what);
    if (n >= (int)sizeof(what) || m >= SANDBOX_PATH_MAX) {
        cmd_say("--dir %s: the path is too long", s->dir);
        exit(CMD_FAILED);
    }
    return out;
}

/* The longest socket is a node's; the kernel gives sockets 107 bytes. */
static int check_length(const struct sandbox *s)
{
    size_t longest = strlen(s->dir) + sizeof("/institution/n10/run/xosd.sock");
    if (longest <= SANDBOX_SOCKET_MAX)
        return 0;
    cmd_say("--dir %s: too long for sockets below it: choose a shorter one", s->dir);
    return -1;
}

int sandbox_find(struct sandbox *s, const char *dir)
{
    const char *own = getenv("XOS_SANDBOX"), *home = getenv("HOME");
    char cwd[PATH_MAX] = "";
    int n;
    s->uid = geteuid() == 0 ? SANDBOX_UID : geteuid();
    dir = dir ? dir : own && own[0] ? own : NULL;
    if (!dir && geteuid() == 0)
        n = snprintf(s->dir, sizeof(s->dir), "%s", LAYOUT_PRESET_ROOT);
    else if (!dir)
        n = snprintf(s->dir, sizeof(s->dir), "%s/%s", home && home[0] == '/' ? home : "/tmp",
                     LAYOUT_PRESET);
    else if (dir[0] == '/' || !getcwd(cwd, sizeof(cwd)))
        n = snprintf(s->dir, sizeof(s->dir), "%s", dir);
    else
        n = snprintf(s->dir, sizeof(s->dir), "%.400s/%s", cwd, dir);
    if (n >= (int)sizeof(s->dir)) {
        cmd_say("--dir: the path is too long");
        return -1;
    }
    while (n > 1 && s->dir[n - 1] == '/')
        s->dir[--n] = '\0';
    return check_length(s);
}

bool sandbox_exists(const struct sandbox *s)
{
    sandbox_path path;
    return access(sandbox_at(s, path, LAYOUT_JOURNAL), F_OK) == 0;
}

/* The journal */

static json_t *journal_json(const struct sandbox *s)
{
    json_t *institutions = json_array(), *nodes = json_array(), *cuts = json_array();
    for (size_t i = 0; i < s->institution_count; i++)
        (void)json_array_append_new(institutions, json_string(s->institutions[i]));
    for (size_t i = 0; i < s->node_count; i++)
        (void)json_array_append_new(
            nodes, json_pack("{s:s, s:s, s:s, s:s, s:b}", "name", s->nodes[i].name, "institution",
                             s->nodes[i].institution, "part", s->nodes[i].part, "address",
                             s->nodes[i].address, "head", s->nodes[i].head));
    for (size_t i = 0; i < s->cut_count; i++)
        (void)json_array_append_new(cuts, json_pack("[s, s]", s->cuts[i].a, s->cuts[i].b));
    return json_pack("{s:i, s:s, s:I, s:s, s:o, s:o, s:o}", "version", 1, "bin", s->bin, "uid",
                     (json_int_t)s->uid, "net", s->net, "institutions", institutions, "nodes",
                     nodes, "cuts", cuts);
}

int sandbox_write(const struct sandbox *s)
{
    sandbox_path path, fresh;
    json_t *all = journal_json(s);
    sandbox_at(s, path, LAYOUT_JOURNAL);
    int rc = json_dump_file(all, sandbox_at(s, fresh, "." LAYOUT_JOURNAL), JSON_INDENT(2));
    json_decref(all);
    if (rc == 0 && rename(fresh, path) == 0)
        return 0;
    cmd_say("%s: %s", path, strerror(errno));
    return -1;
}

static bool copy(char to[static SANDBOX_NAME_MAX], const json_t *from)
{
    const char *text = json_string_value(from);
    int n = text ? snprintf(to, SANDBOX_NAME_MAX, "%s", text) : -1;
    return n > 0 && n < SANDBOX_NAME_MAX;
}

static bool read_node(struct sandbox_node *n, const json_t *j)
{
    n->head = json_is_true(json_object_get(j, "head"));
    return copy(n->name, json_object_get(j, "name")) &&
           copy(n->institution, json_object_get(j, "institution")) &&
           copy(n->part, json_object_get(j, "part")) &&
           copy(n->address, json_object_get(j, "address"));
}

static bool read_all(struct sandbox *s, const json_t *all)
{
    const json_t *institutions = json_object_get(all, "institutions");
    const json_t *nodes = json_object_get(all, "nodes"), *cuts = json_object_get(all, "cuts");
    const char *bin = json_string_value(json_object_get(all, "bin"));
    bool good = bin && json_array_size(institutions) <= SANDBOX_INSTITUTIONS_MAX &&
                json_array_size(nodes) <= SANDBOX_NODES_MAX &&
                json_array_size(cuts) <= SANDBOX_CUTS_MAX;
    const char *net = json_string_value(json_object_get(all, "net"));
    if (!good)
        return false;
    (void)snprintf(s->bin, sizeof(s->bin), "%.500s", bin);
    (void)snprintf(s->net, sizeof(s->net), "%s", net ? net : "");
    s->uid = (uid_t)json_integer_value(json_object_get(all, "uid"));
    while (good && s->institution_count < json_array_size(institutions)) {
        good = copy(s->institutions[s->institution_count],
                    json_array_get(institutions, s->institution_count));
        s->institution_count++;
    }
    while (good && s->node_count < json_array_size(nodes)) {
        good = read_node(&s->nodes[s->node_count], json_array_get(nodes, s->node_count));
        s->node_count++;
    }
    while (good && s->cut_count < json_array_size(cuts)) {
        const json_t *cut = json_array_get(cuts, s->cut_count);
        good = copy(s->cuts[s->cut_count].a, json_array_get(cut, 0)) &&
               copy(s->cuts[s->cut_count].b, json_array_get(cut, 1));
        s->cut_count++;
    }
    return good;
}

int sandbox_read(struct sandbox *s)
{
    sandbox_path path;
    json_error_t why;
    if (!sandbox_exists(s)) {
        cmd_say("no sandbox in %s: xos sandbox up makes one, --dir names another", s->dir);
        return -1;
    }
    json_t *all = json_load_file(sandbox_at(s, path, LAYOUT_JOURNAL), 0, &why);
    bool good = all && read_all(s, all);
    json_decref(all);
    if (!good)
        cmd_say("%s: not the journal of a sandbox: xos sandbox down removes what is there", path);
    return good ? 0 : -1;
}

const struct sandbox_node *sandbox_node(const struct sandbox *s, const char *name)
{
    for (size_t i = 0; i < s->node_count; i++)
        if (strcmp(s->nodes[i].name, name) == 0)
            return &s->nodes[i];
    return NULL;
}

/* A new one */

/* FNV-1a */
static unsigned hash_of(const char *text)
{
    unsigned hash = 2166136261u;
    for (const char *p = text; *p; p++)
        hash = (hash ^ (unsigned char)*p) * 16777619u;
    return hash;
}

/* Does nobody listen on the first address of this net? */
static bool is_free(unsigned net)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(LAYOUT_PORT)};
    at.sin_addr.s_addr = htonl(127u << 24 | (net / 250 + 1) << 16 | (net % 250 + 1) << 8 | 1);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    bool free = fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0;
    if (fd >= 0)
        close(fd);
    return free;
}

/* From the directory's name, so that the same sandbox has the same addresses again; the next one
 * when somebody is there. */
static unsigned choose_net(const char *dir)
{
    unsigned net = hash_of(dir) % LAYOUT_NETS;
    for (unsigned i = 0; i < 100 && !is_free(net); i++)
        net = (net + 1) % LAYOUT_NETS;
    return net;
}

static bool name_good(const char *name, size_t len)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_";
    return len > 0 && len <= 11 && strspn(name, letters) >= len && name[0] != '_';
}

/* Namespaces are nobody else's: there the addresses may always be the same. */
static void choose_address(const struct sandbox *s, struct sandbox_node *n, unsigned net)
{
    if (s->net[0])
        (void)snprintf(n->address, sizeof(n->address), "10.76.0.%zu", s->node_count);
    else
        (void)snprintf(n->address, sizeof(n->address), "127.%u.%u.%zu", net / 250 + 1,
                       net % 250 + 1, s->node_count);
}

static int plan_institution(struct sandbox *s, const char *name, unsigned nodes, unsigned net)
{
    if (s->institution_count == SANDBOX_INSTITUTIONS_MAX ||
        s->node_count + nodes > SANDBOX_NODES_MAX) {
        cmd_say("--institutions, --nodes: at most %d institutions and %d nodes in all",
                SANDBOX_INSTITUTIONS_MAX, SANDBOX_NODES_MAX);
        return -1;
    }
    for (size_t i = 0; i < s->institution_count; i++)
        if (strcmp(s->institutions[i], name) == 0) {
            cmd_say("--institutions: %s twice", name);
            return -1;
        }
    (void)snprintf(s->institutions[s->institution_count++], SANDBOX_NAME_MAX, "%s", name);
    for (unsigned i = 1; i <= nodes; i++) {
        struct sandbox_node *n = &s->nodes[s->node_count++];
        (void)snprintf(n->part, sizeof(n->part), "n%u", i);
        (void)snprintf(n->institution, sizeof(n->institution), "%s", name);
        (void)snprintf(n->name, sizeof(n->name), "n%u.%.11s", i, name);
        choose_address(s, n, net);
        n->head = i == 1;
    }
    return 0;
}

int sandbox_plan(struct sandbox *s, const char *institutions, unsigned nodes, bool netns)
{
    unsigned net = netns ? 0 : choose_net(s->dir);
    char name[12];
    if (netns)
        (void)snprintf(s->net, sizeof(s->net), "xos-%08x", hash_of(s->dir));
    for (const char *at = institutions; *at;) {
        size_t len = strcspn(at, ",");
        if (!name_good(at, len)) {
            cmd_say("--institutions: \"%.*s\" is no name: a-z and 0-9, at most 11", (int)len, at);
            return -1;
        }
        memcpy(name, at, len);
        name[len] = '\0';
        if (plan_institution(s, name, nodes, net) < 0)
            return -1;
        at += len + (at[len] == ',');
    }
    if (s->institution_count)
        return 0;
    cmd_say("--institutions: none is named");
    return -1;
}

/* Files */

int sandbox_mkdir(const struct sandbox *s, const char *path, mode_t mode)
{
    char part[SANDBOX_PATH_MAX];
    (void)snprintf(part, sizeof(part), "%s", path);
    for (char *p = part + 1; (p = strchr(p, '/')); p++) {
        *p = '\0';
        if (mkdir(part, 0755) < 0 && errno != EEXIST && errno != EROFS && errno != EACCES)
            break;
        *p = '/';
    }
    if ((mkdir(path, mode) == 0 || errno == EEXIST) &&
        (geteuid() != 0 || chown(path, s->uid, s->uid) == 0))
        return 0;
    cmd_say("%s: %s", path, strerror(errno));
    return -1;
}

int sandbox_put(const struct sandbox *s, const char *path, mode_t mode, const char *text)
{
    size_t len = strlen(text);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    bool good = fd >= 0 && write(fd, text, len) == (ssize_t)len &&
                (geteuid() != 0 || fchown(fd, s->uid, s->uid) == 0);
    if (fd >= 0)
        good = close(fd) == 0 && good;
    if (!good)
        cmd_say("%s: %s", path, strerror(errno));
    return good ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path) < 0 && errno != ENOENT ? -1 : 0;
}

/* What is no mount point stays as it is. */
static void unmount_runs(const struct sandbox *s)
{
    sandbox_path pattern;
    glob_t found;
    if (geteuid() != 0 || glob(sandbox_at(s, pattern, "*/*/execd"), 0, NULL, &found) != 0)
        return;
    for (size_t i = 0; i < found.gl_pathc; i++)
        (void)umount2(found.gl_pathv[i], MNT_DETACH | UMOUNT_NOFOLLOW);
    globfree(&found);
}

int sandbox_remove(const struct sandbox *s)
{
    unmount_runs(s);
    if (nftw(s->dir, remove_one, 32, FTW_DEPTH | FTW_PHYS) == 0 || errno == ENOENT)
        return 0;
    cmd_say("%s: %s", s->dir, strerror(errno));
    return -1;
}
