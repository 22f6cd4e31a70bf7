// SPDX-License-Identifier: Apache-2.0
/* slots.h - the keys that xos-ca holds. A key is made in its slot and never leaves it in clear:
 * what can be had are signatures over what this process itself has put together.
 *
 *     ca.KEYHASH   an issuing CA's key, by the first 16 digits of its key hash
 *     voroot.NAME  a VO's root key, which signs its manifest
 *     vo.NAME      the key that signs its attributes
 *
 * A slot is one file, keys/NAME.pem, 0600 and ours. */
#ifndef VO_AUTH_CA_SLOTS_H
#define VO_AUTH_CA_SLOTS_H

#include "vo-auth/auth.h"
#include "vo-auth/ca/state.h"

#define CA_SLOT_NAME_BYTES 64
#define CA_SLOTS_MAX 256 /* loaded at a time */
#define CA_KEY_FILE_BYTES_MAX 4096

struct ca_slots;

int ca_slots_open(struct ca_slots **out, struct ca_state *state, struct xos_error *err);
void ca_slots_free(struct ca_slots *s); /* takes NULL */

/* Make a key. XOS_EXISTS. */
int ca_slot_make(struct ca_slots *s, const char *name, struct xos_error *err);
/* Make an issuing CA's key and tell its slot. */
int ca_slot_make_ca(struct ca_slots *s, char name[static CA_SLOT_NAME_BYTES],
                    struct xos_error *err);
int ca_slot_name_ca(const uint8_t key[static XOS_KEY_PUBLIC_BYTES],
                    char name[static CA_SLOT_NAME_BYTES], struct xos_error *err);

/* The public half, borrowed. NULL: XOS_NOT_FOUND, XOS_DENIED (the file's owner or mode). */
const uint8_t *ca_slot_public(struct ca_slots *s, const char *name, struct xos_error *err);

int ca_slot_certify(struct ca_slots *s, const char *name, struct xos_buf *out,
                    const struct auth_cert_request *request, struct xos_slice issuer,
                    struct xos_error *err);
int ca_slot_attr(struct ca_slots *s, const char *name, struct xos_buf *out,
                 const struct auth_attr *attr, struct xos_error *err);
int ca_slot_manifest(struct ca_slots *s, const char *name, struct xos_buf *out,
                     const struct auth_manifest *manifest, struct xos_error *err);
int ca_slot_revocations(struct ca_slots *s, const char *name, struct xos_buf *out,
                        const struct auth_revocations *list, struct xos_error *err);

/* A key file outside the slots: the root's, which is taken offline. */
int ca_key_write(struct xos_env *env, int dir, const char *path, const struct xos_key *key,
                 struct xos_error *err);
int ca_key_read(struct xos_key **out, struct xos_env *env, int dir, const char *path,
                struct xos_error *err);

#endif
