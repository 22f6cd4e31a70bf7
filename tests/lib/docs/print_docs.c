// SPDX-License-Identifier: Apache-2.0
/* print_docs metrics|log|xql - the documents that are printed from tables, for `make docs` and for
 * the test that they are current. */
#include "discovery/query/attr.h"
#include "libxos/base/telemetry.h"

#include <stdio.h>
#include <string.h>

#define DOCUMENT_BYTES_MAX (1u << 20)

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*print)(struct xos_buf *out, struct xos_error *err);
    } documents[] = {
        {"metrics", xos_metrics_document}, {"log", xos_events_document}, {"xql", xql_document}};
    struct xos_error err = {0};
    struct xos_buf out = XOS_BUF(DOCUMENT_BYTES_MAX);
    for (size_t i = 0; i < sizeof(documents) / sizeof(documents[0]); i++) {
        if (argc != 2 || strcmp(argv[1], documents[i].name) != 0)
            continue;
        int rc = documents[i].print(&out, &err);
        if (rc == 0)
            rc = fwrite(out.data, 1, out.len, stdout) == out.len && fflush(stdout) == 0 ? 0 : -1;
        xos_buf_free(&out);
        return rc == 0 ? 0 : 1;
    }
    fprintf(stderr, "print_docs: name a document: metrics, log or xql\n");
    return 2;
}
