// SPDX-License-Identifier: Apache-2.0
/* renew.h - when is the user's certificate to be renewed? Pure.
 *
 * At 50 % of its life, give or take 10 %, so that the users of an institution who logged in
 * together do not come together. A renewal that failed is tried again after 30 s, then twice as
 * long each time up to 15 min, give or take a half. All that until the session ends: who is still
 * there then logs in again. A certificate that ended meanwhile (a laptop that slept) is renewed all
 * the same, its old key is good for that. */
#ifndef VO_AUTH_AGENT_RENEW_H
#define VO_AUTH_AGENT_RENEW_H

#include <stdbool.h>
#include <stdint.h>

#define RENEW_AFTER_PERCENT 50
#define RENEW_SPREAD_PERCENT 10
#define RENEW_RETRY_FIRST_MS INT64_C(30000)
#define RENEW_RETRY_MS_MAX INT64_C(900000)

enum renew_event_kind {
    RENEW_NONE,
    RENEW_INSTALLED, /* by login or renewal */
    RENEW_TICK,
    RENEW_FAILED,
    RENEW_FORGOTTEN, /* logged out */
};

struct renew_event {
    enum renew_event_kind kind;
    int64_t now_ms; /* the real clock, as certificates have it */
    uint32_t random;
    int64_t from_ms, to_ms;   /* INSTALLED: the certificate */
    int64_t session_until_ms; /* INSTALLED */
};

/* Empty: {0}, nothing to renew. */
struct renew {
    int64_t due_ms; /* 0: never */
    int64_t session_until_ms;
    int64_t retry_ms;
    bool asking;
};

enum renew_action { RENEW_WAIT, RENEW_ASK };

/* RENEW_ASK: ask the CA now, and say with the next event how it went. RENEW_WAIT: come again with
 * a TICK at due_ms, if that is not 0. */
enum renew_action renew_step(struct renew *r, const struct renew_event *ev);

/* How long the next certificate may live: not past the session. At most life_ms_max. */
int64_t renew_life(const struct renew *r, int64_t now_ms, int64_t life_ms_max);

#endif
