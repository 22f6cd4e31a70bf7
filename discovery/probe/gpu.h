// SPDX-License-Identifier: Apache-2.0
/* gpu.h - the GPUs on the PCI bus, as devices of a row. */
#ifndef DISCOVERY_PROBE_GPU_H
#define DISCOVERY_PROBE_GPU_H

#include "discovery/probe/tree.h"
#include "discovery/query/row.h"

#define PROBE_PCI_MAX 4096u /* functions on one machine's bus; the rest is not looked at */

/* Append a device to *row per PCI function of class VGA (0300), 3D (0302), display (0380) or
 * processing accelerator (1200), in the order of their addresses. A server's console chip (ASPEED,
 * Matrox) is no GPU. At most XQL_DEVICES_MAX are told. uuid is what the driver says, else the PCI
 * address. A physical function that was cut into virtual ones is in-use: those are what is free.
 * Fails with XOS_NOMEM alone. */
int probe_gpus(struct probe_tree *t, struct xql_row *row, struct xos_error *err);

#endif
