// SPDX-License-Identifier: Apache-2.0
/* sni.h - which server a TLS ClientHello asks for, read without speaking TLS. Pure.
 *
 * RFC 8446 sections 4.1.2 and 5.1 (a ClientHello may lie in several records), RFC 6066 section 3
 * (server_name). For gateways, which pass the bytes on as they are. */
#ifndef XOS_NET_SNI_H
#define XOS_NET_SNI_H

#include "libxos/base/buf.h"

#define XOS_SNI_BYTES_MAX 16384 /* of a ClientHello with its record headers */
#define XOS_SNI_NAME_BYTES 254  /* of a host name with its NUL */

/* 1: the ClientHello is whole, and name holds what it asks for in lower case, "" for nothing; 0: it
 * goes on after these bytes; -1: XOS_PROTOCOL, these are not the first bytes of one, or it is
 * longer than we look. */
int xos_sni_peek(struct xos_slice bytes, char name[static XOS_SNI_NAME_BYTES],
                 struct xos_error *err);

#endif
