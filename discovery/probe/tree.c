// SPDX-License-Identifier: Apache-2.0
#include "discovery/probe/tree.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int probe_tree_open(struct probe_tree *t, struct xos_env *env, const char *root,
                    struct xos_error *err)
{
    *t = (struct probe_tree){
        .env = env, .text = XOS_BUF(PROBE_FILE_BYTES_MAX), .link = XOS_BUF(PROBE_PATH_BYTES_MAX)};
    t->dir = xos_env_dir_open(env, root, err);
    return t->dir < 0 ? -1 : 0;
}

void probe_tree_close(struct probe_tree *t)
{
    xos_env_close(t->env, t->dir);
    xos_buf_free(&t->text);
    xos_buf_free(&t->link);
}

static bool kept(struct probe_tree *t, int rc, const struct xos_error *why)
{
    if (rc < 0 && why->code == XOS_NOMEM)
        t->nomem = true;
    return rc >= 0;
}

/* Where the link at `path` points, in t->link; NULL when it is none. */
static const char *read_link(struct probe_tree *t, const char *path)
{
    struct xos_error why = {0};
    xos_buf_clear(&t->link);
    if (!kept(t, xos_env_link_read(t->env, t->dir, path, &t->link, &why), &why) || !t->link.len)
        return NULL;
    return (const char *)t->link.data;
}

bool probe_join(struct probe_path *out, const char *dir, const char *name)
{
    int n = snprintf(out->text, sizeof(out->text), "%s%s%s", dir, *dir && *name ? "/" : "", name);
    return n >= 0 && (size_t)n < sizeof(out->text);
}

static void drop_last(char *path)
{
    char *slash = strrchr(path, '/');
    *(slash ? slash : path) = '\0';
}

/* One step of the walk: *rest loses its first component, *done gains it, or its link's target is
 * put before what is left of *rest. */
static bool step(struct probe_tree *t, struct probe_path *done, struct probe_path *rest,
                 unsigned *links)
{
    struct probe_path next, left;
    char *name = rest->text + strspn(rest->text, "/");
    size_t n = strcspn(name, "/");
    (void)snprintf(left.text, sizeof(left.text), "%s", name + n);
    name[n] = '\0';
    const char *target = NULL;
    if (strcmp(name, "..") == 0) {
        drop_last(done->text);
    } else if (n && strcmp(name, ".") != 0) {
        if (!probe_join(&next, done->text, name))
            return false;
        target = read_link(t, next.text);
        if (!target)
            *done = next;
    }
    if (!target) {
        *rest = left;
        return true;
    }
    if (target[0] == '/')
        done->text[0] = '\0';
    return ++*links <= PROBE_LINKS_MAX &&
           probe_join(rest, target, left.text + (left.text[0] == '/'));
}

bool probe_resolve(struct probe_tree *t, const char *path, struct probe_path *out)
{
    struct probe_path rest;
    unsigned links = 0;
    out->text[0] = '\0';
    if (!probe_join(&rest, "", path))
        return false;
    while (rest.text[0])
        if (!step(t, out, &rest, &links))
            return false;
    return true;
}

static bool read_plain(struct probe_tree *t, const char *path)
{
    struct xos_error why = {0};
    xos_buf_clear(&t->text);
    return kept(t, xos_env_file_read(t->env, t->dir, path, &t->text, &why), &why);
}

const char *probe_text(struct probe_tree *t, const char *path)
{
    struct probe_path plain;
    if (!read_plain(t, path) && (!probe_resolve(t, path, &plain) || strcmp(plain.text, path) == 0 ||
                                 !read_plain(t, plain.text)))
        return NULL;
    if (!t->text.len)
        return "";
    while (t->text.len && isspace(t->text.data[t->text.len - 1]))
        t->text.data[--t->text.len] = '\0';
    return (const char *)t->text.data;
}

bool probe_number(struct probe_tree *t, const char *path, int base, uint64_t *number)
{
    const char *text = probe_text(t, path);
    char *end;
    if (!text || !isxdigit((unsigned char)text[0]))
        return false;
    errno = 0;
    unsigned long long n = strtoull(text, &end, base);
    *number = n;
    return errno == 0 && end != text && *end == '\0';
}

const char *probe_link(struct probe_tree *t, const char *path)
{
    struct probe_path plain, dir;
    const char *slash = strrchr(path, '/');
    if (!slash || !probe_join(&dir, "", path))
        return NULL;
    dir.text[slash - path] = '\0';
    if (!probe_resolve(t, dir.text, &plain) || !probe_join(&dir, plain.text, slash + 1))
        return NULL;
    const char *target = read_link(t, dir.text);
    slash = target ? strrchr(target, '/') : NULL;
    return slash ? slash + 1 : target;
}

const char *probe_text_in(struct probe_tree *t, const char *dir, const char *name)
{
    struct probe_path path;
    return probe_join(&path, dir, name) ? probe_text(t, path.text) : NULL;
}

bool probe_number_in(struct probe_tree *t, const char *dir, const char *name, int base,
                     uint64_t *number)
{
    struct probe_path path;
    return probe_join(&path, dir, name) && probe_number(t, path.text, base, number);
}

const char *probe_link_in(struct probe_tree *t, const char *dir, const char *name)
{
    struct probe_path path;
    return probe_join(&path, dir, name) ? probe_link(t, path.text) : NULL;
}

static bool copy_value(const char *text, char *value, size_t size)
{
    text += strspn(text, " \t");
    size_t n = strcspn(text, "\n");
    while (n && isspace((unsigned char)text[n - 1]))
        n--;
    if (n >= size)
        n = size - 1;
    memcpy(value, text, n);
    value[n] = '\0';
    return true;
}

bool probe_field(const char *text, const char *key, char separator, char *value, size_t size)
{
    size_t n = strlen(key);
    for (const char *line = text; line && *line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, key, n) != 0)
            continue;
        const char *after = line + n + strspn(line + n, " \t");
        if (*after == separator)
            return copy_value(after + 1, value, size);
    }
    return false;
}
