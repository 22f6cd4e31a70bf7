// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: what is wrong with a node goes unnoticed, or what is well wakes somebody. */
#include "xosd/health.h"

#include "tests/lib/xtest.h"

#include <string.h>

#define HOUR INT64_C(3600000)
#define DAY (24 * HOUR)

/* A head of a federation that is well. */
static const struct health_facts well = {
    .disk_free = 0.05,
    .disk_path = "/var/lib/xos",
    .disk_percent_min = 5,
    .store = "sqlite:jobs.db",
    .execd_path = "/run/xos-execd/socket",
    .ca_path = "/run/xos-ca/socket",
    .certified = true,
    .cert_left_ms = HEALTH_CERT_MS_MIN,
    .ca_left_ms = HEALTH_CA_MS_MIN,
    .seeds = 1,
    .settled = true,
    .others = 1,
    .clock_node = "n1.vu",
    .clock_ahead_ms = HEALTH_CLOCK_MS_MAX,
};

static void little_disk(struct health_facts *f)
{
    f->disk_free = 0.049;
}
static void no_disk(struct health_facts *f)
{
    f->disk_free = 0;
}
static void no_store(struct health_facts *f)
{
    f->store_failed = true;
}
static void no_execd(struct health_facts *f)
{
    f->execd_lost = true;
}
static void no_ca(struct health_facts *f)
{
    f->ca_lost = true;
}
static void cert_soon(struct health_facts *f)
{
    f->cert_left_ms = 3 * HOUR;
}
static void cert_over(struct health_facts *f)
{
    f->cert_left_ms = -90 * 60000;
}
static void ca_soon(struct health_facts *f)
{
    f->ca_left_ms = 29 * DAY;
}
static void alone(struct health_facts *f)
{
    f->others = 0;
}
static void clock_ahead(struct health_facts *f)
{
    f->clock_ahead_ms = HEALTH_CLOCK_MS_MAX + 1;
}
static void clock_behind(struct health_facts *f)
{
    f->clock_ahead_ms = -45500;
}

static void each_fault_is_named_with_its_remedy(void **state)
{
    static const struct {
        void (*change)(struct health_facts *f);
        const char *what, *why, *remedy;
    } rows[] = {
        {little_disk, "disk", "4.9 % free under /var/lib/xos: below 5 %", "make room"},
        {no_disk, "disk", "0.0 % free", "make room"},
        {no_store, "store", "sqlite:jobs.db could not be written", "check the disk"},
        {no_execd, "xos-execd", "nobody answers at /run/xos-execd/socket", "is xos-execd running"},
        {no_ca, "xos-ca", "nobody answers at /run/xos-ca/socket", "is xos-ca running"},
        {cert_soon, "certificate", "ends in 3.0 h", "is a head in reach"},
        {cert_over, "certificate", "ended 1.5 h ago", "is a head in reach"},
        {ca_soon, "issuing CA", "ends in 29 days", "have the offline root sign"},
        {alone, "network", "1 are named in [net] seeds", "do they run"},
        {clock_ahead, "clock", "n1.vu is 30.0 s ahead of ours", "run NTP"},
        {clock_behind, "clock", "n1.vu is 45.5 s behind ours", "run NTP"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct health_problem found[HEALTH_CHECKS_MAX];
        struct health_facts f = well;
        rows[i].change(&f);
        assert_int_equal(health_check(&f, found), 1);
        assert_string_equal(found[0].what, rows[i].what);
        if (!strstr(found[0].why, rows[i].why) || !strstr(found[0].why, rows[i].remedy))
            fail_msg("%zu: %s", i, found[0].why);
    }
}

static void stand_alone(struct health_facts *f)
{
    f->certified = false;
    f->cert_left_ms = f->ca_left_ms = -1000 * DAY;
    f->seeds = f->others = 0;
    f->clock_node = "";
    f->clock_ahead_ms = 0;
}
static void just_started(struct health_facts *f)
{
    f->others = 0;
    f->settled = false;
}
static void first_of_all(struct health_facts *f)
{
    f->others = 0;
    f->seeds = 0;
}
static void as_it_is(struct health_facts *f)
{
    (void)f;
}

static void what_is_well_is_not_called_wrong(void **state)
{
    static void (*const changes[])(struct health_facts * f) = {as_it_is, stand_alone, just_started,
                                                               first_of_all};
    (void)state;
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        struct health_problem found[HEALTH_CHECKS_MAX];
        struct health_facts f = well;
        changes[i](&f);
        if (health_check(&f, found) != 0)
            fail_msg("%zu: %s: %s", i, found[0].what, found[0].why);
    }
}

static void all_at_once(void **state)
{
    (void)state;
    struct health_problem found[HEALTH_CHECKS_MAX];
    struct health_facts f = well;
    no_disk(&f);
    no_store(&f);
    no_execd(&f);
    no_ca(&f);
    cert_over(&f);
    ca_soon(&f);
    alone(&f);
    clock_behind(&f);
    assert_int_equal(health_check(&f, found), 8);
}

static const struct xt_test tests[] = {
    XT_PLAIN(each_fault_is_named_with_its_remedy),
    XT_PLAIN(what_is_well_is_not_called_wrong),
    XT_PLAIN(all_at_once),
};
XT_MAIN(tests)
