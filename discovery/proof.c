// SPDX-License-Identifier: Apache-2.0
#include "discovery/proof.h"

#include "discovery/discovery.pb-c.h"
#include "libxos/wire/pb.h"

#include <string.h>

int proof_make(struct xos_buf *out, const struct auth_self *self, const char *domain,
               struct xos_slice statement, struct xos_error *err)
{
    uint8_t signature[XOS_SIGNATURE_BYTES];
    Xos__Discovery__StatementProof m = XOS__DISCOVERY__STATEMENT_PROOF__INIT;
    if (self->chain_count < 2)
        return xos_fail(err, XOS_INVALID, "a node without its issuing CA's certificate");
    if (xos_key_sign(self->key, domain, statement, signature, err) < 0)
        return -1;
    m.signature = xos_pb_bytes((struct xos_slice){signature, sizeof(signature)});
    m.leaf = xos_pb_bytes(self->chain[0]);
    m.issuer = xos_pb_bytes(self->chain[1]);
    return xos_pb_pack(&m, out, err);
}

/* Whose statement is it? *out is borrowed from the trust. */
static int check(struct auth_trust *trust, const char *domain, struct xos_slice statement,
                 struct xos_slice proof, int64_t now_ms, const char *node,
                 const struct auth_principal **out, struct xos_error *err)
{
    char name[AUTH_NAME_BYTES_MAX + 1];
    Xos__Discovery__StatementProof *m = xos_pb_unpack(&xos__discovery__statement_proof__descriptor,
                                                      proof, PROOF_BYTES_MAX, XOS_PB_STRICT, err);
    int rc = -1;
    if (m) {
        const struct xos_slice chain[2] = {xos_pb_slice(m->leaf), xos_pb_slice(m->issuer)};
        rc = auth_trust_verify(trust, chain, 2, AUTH_KIND_NODE, now_ms, out, err);
        if (rc == 0)
            rc = xos_key_verify((*out)->key, domain, statement, xos_pb_slice(m->signature), err);
    }
    xos_pb_free(m);
    if (rc < 0)
        return -1;
    auth_name_print(&(*out)->name, name);
    return strcmp(name, node) == 0 ? 0 : xos_fail(err, XOS_DENIED, "%s signed for %s", name, node);
}

int proof_check_descriptor(struct auth_trust *trust, const struct descriptor *d, int64_t now_ms,
                           struct xos_error *err)
{
    const struct auth_principal *who;
    struct descriptor_reach reach;
    if (check(trust, PROOF_DESCRIPTOR_DOMAIN, descriptor_statement(d), descriptor_signature(d),
              now_ms, d->node, &who, err) < 0 ||
        descriptor_reach(d, &reach, err) < 0)
        return xos_wrap(err, "descriptor of %s", d->node);
    if (strcmp(d->institution, who->name.institution) != 0 ||
        memcmp(reach.curve_key, who->node.curve_key, sizeof(reach.curve_key)) != 0)
        return xos_fail(err, XOS_DENIED,
                        "descriptor of %s: institution or overlay key are not its certificate's",
                        d->node);
    return 0;
}

int proof_check_row(struct auth_trust *trust, const struct row_record *r, int64_t now_ms,
                    struct xos_error *err)
{
    const struct auth_principal *who;
    if (check(trust, PROOF_ROW_DOMAIN, r->statement, r->signature, now_ms, r->node, &who, err) < 0)
        return xos_wrap(err, "row of %s", r->node);
    return 0;
}

uint32_t proof_roles(struct auth_trust *trust, const struct row_record *r, int64_t now_ms)
{
    const struct auth_principal *who;
    if (check(trust, PROOF_ROW_DOMAIN, r->statement, r->signature, now_ms, r->node, &who, NULL) < 0)
        return 0;
    return who->node.roles;
}
