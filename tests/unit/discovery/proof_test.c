// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: whoever is in the overlay can speak for a node that he is not, or lead its
 * messages elsewhere. */
#include "discovery/proof.h"
#include "tests/lib/gatebed.h"
#include "tests/lib/xtest.h"

#include <stdio.h>
#include <string.h>

static struct gatebed bed;
static struct auth_self head, worker;

static int set_up(struct xos_error *err)
{
    static unsigned count;
    char dir[128];
    (void)snprintf(dir, sizeof(dir), "%s/proof%u", xt_dir(), ++count);
    if (gatebed_open(&bed, dir, err) < 0)
        return -1;
    head = (struct auth_self){.key = bed.v.f.node.key, .chain_count = 2};
    fixture_chain(&bed.v.f, &bed.v.f.node.der, head.chain);
    worker = (struct auth_self){.key = bed.worker.key, .chain_count = 2};
    fixture_chain(&bed.v.f, &bed.worker.der, worker.chain);
    return 0;
}

struct signed_row {
    struct xos_buf statement, proof;
    char node[NODE_NAME_BYTES_MAX + 1];
    struct row_record r;
};

static int sign_row(struct signed_row *s, const char *node, const struct auth_self *by,
                    const char *domain, struct xos_error *err)
{
    const struct row_record r = {.node = node,
                                 .incarnation = 1,
                                 .seq = 2,
                                 .expiry_ms = FIXTURE_NOW_MS + 60000,
                                 .state = ROW_UP};
    s->statement = XOS_BUF(4096);
    s->proof = XOS_BUF(PROOF_BYTES_MAX);
    if (row_state_bytes(&s->statement, &r, err) < 0 ||
        proof_make(&s->proof, by, domain, fixture_slice(&s->statement), err) < 0)
        return -1;
    return row_parse(&s->r, s->node, fixture_slice(&s->statement), fixture_slice(&s->proof), err);
}

static void signed_row_free(struct signed_row *s)
{
    xos_buf_free(&s->statement);
    xos_buf_free(&s->proof);
}

static void a_row_is_its_own_nodes(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct signed_row s = {.node = ""};
    XT_TRY(set_up(&err));
    XT_TRY(sign_row(&s, "n1.inria", &head, PROOF_ROW_DOMAIN, &err));
    XT_TRY(proof_check_row(bed.trust, &s.r, FIXTURE_NOW_MS, &err));
    assert_true(proof_roles(bed.trust, &s.r, FIXTURE_NOW_MS) ==
                    (AUTH_NODE_HEAD | AUTH_NODE_WORKER) ||
                xt_starving());
    XT_REFUSED(proof_check_row(bed.trust, &s.r, FIXTURE_NOW_MS + 3 * AUTH_DAY_MS, &err),
               XOS_EXPIRED);
    assert_int_equal(proof_roles(bed.trust, &s.r, FIXTURE_NOW_MS + 3 * AUTH_DAY_MS), 0);
out:
    signed_row_free(&s);
    gatebed_close(&bed);
}

static void nobody_elses_counts(void **state)
{
    (void)state;
    struct auth_self stranger, user, mixed;
    struct xos_error err = {0};
    struct signed_row s = {.node = ""};
    XT_TRY(set_up(&err));
    stranger = (struct auth_self){.key = bed.cern.node.key, .chain_count = 2};
    fixture_chain(&bed.cern, &bed.cern.node.der, stranger.chain);
    user = (struct auth_self){.key = bed.v.f.user.key, .chain_count = 2};
    fixture_chain(&bed.v.f, &bed.v.f.user.der, user.chain);
    mixed = head; /* the head's certificate and another key */
    mixed.key = bed.worker.key;
    const struct {
        const char *node;
        const struct auth_self *by;
        const char *domain;
    } rows[] = {
        {"n1.inria", &worker, PROOF_ROW_DOMAIN},  {"n1.vu", &head, PROOF_ROW_DOMAIN},
        {"n1.cern", &stranger, PROOF_ROW_DOMAIN}, {"n1.inria", &user, PROOF_ROW_DOMAIN},
        {"n1.inria", &mixed, PROOF_ROW_DOMAIN},   {"n1.inria", &head, PROOF_DESCRIPTOR_DOMAIN},
        {"n1.inria", &head, XOS_ANSWER_DOMAIN},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        XT_TRY(sign_row(&s, rows[i].node, rows[i].by, rows[i].domain, &err));
        XT_REFUSED(proof_check_row(bed.trust, &s.r, FIXTURE_NOW_MS, &err), XOS_DENIED);
        assert_int_equal(proof_roles(bed.trust, &s.r, FIXTURE_NOW_MS), 0);
        signed_row_free(&s);
    }
out:
    signed_row_free(&s);
    gatebed_close(&bed);
}

