// SPDX-License-Identifier: Apache-2.0
/* version.h - the version of this build. Both come from the file VERSION and git, by the Makefile.
 */
#ifndef XOS_BASE_VERSION_H
#define XOS_BASE_VERSION_H

extern const char xos_version[]; /* "0.1.0" */

/* Version of the protocol between nodes. N talks to N-1. */
#define XOS_PROTOCOL_VERSION 1u

#endif
