// SPDX-License-Identifier: Apache-2.0
/* view.h - whom a node is linked with: membership of the overlay.
 *
 * HyParView (Leitão, Pereira, Rodrigues, DSN 2007) with Cyclon's ages (Voulgaris, Gavidia, van
 * Steen, JNSM 2005) and a min-wise sample. Pure: time and random bits come in with the event, what
 * must happen goes out as actions, nothing is allocated after view_new.
 *
 * What the shell owes the core:
 *  - a message's sender is the authenticated name of the link that it came on, and every
 *    descriptor in it has been verified;
 *  - VIEW_SEND to a node without a link opens one for as long as it is needed;
 *  - a node that cannot be reached, or whose link broke, is reported with VIEW_LINK_DOWN (a seed
 *    that cannot be reached with VIEW_SEED_DOWN), once for each try;
 *  - after each step it calls again with VIEW_TICK no later than next_ms. */
#ifndef XOS_DISCOVERY_VIEW_H
#define XOS_DISCOVERY_VIEW_H

#include "discovery/core/message.h"
#include "discovery/core/sample.h"

#define VIEW_ACTIVE_MAX 6      /* links; symmetric */
#define VIEW_PASSIVE_MAX 30    /* nodes to turn to when a link breaks */
#define VIEW_OWN_MAX 4         /* links to one's own institution when others are known */
#define VIEW_FOREIGN_MAX 2     /* links to one other institution, where the view is full */
#define VIEW_ACTIVE_FEW 4      /* below this, links are sought at once */
#define VIEW_REQUESTS_MAX 4    /* requests under way */
#define VIEW_SEEDS_MAX 64      /* configured addresses */
#define VIEW_WALK_HOPS 6       /* ARWL: a forwarded join or a shuffle goes this far */
#define VIEW_PASSIVE_HOPS 3    /* PRWL: a join that has this many hops left enters a passive view */
#define VIEW_SHUFFLE_ACTIVE 3  /* ka */
#define VIEW_SHUFFLE_PASSIVE 4 /* kp */
#define VIEW_SHUFFLE_MS 30000  /* ±20 % */
#define VIEW_ALIVE_MS 10000    /* each link carries something this often */
#define VIEW_SILENT_MS 35000   /* a link that carries nothing for so long is given up */
#define VIEW_REQUEST_MS 5000   /* an answer is waited for this long */
#define VIEW_SEEK_FEW_MS 1000  /* between tries to fill the view when it has few links */
#define VIEW_SEEK_MS 20000     /* and when it has enough to wait */
#define VIEW_ASK_AGAIN_MS 60000     /* the same node is not asked twice within this */
#define VIEW_CONTACT_MS 300000      /* each node turns to a seed or sampled node this often, */
#define VIEW_CONTACT_SMALL_MS 45000 /* and this often while it knows few others */
#define VIEW_GREET_MS                                                                              \
    500 /* a newcomer that knows few turns to each seed in turn, this far apart                    \
         */
#define VIEW_PROBE_MS 60000 /* and this often while somebody sampled is out of reach, */
#define VIEW_MIX_MS 15000   /* and this often, VIEW_MIX_MAX times, once a cut has ended */
#define VIEW_MIX_MAX 8
#define VIEW_ALONE_FIRST_MS 1000 /* without any link: the first pause, doubled up to */
#define VIEW_ALONE_MS 60000      /* this: also when a federation starts, the first node waits */
#define VIEW_JOIN_BURST 64       /* joins taken at once, */
#define VIEW_JOIN_GAP_MS 50      /* and one more after each of these; others are sent elsewhere */
#define VIEW_ACTIONS_MAX 24      /* of one step */

struct view;

enum view_event_kind {
    VIEW_EVENT_NONE,
    VIEW_START,     /* descriptor = one's own; seed_count; known, known_count */
    VIEW_TICK,      /* */
    VIEW_MESSAGE,   /* node = sender; message */
    VIEW_LINK_DOWN, /* node */
    VIEW_SEED_DOWN, /* seed */
    VIEW_LOCAL,     /* descriptor = one's own, signed anew */
    VIEW_LEAVE,     /* says farewell; after it every event is ignored */
    VIEW_EVENTS
};

/* All borrowed for the call. */
struct view_event {
    enum view_event_kind kind;
    uint64_t now_ms; /* monotonic, never smaller than before */
    int64_t real_ms; /* since 1970 */
    uint64_t random; /* fresh bits for each event */
    const char *node;
    const struct view_message *message;
    const struct descriptor *descriptor;
    const struct descriptor *known; /* remembered from the last run, if any */
    size_t known_count;
    size_t seed_count;
    size_t seed;
};

enum view_action_kind {
    VIEW_ACTION_NONE,
    VIEW_SEND,       /* message, to the node `to`, or when seed >= 0 to that seed */
    VIEW_CONNECT,    /* `to` is a neighbour: hold a link to it, tell the layers above */
    VIEW_DISCONNECT, /* `to` is one no longer */
};

struct view_action {
    enum view_action_kind kind;
    int seed; /* -1: none */
    struct descriptor to;
    struct view_message message;
};

struct view_actions {
    size_t count;
    uint64_t next_ms; /* of the events' now_ms */
    struct view_action at[VIEW_ACTIONS_MAX];
};

int view_new(struct view **out, struct xos_error *err);
void view_free(struct view *v);

/* Advance by one event; *out is overwritten. Returns 0, or -1 and *err (XOS_INVALID: the event does
 * not fit, such as anything before VIEW_START; XOS_LIMIT: too many seeds): then nothing has
 * changed. What a peer sends never fails: it is obeyed or ignored. */
int view_step(struct view *v, const struct view_event *ev, struct view_actions *out,
              struct xos_error *err);

/* Borrowed until the next step. */
size_t view_active_count(const struct view *v);
const struct descriptor *view_active(const struct view *v, size_t i);
bool view_is_active(const struct view *v, const char *node);
size_t view_passive_count(const struct view *v);
const struct descriptor *view_passive(const struct view *v, size_t i);

/* What to remember on disk: calls each for every sampled node. */
typedef void (*view_each_f)(const struct descriptor *d, void *arg);
void view_remember(const struct view *v, view_each_f each, void *arg);

/* NULL when all is as it must be, else what is not: for tests. */
const char *view_defect(const struct view *v);

#endif
