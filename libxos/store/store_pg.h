// SPDX-License-Identifier: Apache-2.0
/* store_pg.h - the engine behind postgresql://…, through libpq; engine.h has its calls.
 *
 * Several heads may share a database: every write transaction is SERIALIZABLE and is run again
 * when the server finds that two met; migrations hold an advisory lock. Several stores may share
 * one: their rows in xos_schema carry names, their tables must not clash. */
#ifndef XOS_STORE_STORE_PG_H
#define XOS_STORE_STORE_PG_H

#include "libxos/store/engine.h"

#define XOS_PG_CONNECT_S_MAX "10"     /* seconds for one address, unless the url says otherwise */
#define XOS_PG_SILENCE_MS_MAX "20000" /* of a server that owes us an acknowledgement (TCP) */

#endif
