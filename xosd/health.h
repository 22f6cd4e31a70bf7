// SPDX-License-Identifier: Apache-2.0
/* health.h - what may be wrong with a node, why, and what to do: one table. Pure.
 *
 * What is not needed on a node is well: its facts say so. */
#ifndef XOS_XOSD_HEALTH_H
#define XOS_XOSD_HEALTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HEALTH_TEXT_BYTES 256
#define HEALTH_CHECKS_MAX 16
#define HEALTH_CERT_MS_MIN                                                                         \
    INT64_C(14400000) /* a node's certificate that has less is not renewed                         \
                       */
#define HEALTH_CA_MS_MIN (INT64_C(30) * 86400000)
#define HEALTH_CLOCK_MS_MAX 30000 /* half of what makes requests fail */

/* Texts are borrowed. */
struct health_facts {
    double disk_free; /* 0 … 1 */
    const char *disk_path;
    unsigned disk_percent_min;
    bool store_failed;
    const char *store;
    bool execd_lost, ca_lost; /* nobody answers there, though somebody must */
    const char *execd_path, *ca_path;
    bool certified;
    int64_t cert_left_ms, ca_left_ms;
    size_t seeds;           /* that are named; 0: it seeks nobody */
    bool settled;           /* it has been among the others for long enough to know them */
    size_t others;          /* that are up */
    const char *clock_node; /* whose clock differs most; empty: nobody's is known */
    int64_t clock_ahead_ms;
};

struct health_problem {
    const char *what; /* "disk" */
    char why[HEALTH_TEXT_BYTES];
};

/* Returns how many problems there are. */
size_t health_check(const struct health_facts *f, struct health_problem out[HEALTH_CHECKS_MAX]);

#endif
