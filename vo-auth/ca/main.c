// SPDX-License-Identifier: Apache-2.0
/* xos-ca - the process of a head that holds the institution's keys.
 *
 * It has one Unix socket, where only xosd (by uid) is let in, and no network. It believes xosd
 * nothing: behind each certificate is a proof that xosd cannot make (proof.h), each verb is a row
 * of a table (service.c), an unknown one is refused, and every message is decoded under a budget. A
 * hostile xosd can keep certificates from people; it cannot get one.
 *
 * Keys are in slots (slots.h): made there, used there, in locked memory, never shown. The tables
 * (tokens, revocations, VOs) are files that are replaced whole; an administrator's commands, run as
 * uid xos-ca on the head, change them beside the running process (admin.h).
 *
 * Tour: proof_*.c what must be shown, issue the certificate, service the verbs, state the files,
 * slots the keys, institution root and CA, admin the commands, confine what is given up. */
#include "libxos/base/telemetry.h"
#include "libxos/base/version.h"
#include "libxos/env/account.h"
#include "libxos/net/local.h"
#include "vo-auth/ca/admin.h"
#include "vo-auth/ca/confine.h"
#include "vo-auth/ca/service.h"

#include <argp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CA_CONNECTIONS_MAX 8

const char *argp_program_version;

struct options {
    struct ca_admin admin;
    const struct ca_command *command;
    const char *socket, *users, *institution;
    uint32_t peer_uid;
};

enum {
    OPT_SOCKET = 256,
    OPT_STATE,
    OPT_USERS,
    OPT_PEER_UID,
    OPT_INSTITUTION,
    OPT_ROOT_DIR,
    OPT_ROLES,
    OPT_ADDRESS,
    OPT_LIFE,
    OPT_PROVISIONED,
    OPT_VO,
    OPT_RIGHTS,
    OPT_ADMIN,
    OPT_FINGERPRINT,
    OPT_COMMANDS = 512
};

static const struct argp_option own_options[] = {
    {"socket", OPT_SOCKET, "PATH", 0, "serve there", 0},
    {"state", OPT_STATE, "DIR", 0, "keys, certificates and tables (/var/lib/xos-ca)", 0},
    {"users", OPT_USERS, "DIR", 0, "NAME.keys, the users' SSH keys (/etc/xos/users)", 0},
    {"peer-uid", OPT_PEER_UID, "USER", 0, "who may connect: xosd's (this process's own)", 0},
    {"institution", OPT_INSTITUTION, "NAME", 0, "end unless the state is this institution's", 0},
    {"root-dir", OPT_ROOT_DIR, "DIR", 0, "where the root's key is, to be taken offline", 0},
    {"roles", OPT_ROLES, "LIST", 0, "of a token: head,worker,storage,gateway (worker)", 0},
    {"address", OPT_ADDRESS, "ADDRESS", 0, "of a token: the node's own (any)", 0},
    {"life", OPT_LIFE, "DURATION", 0, "of a token (10m)", 0},
    {"provisioned", OPT_PROVISIONED, NULL, 0, "a token for an instance: a worker's, up to 2h", 0},
    {"vo", OPT_VO, "VO", 0, "of --vo-add and --vo-remove", 0},
    {"rights", OPT_RIGHTS, "LIST", 0, "of a member: groups and roles, \"prod prod:runner\"", 0},
    {"fingerprint", OPT_FINGERPRINT, "HEX", 0, "of a peer's root, as it says it itself", 0},
    {"admin", OPT_ADMIN, "USER", 0, "of a new VO", 0},
};
#define OWN_OPTIONS (sizeof(own_options) / sizeof(own_options[0]))

