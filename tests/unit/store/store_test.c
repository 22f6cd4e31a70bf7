// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: what a head acknowledged is gone or half there, or a head that runs well on
 * SQLite breaks on PostgreSQL. Every case runs on both. */
#include "libxos/store/store.h"

#include "libxos/base/alloc.h"
#include "libxos/base/telemetry.h"
#include "tests/lib/pg.h"
#include "tests/lib/xtest.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct xos_migration schema[] = {
    {1, "things",
     "CREATE TABLE thing (id INTEGER NOT NULL PRIMARY KEY, name TEXT UNIQUE, body BLOB, n INTEGER"
     " CHECK (n < 1000)) STRICT; CREATE INDEX thing_n ON thing (n)",
     NULL, NULL},
    {2, "colours", "ALTER TABLE thing ADD COLUMN colour TEXT", NULL, NULL},
};

static void need_pg(void)
{
    if (!xt_pg_lacks())
        return;
    print_message("SKIP %s\n", xt_pg_lacks());
    skip();
}

/* A new store's url on either engine. Borrowed until the next call. */
static const char *new_url(bool pg)
{
    static unsigned count;
    static char url[256];
    char name[32];
    struct xt_pg *server;
    struct xos_error err = {0};
    count++;
    if (!pg) {
        (void)snprintf(url, sizeof(url), "sqlite:%s/s%u", xt_dir(), count);
        return url;
    }
    if (xt_pg_start(&server, &err) < 0)
        fail_msg("%s", err.text);
    (void)snprintf(name, sizeof(name), "db%u", count);
    return xt_pg_url(server, name);
}

static int open_at(struct xos_store **out, const char *url, size_t schemas, bool no_thread,
                   struct xos_error *err)
{
    const struct xos_store_config config = {.url = url,
                                            .name = "things",
                                            .migrations = schema,
                                            .count = schemas,
                                            .no_thread = no_thread};
    return xos_store_open(out, &config, err);
}

struct put {
    int64_t id;
    const char *name;
    int64_t n;
    unsigned runs, calls;
    enum xos_code code;
    unsigned *sequence, order;
};

static int put_apply(struct xos_tx *tx, void *arg, struct xos_error *err)
{
    struct put *p = arg;
    p->runs++;
    return xos_tx_exec(tx, "INSERT INTO thing (id, name, n) VALUES (?, ?, ?)",
                       XOS_V(xos_v_int(p->id), xos_v_text(p->name), xos_v_int(p->n)), NULL, err);
}

static void put_done(void *arg, const struct xos_error *result)
{
    struct put *p = arg;
    p->calls++;
    p->code = result->code;
    if (p->sequence)
        p->order = ++*p->sequence;
}

static int count_things(struct xos_store *s, int64_t *out, struct xos_error *err)
{
    struct xos_rows *rows;
    if (xos_tx_query(&rows, xos_store_reader(s), "SELECT count(*) FROM thing", XOS_V(), err) < 0)
        return -1;
    int rc = xos_rows_next(rows, err);
    *out = rc > 0 ? xos_rows_int(rows, 0) : -1;
    xos_rows_free(rows);
    return rc < 0 ? -1 : 0;
}

static void deliver_until(struct xos_store *s, const unsigned *value, unsigned wanted)
{
    struct pollfd p = {.fd = xos_store_fd(s), .events = POLLIN};
    while (*value < wanted) {
        assert_true(poll(&p, 1, 30000) > 0);
        xos_store_deliver(s);
    }
}

/* Values */

static int values_apply(struct xos_tx *tx, void *arg, struct xos_error *err)
{
    (void)arg;
    uint64_t changed = 0;
    if (xos_tx_exec(tx, "INSERT INTO thing (id, name, body, n) VALUES (?, ?, ?, ?)",
                    XOS_V(xos_v_int(INT64_MAX), xos_v_text("\xc3\xa4 ' ? $1"),
                          xos_v_blob("a\0b\xff", 4), xos_v_int(-5)),
                    &changed, err) < 0 ||
        xos_tx_exec(
            tx, "INSERT INTO thing (id, name, body, n) VALUES (?, ?, ?, ?)",
            XOS_V(xos_v_int(INT64_MIN), xos_v_text(NULL), xos_v_blob(NULL, 0), xos_v_null()), NULL,
            err) < 0)
        return -1;
    assert_int_equal(changed, 1);
    if (xos_tx_exec(tx, "UPDATE thing SET n = n + ?", XOS_V(xos_v_int(1)), &changed, err) < 0)
        return -1;
    assert_int_equal(changed, 2);
    return 0;
}

