// SPDX-License-Identifier: Apache-2.0
/* power.h - a disk that loses power, for SQLite: a VFS that remembers what was synced.
 *
 * It becomes SQLite's default, so xos-pagesum stands on it; call it in a forked child before the
 * first store is opened. Writes go through as ever. At the cut the files are made anew in another
 * directory as a disk may hold them then: all that was synced, and of each later write some
 * sectors of 512 bytes, or none, or all; then the process ends. */
#ifndef XOS_TESTS_POWER_H
#define XOS_TESTS_POWER_H

#define XT_POWER_EXIT 77

/* Cut at the nth write or sync. `into` must exist. */
void xt_power_cut_at(unsigned long nth, unsigned seed, const char *into);

#endif
