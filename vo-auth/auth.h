// SPDX-License-Identifier: Apache-2.0
/* auth.h - who may do what: the face of vo-auth. Others include this header and nothing behind it.
 *
 * Everything here is pure: certificates, statements, the time and the random bits come in, a
 * verdict goes out. Nothing reads a clock, a file or a socket, and nothing is remembered between
 * calls, but by a caller who offers what he remembers of chains (chain.h).
 *
 *     name         the one parser of names, and their URIs in certificates
 *     anchor       the registered roots, one per institution
 *     chain        certificates in, a principal out: auth_verify
 *     cert         make a certificate of one of the five kinds
 *     revoke       what a domain takes back
 *     manifest     what a VO is: its keys and administrators
 *     attr         what a VO says of a member: groups and roles
 *     grant        what a user allows a job
 *     assignment   where the owner lets a unit run
 *     policy       what an institution allows on its machines
 *
 * Two chains of trust meet in a request. Home says who: root - issuing CA - user, node or job. The
 * VO says what: root key - manifest - attribute statement. No key of one can speak for the other,
 * as each kind of certificate has its own key usage and each kind of statement its own domain
 * separator.
 *
 * Two signatures start a job: the user's grant (what may be done, until when) and the owner head's
 * assignment (which unit, where, in which epoch, as whom). auth_grant_check and
 * auth_assignment_check are what the worker and xos-execd each call for themselves.
 *
 * Objects that are filled by a check own memory; each has a _free that leaves it empty. A call that
 * failed has changed nothing. */
#ifndef VO_AUTH_AUTH_H
#define VO_AUTH_AUTH_H

#include "vo-auth/core/anchor.h"
#include "vo-auth/core/assignment.h"
#include "vo-auth/core/attr.h"
#include "vo-auth/core/cert.h"
#include "vo-auth/core/chain.h"
#include "vo-auth/core/grant.h"
#include "vo-auth/core/manifest.h"
#include "vo-auth/core/name.h"
#include "vo-auth/core/policy.h"
#include "vo-auth/core/revoke.h"
#include "vo-auth/core/statement.h"

#endif
