// SPDX-License-Identifier: Apache-2.0
#include "xosd/config.h"

#include "libxos/base/telemetry.h"
#include "libxos/base/units.h"
#include "libxos/env/env.h"
#include "libxos/net/address.h"

#include <stdio.h>
#include <string.h>

#define GIB (UINT64_C(1) << 30)

static const struct xos_conf_key keys[] = {
    {"node", "name", XOS_CONF_TEXT, "n1.local", 0, 0, "this node's name: NODE.INSTITUTION"},
    {"node", "roles", XOS_CONF_TEXT, "head worker", 0, 0,
     "what it does: any of head worker storage gateway"},
    {"node", "cpus", XOS_CONF_NUMBER, "0", 0, 65536, "cpus to give to units; 0: all there are"},
    {"node", "mem", XOS_CONF_SIZE, "0", 0, 0, "memory to give to units; 0: all there is"},
    {"node", "accept_unisolated", XOS_CONF_BOOL, "no", 0, 0,
     "run other users' jobs although nothing here isolates them from one another"},
    {"node", "state", XOS_CONF_TEXT, "/var/lib/xos", 0, 0, "what must survive a restart"},
    {"node", "run", XOS_CONF_TEXT, "/run/xos", 0, 0, "sockets"},
    {"net", "socket", XOS_CONF_TEXT, NULL, 0, 0,
     "where local commands connect; unset: xosd.sock in [node] run"},
    {"net", "listen", XOS_CONF_TEXT, NULL, 0, 0,
     "numeric address for other nodes; unset: there are none"},
    {"net", "overlay_port", XOS_CONF_NUMBER, "7401", 0, 65535, "control messages of other nodes"},
    {"net", "bulk_port", XOS_CONF_NUMBER, "7402", 0, 65535, "streams of other nodes"},
    {"net", "advertise", XOS_CONF_TEXT, NULL, 0, 0,
     "numeric address that others reach this node at; unset: listen"},
    {"net", "seeds", XOS_CONF_TEXT, "", 0, 0,
     "nodes to turn to first: ADDRESS:BULKPORT …, IPv6 in brackets"},
    {"net", "cut", XOS_CONF_TEXT, NULL, 0, 0,
     "file of addresses, one a line, that this node has no cable to (for sandboxes)"},
    {"net", "http", XOS_CONF_TEXT, "127.0.0.1:7403", 0, 0,
     "where /metrics and /healthz are served: ADDRESS:PORT, or off"},
    {"store", "url", XOS_CONF_TEXT, NULL, 0, 0,
     "sqlite:PATH or postgresql://…; unset: jobs.db in [node] state"},
    {"trust", "dir", XOS_CONF_TEXT, "/etc/xos/trust", 0, 0,
     "roots, VOs and revocations that this node goes by"},
    {"trust", "policy", XOS_CONF_TEXT, "/etc/xos/policy", 0, 0,
     "who may do what here: xos-policy(5); no such file: one's own users and admins"},
    {"trust", "admins", XOS_CONF_TEXT, "", 0, 0,
     "users of this institution who administer it: alice@inria …"},
    {"trust", "ca", XOS_CONF_TEXT, "/run/xos-ca/socket", 0, 0, "of xos-ca, on a head"},
    {"exec", "socket", XOS_CONF_TEXT, "/run/xos-execd/socket", 0, 0, "of xos-execd"},
    {"exec", "run", XOS_CONF_TEXT, "/run/xos-execd", 0, 0, "xos-execd's --run"},
    {"exec", "spool", XOS_CONF_TEXT, "/var/lib/xos-execd/spool", 0, 0, "xos-execd's --spool"},
    {"limits", "output_per_unit", XOS_CONF_SIZE, "1GiB", 1 << 20, 0,
     "output kept per unit and stream; more is dropped and counted"},
    {"limits", "jobs_per_user", XOS_CONF_NUMBER, "10000", 0, 10000000,
     "live jobs of one user at this head; 0: no bound"},
    {"limits", "jobs_per_vo", XOS_CONF_NUMBER, "0", 0, 10000000,
     "live jobs at this head of those who act for one VO; 0: no bound"},
    {"limits", "units_per_user", XOS_CONF_NUMBER, "0", 0, 4096,
     "units of one user on this node; 0: no bound"},
    {"limits", "output_kept", XOS_CONF_DURATION, "14d", 0, 0,
     "how long after a unit's end its output is kept; 0: for ever"},
    {"limits", "history", XOS_CONF_DURATION, "400d", 0, 0,
     "how long after its end a job is remembered; 0: for ever"},
    {"limits", "spool_min_free", XOS_CONF_PERCENT, "5 %", 0, 0,
     "percent of the disk that must be free for new units and jobs"},
    {"log", "level", XOS_CONF_TEXT, "info", 0, 0, "error, warning, notice, info or debug"},
};
#define KEYS (sizeof(keys) / sizeof(keys[0]))