/* Where an option's text goes. */
static const char **place_of(struct options *o, int key)
{
    const struct {
        int key;
        const char **at;
    } places[] = {
        {OPT_SOCKET, &o->socket},
        {OPT_STATE, &o->admin.state},
        {OPT_USERS, &o->users},
        {OPT_INSTITUTION, &o->institution},
        {OPT_ROOT_DIR, &o->admin.root_dir},
        {OPT_ROLES, &o->admin.roles},
        {OPT_ADDRESS, &o->admin.address},
        {OPT_LIFE, &o->admin.life},
        {OPT_VO, &o->admin.vo},
        {OPT_RIGHTS, &o->admin.rights},
        {OPT_ADMIN, &o->admin.admin},
        {OPT_FINGERPRINT, &o->admin.fingerprint},
    };
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
        if (places[i].key == key)
            return places[i].at;
    return NULL;
}

static error_t parse(int key, char *text, struct argp_state *state)
{
    struct options *o = state->input;
    const char **place = place_of(o, key);
    const struct ca_command *command = key >= OPT_COMMANDS && key < OPT_COMMANDS + 64
                                           ? ca_command((size_t)(key - OPT_COMMANDS))
                                           : NULL;
    struct xos_error err = {0};
    if (place)
        *place = text;
    else if (key == OPT_PROVISIONED)
        o->admin.provisioned = true;
    else if (key == OPT_PEER_UID) {
        if (xos_account_user(text, &o->peer_uid, &err) < 0)
            argp_error(state, "--peer-uid: %s", err.text);
    } else if (command) {
        if (o->command)
            argp_error(state, "--%s and --%s: one at a time", o->command->option, command->option);
        o->command = command;
        o->admin.subject = text;
    } else
        return ARGP_ERR_UNKNOWN;
    return 0;
}

struct server {
    struct ca_service *service;
    struct xos_loop *loop;
    uid_t peer;
    struct xos_conn *conns[CA_CONNECTIONS_MAX];
};

static void drop(struct server *s, struct xos_conn *conn)
{
    for (size_t i = 0; i < CA_CONNECTIONS_MAX; i++)
        if (s->conns[i] == conn)
            s->conns[i] = NULL;
    xos_conn_free(conn);
}

static void on_frame(void *arg, struct xos_conn *conn, struct xos_slice frame)
{
    struct server *s = arg;
    struct xos_buf answer = XOS_BUF(CA_ANSWER_BYTES_MAX);
    struct xos_error err = {0};
    int rc = ca_service_answer(s->service, frame, &answer, &err);
    if (rc == 0)
        rc = xos_conn_send(conn, (struct xos_slice){answer.data, answer.len}, &err);
    xos_buf_free(&answer);
    if (rc < 0) {
        xos_log_error(XOS_EV_REFUSED, &err, "answer");
        drop(s, conn);
    }
}

static void on_close(void *arg, struct xos_conn *conn, const struct xos_error *why)
{
    if (why->code)
        xos_log_error(XOS_EV_PEER_REFUSED, why, "connection");
    drop(arg, conn);
}

static const struct xos_conn_ops conn_ops = {on_frame, NULL, on_close};

static void on_connection(void *arg, int fd, const struct xos_peer *peer)
{
    struct server *s = arg;
    struct xos_error err = {0};
    struct xos_conn **place = NULL;
    const struct xos_conn_config config = {CA_REQUEST_BYTES_MAX, CA_ANSWER_BYTES_MAX, &conn_ops, s};
    for (size_t i = 0; i < CA_CONNECTIONS_MAX; i++)
        if (!s->conns[i])
            place = &s->conns[i];
    if (peer->uid != s->peer)
        xos_fail(&err, XOS_DENIED, "uid %u is not xosd's", peer->uid);
    else if (!place)
        xos_fail(&err, XOS_LIMIT, "%d connections", CA_CONNECTIONS_MAX);
    if (err.code)
        xos_env_close(xos_loop_env(s->loop), fd);
    else if (xos_conn_new(place, s->loop, fd, &config, &err) == 0)
        return;
    if (place)
        *place = NULL;
    xos_log_error(XOS_EV_PEER_REFUSED, &err, "pid=%d", peer->pid);
}

static void on_stop(int number, void *arg)
{
    (void)number;
    xos_loop_stop(arg);
}

