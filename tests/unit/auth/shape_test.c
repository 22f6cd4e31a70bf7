// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a signed statement counts although something in it is missing or misshapen.
 *
 * Each field of each signed message is emptied, cut and stretched in turn, and the message signed
 * again by the right key. The table of exceptions names every change that leaves a statement good.
 */
#include "tests/lib/fuzz_auth.h"
#include "tests/lib/xtest.h"
#include "vo-auth/auth.pb-c.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof(table[0]))

struct scene {
    struct vo_fixture v;
    struct auth_grant grant; /* checked */
    struct xos_buf signed_grant, assignment, revocations, node, job, again;
};

enum change { EMPTY, CUT, STRETCH, CHANGES };
static const char *const change_names[] = {"emptied", "cut", "stretched"};

/* message.field, and the change that is harmless */
static const struct {
    const char *field;
    enum change change;
} harmless[] = {
    {"Grant.acting", EMPTY},
    {"Grant.actions", EMPTY},
    {"Grant.rw", EMPTY},
    {"Grant.ro", EMPTY},
    {"Grant.selector", EMPTY},
    {"Grant.selector", CUT},
    {"Grant.actions", CUT},
    {"Grant.rw", CUT},
    {"Grant.ro", CUT},
    {"Grant.actions", STRETCH},
    {"Grant.rw", STRETCH},
    {"Grant.ro", STRETCH},
    {"Grant.selector", STRETCH},
    {"Grant.acting", CUT},
    {"Grant.acting", STRETCH},
    {"Attributes.roles", EMPTY},
    {"Attributes.roles", CUT},
    {"Attributes.roles", STRETCH},
    {"Grant.issued_ms", STRETCH},
    {"Assignment.issued_ms", STRETCH},
    {"Manifest.issued_ms", STRETCH},
    {"Revocations.issued_ms", STRETCH},
    {"Attributes.seq", EMPTY},
    {"Attributes.seq", CUT},
    {"Attributes.seq", STRETCH},
    {"Manifest.seq", CUT},
    {"Manifest.seq", STRETCH},
    {"Manifest.admins", CUT},
    {"Manifest.admins", STRETCH},
    {"Manifest.issued_ms", CUT},
    {"Revocations.seq", CUT},
    {"Revocations.seq", STRETCH},
    {"Revocations.issued_ms", CUT},
    {"Revocations.serials", EMPTY},
    {"Revocations.keys", EMPTY},
    {"Revocations.subjects", EMPTY},
    {"Revocations.grants", EMPTY},
    {"Assignment.epoch", STRETCH},
    {"Assignment.epoch", CUT},
    {"Assignment.claim_deadline_ms", STRETCH},
    {"Grant.issued_ms", CUT},
    {"Grant.expires_ms", CUT},
    {"Grant.expires_ms", STRETCH},
    {"Assignment.issued_ms", CUT},
    {"Assignment.expires_ms", CUT},
    {"Assignment.expires_ms", STRETCH},
    {"Assignment.claim_deadline_ms", CUT},
    {"Attributes.expires_ms", CUT},
    {"Attributes.issued_ms", STRETCH},
    {"JobFacts.acting", EMPTY},
    {"JobFacts.acting", CUT},
    {"JobFacts.acting", STRETCH},
    {"JobFacts.actions", EMPTY},
    {"JobFacts.actions", CUT},
    {"JobFacts.actions", STRETCH},
    {"JobFacts.rw", EMPTY},
    {"JobFacts.rw", CUT},
    {"JobFacts.rw", STRETCH},
    {"JobFacts.ro", EMPTY},
    {"JobFacts.ro", CUT},
    {"JobFacts.ro", STRETCH},
    {"JobFacts.epoch", CUT},
    {"JobFacts.epoch", STRETCH},
    {"JobFacts.node", CUT},
    {"JobFacts.node", STRETCH},
    {"JobFacts.user", CUT},
    {"JobFacts.user", STRETCH},
    {"NodeFacts.roles", CUT},
    {"NodeFacts.roles", STRETCH},
};

static bool is_harmless(const char *message, const char *field, enum change change)
{
    char name[64];
    (void)snprintf(name, sizeof(name), "%s.%s", message, field);
    for (size_t i = 0; i < COUNT(harmless); i++)
        if (harmless[i].change == change && strcmp(harmless[i].field, name) == 0)
            return true;
    return false;
}