const struct xos_conf_key *config_key(size_t i)
{
    return i < KEYS ? &keys[i] : NULL;
}

static int text_copy(char *to, size_t size, const char *from, const char *what,
                     struct xos_error *err)
{
    if (strnlen(from, size) >= size)
        return xos_fail(err, XOS_LIMIT, "%s is longer than %zu bytes", what, size - 1);
    memcpy(to, from, strlen(from) + 1);
    return 0;
}

/* The given text, or BASE/NAME when there is none. */
static int text_or(char *to, size_t size, const char *given, const char *prefix, const char *base,
                   const char *name, const char *what, struct xos_error *err)
{
    char preset[CONFIG_TEXT_MAX * 2];
    (void)snprintf(preset, sizeof(preset), "%s%s/%s", prefix, base, name);
    return text_copy(to, size, given ? given : preset, what, err);
}

static int parse_roles(struct config *c, const char *text, struct xos_error *err)
{
    const struct {
        const char *name;
        bool *flag;
    } roles[] = {{"head", &c->head},
                 {"worker", &c->worker},
                 {"storage", &c->storage},
                 {"gateway", &c->gateway}};
    while (*(text += strspn(text, " ,"))) {
        size_t n = strcspn(text, " ,"), i = 0;
        while (i < 4 && (strlen(roles[i].name) != n || strncmp(roles[i].name, text, n) != 0))
            i++;
        if (i == 4)
            return xos_fail(err, XOS_INVALID,
                            "[node] roles: \"%.*s\" is none of head worker storage gateway", (int)n,
                            text);
        *roles[i].flag = true;
        text += n;
    }
    return 0;
}

