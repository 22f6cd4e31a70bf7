// SPDX-License-Identifier: Apache-2.0
/* number.h - plain numbers of the language as text and back, without a locale's decimal comma. */
#ifndef DISCOVERY_QUERY_NUMBER_H
#define DISCOVERY_QUERY_NUMBER_H

#include "libxos/base/error.h"

#include <stdint.h>

/* Largest literal, and digits kept after the point: any such number survives being printed and
 * read again (10^15 millionths are exact in a double). */
#define XQL_NUMBER_MAX 1000000000
#define XQL_FRACTION_DIGITS_MAX 6

/* Digits, at most one point with digits after it; no sign, nothing around it. */
int xql_number_parse(const char *text, double *number, struct xos_error *err);

/* "16", "0.5", "-3"; rounded to XQL_FRACTION_DIGITS_MAX. */
void xql_number_print(double number, char *text, size_t size);

/* "64GiB", "1000B"; "3h", "1500ms": the largest unit that is exact, so that it reads back. */
void xql_size_print(uint64_t bytes, char *text, size_t size);
void xql_duration_print(uint64_t ms, char *text, size_t size);

#endif
