// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a start from the network crashes a worker, or one passes that its user or its
 * owner has not signed. The bytes are a StartPb as a worker reads it. */
#include "jobmgr/core/warrant.h"
#include "jobmgr/jobmgr.pb-c.h"
#include "libxos/wire/envelope.h"
#include "libxos/wire/pb.h"
#include "tests/lib/fuzz_auth.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
    if (!good)
        abort();
}

/* What passed says who and where, and xos-execd can be given all of it. */
static void passed(const struct warrant *w, const Xos__Job__StartPb *m)
{
    struct xos_buf proof = XOS_BUF(2 * XOS_BODY_BYTES_MAX);
    must(strcmp(w->user, "alice@inria") == 0 && m->epoch > 0);
    must(w->acting[0] ? w->vo[0] && strncmp(w->acting, w->vo, strlen(w->vo)) == 0 : !w->vo[0]);
    must(warrant_proof(&proof, m, NULL) == 0 && proof.len > 0);
    xos_buf_free(&proof);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vo_fixture *v = fuzz_auth_world();
    struct warrant w = {.user = ""};
    struct job_spec *spec = NULL;
    Xos__Job__StartPb *m =
        xos_pb_unpack(&xos__job__start_pb__descriptor, (struct xos_slice){data, size},
                      XOS_BODY_BYTES_MAX, XOS_PB_TOLERANT, NULL);
    if (m && spec_decode(&spec, xos_pb_slice(m->spec), NULL) == 0 &&
        warrant_check_message(&w, m, spec, &v->f.job_facts.node, &v->f.ctx, NULL) == 0)
        passed(&w, m);
    warrant_free(&w);
    spec_free(spec);
    xos_pb_free(m);
    return 0;
}
