// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: two users share a uid, or somebody inherits the files of a user who left. */
#include "jobmgr/exec/idmap_file.h"
#include "tests/lib/xtest.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int give(struct idmap *m, const char *vo, const char *user, int64_t now, uint32_t *uid,
                struct xos_error *err)
{
    struct idmap_record r;
    if (idmap_plan(m, vo, user, now, &r, err) < 0 || idmap_apply(m, &r, err) < 0)
        return -1;
    *uid = r.uid;
    return 0;
}

static int take(struct idmap *m, const char *vo, const char *user, int64_t now,
                struct xos_error *err)
{
    struct idmap_record r;
    return idmap_plan_release(m, vo, user, now, &r, err) < 0 ? -1 : idmap_apply(m, &r, err);
}

static void uids_are_not_shared_nor_used_again_soon(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct idmap *m = NULL;
    struct idmap_record r;
    uint32_t a, b, c, again;
    XT_TRY(idmap_new(&m, 2000, 2002, &err));
    XT_TRY(give(m, "v", "alice", 0, &a, &err));
    XT_TRY(give(m, "w", "alice", 0, &b, &err));
    XT_TRY(give(m, "v", "bob", 0, &c, &err));
    assert_true(a != b && b != c && a != c && a >= 2000 && c <= 2002);
    assert_int_equal(idmap_find(m, "v", "alice"), a);
    assert_int_equal(idmap_find(m, "v", "carol"), 0);
    XT_REFUSED(idmap_plan(m, "v", "alice", 0, &r, &err), XOS_EXISTS);
    XT_REFUSED(idmap_plan(m, "v", "carol", 0, &r, &err), XOS_LIMIT);
    XT_TRY(take(m, "v", "alice", 100, &err));
    assert_int_equal(idmap_find(m, "v", "alice"), 0);
    XT_REFUSED(idmap_plan(m, "v", "carol", 100 + IDMAP_REST_S - 1, &r, &err), XOS_LIMIT);
    /* The same user may come back at once, with the same uid. */
    XT_TRY(give(m, "v", "alice", 200, &again, &err));
    assert_int_equal(again, a);
    XT_TRY(take(m, "v", "alice", 300, &err));
    XT_TRY(take(m, "v", "bob", 200, &err));
    XT_TRY(give(m, "v", "carol", 300 + IDMAP_REST_S, &again, &err));
    assert_int_equal(again, c);
    assert_int_equal(idmap_find(m, "v", "carol"), c);
    assert_int_equal(idmap_find(m, "v", "bob"), 0);
    XT_REFUSED(take(m, "v", "bob", 900, &err), XOS_NOT_FOUND);
    XT_REFUSED(idmap_plan(m, "v", "", 0, &r, &err), XOS_INVALID);
out:
    idmap_free(m);
}

static void records_that_contradict_are_refused(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct idmap *m = NULL;
    uint32_t a;
    XT_TRY(idmap_new(&m, 2000, 2002, &err));
    XT_TRY(give(m, "v", "alice", 0, &a, &err));
    struct idmap_record r = {.kind = IDMAP_ASSIGN, .uid = a, .user = "eve"};
    XT_REFUSED(idmap_apply(m, &r, &err), XOS_CORRUPT);
    r.uid = 0;
    XT_REFUSED(idmap_apply(m, &r, &err), XOS_CORRUPT);
    r.uid = 2003;
    XT_REFUSED(idmap_apply(m, &r, &err), XOS_CORRUPT);
    r = (struct idmap_record){.kind = IDMAP_RELEASE, .uid = 2001, .vo = "v", .user = "alice"};
    XT_REFUSED(idmap_apply(m, &r, &err), XOS_CORRUPT);
    r = (struct idmap_record){.kind = IDMAP_ASSIGN, .uid = 2001, .vo = "v", .user = "alice"};
    XT_REFUSED(idmap_apply(m, &r, &err), XOS_CORRUPT);
    assert_int_equal(idmap_find(m, "v", "alice"), a);
out:
    idmap_free(m);
}

static void journal_is_found_again_whole_or_torn(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct idmap_file *f = NULL;
    char path[128], name[32];
    uint32_t uid, first = 0;
    (void)snprintf(path, sizeof(path), "%s/uids", xt_dir());
    (void)unlink(path);
    XT_TRY(idmap_file_open(&f, path, &err));
    for (unsigned i = 0; i < 5; i++) {
        (void)snprintf(name, sizeof(name), "user%u", i);
        XT_TRY(idmap_file_uid(f, "vo:v@h", name, 1, &uid, &err));
        assert_int_equal(uid, IDMAP_UID_MIN + i);
        first = i ? first : uid;
    }
    XT_TRY(idmap_file_release(f, "vo:v@h", "user1", 2, &err));
    idmap_file_close(f);
    f = NULL;
    /* Power went in the middle of the last record. */
    assert_int_equal(truncate(path, 6 * (off_t)sizeof(struct idmap_record) - 5), 0);
    XT_TRY(idmap_file_open(&f, path, &err));
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, 5 * sizeof(struct idmap_record));
    XT_TRY(idmap_file_uid(f, "vo:v@h", "user1", 3, &uid, &err));
    assert_int_equal(uid, first + 1);
    XT_TRY(idmap_file_uid(f, "vo:v@h", "user9", 3, &uid, &err));
    assert_int_equal(uid, first + 5);
out:
    idmap_file_close(f);
}

static void damage_in_the_middle_is_not_passed_over(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct idmap_file *f = NULL;
    char path[128];
    uint32_t uid;
    (void)snprintf(path, sizeof(path), "%s/uids2", xt_dir());
    (void)unlink(path);
    XT_TRY(idmap_file_open(&f, path, &err));
    XT_TRY(idmap_file_uid(f, "v", "a", 1, &uid, &err));
    XT_TRY(idmap_file_uid(f, "v", "b", 1, &uid, &err));
    idmap_file_close(f);
    f = NULL;
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "x", 1, 30), 1);
    close(fd);
    XT_REFUSED(idmap_file_open(&f, path, &err), XOS_CORRUPT);
    (void)unlink(path);
    assert_int_equal(symlink("/dev/null", path), 0);
    XT_REFUSED(idmap_file_open(&f, path, &err), XOS_SYSTEM);
out:
    idmap_file_close(f);
}

static const struct xt_test tests[] = {
    XT(uids_are_not_shared_nor_used_again_soon),
    XT(records_that_contradict_are_refused),
    XT(journal_is_found_again_whole_or_torn),
    XT(damage_in_the_middle_is_not_passed_over),
};
XT_MAIN(tests)
