// SPDX-License-Identifier: Apache-2.0
/* disc.h - descriptors and rows for tests, with fillers for signatures. */
#ifndef XOS_TESTS_DISC_H
#define XOS_TESTS_DISC_H

#include "discovery/core/row.h"

#define DISC_TEST_REAL_MS INT64_C(1750000000000) /* the wall clock of these tests */

/* A descriptor of "NAME.INSTITUTION", an hour from its end. */
int disc_test_descriptor(struct descriptor *out, const char *name, const char *institution,
                         uint64_t seq, struct xos_error *err);

/* A row and the bytes that it points to. */
struct disc_test_row {
    struct row_record record;
    char node[NODE_NAME_BYTES_MAX + 1];
    uint8_t bytes[ROW_BYTES_MAX];
};
int disc_test_row(struct disc_test_row *out, const char *node, uint64_t incarnation, uint64_t seq,
                  int64_t expiry_ms, enum row_state state, const char *body, struct xos_error *err);

#endif