static void check_values(bool pg)
{
    struct xos_error err = {0};
    struct xos_store *s = NULL;
    struct xos_rows *rows = NULL;
    const char *url = new_url(pg);
    XT_TRY(open_at(&s, url, 2, true, &err));
    XT_TRY(xos_store_run(s, XOS_SYNCED, values_apply, NULL, &err));
    XT_TRY(xos_tx_query(&rows, xos_store_reader(s),
                        "SELECT id, name, body, n, sum(n) OVER () IS NULL FROM thing ORDER BY id",
                        XOS_V(), &err));
    XT_TRY(xos_rows_next(rows, &err));
    assert_int_equal(xos_rows_int(rows, 0), INT64_MIN);
    assert_true(xos_rows_null(rows, 1));
    assert_null(xos_rows_text(rows, 1));
    assert_false(xos_rows_null(rows, 2));
    assert_int_equal(xos_rows_blob(rows, 2).len, 0);
    assert_true(xos_rows_null(rows, 3));
    assert_int_equal(xos_rows_int(rows, 3), 0);
    XT_TRY(xos_rows_next(rows, &err));
    assert_int_equal(xos_rows_int(rows, 0), INT64_MAX);
    assert_string_equal(xos_rows_text(rows, 1), "\xc3\xa4 ' ? $1");
    assert_int_equal(xos_rows_blob(rows, 2).len, 4);
    assert_memory_equal(xos_rows_blob(rows, 2).data, "a\0b\xff", 4);
    assert_int_equal(xos_rows_int(rows, 3), -4);
    assert_int_equal(xos_rows_int(rows, 4), 0);
    assert_int_equal(xos_rows_next(rows, &err), 0);
out:
    xos_rows_free(rows);
    xos_store_close(s);
}

/* Groups */

static void check_failing_batch(bool pg, bool no_thread)
{
    struct xos_error err = {0};
    struct xos_store *s = NULL;
    unsigned sequence = 0;
    int64_t count;
    struct put puts[] = {
        {.id = 1, .name = "a"},
        {.id = 2, .name = "a"},            /* the name is taken */
        {.id = 3, .name = "c", .n = 1000}, /* the check */
        {.id = 4, .name = "d\xff"},        /* not UTF-8 */
        {.id = 5, .name = "e"},
    };
    static const enum xos_code wanted[] = {XOS_NONE, XOS_EXISTS, XOS_INVALID, XOS_INVALID,
                                           XOS_NONE};
    const size_t n = sizeof(puts) / sizeof(puts[0]);
    const char *url = new_url(pg);
    XT_TRY(open_at(&s, url, 2, no_thread, &err));
    for (size_t i = 0; i < n; i++) {
        puts[i].sequence = &sequence;
        XT_TRY(xos_store_add(s, i % 2 ? XOS_SYNCED : XOS_ORDERED, put_apply, put_done, &puts[i],
                             &err));
    }
    deliver_until(s, &sequence, (unsigned)n);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(puts[i].order, i + 1);
        assert_int_equal(puts[i].calls, 1);
        assert_true(puts[i].code == wanted[i] || xt_starving());
    }
    XT_TRY(count_things(s, &count, &err));
    assert_true(count == 2 || xt_starving());
out:
    xos_store_close(s);
}

static int swallow_apply(struct xos_tx *tx, void *arg, struct xos_error *err)
{
    (void)arg;
    struct xos_error ignored = {0};
    (void)xos_tx_exec(tx, "INSERT INTO thing (id) VALUES (?)", XOS_V(xos_v_int(1)), NULL, &ignored);
    (void)xos_tx_exec(tx, "INSERT INTO thing (id) VALUES (?)", XOS_V(xos_v_int(1)), NULL, &ignored);
    assert_int_equal(ignored.code, XOS_EXISTS);
    assert_int_equal(xos_tx_exec(tx, "DELETE FROM thing", XOS_V(), NULL, err), -1);
    assert_int_equal(err->code, XOS_INTERNAL);
    return 0;
}

