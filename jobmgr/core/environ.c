// SPDX-License-Identifier: Apache-2.0
#include "jobmgr/core/environ.h"

#include "libxos/base/alloc.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define ENVIRON_OWN_MAX 20

struct builder {
    char **list;
    size_t count;
    bool starved;
};

void environ_free(char **list)
{
    for (size_t i = 0; list && list[i]; i++)
        xos_free(list[i]);
    xos_free(list);
}

static bool is_named(const char *entry, const char *name)
{
    size_t n = strlen(name);
    return strncmp(entry, name, n) == 0 && entry[n] == '=';
}

static bool has(const struct builder *b, const char *name)
{
    for (size_t i = 0; i < b->count; i++)
        if (is_named(b->list[i], name))
            return true;
    return false;
}

static void add(struct builder *b, const char *name, const char *value)
{
    char *entry = b->starved ? NULL : xos_asprintf("%s=%s", name, value);
    if (entry)
        b->list[b->count++] = entry;
    else
        b->starved = true;
}

static void preset(struct builder *b, const char *name, const char *value)
{
    if (!has(b, name))
        add(b, name, value);
}

static bool reserved(const char *entry)
{
    static const char *const ours[] = {"HOME", "TMPDIR", "USER", "LOGNAME", "PWD", "OLDPWD"};
    if (strncmp(entry, "XOS_", 4) == 0)
        return true;
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
        if (is_named(entry, ours[i]))
            return true;
    return false;
}

static void add_users(struct builder *b, const struct job_spec *spec)
{
    for (size_t i = 0; i < spec->env_count && !b->starved; i++) {
        if (reserved(spec->env[i]))
            continue;
        b->list[b->count] = xos_strdup(spec->env[i]);
        if (b->list[b->count])
            b->count++;
        else
            b->starved = true;
    }
}

static void add_ours(struct builder *b, const struct job_spec *spec,
                     const struct environ_facts *facts)
{
    char unit[16], units[16], login[JOB_NAME_MAX];
    (void)snprintf(unit, sizeof(unit), "%" PRIu32, facts->unit);
    (void)snprintf(units, sizeof(units), "%" PRIu32, spec->units);
    (void)snprintf(login, sizeof(login), "%.*s", (int)strcspn(facts->user, "@"), facts->user);
    preset(b, "PATH", "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin");
    preset(b, "SHELL", "/bin/sh");
    preset(b, "LANG", "C.UTF-8");
    preset(b, "TERM", spec->pty ? "xterm" : "dumb");
    add(b, "HOME", facts->scratch);
    add(b, "TMPDIR", facts->scratch);
    add(b, "USER", login);
    add(b, "LOGNAME", login);
    add(b, "XOS_JOB", facts->job);
    add(b, "XOS_UNIT", unit);
    add(b, "XOS_UNITS", units);
    add(b, "XOS_NODE", facts->node);
    add(b, "XOS_INSTITUTION", facts->institution);
    add(b, "XOS_VO", facts->vo);
    add(b, "XOS_USER", facts->user);
    add(b, "XOS_HOSTS", facts->hosts);
}

int environ_build(char ***out, const struct job_spec *spec, const struct environ_facts *facts,
                  struct xos_error *err)
{
    struct builder b = {0};
    b.list = xos_alloc_array(spec->env_count + ENVIRON_OWN_MAX, sizeof(*b.list));
    if (!b.list)
        return xos_fail(err, XOS_NOMEM, "environment");
    add_users(&b, spec);
    add_ours(&b, spec, facts);
    if (b.starved) {
        environ_free(b.list);
        return xos_fail(err, XOS_NOMEM, "environment");
    }
    *out = b.list;
    return 0;
}
