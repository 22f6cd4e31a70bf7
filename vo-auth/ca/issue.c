// SPDX-License-Identifier: Apache-2.0
#include "vo-auth/ca/issue.h"

#include "libxos/base/units.h"

#include <string.h>

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int ca_issue_request(struct auth_cert_request *out, const struct ca_proof *p,
                     const uint8_t random[static AUTH_SERIAL_BYTES], int64_t now_ms,
                     const struct auth_link *ca, struct xos_error *err)
{
    struct auth_cert_request r = {.kind = p->cert,
                                  .name = p->name,
                                  .node = p->cert == AUTH_KIND_NODE ? &p->node : NULL,
                                  .job = p->cert == AUTH_KIND_JOB ? &p->job : NULL};
    memcpy(r.key, p->key, sizeof(r.key));
    memcpy(r.serial, random, sizeof(r.serial));
    r.from_ms = now_ms - CA_BACKDATE_MS > ca->from_ms ? now_ms - CA_BACKDATE_MS : ca->from_ms;
    /* The life that was asked for is counted from the date written, so that it is never longer. */
    r.to_ms = earlier(r.from_ms + p->life_ms, ca->to_ms);
    if (r.to_ms - now_ms < CA_LIFE_MS_MIN - CA_BACKDATE_MS)
        return xos_fail(err, XOS_EXPIRED, "the issuing CA has ended: xos institution renew");
    r.serial[0] = (uint8_t)((r.serial[0] & 0x3f) | 0x40); /* as auth_cert_issue writes it */
    *out = r;
    return 0;
}

int ca_issue_record(struct xos_buf *out, const struct ca_proof *p,
                    const struct auth_cert_request *r, int64_t now_ms, struct xos_error *err)
{
    char now[XOS_TIME_TEXT_MAX], from[XOS_TIME_TEXT_MAX], to[XOS_TIME_TEXT_MAX];
    char serial[2 * AUTH_SERIAL_BYTES + 1], evidence[2 * XOS_HASH_BYTES + 1];
    char name[AUTH_NAME_BYTES_MAX + 1];
    xos_format_time(now_ms, now, sizeof(now));
    xos_format_time(r->from_ms, from, sizeof(from));
    xos_format_time(r->to_ms, to, sizeof(to));
    xos_hex(r->serial, sizeof(r->serial), serial);
    xos_hex(p->evidence, sizeof(p->evidence), evidence);
    auth_name_print_uri(&r->name, name);
    /* Nothing here needs escaping: names and hexadecimal. */
    return xos_buf_addf(out, err,
                        "{\"time\":\"%s\",\"serial\":\"%s\",\"kind\":\"%s\",\"name\":\"%s\","
                        "\"proof\":\"%s\",\"evidence\":\"%s\",\"from\":\"%s\",\"to\":\"%s\"}\n",
                        now, serial, auth_profile_need(r->kind)->name, name, ca_proof_name(p->kind),
                        evidence, from, to);
}

/* A node is trusted by everybody; a login or a job only for its user. */
bool ca_issue_synced(const struct ca_proof *proof)
{
    return proof->cert == AUTH_KIND_NODE;
}
