// SPDX-License-Identifier: Apache-2.0
/* discovery.h - the face of discovery: what this node has, and which nodes meet a need.
 *
 * Callers ask with the text of a need (the XQL language, docs/xql.md) and get the nodes that match.
 * How the rows of other nodes come here is not theirs to know. */
#ifndef XOS_DISCOVERY_DISCOVERY_H
#define XOS_DISCOVERY_DISCOVERY_H

#include "libxos/net/rpc.h"
#include "vo-auth/trust.h"

#define DISCOVERY_REFRESH_MS 60000 /* the node's own row is read again at least so often */
#define DISCOVERY_SETTLE_MS 20000  /* after so long among the others a node knows of all */
#define DISCOVERY_ADDRESSES_MAX 4  /* of one node */
#define DISCOVERY_HOST_BYTES 64    /* of a numeric address, with its NUL */
#define DISCOVERY_LIST_MAX 512     /* nodes in one answer of node.list */

#define DISCOVERY_VALUE_BYTES 64 /* of one value as text, with its NUL */

struct discovery;
struct xql_row;

/* How a node is reached. */
struct discovery_reach {
    struct {
        char host[DISCOVERY_HOST_BYTES];
        unsigned overlay_port, bulk_port;
    } at[DISCOVERY_ADDRESSES_MAX];
    size_t count;
};

/* The ways to other nodes, which somebody else opens. None calls back from inside. */
struct discovery_net {
    void *arg;
    /* Queue one message; a link is opened for as long as it is needed. reach NULL: as it was. */
    int (*send)(void *arg, const char *node, const struct discovery_reach *reach,
                struct xos_slice message, struct xos_error *err);
    int (*send_seed)(void *arg, size_t seed, struct xos_slice message, struct xos_error *err);
    void (*hold)(void *arg, const char *node, const struct discovery_reach *reach);
    void (*release)(void *arg, const char *node);
};

struct discovery_config {
    struct xos_loop *loop;
    struct xos_env *env;
    const char *node;        /* n1.inria; texts are borrowed */
    const char *institution; /* inria */
    const char *root;        /* where this machine's /proc and /sys are: "/" */
    const char *state_dir;   /* for disk.free */
    uint32_t cpus;           /* [node] cpus; 0: what there is */
    uint64_t mem_bytes;      /* [node] mem; 0: what there is */
    /* Of a federation's node; trust NULL: it stands alone. Borrowed. */
    struct auth_trust *trust;
    const struct auth_self *self;
    uint8_t curve_key[AUTH_CURVE_KEY_BYTES];
    uint32_t roles; /* set of enum auth_node_role; 0: a worker */
    size_t seed_count;
    const struct discovery_net *net; /* set by discovery_join */
    struct discovery_reach reach;
};

struct discovery_node {
    const char *node; /* borrowed for the call */
    const char *institution;
    uint32_t cpus, cpus_free;
    uint64_t mem_bytes, mem_free_bytes;
    uint32_t gpus, gpus_free;
    bool up;                   /* it takes new work */
    const struct xql_row *row; /* for discovery_want_values */
};

/* How the units of one job shall lie: --want (docs/xql.md). */
struct discovery_want {
    bool pack;
    bool groups;            /* spread over the values of an attribute; else over nodes */
    bool same;              /* all where an attribute has one value */
    unsigned by, same_attr; /* which, by discovery's own numbers */
};

int discovery_new(struct discovery **out, const struct discovery_config *config,
                  struct xos_error *err);
void discovery_free(struct discovery *d);

/* Read this node's row again. `cpus` and `mem_bytes` are what claims hold of it. */
int discovery_refresh(struct discovery *d, uint32_t cpus, uint64_t mem_bytes,
                      struct xos_error *err);

/* Go among the others, over this net (borrowed), to be reached there. Once. */
int discovery_join(struct discovery *d, const struct discovery_net *net,
                   const struct discovery_reach *reach, struct xos_error *err);

/* Serve node.list. */
int discovery_serve(struct discovery *d, struct xos_rpc *rpc, struct xos_error *err);

/* The net's news: a message of this authenticated node; a way that broke or was not found, once per
 * try. */
void discovery_on_message(struct discovery *d, const char *node, struct xos_slice message);
void discovery_on_down(struct discovery *d, const char *node);
void discovery_on_seed_down(struct discovery *d, size_t seed);

/* XOS_NOT_FOUND: no such node is known. */
int discovery_reach_of(const struct discovery *d, const char *node, struct discovery_reach *out,
                       struct xos_error *err);
/* A head of this institution that is up; NULL: none is known. Borrowed until the next call. */
const char *discovery_head_of(struct discovery *d, const char *institution);
/* Has this node been among the others for long enough to know of all? */
bool discovery_settled(const struct discovery *d);
/* How many nodes are up, this one included. */
size_t discovery_count(const struct discovery *d);
struct discovery_counts {
    size_t up, down; /* nodes with a row here; this one is up */
};
void discovery_counts(const struct discovery *d, struct discovery_counts *out);

/* Say farewell: others need not wait for this node's silence. */
void discovery_leave(struct discovery *d);

/* What claims hold has changed. Cheap. */
void discovery_claimed(struct discovery *d, uint32_t cpus, uint64_t mem_bytes);

/* Draining: it takes no work any more. Drained: what it had has ended. */
enum discovery_state { DISCOVERY_UP, DISCOVERY_DRAINING, DISCOVERY_DRAINED };
void discovery_state(struct discovery *d, enum discovery_state state);

/* How units are kept apart here, by the word of whoever starts them: "cgroup1". Static. */
void discovery_isolation(struct discovery *d, const char *isolation);

/* This node. Borrowed until the next refresh. */
void discovery_own(const struct discovery *d, struct discovery_node *out);

/* Are these well formed? Each may be NULL or empty. XOS_INVALID names which, and the column. */
int discovery_check(const char *need, const char *prefer, const char *want, struct xos_error *err);

/* Read a want; NULL or empty: spread. XOS_INVALID names the column. */
int discovery_want(struct discovery_want *out, const char *text, struct xos_error *err);

/* What a node says of the two attributes of a want; "" where it says nothing, or the want names
 * none. The devices of a node have a value in common, or none. */
void discovery_want_values(const struct discovery_want *w, const struct discovery_node *node,
                           char group[static DISCOVERY_VALUE_BYTES],
                           char same[static DISCOVERY_VALUE_BYTES]);

/* --prefer, read: how much nodes are liked. */
struct discovery_prefer;
int discovery_prefer_new(struct discovery_prefer **out, const char *text, struct xos_error *err);
void discovery_prefer_free(struct discovery_prefer *p); /* takes NULL */
/* Note a node; at most DISCOVERY_PREFER_MAX. */
#define DISCOVERY_PREFER_MAX 1024
void discovery_prefer_add(struct discovery_prefer *p, const struct discovery_node *node);
/* Which place each node has that was added, in that order: 0 is the best; those that are liked
 * equally share one, and those of which the value is not known have the last. */
void discovery_prefer_places(struct discovery_prefer *p, uint32_t *places);

/* Call each for every node that meets the need (NULL or empty: all). XOS_INVALID: the need is not
 * well formed; the text names the column. `each` returns nonzero to stop. */
int discovery_query(struct discovery *d, const char *need,
                    int (*each)(void *arg, const struct discovery_node *node), void *arg,
                    struct xos_error *err);

#endif
