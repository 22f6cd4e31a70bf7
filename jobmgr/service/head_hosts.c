// SPDX-License-Identifier: Apache-2.0
/* head_hosts.c - XOS_HOSTS: where the units of a job are, as a text that each of them is given.
 *
 * One line per unit: its number, its node, and a numeric address of that node, or "-" where none is
 * known. It is made once for all units that are started together. */
#include "jobmgr/service/owned.h"

#include <inttypes.h>
#include <stdio.h>

static int line_add(struct owned *o, uint32_t unit, struct xos_error *err)
{
    const struct head_config *c = &o->head->config;
    const char *node = o->job->units[unit].node;
    char address[HEAD_ADDRESS_BYTES] = "", line[JOB_NAME_MAX + HEAD_ADDRESS_BYTES + 16];
    if (c->address)
        c->address(c->arg, node, address);
    int n = snprintf(line, sizeof(line), "%" PRIu32 " %s %s\n", unit, node[0] ? node : "-",
                     address[0] ? address : "-");
    return xos_buf_add(&o->hosts, line, (size_t)n, err);
}

int head_hosts(struct owned *o, struct xos_slice *out, struct xos_error *err)
{
    if (o->hosts_sequence != o->job->sequence) {
        xos_buf_clear(&o->hosts);
        for (uint32_t i = 0; i < o->job->shape.units; i++)
            if (line_add(o, i, err) < 0)
                return -1;
        o->hosts_sequence = o->job->sequence;
    }
    *out = (struct xos_slice){o->hosts.data, o->hosts.len};
    return 0;
}
