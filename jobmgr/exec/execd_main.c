// SPDX-License-Identifier: Apache-2.0
/* xos-execd: the only part of XOS that is root on a worker, and small enough to be read in an hour.
 *
 * It has no network. One user (xosd's uid, SO_PEERCRED) may send it packets of one fixed binary
 * format (execd_wire); five verbs. START is a flat list of steps (execd_start): authorise, new?,
 * identity, ledger, cgroups, directory with its lock held, spool, scratch, socket, order, shim. The
 * ledger is written before anything of the unit exists and removed when nothing of it does, so that
 * an execd that dies at any point leaves nothing that LIST does not find.
 *
 * xosd is only a pipe: START is judged by execd_authorise, which checks the user's own signature.
 * What is executed is xos-shim and xos-init from the directory of this very program, never a path
 * from a request; the job's command is executed by the init after it has taken the user's uid,
 * which comes from the uid table here (idmap), lies in the reserved range, and is never 0.
 *
 * Shims do not depend on it. It may be killed and started again at any time: it keeps nothing in
 * memory but open directories.
 *
 * As root it starts nothing on xosd's word: a judge, which is not root, reads the proof that comes
 * with each START (jobmgr/judge/judge.h).
 *
 * Without root the same program runs as the one user: no uid table, no cgroups, no namespaces. */
#include "jobmgr/exec/execd.h"
#include "jobmgr/judge/judge.h"
#include "libxos/env/account.h"

#include <argp.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct execd_signals signals;

static void on_stop(int number)
{
    (void)number;
    signals.stop = 1;
}

static void on_reload(int number)
{
    (void)number;
    signals.reload = 1;
}

enum option_key {
    OPT_SOCKET = 256,
    OPT_RUN,
    OPT_SPOOL,
    OPT_SCRATCH,
    OPT_IDMAP,
    OPT_CGROUP,
    OPT_BIND,
    OPT_PEER_UID,
    OPT_PEER_GID,
    OPT_SHIM_UID,
    OPT_SHIM_GID,
    OPT_NODE,
    OPT_TRUST
};

static const struct argp_option options[] = {
    {"socket", OPT_SOCKET, "PATH", 0, "where to listen", 0},
    {"run", OPT_RUN, "DIR", 0, "units' directories", 0},
    {"spool", OPT_SPOOL, "DIR", 0, "units' output", 0},
    {"scratch", OPT_SCRATCH, "DIR", 0, "units' working directories", 0},
    {"idmap", OPT_IDMAP, "FILE", 0, "table of uids (as root)", 0},
    {"cgroup", OPT_CGROUP, "NAME", 0, "parent of the units' cgroups", 0},
    {"bind", OPT_BIND, "DIR", 0, "a mount that units see too (up to 8 times)", 0},
    {"peer-uid", OPT_PEER_UID, "USER", 0, "who may ask", 0},
    {"peer-gid", OPT_PEER_GID, "GROUP", 0, "who may read records and output", 0},
    {"shim-uid", OPT_SHIM_UID, "USER", 0, "what shims become", 0},
    {"shim-gid", OPT_SHIM_GID, "GROUP", 0, "what shims become", 0},
    {"node", OPT_NODE, "NAME", 0, "as root: this node's name", 0},
    {"trust", OPT_TRUST, "DIR", 0, "as root: whom this node trusts (/etc/xos/trust)", 0},
    {0},
};

static void add_bind(struct execd_conf *c, const char *path, struct argp_state *state)
{
    for (int i = 0; i < EXECD_BINDS_MAX; i++)
        if (!c->binds[i]) {
            c->binds[i] = path;
            return;
        }
    argp_error(state, "more than EXECD_BINDS_MAX (%d) --bind", EXECD_BINDS_MAX);
}

struct settings {
    struct execd_conf conf;
    struct judge_config judge;
};

