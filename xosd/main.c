// SPDX-License-Identifier: Apache-2.0
/* xosd - the daemon of a node.
 *
 * It parses bytes from the network and from local processes, and is never root. It holds no unit:
 * those hang on their shims, which xos-execd starts; xosd may be killed, upgraded or starved, and
 * finds its units again (jobmgr/service/worker). What it owns as a head is in its store, as events,
 * and is folded from there again (jobmgr/service/head).
 *
 * One thread runs one loop; the store has a writer thread of its own. Tour: config (xosd.conf),
 * node (services in their order), gate (who is asking), web (/metrics, /healthz). */
#include "libxos/base/telemetry.h"
#include "libxos/base/units.h"
#include "libxos/base/version.h"
#include "libxos/net/notify.h"
#include "xosd/config.h"
#include "xosd/join.h"
#include "xosd/node.h"

#include <argp.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define MAIN_DOCUMENT_BYTES_MAX (1 << 20)

const char *argp_program_version;

struct options {
    const char *config;
    const char *document;
    const char *token;
    bool check;
};

enum { OPT_PRINT_DOCS = 256, OPT_CHECK, OPT_JOIN };

static const struct argp_option option_table[] = {
    {"config", 'c', "FILE", 0, "configuration (/etc/xos/xosd.conf)", 0},
    {"check", OPT_CHECK, NULL, 0, "read the configuration, say what is wrong with it, and end", 0},
    {"join", OPT_JOIN, "TOKEN", 0,
     "get this node's certificate with a token of its institution's head (-: read it from the "
     "standard input), and end",
     0},
    {"print-docs", OPT_PRINT_DOCS, "metrics|log|config|config.5", 0,
     "print a reference, as Markdown or for man", 0},
    {0},
};

static error_t parse(int key, char *text, struct argp_state *state)
{
    struct options *o = state->input;
    if (key == 'c')
        o->config = text;
    else if (key == OPT_PRINT_DOCS)
        o->document = text;
    else if (key == OPT_JOIN)
        o->token = text;
    else if (key == OPT_CHECK)
        o->check = true;
    else
        return ARGP_ERR_UNKNOWN;
    return 0;
}

static int config_document(struct xos_buf *out, struct xos_error *err)
{
    if (xos_buf_add_text(out,
                         "# xosd.conf\n\nPrinted by `xosd --print-docs config`.\n\n"
                         "| section | key | default | meaning |\n|---|---|---|---|\n",
                         err) < 0)
        return -1;
    for (size_t i = 0; config_key(i); i++) {
        const struct xos_conf_key *k = config_key(i);
        if (xos_buf_addf(out, err, "| %s | %s | %s | %s |\n", k->section, k->key,
                         k->preset ? k->preset : "", k->meaning) < 0)
            return -1;
    }
    return 0;
}

/* The same as a page for man, which is kept as man/xosd.conf.5. */
static int config_page(struct xos_buf *out, struct xos_error *err)
{
    const char *section = "";
    if (xos_buf_add_text(out,
                         ".\\\" SPDX-License-Identifier: Apache-2.0\n"
                         ".\\\" Printed by xosd --print-docs config.5\n"
                         ".Dd November 26, 2026\n.Dt XOSD.CONF 5\n.Os XOS\n.Sh NAME\n"
                         ".Nm xosd.conf\n.Nd what a node is told\n.Sh DESCRIPTION\n"
                         "INI, read by\n.Xr xosd 8\nat its start and at SIGHUP, when what may "
                         "change while it runs does: log level, [limits], policy and trust.\n"
                         "Each setting with its default:\n",
                         err) < 0)
        return -1;
    for (size_t i = 0; config_key(i); i++) {
        const struct xos_conf_key *k = config_key(i);
        if (strcmp(k->section, section) != 0 &&
            xos_buf_addf(out, err, "%s.Ss [%s]\n.Bl -tag -width indent\n",
                         section[0] ? ".El\n" : "", k->section) < 0)
            return -1;
        section = k->section;
        if (xos_buf_addf(out, err, ".It Cm %s%s%s\n%s\n", k->key,
                         k->preset && k->preset[0] ? " = " : "", k->preset ? k->preset : "",
                         k->meaning) < 0)
            return -1;
    }
    return xos_buf_add_text(out, ".El\n.Sh SEE ALSO\n.Xr xos-policy 5 ,\n.Xr xosd 8\n", err);
}

static int print_document(const char *name)
{
    static const struct {
        const char *name;
        int (*print)(struct xos_buf *out, struct xos_error *err);
    } documents[] = {{"metrics", xos_metrics_document},
                     {"log", xos_events_document},
                     {"config", config_document},
                     {"config.5", config_page}};
    struct xos_buf text = XOS_BUF(MAIN_DOCUMENT_BYTES_MAX);
    struct xos_error err = {0};
    for (size_t i = 0; i < sizeof(documents) / sizeof(documents[0]); i++)
        if (strcmp(documents[i].name, name) == 0 && documents[i].print(&text, &err) == 0) {
            (void)fwrite(text.data, 1, text.len, stdout);
            xos_buf_free(&text);
            return 0;
        }
    fprintf(stderr, "xosd: --print-docs knows metrics, log, config and config.5, not \"%s\"\n",
            name);
    return 2;
}

