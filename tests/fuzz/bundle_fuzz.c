// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: papers that a hostile xosd made crash the judge or the init, or the two take
 * different bytes for the files. */
#include "jobmgr/exec/bundle.h"
#include "jobmgr/judge/request.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What the judge lets pass is the form in which the init reads it. */
static void check_form(struct xos_slice papers)
{
    struct bundle b;
    struct bundle_file f;
    memcpy(&b, papers.data, sizeof(b));
    if (b.count != 1 || bundle_check(&b, papers.len))
        abort();
    memcpy(&f, papers.data + sizeof(b), sizeof(f));
    if (bundle_file_check(&f, b.bytes - sizeof(b)) || sizeof(b) + sizeof(f) + f.bytes != b.bytes ||
        f.mode != 0644)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct job_spec no_files;
    struct xos_slice papers = {data, size};
    if (request_papers(papers, &no_files, NULL) == 0)
        check_form(papers);
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    (void)bundle_unpack(fd, -1); /* checks all, creates nothing */
    close(fd);
    return 0;
}
