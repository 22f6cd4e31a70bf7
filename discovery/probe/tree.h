// SPDX-License-Identifier: Apache-2.0
/* tree.h - reading a machine's /proc, /sys and /etc below a root directory.
 *
 * The environment's calls refuse symbolic links, and sysfs is made of them: here links are followed
 * by hand, component by component, and never out of the root. What cannot be read is simply not
 * there (NULL, false): a probe says less then. Only a lack of memory is remembered, in `nomem`. */
#ifndef DISCOVERY_PROBE_TREE_H
#define DISCOVERY_PROBE_TREE_H

#include "libxos/env/env.h"

#define PROBE_FILE_BYTES_MAX ((size_t)4 << 20) /* /proc/cpuinfo of 2,000 CPUs */
#define PROBE_PATH_BYTES_MAX 512u
#define PROBE_LINKS_MAX 16u /* followed on the way to one file */

struct probe_tree {
    struct xos_env *env;
    int dir;
    struct xos_buf text; /* what was read last */
    struct xos_buf link;
    bool nomem;
};

/* A path below the root without links in it, NUL-terminated. */
struct probe_path {
    char text[PROBE_PATH_BYTES_MAX];
};

int probe_tree_open(struct probe_tree *t, struct xos_env *env, const char *root,
                    struct xos_error *err);
void probe_tree_close(struct probe_tree *t);

/* Follow all links of `path` (relative, as are all paths here). What it names need not exist. */
bool probe_resolve(struct probe_tree *t, const char *path, struct probe_path *out);

/* The text of a file, without the blanks at its end; the tree's, until the next call. NULL: it
 * cannot be read, or is larger than PROBE_FILE_BYTES_MAX. */
const char *probe_text(struct probe_tree *t, const char *path);

/* A file that holds one number in this base. "max" and other words are no numbers. */
bool probe_number(struct probe_tree *t, const char *path, int base, uint64_t *number);

/* The last component of what a link points to; the tree's. NULL: it is no link. */
const char *probe_link(struct probe_tree *t, const char *path);

/* The same with "DIR/NAME" put together; NULL too when that is too long. */
const char *probe_text_in(struct probe_tree *t, const char *dir, const char *name);
bool probe_number_in(struct probe_tree *t, const char *dir, const char *name, int base,
                     uint64_t *number);
const char *probe_link_in(struct probe_tree *t, const char *dir, const char *name);

/* dir "/" name; false when it does not fit. */
bool probe_join(struct probe_path *out, const char *dir, const char *name);

/* In a text of "key<blanks>:<blanks>value" lines (or "key=value"), copy the first such value. */
bool probe_field(const char *text, const char *key, char separator, char *value, size_t size);

#endif