static int recover_apply(struct xos_tx *tx, void *arg, struct xos_error *err)
{
    (void)arg;
    struct xos_error taken = {0};
    if (xos_tx_exec(tx, "INSERT INTO thing (id) VALUES (?)", XOS_V(xos_v_int(1)), NULL, err) < 0 ||
        xos_tx_savepoint(tx, err) < 0 ||
        xos_tx_exec(tx, "INSERT INTO thing (id) VALUES (?)", XOS_V(xos_v_int(2)), NULL, err) < 0 ||
        xos_tx_savepoint(tx, err) < 0)
        return -1;
    assert_int_equal(
        xos_tx_exec(tx, "INSERT INTO thing (id) VALUES (?)", XOS_V(xos_v_int(1)), NULL, &taken),
        -1);
    assert_int_equal(taken.code, XOS_EXISTS);
    if (xos_tx_undo(tx, err) < 0 || xos_tx_release(tx, err) < 0)
        return -1;
    return xos_tx_exec(tx, "INSERT INTO thing (id) VALUES (?)", XOS_V(xos_v_int(3)), NULL, err);
}

static void check_broken_rule(bool pg)
{
    struct xos_error err = {0};
    struct xos_store *s = NULL;
    int64_t count;
    const char *url = new_url(pg);
    XT_TRY(open_at(&s, url, 2, false, &err));
    XT_REFUSED(xos_store_run(s, XOS_ORDERED, swallow_apply, NULL, &err), XOS_INTERNAL);
    XT_TRY(count_things(s, &count, &err));
    assert_int_equal(count, 0);
    XT_TRY(xos_store_run(s, XOS_ORDERED, recover_apply, NULL, &err));
    XT_TRY(count_things(s, &count, &err));
    assert_int_equal(count, 3);
out:
    xos_store_close(s);
}

static int deep_apply(struct xos_tx *tx, void *arg, struct xos_error *err)
{
    (void)arg;
    for (;;)
        if (xos_tx_savepoint(tx, err) < 0)
            return -1;
}

static void check_limits(bool pg)
{
    struct xos_error err = {0};
    struct xos_store *s = NULL;
    struct put *puts = NULL;
    unsigned sequence = 0;
    int64_t count;
    char *big = NULL;
    const char *url = new_url(pg);
    XT_PTR(puts = xos_alloc_array(XOS_STORE_QUEUE_MAX, sizeof(*puts)));
    XT_PTR(big = xos_alloc(XOS_STORE_VALUE_BYTES_MAX + 1));
    XT_TRY(open_at(&s, url, 2, true, &err));
    XT_REFUSED(xos_store_run(s, XOS_ORDERED, deep_apply, NULL, &err), XOS_LIMIT);
    XT_REFUSED(xos_tx_exec(xos_store_reader(s), "SELECT ?",
                           XOS_V(xos_v_blob(big, XOS_STORE_VALUE_BYTES_MAX + 1)), NULL, &err),
               XOS_LIMIT);
    for (size_t i = 0; i < XOS_STORE_QUEUE_MAX; i++) {
        puts[i] = (struct put){.id = (int64_t)i, .sequence = &sequence};
        XT_TRY(xos_store_add(s, XOS_ORDERED, put_apply, put_done, &puts[i], &err));
    }
    XT_REFUSED(xos_store_add(s, XOS_ORDERED, put_apply, put_done, &puts[0], &err), XOS_LIMIT);
    assert_non_null(strstr(err.text, "store_queue_max"));
    deliver_until(s, &sequence, XOS_STORE_QUEUE_MAX);
    XT_TRY(count_things(s, &count, &err));
    assert_int_equal(count, XOS_STORE_QUEUE_MAX);
out:
    xos_store_close(s);
    xos_free(puts);
    xos_free(big);
}