struct daemon {
    const struct options *options;
    struct xos_loop *loop;
    struct xos_notify *notify;
    struct xos_signal *term, *interrupt, *hangup;
    struct node *node;
    bool stopping; /* asked to; else a service gave up */
};

static void on_stop(int number, void *arg)
{
    struct daemon *d = arg;
    (void)number;
    d->stopping = true;
    xos_notify_say(d->notify, "STOPPING=1");
    xos_loop_stop(d->loop);
}

/* A file that is wrong changes nothing. */
static void on_reload(int number, void *arg)
{
    struct daemon *d = arg;
    struct config config;
    struct xos_error err = {0};
    (void)number;
    xos_notify_say(d->notify, "RELOADING=1");
    if (config_read(&config, xos_env_posix(), d->options->config, &err) < 0 ||
        node_reload(d->node, &config, &err) < 0)
        xos_log_error(XOS_EV_RELOAD_FAILED, &err, "file=%s", d->options->config);
    else
        xos_log(XOS_EV_RELOAD, "file=%s", d->options->config);
    xos_notify_say(d->notify, "READY=1");
}

static int start(struct daemon *d, const struct config *config, struct xos_error *err)
{
    const char *watchdog = getenv("WATCHDOG_USEC");
    uint64_t usec = 0;
    if (watchdog && xos_parse_u64(watchdog, 0, UINT64_MAX, &usec, err) < 0)
        return xos_wrap(err, "WATCHDOG_USEC");
    if (xos_loop_new(&d->loop, xos_env_posix(), err) < 0 ||
        xos_notify_new(&d->notify, d->loop, getenv("NOTIFY_SOCKET"), usec, err) < 0 ||
        xos_signal_new(&d->term, d->loop, SIGTERM, on_stop, d, err) < 0 ||
        xos_signal_new(&d->interrupt, d->loop, SIGINT, on_stop, d, err) < 0 ||
        xos_signal_new(&d->hangup, d->loop, SIGHUP, on_reload, d, err) < 0)
        return -1;
    return node_new(&d->node, d->loop, config, err);
}

/* Every client, unit and file that is read is a descriptor; the preset of 1,024 is for programs
 * that use select(). */
static void raise_descriptors(void)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) < 0 || r.rlim_cur == r.rlim_max)
        return;
    r.rlim_cur = r.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &r);
}

static int serve(const struct options *options, const struct config *config, struct xos_error *err)
{
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    struct daemon d = {.options = options};
    (void)sigaction(SIGPIPE, &ignore, NULL);
    raise_descriptors();
    int rc = start(&d, config, err);
    if (rc == 0) {
        xos_notify_say(d.notify, "READY=1");
        rc = xos_loop_run(d.loop, err);
        if (rc == 0 && !d.stopping)
            rc = xos_fail(err, XOS_IO, "the store of jobs failed: start again");
        xos_log(XOS_EV_STOP, "node=%s", config->node);
    }
    node_free(d.node);
    xos_notify_free(d.notify);
    xos_signal_free(d.term);
    xos_signal_free(d.interrupt);
    xos_signal_free(d.hangup);
    xos_loop_free(d.loop);
    return rc;
}

/* "-": a token on a command line can be seen by every process of the machine. */
static int join(const struct config *config, const char *token)
{
    char text[512] = "";
    struct xos_error err = {0};
    if (strcmp(token, "-") == 0)
        token = fgets(text, sizeof(text), stdin) ? text : "";
    int rc = join_run(xos_env_posix(), config, token, &err);
    OPENSSL_cleanse(text, sizeof(text));
    if (rc < 0)
        fprintf(stderr, "xosd: %s\n", err.text);
    else
        printf("%s has joined %s\n", config->node, config->institution);
    return rc < 0 ? 1 : 0;
}

int main(int argc, char **argv)
{
    static const struct argp argp = {option_table, parse, NULL, "The daemon of an XOS node.",
                                     NULL,         NULL,  NULL};
    struct options options = {.config = "/etc/xos/xosd.conf"};
    struct config config;
    struct xos_error err = {0};
    argp_program_version = xos_version;
    argp_err_exit_status = 2;
    if (argp_parse(&argp, argc, argv, 0, NULL, &options) != 0)
        return 2;
    if (options.document)
        return print_document(options.document);
    if (config_read(&config, xos_env_posix(), options.config, &err) < 0) {
        fprintf(stderr, "xosd: %s\n", err.text);
        return 2;
    }
    if (options.check)
        return 0;
    if (options.token)
        return join(&config, options.token);
    xos_log_threshold((enum xos_log_level)config.log_level);
    if (serve(&options, &config, &err) < 0) {
        xos_log_error(XOS_EV_FATAL, &err, "node=%s", config.node);
        return 1;
    }
    return 0;
}