static void no_bit_of_a_row_may_be_changed(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct signed_row s = {.node = ""};
    char node[NODE_NAME_BYTES_MAX + 1];
    struct row_record r;
    XT_TRY(set_up(&err));
    XT_TRY(sign_row(&s, "n1.inria", &head, PROOF_ROW_DOMAIN, &err));
    struct xos_buf *const parts[] = {&s.statement, &s.proof};
    for (size_t k = 0; k < 2; k++)
        for (size_t bit = 0; bit < parts[k]->len * 8; bit += 7) {
            parts[k]->data[bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_false(row_parse(&r, node, fixture_slice(&s.statement), fixture_slice(&s.proof),
                                   NULL) == 0 &&
                         proof_check_row(bed.trust, &r, FIXTURE_NOW_MS, NULL) == 0);
            parts[k]->data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
    XT_TRY(proof_check_row(bed.trust, &s.r, FIXTURE_NOW_MS, &err));
out:
    signed_row_free(&s);
    gatebed_close(&bed);
}

/* A descriptor by the head, for this institution and overlay key. */
static int check_descriptor(const char *institution, const uint8_t *key, size_t key_bytes,
                            struct xos_error *err)
{
    struct descriptor d = {.seq = 1, .expiry_ms = FIXTURE_NOW_MS + 60000}, parsed;
    struct descriptor_reach reach = {.address_count = 1, .addresses = {{"192.0.2.1", 7401, 7402}}};
    struct xos_buf statement = XOS_BUF(DESCRIPTOR_BYTES_MAX), proof = XOS_BUF(PROOF_BYTES_MAX);
    (void)snprintf(d.node, sizeof(d.node), "n1.inria");
    (void)snprintf(d.institution, sizeof(d.institution), "%s", institution);
    memcpy(reach.curve_key, key, key_bytes);
    int rc = descriptor_state(&statement, &d, &reach, err);
    if (rc == 0)
        rc = proof_make(&proof, &head, PROOF_DESCRIPTOR_DOMAIN, fixture_slice(&statement), err);
    if (rc == 0)
        rc = descriptor_parse(&parsed, fixture_slice(&statement), fixture_slice(&proof), err);
    if (rc == 0)
        rc = proof_check_descriptor(bed.trust, &parsed, FIXTURE_NOW_MS, err);
    xos_buf_free(&statement);
    xos_buf_free(&proof);
    return rc;
}

static void a_descriptor_names_what_the_certificate_does(void **state)
{
    (void)state;
    static const uint8_t own[] = {0xc0, 0xc1, 0xc2, 0xc3}, other[] = {0xc0, 0xc1, 0xc2, 0xc4};
    struct xos_error err = {0};
    XT_TRY(set_up(&err));
    XT_TRY(check_descriptor("inria", own, sizeof(own), &err));
    XT_REFUSED(check_descriptor("vu", own, sizeof(own), &err), XOS_DENIED);
    XT_REFUSED(check_descriptor("inria", other, sizeof(other), &err), XOS_DENIED);
out:
    gatebed_close(&bed);
}

static void a_node_that_cannot_prove_itself_says_so(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_buf proof = XOS_BUF(PROOF_BYTES_MAX);
    XT_TRY(set_up(&err));
    head.chain_count = 1;
    XT_REFUSED(proof_make(&proof, &head, PROOF_ROW_DOMAIN, auth_slice("x"), &err), XOS_INVALID);
out:
    xos_buf_free(&proof);
    gatebed_close(&bed);
}

static const struct xt_test tests[] = {
    XT(a_row_is_its_own_nodes),
    XT_PLAIN(nobody_elses_counts),
    XT_PLAIN(no_bit_of_a_row_may_be_changed),
    XT_PLAIN(a_descriptor_names_what_the_certificate_does),
    XT_PLAIN(a_node_that_cannot_prove_itself_says_so),
};
XT_MAIN(tests)
