// SPDX-License-Identifier: Apache-2.0
/* expire.c - no attack: give a node, in place of its certificate, one that ends in a second. */
#include "tests/lib/attack/attack.h"

#include "libxos/wire/pb.h"
#include "vo-auth/ca.pb-c.h"
#include "vo-auth/ca/institution.h"
#include "vo-auth/ca/slots.h"

#include <stdio.h>
#include <string.h>

static int pack(const struct ca_institution *inst, const struct xos_buf *leaf, struct xos_buf *out,
                struct xos_error *err)
{
    Ca__Issued m = CA__ISSUED__INIT;
    ProtobufCBinaryData chain[3] = {
        {leaf->len, leaf->data}, {inst->ca.len, inst->ca.data}, {inst->root.len, inst->root.data}};
    m.n_chain = 3;
    m.chain = chain;
    return xos_pb_pack(&m, out, err);
}

static int certify(struct ca_state *state, const struct credential *id, struct xos_buf *out,
                   struct xos_error *err)
{
    struct ca_institution inst = {.name = ""};
    struct ca_slots *slots = NULL;
    struct xos_buf leaf = XOS_BUF(AUTH_CERT_BYTES_MAX);
    struct auth_cert_request r = {.kind = AUTH_KIND_NODE,
                                  .name = id->self.name,
                                  .from_ms = attack_now_ms() - 1000,
                                  .to_ms = attack_now_ms() + 1000,
                                  .node = &id->facts};
    memcpy(r.key, xos_key_public(id->key), sizeof(r.key));
    memset(r.serial, 0x42, sizeof(r.serial));
    int rc = ca_institution_open(&inst, state, err);
    if (rc == 0)
        rc = ca_slots_open(&slots, state, err);
    if (rc == 0)
        rc = ca_slot_certify(slots, inst.slot, &leaf, &r,
                             (struct xos_slice){inst.ca.data, inst.ca.len}, err);
    if (rc == 0)
        rc = pack(&inst, &leaf, out, err);
    ca_slots_free(slots);
    ca_institution_close(&inst);
    xos_buf_free(&leaf);
    return rc;
}

/* CA-STATE NODE-STATE NODE */
int attack_expire(char **argv, struct xos_error *err)
{
    struct xos_env *env = xos_env_posix();
    struct ca_state state = {.dir = -1};
    struct credential id = {.key = NULL};
    struct xos_buf issued = XOS_BUF(65536);
    int rc = credential_open(&id, env, argv[1], argv[2], err);
    if (rc == 0)
        rc = ca_state_open(&state, env, argv[0], err);
    if (rc == 0)
        rc = certify(&state, &id, &issued, err);
    if (rc == 0)
        rc = credential_install(&id, env, argv[1], argv[2],
                                (struct xos_slice){issued.data, issued.len}, err);
    credential_close(&id);
    ca_state_close(&state);
    xos_buf_free(&issued);
    return rc;
}
