// SPDX-License-Identifier: Apache-2.0
#include "libxos/base/version.h"

const char xos_version[] = XOS_BUILD_VERSION;
