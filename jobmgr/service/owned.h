// SPDX-License-Identifier: Apache-2.0
/* owned.h - one live job of a head with all that hangs on it. Private to head*.c. */
#ifndef XOS_JOBMGR_SERVICE_OWNED_H
#define XOS_JOBMGR_SERVICE_OWNED_H

#include "jobmgr/core/quota.h"
#include "jobmgr/core/warrant.h"
#include "jobmgr/service/head.h"

#include <protobuf-c/protobuf-c.h>

struct watcher {
    struct xos_call *call;
    struct owned *job;
    uint64_t after;  /* events up to this one were sent */
    bool submitting; /* answered with the job's id when SUBMITTED is durable */
    bool stays;      /* wants the events that follow */
    struct watcher *prev, *next;
};

struct owned {
    struct head *head;
    struct job *job;
    int64_t number;
    struct job_spec *spec;
    struct xos_buf spec_bytes, grant;
    struct xos_buf hosts;    /* the text of XOS_HOSTS */
    uint64_t hosts_sequence; /* as of this event */
    struct warrant warrant;  /* what the grant says, as checked at warrant_ms; 0: not yet */
    int64_t warrant_ms;
    struct xos_id operation; /* of the user's submit; see head_operation */
    bool has_operation;
    struct job_actions queue; /* not yet carried out: from `done_actions` on */
    size_t done_actions;
    struct batch *batch; /* on its way to the store */
    bool batch_waits;    /* the store could not take it: the timer hands it in again */
    struct watcher *watchers;
    struct xos_timer *retry, *orphan, *again, *rewrite;
    struct xos_task run;
    struct report *reports; /* of workers: answered when their event is durable */
    unsigned calls;         /* of ours, under way */
    bool waits;             /* in head.waiting */
    bool counted;           /* in head.live */
    struct owned *prev, *next;
    UT_hash_handle hh; /* by job->id */
    UT_hash_handle by_operation;
};

struct head_hold;

struct head {
    struct head_config config;
    struct xos_loop *loop;
    struct xos_env *env;
    struct xos_rpc *rpc;
    struct xos_store *store;
    struct owned *jobs;
    struct owned *operations; /* the same jobs, those that were submitted under an operation id */
    struct owned *waiting;    /* for room, the first to come in front */
    struct xos_task room;
    struct quota *live; /* jobs, by user and by VO: no two of them share a name */
    int64_t last_number;
    bool full; /* the disk has no room for new jobs */
    struct head_hold *hold;
    struct place_node *candidates; /* HEAD_CANDIDATES_MAX, for one placement */
};

int owned_new(struct owned **out, struct head *h, int64_t number, struct xos_slice spec,
              struct xos_slice grant, struct xos_error *err);
void owned_free(struct owned *o);
int owned_step(struct owned *o, const struct job_input *in, struct xos_error *err);
void owned_orphan_check(struct owned *o);
struct owned *owned_find(struct head *h, const char *id);
void owned_drop(struct owned *o); /* out of the tables, and freed */

/* head_hold.c */
int head_hold_new(struct head_hold **out, struct head *h, struct xos_error *err);
void head_hold_free(struct head_hold *x);
void head_hold_follow(struct owned *o, size_t first); /* the queue's events from there on */
void head_hold_live(struct owned *o);                 /* every unit that lives: after a restart */

/* head_warrant.c; where nothing is trusted each does nothing */
int head_warrant_submit(struct owned *o, const struct xos_call *call, struct xos_error *err);
int head_warrant_need(struct owned *o, struct xos_error *err); /* it still holds */
/* Sign where the unit runs; the message borrows from *a, whose bytes the caller frees. */
struct head_assignment {
    struct xos_buf bytes;
    ProtobufCBinaryData chain[AUTH_CHAIN_MAX];
};
int head_warrant_assign(struct owned *o, const struct job_action *x, struct head_assignment *a,
                        struct Xos__Job__StartPb *m, struct xos_error *err);
/* Is this a refusal for good, and no failure on the way? */
bool head_warrant_refused(const struct xos_error *err);

/* head_hosts.c: the text of XOS_HOSTS, borrowed until the job's next step */
int head_hosts(struct owned *o, struct xos_slice *out, struct xos_error *err);

/* head_store.c */
struct batch; /* events of one job, on their way to the store */
int head_number_of(const struct head *h, const char *id, int64_t *number);
int head_load(struct head *h, struct xos_error *err);
int head_journal(struct owned *o, size_t first, size_t count, struct xos_error *err);
void head_journal_again(struct owned *o); /* what the store could not take */
bool batch_submits(const struct batch *b);
void batch_free(struct batch *b);
/* The batch is durable, or could not be written. True: the batch is over, to be freed. */
bool owned_journalled(struct owned *o, const struct batch *b, const struct xos_error *result);
int head_each_event(struct head *h, int64_t job, uint64_t after,
                    int (*each)(void *arg, struct xos_slice bytes, struct xos_error *err),
                    void *arg, struct xos_error *err);
int head_past_job(struct head *h, const char *id, struct job **out, struct job_spec **spec,
                  struct xos_error *err);

struct batch_event {
    uint64_t sequence;
    enum job_event_kind kind;
    struct xos_buf bytes;
};

struct batch {
    struct owned *job;
    int64_t number;
    char user[JOB_NAME_MAX];
    struct xos_id operation;
    bool has_operation;
    int64_t ended_ms;
    size_t count;
    struct batch_event events[];
};

/* head_watch.c */
int watcher_add(struct owned *o, struct xos_call *call, bool submitting, bool stays, uint64_t after,
                struct xos_error *err);
void watchers_tell(struct owned *o, const struct batch *b);
void watchers_fail(struct owned *o, const struct xos_error *why);
void watchers_free(struct owned *o);
int watch_past(struct head *h, struct xos_call *call, const char *id, uint64_t after, bool stays,
               struct xos_error *err);

/* head_list.c */
void head_serve_list(void *service, struct xos_call *call);

/* head_verbs.c */
void reports_answer(struct owned *o, const struct job_action *x);
void reports_free(struct owned *o);
extern const struct xos_verb head_verbs[];
extern const size_t head_verb_count;

#endif