static error_t parse(int key, char *text, struct argp_state *state)
{
    struct settings *s = state->input;
    struct execd_conf *c = &s->conf;
    const struct {
        int key;
        const char **to;
    } texts[] = {{OPT_SOCKET, &c->socket},   {OPT_RUN, &c->run},          {OPT_SPOOL, &c->spool},
                 {OPT_SCRATCH, &c->scratch}, {OPT_IDMAP, &c->idmap},      {OPT_CGROUP, &c->cgroup},
                 {OPT_NODE, &s->judge.node}, {OPT_TRUST, &s->judge.trust}};
    const struct {
        int key;
        int (*find)(const char *text, uint32_t *id, struct xos_error *err);
        uint32_t *to;
    } ids[] = {{OPT_PEER_UID, xos_account_user, &c->peer_uid},
               {OPT_PEER_GID, xos_account_group, &c->peer_gid},
               {OPT_SHIM_UID, xos_account_user, &c->shim_uid},
               {OPT_SHIM_GID, xos_account_group, &c->shim_gid}};
    struct xos_error err = {0};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (texts[i].key == key) {
            *texts[i].to = text;
            return 0;
        }
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
        if (ids[i].key == key) {
            if (ids[i].find(text, ids[i].to, &err) < 0)
                argp_error(state, "%s", err.text);
            return 0;
        }
    if (key == OPT_BIND) {
        add_bind(c, text, state);
        return 0;
    }
    return ARGP_ERR_UNKNOWN;
}

/* The directory of this program: the others that it starts lie beside it. */
static int own_directory(char path[static PATH_MAX])
{
    ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 1);
    if (n <= 0)
        return -1;
    path[n] = 0;
    *strrchr(path, '/') = 0;
    return 0;
}

static void handle_signals(void)
{
    struct sigaction ends = {.sa_handler = on_stop};
    (void)sigaction(SIGTERM, &ends, NULL);
    (void)sigaction(SIGINT, &ends, NULL);
    struct sigaction reloads = {.sa_handler = on_reload};
    (void)sigaction(SIGHUP, &reloads, NULL);
    /* Shims are children, nobody waits for them: their records say how they ended. */
    struct sigaction reaped = {.sa_handler = SIG_DFL, .sa_flags = SA_NOCLDWAIT};
    (void)sigaction(SIGCHLD, &reaped, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
}

static void forget(void *arg)
{
    judge_forget(arg);
}

/* As root a judge is needed. */
static int find_judge(struct settings *s, struct judge **out, struct xos_error *err)
{
    if (geteuid() != 0)
        return 0;
    if (!s->judge.node)
        return xos_fail(err, XOS_INVALID, "as root: which node is this? --node n1.inria");
    s->judge.uid = s->conf.shim_uid;
    s->judge.gid = s->conf.shim_gid;
    if (judge_new(out, &s->judge, err) < 0)
        return -1;
    s->conf.authorise = judge_ask;
    s->conf.authorise_arg = *out;
    s->conf.reload = forget;
    return 0;
}

static int serve(struct settings *s, struct xos_error *err)
{
    struct judge *judge = NULL;
    struct execd *e = NULL;
    int rc = find_judge(s, &judge, err);
    if (rc == 0)
        rc = execd_new(&e, &s->conf, err);
    if (rc == 0)
        rc = execd_run(e, &signals, err);
    execd_free(e);
    judge_free(judge);
    return rc;
}

int main(int argc, char **argv)
{
    static char programs[PATH_MAX];
    static const struct argp argp = {options, parse, NULL, "Start and clear away units.", 0, 0, 0};
    struct xos_error err = {0};
    struct settings s = {.conf = {.socket = "/run/xos-execd/socket",
                                  .run = "/run/xos-execd",
                                  .spool = "/var/lib/xos-execd/spool",
                                  .scratch = "/var/lib/xos-execd/scratch",
                                  .idmap = "/var/lib/xos-execd/uids",
                                  .cgroup = "xos",
                                  .peer_uid = geteuid(),
                                  .peer_gid = getegid(),
                                  .shim_uid = geteuid(),
                                  .shim_gid = getegid(),
                                  .authorise = execd_authorise,
                                  .programs = programs},
                         .judge = {.env = xos_env_posix(), .trust = "/etc/xos/trust"}};
    argp_err_exit_status = 2;
    if (argp_parse(&argp, argc, argv, 0, NULL, &s) != 0)
        return 2;
    (void)umask(0);
    handle_signals();
    if (own_directory(programs) == 0 && serve(&s, &err) == 0)
        return 0;
    fprintf(stderr, "xos-execd: %s\n", err.text);
    return 1;
}
