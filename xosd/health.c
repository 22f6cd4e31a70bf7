// SPDX-License-Identifier: Apache-2.0
#include "xosd/health.h"

#include <stdio.h>
#include <stdlib.h>

#define HOUR_MS 3600000.0

/* Each says why and what to do, and is true when it is wrong. */

static bool disk(const struct health_facts *f, char *why)
{
    if (f->disk_free * 100 >= f->disk_percent_min)
        return false;
    (void)snprintf(why, HEALTH_TEXT_BYTES,
                   "%.1f %% free under %.120s: below %u %% (spool_min_free) no new unit is taken: "
                   "make room",
                   f->disk_free * 100, f->disk_path, f->disk_percent_min);
    return true;
}

static bool store(const struct health_facts *f, char *why)
{
    (void)snprintf(why, HEALTH_TEXT_BYTES,
                   "%.120s could not be written: check the disk, then start xosd again", f->store);
    return f->store_failed;
}

static bool execd(const struct health_facts *f, char *why)
{
    (void)snprintf(why, HEALTH_TEXT_BYTES,
                   "nobody answers at %.120s: no unit can be started: is xos-execd running?",
                   f->execd_path);
    return f->execd_lost;
}

static bool ca(const struct health_facts *f, char *why)
{
    (void)snprintf(why, HEALTH_TEXT_BYTES,
                   "nobody answers at %.120s: nobody can log in or renew: is xos-ca running?",
                   f->ca_path);
    return f->ca_lost;
}

static bool certificate(const struct health_facts *f, char *why)
{
    char when[32];
    (void)snprintf(when, sizeof(when), f->cert_left_ms < 0 ? "ended %.1f h ago" : "ends in %.1f h",
                   (double)llabs(f->cert_left_ms) / HOUR_MS);
    (void)snprintf(why, HEALTH_TEXT_BYTES,
                   "the node's %s and was not renewed: is a head in reach? The log says "
                   "CERT_EXPIRING and why",
                   when);
    return f->certified && f->cert_left_ms < HEALTH_CERT_MS_MIN;
}

static bool issuer(const struct health_facts *f, char *why)
{
    (void)snprintf(why, HEALTH_TEXT_BYTES,
                   "its certificate ends in %.0f days: have the offline root sign a new one, "
                   "xos-ca(8)",
                   (double)f->ca_left_ms / HOUR_MS / 24);
    return f->certified && f->ca_left_ms < HEALTH_CA_MS_MIN;
}

static bool network(const struct health_facts *f, char *why)
{
    (void)snprintf(why, HEALTH_TEXT_BYTES,
                   "no other node is in reach, though %zu are named in [net] seeds: is the network "
                   "up, and do they run?",
                   f->seeds);
    return f->certified && f->seeds && f->settled && f->others == 0;
}

static bool clocks(const struct health_facts *f, char *why)
{
    (void)snprintf(why, HEALTH_TEXT_BYTES,
                   "that of %.120s is %.1f s %s ours: above 60 s requests are refused: run NTP on "
                   "both",
                   f->clock_node, (double)llabs(f->clock_ahead_ms) / 1000,
                   f->clock_ahead_ms < 0 ? "behind" : "ahead of");
    return llabs(f->clock_ahead_ms) > HEALTH_CLOCK_MS_MAX;
}

static const struct {
    const char *what;
    bool (*wrong)(const struct health_facts *f, char *why);
} checks[] = {
    {"disk", disk},
    {"store", store},
    {"xos-execd", execd},
    {"xos-ca", ca},
    {"certificate", certificate},
    {"issuing CA", issuer},
    {"network", network},
    {"clock", clocks},
};
_Static_assert(sizeof(checks) / sizeof(checks[0]) <= HEALTH_CHECKS_MAX, "room for all of them");

size_t health_check(const struct health_facts *f, struct health_problem out[HEALTH_CHECKS_MAX])
{
    size_t n = 0;
    for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
        if (checks[i].wrong(f, out[n].why))
            out[n++].what = checks[i].what;
    return n;
}
