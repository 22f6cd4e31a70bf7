// SPDX-License-Identifier: Apache-2.0
/* netenv.h - for tests of what talks over sockets: the machine's clocks, random bits and loopback
 * TCP, and nothing else of an env. Addresses are numeric. */
#ifndef XOS_TESTS_NETENV_H
#define XOS_TESTS_NETENV_H

#include "libxos/env/env.h"

struct xos_env *xt_netenv(void); /* borrowed, lives for ever */

#endif