static int grant(struct scene *s, struct xos_slice bytes)
{
    struct auth_grant g = {0};
    struct xos_slice chain[3];
    fixture_chain(&s->v.f, &s->v.f.user.der, chain);
    struct auth_grant_offer offer = {bytes, chain, 2, auth_slice(FIXTURE_SPEC), AUTH_FRESH};
    int rc = auth_grant_check(&g, &offer, &s->v.f.ctx, NULL);
    auth_grant_free(&g);
    return rc;
}
static int assignment(struct scene *s, struct xos_slice bytes)
{
    struct auth_assignment a;
    struct xos_slice chain[3];
    fixture_chain(&s->v.f, &s->v.f.node.der, chain);
    struct auth_assignment_offer offer = {bytes, chain,     2, &s->grant, &s->v.f.job_facts.node,
                                          1,     AUTH_FRESH};
    return auth_assignment_check(&a, &offer, &s->v.f.ctx, NULL);
}
static int attributes(struct scene *s, struct xos_slice bytes)
{
    struct auth_attr a = {0};
    int rc = auth_attr_check(&a, bytes, &s->v.known, &s->v.alice, FIXTURE_NOW_MS, NULL);
    auth_attr_free(&a);
    return rc;
}
static int manifest(struct scene *s, struct xos_slice bytes)
{
    struct auth_manifest m = {0};
    int rc = auth_manifest_check(&m, bytes, &s->v.m.vo, s->v.m.root_hash, 1, FIXTURE_NOW_MS, NULL);
    auth_manifest_free(&m);
    return rc;
}
static int revocations(struct scene *s, struct xos_slice bytes)
{
    struct xos_slice ca = fixture_slice(&s->v.f.ca.der);
    struct auth_revocations *list = NULL;
    int rc = auth_revocations_check(&list, bytes, &ca, 1, &s->v.f.ctx, 1, NULL);
    auth_revocations_free(list);
    return rc;
}
static int node_facts(struct scene *s, struct xos_slice bytes)
{
    struct auth_node_facts facts;
    (void)s;
    return auth_node_facts_read(&facts, bytes, NULL);
}
static int job_facts(struct scene *s, struct xos_slice bytes)
{
    struct auth_job_facts facts;
    struct auth_facts_memory *memory = NULL;
    (void)s;
    int rc = auth_job_facts_read(&facts, &memory, bytes, NULL);
    auth_facts_free(memory);
    return rc;
}

struct format {
    const char *name;
    const ProtobufCMessageDescriptor *payload;
    const char *domain; /* NULL: not signed on its own */
    int (*check)(struct scene *s, struct xos_slice bytes);
    const struct xos_buf *good;
    const struct xos_key *key;
};

static void change_bytes(ProtobufCBinaryData *b, enum change change)
{
    uint8_t *data = malloc(b->len + 1);
    assert_non_null(data);
    if (b->len)
        memcpy(data, b->data, b->len);
    data[b->len] = 'x';
    free(b->data);
    b->data = data;
    b->len = change == EMPTY ? 0 : change == CUT ? b->len - (b->len > 0) : b->len + 1;
}

static void free_bytes(ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
    size_t *count = (size_t *)(void *)((char *)m + f->quantifier_offset);
    ProtobufCBinaryData *list = *(ProtobufCBinaryData **)(void *)((char *)m + f->offset);
    for (size_t i = 0; i < *count; i++)
        free(list[i].data);
    *count = 0;
}

static uint64_t changed_number(uint64_t n, enum change change)
{
    return change == EMPTY ? 0 : change == CUT ? n - 1 : n + 1;
}

/* Returns false when the field is of a kind, or in a state, that this change does not touch. */
static bool change_field(ProtobufCMessage *m, const ProtobufCFieldDescriptor *f, enum change change)
{
    void *at = (char *)m + f->offset;
    if (f->label == PROTOBUF_C_LABEL_REPEATED) {
        size_t count = *(size_t *)(void *)((char *)m + f->quantifier_offset);
        if (count == 0)
            return false;
        if (change == EMPTY)
            free_bytes(m, f);
        else
            change_bytes(&(*(ProtobufCBinaryData **)at)[count - 1], change);
    } else if (f->type == PROTOBUF_C_TYPE_BYTES) {
        if (change != STRETCH && ((ProtobufCBinaryData *)at)->len == 0)
            return false;
        change_bytes(at, change);
    } else if (f->type == PROTOBUF_C_TYPE_UINT32)
        *(uint32_t *)at = (uint32_t)changed_number(*(uint32_t *)at, change);
    else if (f->type == PROTOBUF_C_TYPE_UINT64)
        *(uint64_t *)at = changed_number(*(uint64_t *)at, change);
    else if (change == EMPTY) {
        protobuf_c_message_free_unpacked(*(ProtobufCMessage **)at, NULL);
        *(ProtobufCMessage **)at = NULL;
    } else
        return false;
    return true;
}

