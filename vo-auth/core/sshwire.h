// SPDX-License-Identifier: Apache-2.0
/* sshwire.h - the data types of SSH (RFC 4251, section 5): uint32, string, mpint.
 *
 * Taking moves a slice's front; what is taken is borrowed. A take that failed changed nothing. */
#ifndef VO_AUTH_CORE_SSHWIRE_H
#define VO_AUTH_CORE_SSHWIRE_H

#include "libxos/base/buf.h"

/* false: too short. */
bool auth_ssh_take_byte(struct xos_slice *in, uint8_t *value);
bool auth_ssh_take_u32(struct xos_slice *in, uint32_t *value);
bool auth_ssh_take_string(struct xos_slice *in, struct xos_slice *value);
/* Above zero and in its one shortest form, else false. A leading zero byte is kept. */
bool auth_ssh_take_mpint(struct xos_slice *in, struct xos_slice *value);

int auth_ssh_put_u32(struct xos_buf *out, uint32_t value, struct xos_error *err);
int auth_ssh_put_string(struct xos_buf *out, struct xos_slice value, struct xos_error *err);
int auth_ssh_put_text(struct xos_buf *out, const char *value, struct xos_error *err);

/* Is it exactly this text? */
bool auth_ssh_is(struct xos_slice value, const char *text);

#endif
