// SPDX-License-Identifier: Apache-2.0
/* issue.h - from a proof to a certificate, and the line that records it. Pure. */
#ifndef VO_AUTH_CA_ISSUE_H
#define VO_AUTH_CA_ISSUE_H

#include "vo-auth/ca/proof.h"

#define CA_BACKDATE_MS INT64_C(30000) /* for readers whose clocks are a little behind */
#define CA_RECORD_BYTES_MAX 1024

/* What a certificate will say. Ends no later than the issuing CA; XOS_EXPIRED when that has less
 * than CA_LIFE_MS_MIN to go. node and job of *out are borrowed from the proof. */
int ca_issue_request(struct auth_cert_request *out, const struct ca_proof *proof,
                     const uint8_t random[static AUTH_SERIAL_BYTES], int64_t now_ms,
                     const struct auth_link *ca, struct xos_error *err);

/* Append one JSON line: time, serial, kind, name, proof, evidence, from, to. */
int ca_issue_record(struct xos_buf *out, const struct ca_proof *proof,
                    const struct auth_cert_request *request, int64_t now_ms, struct xos_error *err);

/* Must the record be on the disk before the certificate goes out? */
bool ca_issue_synced(const struct ca_proof *proof);

#endif