struct again {
    struct xos_store *store;
    enum xos_code code;
};

static int nothing_apply(struct xos_tx *tx, void *arg, struct xos_error *err)
{
    (void)tx;
    (void)arg;
    (void)err;
    return 0;
}

static void again_done(void *arg, const struct xos_error *result)
{
    struct again *a = arg;
    struct xos_error err = {0};
    assert_int_equal(result->code, XOS_NONE);
    (void)xos_store_add(a->store, XOS_ORDERED, nothing_apply, NULL, NULL, &err);
    a->code = err.code;
}

/* What was handed in before a close is committed by it, and told. */
static void check_close(bool pg)
{
    struct xos_error err = {0};
    struct xos_store *s = NULL;
    struct put p = {.id = 1}, q = {.id = 2};
    struct again again = {0};
    int64_t count;
    const char *url = new_url(pg);
    XT_TRY(open_at(&s, url, 2, false, &err));
    again.store = s;
    XT_TRY(xos_store_add(s, XOS_ORDERED, put_apply, put_done, &p, &err));
    XT_TRY(xos_store_add(s, XOS_ORDERED, nothing_apply, again_done, &again, &err));
    XT_TRY(xos_store_add(s, XOS_SYNCED, put_apply, NULL, &q, &err));
    xos_store_close(s);
    s = NULL;
    assert_int_equal(p.calls, 1);
    assert_int_equal(p.code, XOS_NONE);
    assert_int_equal(again.code, XOS_CANCELLED);
    XT_TRY(open_at(&s, url, 2, false, &err));
    XT_TRY(count_things(s, &count, &err));
    assert_int_equal(count, 2);
out:
    xos_store_close(s);
}

/* Reading */

static void check_reader(bool pg)
{
    struct xos_error err = {0};
    struct xos_store *s = NULL;
    struct xos_rows *outer = NULL, *inner = NULL;
    struct put puts[] = {{.id = 1, .name = "b"}, {.id = 2, .name = "B"}, {.id = 3, .name = "_"}};
    int64_t count;
    const char *url = new_url(pg);
    XT_TRY(open_at(&s, url, 2, false, &err));
    struct xos_tx *r = xos_store_reader(s);
    XT_TRY(xos_store_run(s, XOS_ORDERED, put_apply, &puts[0], &err));
    XT_TRY(xos_tx_begin(r, &err));
    XT_TRY(count_things(s, &count, &err));
    assert_int_equal(count, 1);
    XT_TRY(xos_store_run(s, XOS_ORDERED, put_apply, &puts[1], &err));
    XT_TRY(count_things(s, &count, &err));
    assert_int_equal(count, 1); /* one state until the end */
    xos_tx_end(r);
    XT_TRY(xos_store_run(s, XOS_ORDERED, put_apply, &puts[2], &err));
    XT_REFUSED(xos_tx_exec(r, "DELETE FROM thing", XOS_V(), NULL, &err), XOS_DENIED);
    XT_REFUSED(xos_tx_exec(r, "SELECT nonsense", XOS_V(), NULL, &err), XOS_INTERNAL);
    XT_TRY(count_things(s, &count, &err)); /* a refusal leaves the reader usable */
    assert_int_equal(count, 3);
    /* The same statement inside itself; texts sort by their bytes. */
    static const char order[] = "B_b";
    for (unsigned i = 0; i < 3; i++) {
        if (!outer)
            XT_TRY(xos_tx_query(&outer, r, "SELECT name FROM thing ORDER BY name", XOS_V(), &err));
        XT_TRY(xos_rows_next(outer, &err));
        assert_int_equal(xos_rows_text(outer, 0)[0], order[i]);
        XT_TRY(xos_tx_query(&inner, r, "SELECT name FROM thing ORDER BY name", XOS_V(), &err));
        XT_TRY(xos_rows_next(inner, &err));
        assert_string_equal(xos_rows_text(inner, 0), "B");
        xos_rows_free(inner);
        inner = NULL;
    }
out:
    xos_rows_free(inner);
    xos_rows_free(outer);
    xos_store_close(s);
}

/* Schema */