static int serve_loop(struct server *s, const struct options *o, struct xos_error *err)
{
    struct xos_signal *term = NULL, *interrupt = NULL;
    struct xos_local *local = NULL;
    bool filtered = false;
    int rc = -1;
    if (xos_signal_new(&term, s->loop, SIGTERM, on_stop, s->loop, err) < 0 ||
        xos_signal_new(&interrupt, s->loop, SIGINT, on_stop, s->loop, err) < 0 ||
        xos_local_listen(&local, s->loop, o->socket, 0666, on_connection, s, err) < 0 ||
        ca_confine_late(&filtered, err) < 0)
        goto out;
    xos_log(XOS_EV_START, "process=xos-ca institution=%s filter=%s",
            ca_service_institution(s->service), filtered ? "seccomp" : "none");
    rc = xos_loop_run(s->loop, err);
    xos_log(XOS_EV_STOP, "process=xos-ca");
out:
    for (size_t i = 0; i < CA_CONNECTIONS_MAX; i++)
        xos_conn_free(s->conns[i]);
    xos_local_free(local);
    xos_signal_free(term);
    xos_signal_free(interrupt);
    return rc;
}

static int serve(const struct options *o, struct xos_error *err)
{
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    struct server s = {.peer = (uid_t)o->peer_uid};
    struct ca_state state = {.dir = -1};
    int rc = -1;
    (void)sigaction(SIGPIPE, &ignore, NULL);
    if (ca_state_open(&state, xos_env_posix(), o->admin.state, err) < 0 ||
        ca_service_new(&s.service, &state, o->users, err) < 0 ||
        xos_loop_new(&s.loop, xos_env_posix(), err) < 0)
        goto out;
    if (o->institution && strcmp(o->institution, ca_service_institution(s.service)) != 0)
        xos_fail(err, XOS_INVALID, "%s holds %s, not %s", o->admin.state,
                 ca_service_institution(s.service), o->institution);
    else
        rc = serve_loop(&s, o, err);
out:
    xos_loop_free(s.loop);
    ca_service_free(s.service);
    ca_state_close(&state);
    return rc;
}

static int administer(const struct options *o, struct xos_error *err)
{
    struct xos_buf out = XOS_BUF(4096);
    int rc = o->command->run(&o->admin, xos_env_posix(), &out, err);
    if (rc == 0 && fwrite(out.data, 1, out.len, stdout) != out.len)
        rc = xos_fail_errno(err, "standard output");
    xos_buf_wipe(&out);
    return rc;
}

int main(int argc, char **argv)
{
    struct argp_option table[OWN_OPTIONS + 64] = {{0}};
    const struct argp argp = {table, parse, NULL, "The keeper of an institution's keys.",
                              NULL,  NULL,  NULL};
    struct options o = {
        .admin = {.state = "/var/lib/xos-ca"}, .users = "/etc/xos/users", .peer_uid = geteuid()};
    struct xos_error err = {0};
    memcpy(table, own_options, sizeof(own_options));
    for (size_t i = 0; ca_command(i) && i < 63; i++)
        table[OWN_OPTIONS + i] = (struct argp_option){.name = ca_command(i)->option,
                                                      .key = OPT_COMMANDS + (int)i,
                                                      .arg = ca_command(i)->arg,
                                                      .doc = ca_command(i)->meaning};
    argp_program_version = xos_version;
    argp_err_exit_status = 2;
    if (argp_parse(&argp, argc, argv, 0, NULL, &o) != 0)
        return 2;
    if (!o.command && !o.socket) {
        fprintf(stderr, "xos-ca: --socket PATH to serve, or one of the commands in --help\n");
        return 2;
    }
    int rc = ca_confine_early(&err);
    if (rc == 0)
        rc = o.command ? administer(&o, &err) : serve(&o, &err);
    if (rc < 0)
        fprintf(stderr, "xos-ca: %s%s%s\n", o.command ? o.command->option : "",
                o.command ? ": " : "", err.text);
    return rc < 0 ? 1 : 0;
}
