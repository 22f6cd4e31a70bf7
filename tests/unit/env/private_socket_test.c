// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a user's commands talk to somebody else's process, or cannot find their own.
 */
#include "libxos/env/private_socket.h"
#include "tests/lib/xtest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[96], link_to[128], file[128], open_dir[128];

static void make_places(void)
{
    (void)snprintf(dir, sizeof(dir), "%s/mine", xt_dir());
    (void)snprintf(link_to, sizeof(link_to), "%s/link", xt_dir());
    (void)snprintf(file, sizeof(file), "%s/file", xt_dir());
    (void)snprintf(open_dir, sizeof(open_dir), "%s/open", xt_dir());
    (void)mkdir(dir, 0700);
    (void)mkdir(open_dir, 0700);
    (void)chmod(open_dir, 0777);
    (void)!symlink(dir, link_to);
    FILE *f = fopen(file, "w");
    if (f)
        (void)fclose(f);
}

static void the_order_of_places(void **state)
{
    (void)state;
    struct xos_error err = {0};
    char path[XOS_SOCKET_PATH_BYTES], chosen[160], wanted[160];
    make_places();
    (void)snprintf(chosen, sizeof(chosen), "%s/s", dir);
    struct xos_private_socket w = {"xos-test", chosen, dir, getuid()};
    XT_TRY(xos_private_socket_path(path, &w, &err));
    assert_string_equal(path, chosen);
    w.chosen = "";
    XT_TRY(xos_private_socket_path(path, &w, &err));
    (void)snprintf(wanted, sizeof(wanted), "%s/xos-test.sock", dir);
    assert_string_equal(path, wanted);
out:;
}

static void a_runtime_directory_of_others_is_passed_over(void **state)
{
    (void)state;
    struct xos_error err = {0};
    char path[XOS_SOCKET_PATH_BYTES], name[32], wanted[80], made[64];
    const char *places[] = {NULL, open_dir, link_to, file, "/nowhere/at/all"};
    make_places();
    (void)snprintf(name, sizeof(name), "xos-test-%d", (int)getpid());
    (void)snprintf(made, sizeof(made), "/tmp/%s-%u", name, getuid());
    (void)snprintf(wanted, sizeof(wanted), "%s/sock", made);
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        const struct xos_private_socket w = {name, NULL, places[i], getuid()};
        struct stat st;
        XT_TRY(xos_private_socket_path(path, &w, &err));
        assert_string_equal(path, wanted);
        assert_int_equal(stat(made, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0700);
    }
out:
    (void)rmdir(made);
}

static void a_place_that_others_made_is_refused(void **state)
{
    (void)state;
    struct xos_error err = {0};
    char path[XOS_SOCKET_PATH_BYTES], name[32], made[64];
    (void)snprintf(name, sizeof(name), "xos-t-%d", (int)getpid());
    (void)snprintf(made, sizeof(made), "/tmp/%s-%u", name, getuid());
    const struct xos_private_socket w = {name, NULL, NULL, getuid()};
    make_places();
    assert_int_equal(symlink(dir, made), 0);
    XT_REFUSED(xos_private_socket_path(path, &w, &err), XOS_DENIED);
    (void)unlink(made);
    assert_int_equal(mkdir(made, 0700), 0);
    (void)chmod(made, 0750);
    XT_REFUSED(xos_private_socket_path(path, &w, &err), XOS_DENIED);
    (void)chmod(made, 0700);
    if (getuid() == 0) {
        assert_int_equal(chown(made, 65534, 65534), 0);
        XT_REFUSED(xos_private_socket_path(path, &w, &err), XOS_DENIED);
    }
    (void)rmdir(made);
}

static void a_chosen_place_is_looked_at(void **state)
{
    (void)state;
    struct xos_error err = {0};
    char path[XOS_SOCKET_PATH_BYTES], at[256];
    make_places();
    const struct {
        const char *below;
        enum xos_code code;
    } rows[] = {{open_dir, XOS_DENIED}, {link_to, XOS_DENIED}, {file, XOS_DENIED}};
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(at, sizeof(at), "%s/s", rows[i].below);
        const struct xos_private_socket w = {"x", at, NULL, getuid()};
        XT_REFUSED(xos_private_socket_path(path, &w, &err), rows[i].code);
    }
    (void)chmod(open_dir, 01777);
    (void)snprintf(at, sizeof(at), "%s/s", open_dir);
    const struct xos_private_socket sticky = {"x", at, NULL, getuid()};
    XT_TRY(xos_private_socket_path(path, &sticky, &err));
    const struct xos_private_socket none = {"x", "/nowhere/s", NULL, getuid()};
    XT_REFUSED(xos_private_socket_path(path, &none, &err), XOS_NOT_FOUND);
    memset(at, 'x', sizeof(at));
    at[sizeof(at) - 1] = '\0';
    const struct xos_private_socket w = {"x", at, NULL, getuid()};
    XT_REFUSED(xos_private_socket_path(path, &w, &err), XOS_INVALID);
out:;
}

static const struct xt_test tests[] = {
    XT_PLAIN(the_order_of_places),
    XT_PLAIN(a_runtime_directory_of_others_is_passed_over),
    XT_PLAIN(a_place_that_others_made_is_refused),
    XT_PLAIN(a_chosen_place_is_looked_at),
};
XT_MAIN(tests)