static int fail_in_migration(struct xos_tx *tx, struct xos_error *err)
{
    if (xos_tx_exec(tx, "DELETE FROM thing", XOS_V(), NULL, err) < 0)
        return -1;
    return xos_fail(err, XOS_INVALID, "a reason");
}

static void check_migration(bool pg)
{
    struct xos_error err = {0};
    struct xos_store *s = NULL;
    struct put p = {.id = 1}, q = {.id = 2};
    int64_t count;
    char url[256];
    (void)snprintf(url, sizeof(url), "%s", new_url(pg));
    XT_TRY(open_at(&s, url, 1, true, &err));
    XT_TRY(xos_store_run(s, XOS_SYNCED, put_apply, &p, &err));
    xos_store_close(s);
    s = NULL;
    const struct xos_migration bad[] = {
        schema[0], {2, "goes wrong", "CREATE TABLE half (a INTEGER)", NULL, fail_in_migration}};
    const struct xos_store_config config = {
        .url = url, .name = "things", .migrations = bad, .count = 2, .no_thread = true};
    XT_REFUSED(xos_store_open(&s, &config, &err), XOS_INVALID);
    XT_TRY(open_at(&s, url, 1, true, &err)); /* nothing of it stayed */
    XT_TRY(count_things(s, &count, &err));
    assert_int_equal(count, 1);
    xos_store_close(s);
    s = NULL;
    XT_TRY(open_at(&s, url, 2, true, &err));
    XT_TRY(xos_store_run(s, XOS_SYNCED, put_apply, &q, &err));
    XT_TRY(xos_tx_exec(xos_store_reader(s), "SELECT colour FROM thing", XOS_V(), NULL, &err));
    xos_store_close(s);
    s = NULL;
    XT_REFUSED(open_at(&s, url, 1, true, &err), XOS_VERSION);
    if (!xt_starving())
        assert_string_equal(err.text, "open store things: schema 2 is newer than this program's 1: "
                                      "run a newer xosd");
out:
    xos_store_close(s);
}

