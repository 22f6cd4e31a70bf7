// SPDX-License-Identifier: Apache-2.0
/* migrate.h - bring a store's schema forward: xos_store_open() says how. */
#ifndef XOS_STORE_MIGRATE_H
#define XOS_STORE_MIGRATE_H

#include "libxos/store/engine.h"

int xos_migrate(struct xos_tx *writer, const struct xos_store_config *config,
                struct xos_error *err);

#endif
