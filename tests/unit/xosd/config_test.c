// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: an administrator's slip is taken for a setting, or is answered with a riddle.
 */
#include "tests/lib/xtest.h"
#include "xosd/config.h"

#include <string.h>

static void an_empty_file_is_a_whole_configuration(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct config c;
    XT_TRY(config_parse(&c, "", "xosd.conf", &err));
    assert_string_equal(c.node, "n1.local");
    assert_string_equal(c.institution, "local");
    assert_true(c.head && c.worker && !c.storage && !c.gateway);
    assert_string_equal(c.socket, "/run/xos/xosd.sock");
    assert_string_equal(c.store_url, "sqlite:/var/lib/xos/jobs.db");
    assert_string_equal(c.spool_dir, "/var/lib/xos-execd/spool");
    assert_string_equal(c.http_host, "127.0.0.1");
    assert_int_equal(c.http_port, 7403);
    assert_true(c.output_bytes_max == UINT64_C(1) << 30);
out:;
}

static void what_is_written_counts(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct config c;
    static const char text[] = "[node]\nname = n17.inria\nroles = worker, storage\ncpus = 64\n"
                               "mem = 16GiB\nstate = /s\nrun = /r\n[net]\nhttp = off\n"
                               "[limits]\noutput_per_unit = 2MiB\n[log]\nlevel = debug\n";
    XT_TRY(config_parse(&c, text, "xosd.conf", &err));
    assert_string_equal(c.institution, "inria");
    assert_true(!c.head && c.worker && c.storage);
    assert_int_equal(c.cpus, 64);
    assert_true(c.mem_bytes == UINT64_C(16) << 30);
    assert_string_equal(c.socket, "/r/xosd.sock");
    assert_string_equal(c.http_host, "");
    assert_true(c.output_bytes_max == 2 << 20);
    assert_int_equal(c.log_level, 4);
out:;
}

static void slips_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *says;
    } rows[] = {
        {"[nod]\nname = a.b\n", "node"},
        {"[node]\nnmae = a.b\n", "name"},
        {"[node]\nname = inria\n", "NODE.INSTITUTION"},
        {"[node]\nname = .inria\n", "NODE.INSTITUTION"},
        {"[node]\nname = N1.inria\n", "a-z"},
        {"[node]\nroles = head boss\n", "boss"},
        {"[node]\ncpus = many\n", "many"},
        {"[node]\nmem = 3 elephants\n", "elephants"},
        {"[net]\nhttp = 7403\n", "ADDRESS:PORT"},
        {"[net]\nhttp = 127.0.0.1:99999\n", "65535"},
        {"[limits]\noutput_per_unit = 1\n", "1MiB"},
        {"[log]\nlevel = loud\n", "loud"},
        {"name = a.b\n", "xosd.conf:1"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct xos_error err = {0};
        struct config c;
        int rc = config_parse(&c, rows[i].text, "xosd.conf", &err);
        assert_int_equal(rc, -1);
        if (xt_starving())
            return;
        if (!strstr(err.text, rows[i].says) || strncmp(err.text, "xosd.conf", 9) != 0)
            fail_msg("%s: \"%s\" does not say \"%s\"", rows[i].text, err.text, rows[i].says);
        assert_null(strchr(err.text, '\n'));
    }
}

static const struct xt_test tests[] = {
    XT(an_empty_file_is_a_whole_configuration),
    XT(what_is_written_counts),
    XT(slips_are_named),
};
XT_MAIN(tests)