static unsigned one_change(struct scene *s, const struct format *f, unsigned field,
                           enum change change)
{
    Auth__Signed *outer = NULL;
    struct xos_slice payload = fixture_slice(f->good);
    if (f->domain) {
        outer = auth__signed__unpack(NULL, f->good->len, f->good->data);
        assert_non_null(outer);
        payload = (struct xos_slice){outer->payload.data, outer->payload.len};
    }
    unsigned wrong = 0;
    ProtobufCMessage *m = protobuf_c_message_unpack(f->payload, NULL, payload.len, payload.data);
    assert_non_null(m);
    if (change_field(m, &f->payload->fields[field], change)) {
        uint8_t *packed = malloc(protobuf_c_message_get_packed_size(m) + 1);
        assert_non_null(packed);
        size_t len = protobuf_c_message_pack(m, packed);
        int rc;
        if (f->domain) {
            fuzz_auth_sign(&s->again, packed, len, f->domain, f->key);
            rc = f->check(s, fixture_slice(&s->again));
        } else
            rc = f->check(s, (struct xos_slice){packed, len});
        const char *name = f->payload->fields[field].name;
        bool good = is_harmless(f->name, name, change);
        wrong = (rc == 0) != good;
        if (wrong)
            print_error("%s with %s %s %s\n", f->name, name, change_names[change],
                        rc == 0 ? "passes" : "is refused");
        free(packed);
    }
    protobuf_c_message_free_unpacked(m, NULL);
    auth__signed__free_unpacked(outer, NULL);
    return wrong;
}

static int open_scene(struct scene *s, struct xos_error *err)
{
    struct auth_grant g;
    struct auth_assignment a;
    struct xos_slice user[3];
    uint8_t entry[XOS_HASH_BYTES] = {1};
    *s = (struct scene){.signed_grant = XOS_BUF(65536),
                        .assignment = XOS_BUF(65536),
                        .revocations = XOS_BUF(65536),
                        .node = XOS_BUF(65536),
                        .job = XOS_BUF(65536),
                        .again = XOS_BUF(1 << 20)};
    if (vo_fixture_open(&s->v, err) < 0 || fixture_grant(&s->v.f, &g, err) < 0 ||
        auth_grant_sign(&s->signed_grant, &g, s->v.f.user.key, err) < 0)
        return -1;
    fixture_chain(&s->v.f, &s->v.f.user.der, user);
    struct auth_grant_offer offer = {fixture_slice(&s->signed_grant), user, 3,
                                     auth_slice(FIXTURE_SPEC), AUTH_FRESH};
    if (auth_grant_check(&s->grant, &offer, &s->v.f.ctx, err) < 0 ||
        fixture_assignment(&s->v.f, &s->grant, &a, err) < 0 ||
        auth_assignment_sign(&s->assignment, &a, s->v.f.node.key, err) < 0)
        return -1;
    struct auth_revocations *list = auth_revocations_new("inria", s->v.alice.root_hash, err);
    if (!list)
        return -1;
    list->seq = 2;
    list->issued_ms = FIXTURE_NOW_MS;
    for (unsigned k = 0; k < AUTH_REVOKE_KINDS; k++)
        (void)auth_revocations_add(list, (enum auth_revoke_kind)k, entry, err);
    int rc = auth_revocations_sign(&s->revocations, list, s->v.f.ca.key, err);
    auth_revocations_free(list);
    struct auth_node_facts node = {.roles = AUTH_NODE_WORKER | AUTH_NODE_STORAGE};
    if (rc < 0 || auth_node_facts_write(&s->node, &node, err) < 0)
        return -1;
    return auth_job_facts_write(&s->job, &s->v.f.job_facts, err);
}

static void close_scene(struct scene *s)
{
    struct xos_buf *const all[] = {&s->signed_grant, &s->assignment, &s->revocations,
                                   &s->node,         &s->job,        &s->again};
    for (size_t i = 0; i < COUNT(all); i++)
        xos_buf_free(all[i]);
    auth_grant_free(&s->grant);
    vo_fixture_close(&s->v);
}

static void every_field_counts(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct scene s;
    unsigned changes = 0, wrong = 0;
    XT_TRY(open_scene(&s, &err));
    const struct fixture *f = &s.v.f;
    const struct format formats[] = {
        {"Grant", &auth__grant__descriptor, AUTH_GRANT_DOMAIN, grant, &s.signed_grant, f->user.key},
        {"Assignment", &auth__assignment__descriptor, AUTH_ASSIGNMENT_DOMAIN, assignment,
         &s.assignment, f->node.key},
        {"Attributes", &auth__attributes__descriptor, AUTH_ATTR_DOMAIN, attributes, &s.v.attr,
         s.v.key},
        {"Manifest", &auth__manifest__descriptor, AUTH_MANIFEST_DOMAIN, manifest, &s.v.manifest,
         s.v.root},
        {"Revocations", &auth__revocations__descriptor, AUTH_REVOKE_DOMAIN, revocations,
         &s.revocations, f->ca.key},
        {"NodeFacts", &auth__node_facts__descriptor, NULL, node_facts, &s.node, NULL},
        {"JobFacts", &auth__job_facts__descriptor, NULL, job_facts, &s.job, NULL},
    };
    for (size_t i = 0; i < COUNT(formats); i++)
        for (unsigned field = 0; field < formats[i].payload->n_fields; field++)
            for (enum change c = EMPTY; c < CHANGES; c++) {
                wrong += one_change(&s, &formats[i], field, c);
                changes++;
            }
    assert_true(changes > 150);
    assert_int_equal(wrong, 0);
out:
    close_scene(&s);
}

static const struct xt_test tests[] = {
    XT_PLAIN(every_field_counts),
};
XT_MAIN(tests)