static void the_copy_from_before_a_migration_is_whole(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_store *s = NULL;
    struct put p = {.id = 1}, q = {.id = 2};
    int64_t count;
    char url[128], copy[160];
    struct stat st;
    (void)snprintf(url, sizeof(url), "%s", new_url(false));
    (void)snprintf(copy, sizeof(copy), "%s.schema-1.bak", url);
    XT_TRY(open_at(&s, url, 1, true, &err));
    XT_TRY(xos_store_run(s, XOS_ORDERED, put_apply, &p, &err));
    xos_store_close(s);
    s = NULL;
    XT_TRY(open_at(&s, url, 2, true, &err));
    XT_TRY(xos_store_run(s, XOS_ORDERED, put_apply, &q, &err));
    xos_store_close(s);
    s = NULL;
    assert_int_equal(stat(copy + strlen("sqlite:"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    XT_TRY(open_at(&s, copy, 1, true, &err)); /* the old program can go back to it */
    XT_TRY(count_things(s, &count, &err));
    assert_int_equal(count, 1);
    (void)snprintf(copy, sizeof(copy), "%s/taken", xt_dir());
    XT_TRY(xos_store_copy(s, copy, &err));
    xos_store_close(s);
    s = NULL;
    (void)snprintf(copy, sizeof(copy), "sqlite:%s/taken", xt_dir());
    XT_TRY(open_at(&s, copy, 1, true, &err));
    XT_TRY(count_things(s, &count, &err));
    assert_int_equal(count, 1);
out:
    xos_store_close(s);
}

/* Opening */

static void a_wrong_url_is_refused_without_showing_it(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_store *s = NULL;
    static const struct {
        const char *url;
        enum xos_code code;
    } cases[] = {
        {"mysql://u:secret@h/d", XOS_INVALID},
        {"", XOS_INVALID},
        {"sqlite:", XOS_INVALID},
        {"sqlite::memory:", XOS_INVALID},
        {"sqlite:/nonexistent/secret/x", XOS_NOT_FOUND},
#ifdef XOS_HAVE_PQ
        {"postgresql://u:secret@/x?host=/nonexistent", XOS_UNAVAILABLE},
        {"host=/nonexistent password=secret", XOS_UNAVAILABLE},
#else
        {"postgresql://u:secret@/x?host=/nonexistent", XOS_UNSUPPORTED},
        {"host=/nonexistent password=secret", XOS_UNSUPPORTED},
#endif
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        XT_REFUSED(open_at(&s, cases[i].url, 2, true, &err), cases[i].code);
        if (strncmp(cases[i].url, "sqlite:", 7) != 0)
            assert_null(strstr(err.text, "secret"));
        assert_null(strchr(err.text, '\n'));
    }
}

static void a_file_has_one_owner(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_store *s = NULL, *t = NULL;
    char url[128];
    (void)snprintf(url, sizeof(url), "%s", new_url(false));
    struct xos_store_config other = {.url = url, .name = "audit", .no_thread = true};
    XT_TRY(open_at(&s, url, 2, true, &err));
    XT_REFUSED(open_at(&t, url, 2, true, &err), XOS_BUSY);
    xos_store_close(s);
    s = NULL;
    XT_REFUSED(xos_store_open(&t, &other, &err), XOS_INVALID); /* another store's file */
    if (!xt_starving())
        assert_non_null(strstr(err.text, "holds the store things"));
out:
    xos_store_close(s);
    xos_store_close(t);
}

/* Several heads */

#define HEADS 3
#define INCREMENTS 100

static int increment_apply(struct xos_tx *tx, void *arg, struct xos_error *err)
{
    (void)arg;
    struct xos_rows *rows;
    if (xos_tx_query(&rows, tx, "SELECT n FROM thing WHERE id = 1", XOS_V(), err) < 0)
        return -1;
    int rc = xos_rows_next(rows, err);
    int64_t n = rc > 0 ? xos_rows_int(rows, 0) : 0;
    xos_rows_free(rows);
    if (rc < 0)
        return -1;
    return xos_tx_exec(tx, "UPDATE thing SET n = ? WHERE id = 1", XOS_V(xos_v_int(n + 1)), NULL,
                       err);
}

/* Were two to have it, each would start the other's jobs. */
static void a_database_has_one_owner_where_it_is_wanted(void **state)
{
    struct xos_store_config config = {
        .name = "things", .migrations = schema, .count = 2, .no_thread = true, .exclusive = true};
    struct xos_store *s = NULL, *t = NULL;
    struct xos_error err = {0};
    (void)state;
    need_pg();
    config.url = new_url(true);
    XT_TRY(xos_store_open(&s, &config, &err));
    XT_REFUSED(xos_store_open(&t, &config, &err), XOS_BUSY);
    config.exclusive = false;
    XT_TRY(xos_store_open(&t, &config, &err)); /* a tool may look at it */
    xos_store_close(s);
    s = NULL;
    config.exclusive = true;
    XT_TRY(xos_store_open(&s, &config, &err));
out:
    xos_store_close(t);
    xos_store_close(s);
}

static void *head_main(void *arg)
{
    struct xos_store *s = NULL;
    struct xos_error err = {0};
    if (open_at(&s, arg, 2, false, &err) < 0)
        fail_msg("%s", err.text);
    for (int done = 0; done < INCREMENTS;) {
        if (xos_store_run(s, XOS_ORDERED, increment_apply, NULL, &err) == 0)
            done++;
        else if (err.code != XOS_BUSY) /* met others too often: the caller's to repeat */
            fail_msg("%s", err.text);
    }
    xos_store_close(s);
    return NULL;
}

static void heads_that_share_a_database_lose_nothing(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_store *s = NULL;
    struct xos_rows *rows = NULL;
    struct put p = {.id = 1};
    pthread_t heads[HEADS];
    char url[256];
    need_pg();
    (void)snprintf(url, sizeof(url), "%s", new_url(true));
    XT_TRY(open_at(&s, url, 2, false, &err));
    XT_TRY(xos_store_run(s, XOS_ORDERED, put_apply, &p, &err));
    for (size_t i = 0; i < HEADS; i++)
        assert_int_equal(pthread_create(&heads[i], NULL, head_main, url), 0);
    for (size_t i = 0; i < HEADS; i++)
        pthread_join(heads[i], NULL);
    XT_TRY(xos_tx_query(&rows, xos_store_reader(s), "SELECT n FROM thing", XOS_V(), &err));
    XT_TRY(xos_rows_next(rows, &err));
    assert_int_equal(xos_rows_int(rows, 0), HEADS * INCREMENTS);
out:
    xos_rows_free(rows);
    xos_store_close(s);
}

static void a_lost_server_fails_the_store_until_it_is_opened_again(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_store *s = NULL;
    struct put p = {.id = 1}, q = {.id = 2};
    struct xt_pg *server;
    int64_t count;
    char url[256];
    need_pg();
    (void)snprintf(url, sizeof(url), "%s", new_url(true));
    XT_TRY(xt_pg_start(&server, &err));
    XT_TRY(open_at(&s, url, 2, false, &err));
    XT_TRY(xos_store_run(s, XOS_SYNCED, put_apply, &p, &err));
    XT_TRY(xt_pg_crash(server, &err));
    XT_REFUSED(xos_store_run(s, XOS_SYNCED, put_apply, &q, &err), XOS_UNAVAILABLE);
    XT_REFUSED(xos_store_run(s, XOS_SYNCED, put_apply, &q, &err), XOS_UNAVAILABLE);
    assert_non_null(strstr(err.text, "opened again"));
    xos_store_close(s);
    s = NULL;
    XT_TRY(open_at(&s, url, 2, false, &err));
    XT_TRY(count_things(s, &count, &err));
    assert_int_equal(count, 1);
out:
    xos_store_close(s);
}

/* The table */

#define BOTH(name, check, ...)                                                                     \
    static void name##_on_sqlite(void **state)                                                     \
    {                                                                                              \
        (void)state;                                                                               \
        check(false, ##__VA_ARGS__);                                                               \
    }                                                                                              \
    static void name##_on_postgresql(void **state)                                                 \
    {                                                                                              \
        (void)state;                                                                               \
        need_pg();                                                                                 \
        check(true, ##__VA_ARGS__);                                                                \
    }

BOTH(values_come_back, check_values)
BOTH(a_failing_batch_fails_alone, check_failing_batch, true)
BOTH(a_thread_keeps_the_order, check_failing_batch, false)
BOTH(a_batch_cannot_go_on_after_a_failure, check_broken_rule)
BOTH(limits_are_named, check_limits)
BOTH(a_close_commits, check_close)
BOTH(a_reader_sees_committed_states, check_reader)
BOTH(schemas_go_forward_only, check_migration)

static const struct xt_test tests[] = {
    XT(values_come_back_on_sqlite),
    XT_PLAIN(values_come_back_on_postgresql),
    XT(a_failing_batch_fails_alone_on_sqlite),
    XT_PLAIN(a_failing_batch_fails_alone_on_postgresql),
    XT_PLAIN(a_thread_keeps_the_order_on_sqlite),
    XT_PLAIN(a_thread_keeps_the_order_on_postgresql),
    XT_PLAIN(a_batch_cannot_go_on_after_a_failure_on_sqlite),
    XT_PLAIN(a_batch_cannot_go_on_after_a_failure_on_postgresql),
    XT_PLAIN(limits_are_named_on_sqlite),
    XT_PLAIN(limits_are_named_on_postgresql),
    XT_PLAIN(a_close_commits_on_sqlite),
    XT_PLAIN(a_close_commits_on_postgresql),
    XT_PLAIN(a_reader_sees_committed_states_on_sqlite),
    XT_PLAIN(a_reader_sees_committed_states_on_postgresql),
    XT(schemas_go_forward_only_on_sqlite),
    XT_PLAIN(schemas_go_forward_only_on_postgresql),
    XT(the_copy_from_before_a_migration_is_whole),
    XT(a_wrong_url_is_refused_without_showing_it),
    XT(a_file_has_one_owner),
    XT_PLAIN(a_database_has_one_owner_where_it_is_wanted),
    XT_PLAIN(heads_that_share_a_database_lose_nothing),
    XT_PLAIN(a_lost_server_fails_the_store_until_it_is_opened_again),
};
XT_MAIN(tests)
