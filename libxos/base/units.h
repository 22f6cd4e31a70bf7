// SPDX-License-Identifier: Apache-2.0
/* units.h - sizes, durations and times as people write them.
 *
 * Sizes: KiB MiB GiB TiB, and K M G T, which are the binary ones too; a bare number is bytes.
 * Durations: s m h d, and ms; a bare number is seconds. Times: RFC 3339, UTC. */
#ifndef XOS_BASE_UNITS_H
#define XOS_BASE_UNITS_H

#include "libxos/base/error.h"

#include <stdint.h>

#define XOS_TIME_TEXT_MAX 32

/* The whole text must be one value. Fractions ("1.5GiB") are allowed; the result is rounded down.
 * XOS_INVALID names what is wrong and what is accepted. */
int xos_parse_size(const char *text, uint64_t *bytes, struct xos_error *err);
int xos_parse_duration(const char *text, uint64_t *ms, struct xos_error *err);

/* A decimal number in [min, max], nothing around it. */
int xos_parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *value,
                  struct xos_error *err);

/* "1.5GiB", "10s", "3h12m": for people. */
void xos_format_size(uint64_t bytes, char *text, size_t size);
void xos_format_duration(uint64_t ms, char *text, size_t size);

/* "2026-03-01T12:00:00.123Z" of milliseconds since 1970. */
void xos_format_time(int64_t real_ms, char *text, size_t size);

#endif
