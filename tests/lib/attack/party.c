// SPDX-License-Identifier: Apache-2.0
/* party.c - institutions that anybody can make, and what somebody shows as his certificate. */
#include "tests/lib/attack/attack.h"

#include "libxos/env/env.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int64_t attack_now_ms(void)
{
    return xos_env_real_ms(xos_env_posix());
}

int64_t attack_born_ms(void)
{
    const char *text = getenv("ATTACK_BORN");
    return text ? strtoll(text, NULL, 10) : attack_now_ms();
}

/* A key for each name and use, the same in every run. */
static int key_of(struct xos_key **out, const char *use, const char *name, struct xos_error *err)
{
    char text[256];
    uint8_t secret[XOS_HASH_BYTES];
    int n = snprintf(text, sizeof(text), "attack %s %s", use, name);
    if (xos_sha256((struct xos_slice){(const uint8_t *)text, (size_t)n}, secret, err) < 0)
        return -1;
    return xos_key_from_secret(out, secret, err);
}

static struct xos_slice slice(const struct xos_buf *b)
{
    return (struct xos_slice){b->data, b->len};
}

static int issue(struct party *p, struct auth_cert_request *r, const struct xos_key *key,
                 struct xos_buf *out, struct xos_error *err)
{
    bool root = r->kind == AUTH_KIND_ROOT, ca = r->kind == AUTH_KIND_CA;
    struct auth_issuer by = {root ? (struct xos_slice){NULL, 0} : slice(ca ? &p->root : &p->ca),
                             xos_key_evp(root || ca ? p->root_key : p->ca_key)};
    memcpy(r->key, xos_key_public(key), sizeof(r->key));
    memcpy(r->serial, r->key, sizeof(r->serial));
    r->serial[0] = (uint8_t)((r->serial[0] & 0x3f) | 0x40);
    *out = XOS_BUF(AUTH_CERT_BYTES_MAX);
    return auth_cert_issue(out, r, &by, err);
}

static int authorities(struct party *p, const char *inst, struct xos_error *err)
{
    int64_t from = attack_born_ms() - 10 * AUTH_DAY_MS;
    struct auth_cert_request root = {
        .kind = AUTH_KIND_ROOT, .from_ms = from, .to_ms = from + 100 * AUTH_DAY_MS};
    struct auth_cert_request ca = {
        .kind = AUTH_KIND_CA, .from_ms = from, .to_ms = from + AUTH_CA_LIFE_MS_MAX};
    root.name.kind = AUTH_NAME_ROOT;
    ca.name.kind = AUTH_NAME_CA;
    (void)snprintf(root.name.institution, sizeof(root.name.institution), "%s", inst);
    (void)snprintf(ca.name.institution, sizeof(ca.name.institution), "%s", inst);
    if (key_of(&p->root_key, "root", inst, err) < 0 || key_of(&p->ca_key, "ca", inst, err) < 0 ||
        issue(p, &root, p->root_key, &p->root, err) < 0)
        return -1;
    return issue(p, &ca, p->ca_key, &p->ca, err);
}

static int leaf(struct party *p, bool node, const char *flaw, struct auth_name name,
                struct xos_error *err)
{
    int64_t shift = strcmp(flaw, "expired") == 0  ? -AUTH_DAY_MS
                    : strcmp(flaw, "future") == 0 ? AUTH_DAY_MS
                                                  : 0;
    struct auth_node_facts facts = {.roles = AUTH_NODE_HEAD | AUTH_NODE_WORKER};
    struct auth_cert_request r = {.kind = node ? AUTH_KIND_NODE : AUTH_KIND_USER,
                                  .name = name,
                                  .from_ms = attack_born_ms() - AUTH_HOUR_MS + shift,
                                  .to_ms = attack_born_ms() + 2 * AUTH_HOUR_MS + shift,
                                  .node = node ? &facts : NULL};
    auth_name_print(&name, p->name);
    if (key_of(&p->key, "leaf", p->name, err) < 0 ||
        xos_sha256((struct xos_slice){(const uint8_t *)p->name, strlen(p->name)}, facts.curve_key,
                   err) < 0 ||
        issue(p, &r, p->key, &p->leaf, err) < 0)
        return -1;
    p->chain[0] = slice(&p->leaf);
    p->chain[1] = slice(&p->ca);
    p->chain[2] = slice(&p->root);
    p->chain_count = AUTH_CHAIN_MAX;
    return 0;
}

static int open_stolen(struct party *p, const char *text, struct xos_error *err)
{
    const char *colon = strrchr(text, ':');
    char state[512];
    if (!colon)
        return xos_fail(err, XOS_INVALID, "\"%s\": @STATE:NODE is due", text);
    (void)snprintf(state, sizeof(state), "%.*s", (int)(colon - text), text);
    (void)snprintf(p->name, sizeof(p->name), "%s", colon + 1);
    if (credential_open(&p->stolen, xos_env_posix(), state, p->name, err) < 0)
        return -1;
    memcpy(p->chain, p->stolen.self.chain, sizeof(p->chain));
    p->chain_count = p->stolen.self.chain_count;
    return 0;
}

int party_open(struct party *p, const char *text, struct xos_error *err)
{
    char inst[32] = "", kind[8] = "", part[32] = "", flaw[16] = "";
    struct auth_name name = {.kind = AUTH_NAME_NONE};
    *p = (struct party){.name = ""};
    if (strcmp(text, "none") == 0)
        return 0;
    if (text[0] == '@')
        return open_stolen(p, text + 1, err);
    if (sscanf(text, "%31[^:]:%7[^:]:%31[^:]:%15s", inst, kind, part, flaw) < 3)
        return xos_fail(err, XOS_INVALID, "\"%s\": INST:user:NAME or INST:node:NAME", text);
    bool node = strcmp(kind, "node") == 0;
    name.kind = node ? AUTH_NAME_NODE : AUTH_NAME_USER;
    (void)snprintf(name.part, sizeof(name.part), "%s", part);
    (void)snprintf(name.institution, sizeof(name.institution), "%s", inst);
    return authorities(p, inst, err) < 0 ? -1 : leaf(p, node, flaw, name, err);
}

void party_close(struct party *p)
{
    xos_buf_free(&p->root);
    xos_buf_free(&p->ca);
    xos_buf_free(&p->leaf);
    xos_key_free(p->root_key);
    xos_key_free(p->ca_key);
    xos_key_free(p->key);
    credential_close(&p->stolen);
}

int attack_root(char **argv, struct xos_error *err)
{
    struct party p = {.name = ""};
    int rc = authorities(&p, argv[0], err);
    if (rc == 0 && fwrite(p.root.data, 1, p.root.len, stdout) != p.root.len)
        rc = xos_fail(err, XOS_IO, "standard output");
    party_close(&p);
    return rc;
}