static int parse_name(struct config *c, const char *name, struct xos_error *err)
{
    const char *dot = strrchr(name, '.');
    if (!dot || dot == name || !dot[1])
        return xos_fail(err, XOS_INVALID,
                        "[node] name: \"%.60s\" is not NODE.INSTITUTION, as n1.inria", name);
    if (strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-") != strlen(name))
        return xos_fail(err, XOS_INVALID,
                        "[node] name: \"%.60s\" has more than a-z, 0-9, '.', '_' and '-'", name);
    if (text_copy(c->institution, sizeof(c->institution), dot + 1, "[node] name", err) < 0)
        return -1;
    return text_copy(c->node, sizeof(c->node), name, "[node] name", err);
}

static int parse_http(struct config *c, const char *text, struct xos_error *err)
{
    const char *colon = strrchr(text, ':');
    uint64_t port = 0;
    if (strcmp(text, "off") == 0)
        return 0;
    if (!colon || colon == text || (size_t)(colon - text) >= sizeof(c->http_host))
        return xos_fail(err, XOS_INVALID, "[net] http: \"%.60s\" is neither ADDRESS:PORT nor off",
                        text);
    if (xos_parse_u64(colon + 1, 0, 65535, &port, err) < 0)
        return xos_wrap(err, "[net] http");
    memcpy(c->http_host, text, (size_t)(colon - text));
    c->http_port = (unsigned)port;
    return 0;
}

/* "ADDRESS:PORT", "[ADDRESS]:PORT"; returns how many bytes of text that were, or 0. */
static size_t parse_seed(struct config_seed *seed, const char *text)
{
    struct xos_error err;
    uint64_t port;
    char number[8];
    size_t all = strcspn(text, " ,\t"), host;
    const char *end = text[0] == '[' ? memchr(text, ']', all) : NULL;
    const char *from = text[0] == '[' ? text + 1 : text;
    for (host = all; host > 0 && text[host - 1] != ':'; host--)
        continue;
    size_t digits = all - host, len = end ? (size_t)(end - from) : host ? host - 1 : 0;
    if (host == 0 || digits == 0 || digits >= sizeof(number) || len == 0 ||
        len >= sizeof(seed->host) || (text[0] == '[' && (!end || end + 2 != text + host)))
        return 0;
    (void)snprintf(number, sizeof(number), "%.*s", (int)digits, text + host);
    if (xos_parse_u64(number, 1, 65535, &port, &err) < 0)
        return 0;
    memcpy(seed->host, from, len);
    seed->host[len] = '\0';
    seed->port = (unsigned)port;
    return all;
}

/* A name would have to be looked up, and the daemon would wait for it. */
static int check_address(const char *text, const char *what, struct xos_error *err)
{
    struct xos_address address;
    if (!text[0] || xos_address_parse(&address, text, NULL) == 0)
        return 0;
    return xos_fail(err, XOS_INVALID, "%s: \"%s\" is not a numeric address", what, text);
}

static int parse_seeds(struct config *c, const char *text, struct xos_error *err)
{
    while (*(text += strspn(text, " ,\t"))) {
        if (c->seed_count == CONFIG_SEEDS_MAX)
            return xos_fail(err, XOS_LIMIT, "CONFIG_SEEDS_MAX: %d [net] seeds", CONFIG_SEEDS_MAX);
        size_t n = parse_seed(&c->seeds[c->seed_count], text);
        if (n == 0)
            return xos_fail(err, XOS_INVALID, "[net] seeds: \"%.*s\" is not ADDRESS:BULKPORT",
                            (int)strcspn(text, " ,\t"), text);
        if (check_address(c->seeds[c->seed_count].host, "[net] seeds", err) < 0)
            return -1;
        c->seed_count++;
        text += n;
    }
    return 0;
}

static int fill_net(struct config *c, const struct xos_conf *conf, struct xos_error *err)
{
    const char *listen = xos_conf_text(conf, "net", "listen");
    const char *advertise = xos_conf_text(conf, "net", "advertise");
    const char *cut = xos_conf_text(conf, "net", "cut");
    c->overlay_port = (unsigned)xos_conf_number(conf, "net", "overlay_port");
    c->bulk_port = (unsigned)xos_conf_number(conf, "net", "bulk_port");
    if (text_copy(c->listen, sizeof(c->listen), listen ? listen : "", "[net] listen", err) < 0 ||
        text_copy(c->advertise, sizeof(c->advertise), advertise ? advertise : c->listen,
                  "[net] advertise", err) < 0 ||
        text_copy(c->cut, sizeof(c->cut), cut ? cut : "", "[net] cut", err) < 0 ||
        text_copy(c->trust_dir, sizeof(c->trust_dir), xos_conf_text(conf, "trust", "dir"),
                  "[trust] dir", err) < 0 ||
        text_copy(c->policy, sizeof(c->policy), xos_conf_text(conf, "trust", "policy"),
                  "[trust] policy", err) < 0 ||
        text_copy(c->admins, sizeof(c->admins), xos_conf_text(conf, "trust", "admins"),
                  "[trust] admins", err) < 0 ||
        text_copy(c->ca_socket, sizeof(c->ca_socket), xos_conf_text(conf, "trust", "ca"),
                  "[trust] ca", err) < 0 ||
        check_address(c->listen, "[net] listen", err) < 0 ||
        check_address(c->advertise, "[net] advertise", err) < 0)
        return -1;
    return parse_seeds(c, xos_conf_text(conf, "net", "seeds"), err);
}

static int fill_paths(struct config *c, const struct xos_conf *conf, struct xos_error *err)
{
    const char *state = xos_conf_text(conf, "node", "state");
    const char *run = xos_conf_text(conf, "node", "run");
    if (text_copy(c->state_dir, sizeof(c->state_dir), state, "[node] state", err) < 0 ||
        text_copy(c->run_dir, sizeof(c->run_dir), run, "[node] run", err) < 0 ||
        text_or(c->socket, sizeof(c->socket), xos_conf_text(conf, "net", "socket"), "", run,
                "xosd.sock", "[net] socket", err) < 0 ||
        text_or(c->store_url, sizeof(c->store_url), xos_conf_text(conf, "store", "url"),
                "sqlite:", state, "jobs.db", "[store] url", err) < 0 ||
        text_copy(c->execd_socket, sizeof(c->execd_socket), xos_conf_text(conf, "exec", "socket"),
                  "[exec] socket", err) < 0 ||
        text_copy(c->execd_run, sizeof(c->execd_run), xos_conf_text(conf, "exec", "run"),
                  "[exec] run", err) < 0)
        return -1;
    return text_copy(c->spool_dir, sizeof(c->spool_dir), xos_conf_text(conf, "exec", "spool"),
                     "[exec] spool", err);
}

static int fill(struct config *c, const struct xos_conf *conf, struct xos_error *err)
{
    c->accept_unisolated = xos_conf_bool(conf, "node", "accept_unisolated");
    c->cpus = (uint32_t)xos_conf_number(conf, "node", "cpus");
    c->mem_bytes = xos_conf_number(conf, "node", "mem");
    c->output_bytes_max = xos_conf_number(conf, "limits", "output_per_unit");
    c->jobs_per_user = (uint32_t)xos_conf_number(conf, "limits", "jobs_per_user");
    c->jobs_per_vo = (uint32_t)xos_conf_number(conf, "limits", "jobs_per_vo");
    c->units_per_user = (uint32_t)xos_conf_number(conf, "limits", "units_per_user");
    c->spool_min_free = (unsigned)xos_conf_number(conf, "limits", "spool_min_free");
    c->output_kept_ms = xos_conf_number(conf, "limits", "output_kept");
    c->history_ms = xos_conf_number(conf, "limits", "history");
    c->log_level = xos_log_level_find(xos_conf_text(conf, "log", "level"));
    if (c->log_level < 0)
        return xos_fail(err, XOS_INVALID,
                        "[log] level: \"%.40s\" is none of error warning notice "
                        "info debug",
                        xos_conf_text(conf, "log", "level"));
    if (parse_name(c, xos_conf_text(conf, "node", "name"), err) < 0 ||
        parse_roles(c, xos_conf_text(conf, "node", "roles"), err) < 0 ||
        parse_http(c, xos_conf_text(conf, "net", "http"), err) < 0 || fill_net(c, conf, err) < 0)
        return -1;
    return fill_paths(c, conf, err);
}

int config_parse(struct config *out, const char *text, const char *source, struct xos_error *err)
{
    struct xos_conf *conf = NULL;
    struct config c = {0};
    if (xos_conf_parse(&conf, keys, KEYS, text, source, err) < 0)
        return -1;
    int rc = fill(&c, conf, err);
    xos_conf_free(conf);
    if (rc < 0)
        return xos_wrap(err, "%s", source);
    *out = c;
    return 0;
}

int config_read(struct config *out, struct xos_env *env, const char *path, struct xos_error *err)
{
    struct xos_buf text = XOS_BUF(XOS_CONF_BYTES_MAX);
    const char *slash = strrchr(path, '/');
    char dir[CONFIG_TEXT_MAX] = ".";
    if (slash && (size_t)(slash - path) < sizeof(dir))
        (void)snprintf(dir, sizeof(dir), "%.*s/", (int)(slash - path), path);
    int fd = xos_env_dir_open(env, dir, err);
    int rc = fd < 0 ? -1 : xos_env_file_read(env, fd, slash ? slash + 1 : path, &text, err);
    xos_env_close(env, fd);
    if (rc < 0)
        xos_wrap(err, "configuration %s", path);
    else if (text.len && memchr(text.data, 0, text.len))
        rc = xos_fail(err, XOS_INVALID, "%s: has a NUL byte", path);
    else
        rc = config_parse(out, text.len ? (const char *)text.data : "", path, err);
    xos_buf_free(&text);
    return rc;
}
