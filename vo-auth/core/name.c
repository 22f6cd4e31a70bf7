// SPDX-License-Identifier: Apache-2.0
#include "vo-auth/core/name.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define URI_SCHEME "xos://"

struct parse {
    struct auth_name name;
    const char *institution; /* when the text has none; may be NULL */
    struct xos_error *err;
};

struct xos_slice auth_slice(const char *text)
{
    return (struct xos_slice){(const uint8_t *)text, strlen(text)};
}

const char *auth_quote(struct xos_slice text, char to[static AUTH_QUOTE_BYTES])
{
    size_t len = text.len < AUTH_QUOTE_BYTES - 4 ? text.len : AUTH_QUOTE_BYTES - 4;
    for (size_t i = 0; i < len; i++)
        to[i] = text.data[i] >= ' ' && text.data[i] <= '~' ? (char)text.data[i] : '?';
    (void)snprintf(to + len, 4, "%s", len < text.len ? "..." : "");
    return to;
}

static bool alnum(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool auth_name_part_valid(struct xos_slice t)
{
    if (t.len == 0 || t.len > AUTH_PART_BYTES_MAX || !alnum(t.data[0]))
        return false;
    for (size_t i = 1; i < t.len; i++) {
        uint8_t c = t.data[i];
        if (!alnum(c) && c != '.' && c != '_' && c != '-')
            return false;
        if (c == '-' && t.data[i - 1] == '-')
            return false;
    }
    return t.data[t.len - 1] != '-';
}

static struct xos_slice head(struct xos_slice t, size_t len)
{
    return (struct xos_slice){t.data, len};
}

static struct xos_slice tail(struct xos_slice t, size_t from)
{
    return (struct xos_slice){t.data + from, t.len - from};
}

/* Split at the first (last) `c`; without one nothing changes. */
static bool split_first(struct xos_slice t, char c, struct xos_slice *left, struct xos_slice *right)
{
    const uint8_t *at = t.len ? memchr(t.data, c, t.len) : NULL;
    if (!at)
        return false;
    *left = head(t, (size_t)(at - t.data));
    *right = tail(t, (size_t)(at - t.data) + 1);
    return true;
}

static bool split_last(struct xos_slice t, char c, struct xos_slice *left, struct xos_slice *right)
{
    const uint8_t *at = t.len ? memrchr(t.data, c, t.len) : NULL;
    if (!at)
        return false;
    *left = head(t, (size_t)(at - t.data));
    *right = tail(t, (size_t)(at - t.data) + 1);
    return true;
}

static int take_part(struct parse *p, char *out, struct xos_slice t, const char *what)
{
    char quoted[AUTH_QUOTE_BYTES];
    if (!auth_name_part_valid(t))
        return xos_fail(p->err, XOS_INVALID,
                        "\"%s\" is not a %s name (a-z 0-9, then also . _ - but no -- and no - at "
                        "the end, at most %d "
                        "characters)",
                        auth_quote(t, quoted), what, AUTH_PART_BYTES_MAX);
    memcpy(out, t.data, t.len);
    out[t.len] = '\0';
    return 0;
}

static int take_institution(struct parse *p, struct xos_slice t)
{
    char quoted[AUTH_QUOTE_BYTES];
    if (t.len && memchr(t.data, '.', t.len))
        return xos_fail(p->err, XOS_INVALID, "\"%s\" is not an institution: it has a dot",
                        auth_quote(t, quoted));
    return take_part(p, p->name.institution, t, "institution");
}

static int preset_institution(struct parse *p, struct xos_slice t)
{
    char quoted[AUTH_QUOTE_BYTES];
    if (!p->institution)
        return xos_fail(p->err, XOS_INVALID, "\"%s\" names no institution", auth_quote(t, quoted));
    return take_institution(p, auth_slice(p->institution));
}

static int take_number(struct parse *p, uint64_t *out, struct xos_slice t, uint64_t min,
                       uint64_t max, const char *what)
{
    char quoted[AUTH_QUOTE_BYTES];
    uint64_t n = 0;
    bool good = t.len > 0 && t.len < 20 && (t.data[0] != '0' || t.len == 1);
    for (size_t i = 0; good && i < t.len; i++) {
        good = t.data[i] >= '0' && t.data[i] <= '9';
        n = n * 10 + (uint64_t)(t.data[i] - '0'); /* 19 digits fit */
    }
    if (!good || n < min || n > max)
        return xos_fail(p->err, XOS_INVALID, "\"%s\" is not the number of a %s",
                        auth_quote(t, quoted), what);
    *out = n;
    return 0;
}

/* NAME[@INSTITUTION] */
static int owned(struct parse *p, struct xos_slice t, const char *what)
{
    struct xos_slice name = t, institution;
    if (split_first(t, '@', &name, &institution)) {
        if (take_institution(p, institution) < 0)
            return -1;
    } else if (preset_institution(p, t) < 0)
        return -1;
    return take_part(p, p->name.part, name, what);
}

static int parse_institution(struct parse *p, struct xos_slice t)
{
    return take_institution(p, t);
}

static int parse_user(struct parse *p, struct xos_slice t)
{
    return owned(p, t, "user");
}

static int parse_node(struct parse *p, struct xos_slice t)
{
    struct xos_slice name = t, institution;
    if (split_last(t, '.', &name, &institution)) {
        if (take_institution(p, institution) < 0)
            return -1;
    } else if (preset_institution(p, t) < 0)
        return -1;
    return take_part(p, p->name.part, name, "node");
}

static int after_vo(struct parse *p, struct xos_slice t, struct xos_slice *rest)
{
    char quoted[AUTH_QUOTE_BYTES];
    if (t.len < 3 || memcmp(t.data, "vo:", 3) != 0)
        return xos_fail(p->err, XOS_INVALID,
                        "\"%s\" does not begin with vo:", auth_quote(t, quoted));
    *rest = tail(t, 3);
    return 0;
}

static int parse_vo(struct parse *p, struct xos_slice t)
{
    return after_vo(p, t, &t) < 0 ? -1 : owned(p, t, "VO");
}

static int parse_group(struct parse *p, struct xos_slice t)
{
    char quoted[AUTH_QUOTE_BYTES];
    struct xos_slice vo, group;
    if (!split_first(t, '/', &vo, &group))
        return xos_fail(p->err, XOS_INVALID, "\"%s\" names no group", auth_quote(t, quoted));
    return parse_vo(p, vo) < 0 ? -1 : take_part(p, p->name.group, group, "group");
}

static int parse_role(struct parse *p, struct xos_slice t)
{
    char quoted[AUTH_QUOTE_BYTES];
    struct xos_slice group, role;
    if (!split_last(t, ':', &group, &role))
        return xos_fail(p->err, XOS_INVALID, "\"%s\" names no role", auth_quote(t, quoted));
    return parse_group(p, group) < 0 ? -1 : take_part(p, p->name.role, role, "role");
}

static int parse_job(struct parse *p, struct xos_slice t)
{
    struct xos_slice number = t, institution;
    if (split_last(t, '-', &institution, &number)) {
        if (take_institution(p, institution) < 0)
            return -1;
    } else if (preset_institution(p, t) < 0)
        return -1;
    return take_number(p, &p->name.job, number, 1, AUTH_JOB_NUMBER_MAX, "job");
}

/* JOB, then `mark`, then a number. */
static int parse_below_job(struct parse *p, struct xos_slice t, char mark, const char *what)
{
    char quoted[AUTH_QUOTE_BYTES];
    struct xos_slice job, index;
    if (!split_last(t, mark, &job, &index))
        return xos_fail(p->err, XOS_INVALID, "\"%s\" names no %s", auth_quote(t, quoted), what);
    if (take_number(p, &p->name.index, index, 0, AUTH_INDEX_MAX, what) < 0)
        return -1;
    return parse_job(p, job);
}

static int parse_unit(struct parse *p, struct xos_slice t)
{
    return parse_below_job(p, t, '.', "unit");
}

static int parse_task(struct parse *p, struct xos_slice t)
{
    char quoted[AUTH_QUOTE_BYTES];
    if (t.len == 0 || t.data[t.len - 1] != ']')
        return xos_fail(p->err, XOS_INVALID, "\"%s\" names no task", auth_quote(t, quoted));
    return parse_below_job(p, head(t, t.len - 1), '[', "task");
}

static int parse_checkpoint(struct parse *p, struct xos_slice t)
{
    return parse_below_job(p, t, '@', "checkpoint");
}

static int parse_volume(struct parse *p, struct xos_slice t)
{
    char quoted[AUTH_QUOTE_BYTES];
    struct xos_slice owner, volume;
    if (!split_first(t, '/', &owner, &volume))
        return xos_fail(p->err, XOS_INVALID, "\"%s\" is not VO/NAME or ~USER/NAME",
                        auth_quote(t, quoted));
    p->name.of_user = owner.len > 0 && owner.data[0] == '~';
    if (p->name.of_user)
        owner = tail(owner, 1);
    if (owned(p, owner, p->name.of_user ? "user" : "VO") < 0)
        return -1;
    return take_part(p, p->name.volume, volume, "volume");
}

/* How a kind is read and printed. A kind without a reader exists only as a URI. */
struct kind_row {
    const char *noun;
    int (*parse)(struct parse *p, struct xos_slice t);
    const char *uri; /* the word in a URI, when there is one */
};

static const struct kind_row kinds[AUTH_NAME_KINDS] = {
    [AUTH_NAME_NONE] = {"nothing", NULL, NULL},
    [AUTH_NAME_INSTITUTION] = {"institution", parse_institution, NULL},
    [AUTH_NAME_USER] = {"user", parse_user, "user/"},
    [AUTH_NAME_NODE] = {"node", parse_node, "node/"},
    [AUTH_NAME_VO] = {"VO", parse_vo, NULL},
    [AUTH_NAME_GROUP] = {"group", parse_group, NULL},
    [AUTH_NAME_ROLE] = {"role", parse_role, NULL},
    [AUTH_NAME_JOB] = {"job", parse_job, "job/"},
    [AUTH_NAME_UNIT] = {"unit", parse_unit, "job/"},
    [AUTH_NAME_TASK] = {"task", parse_task, NULL},
    [AUTH_NAME_CHECKPOINT] = {"checkpoint", parse_checkpoint, NULL},
    [AUTH_NAME_VOLUME] = {"volume", parse_volume, NULL},
    [AUTH_NAME_CA] = {"CA", NULL, "ca"},
    [AUTH_NAME_ROOT] = {"root", NULL, "root"},
};

const char *auth_name_kind_text(enum auth_name_kind kind)
{
    return kind < AUTH_NAME_KINDS ? kinds[kind].noun : kinds[AUTH_NAME_NONE].noun;
}

int auth_name_parse(struct auth_name *out, enum auth_name_kind kind, struct xos_slice text,
                    const char *institution, struct xos_error *err)
{
    assert(kind < AUTH_NAME_KINDS && kinds[kind].parse);
    struct parse p = {.name = {.kind = kind}, .institution = institution, .err = err};
    if (text.len > AUTH_NAME_BYTES_MAX)
        return xos_fail(err, XOS_INVALID, "a %s name of more than %d bytes", kinds[kind].noun,
                        AUTH_NAME_BYTES_MAX);
    if (kinds[kind].parse(&p, text) < 0)
        return -1;
    *out = p.name;
    return 0;
}

int auth_name_parse_acting(struct auth_name *out, struct xos_slice text, const char *institution,
                           struct xos_error *err)
{
    struct xos_slice vo, group, left, right;
    enum auth_name_kind kind = AUTH_NAME_VO;
    if (split_first(text, '/', &vo, &group))
        kind = split_first(group, ':', &left, &right) ? AUTH_NAME_ROLE : AUTH_NAME_GROUP;
    return auth_name_parse(out, kind, text, institution, err);
}

static int uri_below(struct parse *p, struct xos_slice t)
{
    struct xos_slice job, unit;
    switch (p->name.kind) {
    case AUTH_NAME_USER:
        return take_part(p, p->name.part, t, "user");
    case AUTH_NAME_NODE:
        return take_part(p, p->name.part, t, "node");
    case AUTH_NAME_JOB:
        if (split_first(t, '.', &job, &unit)) {
            p->name.kind = AUTH_NAME_UNIT;
            if (take_number(p, &p->name.index, unit, 0, AUTH_INDEX_MAX, "unit") < 0)
                return -1;
            t = job;
        }
        return take_number(p, &p->name.job, t, 1, AUTH_JOB_NUMBER_MAX, "job");
    default: /* ca, root: the word is all */
        return t.len == 0 ? 0 : xos_fail(p->err, XOS_INVALID, "more follows the name");
    }
}

static int uri_kind(struct parse *p, struct xos_slice t)
{
    char quoted[AUTH_QUOTE_BYTES];
    for (unsigned i = 0; i < AUTH_NAME_KINDS; i++) {
        size_t len = kinds[i].uri ? strlen(kinds[i].uri) : 0;
        if (len == 0 || t.len < len || memcmp(t.data, kinds[i].uri, len) != 0)
            continue;
        p->name.kind = i;
        return uri_below(p, tail(t, len));
    }
    return xos_fail(p->err, XOS_INVALID, "\"%s\" is no kind of name", auth_quote(t, quoted));
}

int auth_name_parse_uri(struct auth_name *out, struct xos_slice uri, struct xos_error *err)
{
    struct parse p = {.err = err};
    char quoted[AUTH_QUOTE_BYTES];
    struct xos_slice institution, rest;
    size_t scheme = strlen(URI_SCHEME);
    if (uri.len > AUTH_NAME_BYTES_MAX || uri.len < scheme ||
        memcmp(uri.data, URI_SCHEME, scheme) != 0 ||
        !split_first(tail(uri, scheme), '/', &institution, &rest))
        return xos_fail(err, XOS_INVALID, "\"%s\" is not xos://INSTITUTION/KIND/NAME",
                        auth_quote(uri, quoted));
    if (take_institution(&p, institution) < 0 || uri_kind(&p, rest) < 0)
        return -1;
    *out = p.name;
    return 0;
}

void auth_name_print(const struct auth_name *n, char text[static AUTH_NAME_BYTES_MAX + 1])
{
    const size_t size = AUTH_NAME_BYTES_MAX + 1;
    const char *in = n->institution;
    int len = -1;
    switch (n->kind) {
    case AUTH_NAME_INSTITUTION:
        len = snprintf(text, size, "%s", in);
        break;
    case AUTH_NAME_USER:
        len = snprintf(text, size, "%s@%s", n->part, in);
        break;
    case AUTH_NAME_NODE:
        len = snprintf(text, size, "%s.%s", n->part, in);
        break;
    case AUTH_NAME_VO:
        len = snprintf(text, size, "vo:%s@%s", n->part, in);
        break;
    case AUTH_NAME_GROUP:
        len = snprintf(text, size, "vo:%s@%s/%s", n->part, in, n->group);
        break;
    case AUTH_NAME_ROLE:
        len = snprintf(text, size, "vo:%s@%s/%s:%s", n->part, in, n->group, n->role);
        break;
    case AUTH_NAME_JOB:
        len = snprintf(text, size, "%s-%" PRIu64, in, n->job);
        break;
    case AUTH_NAME_UNIT:
        len = snprintf(text, size, "%s-%" PRIu64 ".%" PRIu64, in, n->job, n->index);
        break;
    case AUTH_NAME_TASK:
        len = snprintf(text, size, "%s-%" PRIu64 "[%" PRIu64 "]", in, n->job, n->index);
        break;
    case AUTH_NAME_CHECKPOINT:
        len = snprintf(text, size, "%s-%" PRIu64 "@%" PRIu64, in, n->job, n->index);
        break;
    case AUTH_NAME_VOLUME:
        len = snprintf(text, size, "%s%s@%s/%s", n->of_user ? "~" : "", n->part, in, n->volume);
        break;
    default:
        break;
    }
    assert(len > 0 && (size_t)len < size);
}

void auth_name_print_uri(const struct auth_name *n, char uri[static AUTH_NAME_BYTES_MAX + 1])
{
    const size_t size = AUTH_NAME_BYTES_MAX + 1;
    assert(n->kind < AUTH_NAME_KINDS && kinds[n->kind].uri);
    int len =
        snprintf(uri, size, URI_SCHEME "%s/%s%s", n->institution, kinds[n->kind].uri, n->part);
    assert(len > 0 && (size_t)len < size);
    size_t used = (size_t)len;
    if (n->kind == AUTH_NAME_JOB)
        len = snprintf(uri + used, size - used, "%" PRIu64, n->job);
    else if (n->kind == AUTH_NAME_UNIT)
        len = snprintf(uri + used, size - used, "%" PRIu64 ".%" PRIu64, n->job, n->index);
    assert(len > 0 && (size_t)len < size);
}

static int compare_numbers(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

int auth_name_compare(const struct auth_name *a, const struct auth_name *b)
{
    const int by[] = {
        compare_numbers(a->kind, b->kind),
        strcmp(a->institution, b->institution),
        strcmp(a->part, b->part),
        strcmp(a->group, b->group),
        strcmp(a->role, b->role),
        compare_numbers(a->of_user, b->of_user),
        strcmp(a->volume, b->volume),
        compare_numbers(a->job, b->job),
        compare_numbers(a->index, b->index),
    };
    for (size_t i = 0; i < sizeof(by) / sizeof(by[0]); i++)
        if (by[i] != 0)
            return by[i];
    return 0;
}

bool auth_name_equal(const struct auth_name *a, const struct auth_name *b)
{
    return auth_name_compare(a, b) == 0;
}
