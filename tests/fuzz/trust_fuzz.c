// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a file in the trust directory that is torn or forged ends a node, opens a
 * door, or gives back what was taken back. The first byte says which file; the rest is what is in
 * it. */
#include "tests/lib/gatebed.h"
#include "tests/lib/xtest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const files[] = {"crl/inria.crl",         "crl/vu.crl",
                                    "roots/vu.der",          "roots/cern.der",
                                    "vo/climate@inria.root", "vo/climate@inria.manifest",
                                    "vo/weather@vu.root",    "vo/weather@vu.manifest"};

static struct gatebed bed;
static int dir = -1;

static void must(bool good)
{
    if (!good)
        abort();
}

static void open_once(void)
{
    char path[128];
    if (dir >= 0)
        return;
    (void)snprintf(path, sizeof(path), "%s/trust", xt_dir());
    must(gatebed_open(&bed, path, NULL) == 0);
    dir = xos_env_dir_open(xos_env_posix(), path, NULL);
    must(dir >= 0);
}

static bool good(enum gatebed_who who)
{
    struct gatebed_ask a;
    const struct auth_principal *p;
    gatebed_ask_init(&a, &bed, who, "job.list");
    return auth_trust_verify(bed.trust, a.chain, 2, AUTH_KIND_USER, FIXTURE_NOW_MS, &p, NULL) == 0;
}

/* What was in the file, to put it back. */
static void restore(const char *name, const struct xos_buf *was, bool had)
{
    if (had)
        must(xos_env_file_replace(xos_env_posix(), dir, name, was->data, was->len, 0644, NULL) ==
             0);
    else
        must(xos_env_remove(xos_env_posix(), dir, name, NULL) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct xos_buf was = XOS_BUF(65536);
    open_once();
    if (size < 1 || size > 65536)
        return 0;
    const char *name = files[data[0] % (sizeof(files) / sizeof(files[0]))];
    bool had = xos_env_file_read(xos_env_posix(), dir, name, &was, NULL) == 0;
    must(xos_env_file_replace(xos_env_posix(), dir, name, data + 1, size - 1, 0644, NULL) == 0);
    bool taken = auth_trust_reload(bed.trust, NULL) == 0;
    must(good(GATEBED_ALICE) && !good(GATEBED_CAROL) && !good(GATEBED_STRANGER));
    must(taken || good(GATEBED_BOB)); /* what is wrong changes nothing */
    restore(name, &was, had);
    if (taken)
        must(auth_trust_reload(bed.trust, NULL) == 0);
    xos_buf_free(&was);
    return 0;
}
