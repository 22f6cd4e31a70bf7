// SPDX-License-Identifier: Apache-2.0
/* A specification that is taken is whole and within its bounds, and makes an environment. */
#include "jobmgr/core/environ.h"
#include "jobmgr/core/spec.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
    if (!good)
        abort();
}

static void check(const struct job_spec *s)
{
    size_t bytes = 0;
    must(s->units >= 1 && s->units <= JOB_UNITS_MAX && s->cpus >= 1 && s->cpus <= SPEC_CPUS_MAX);
    must(s->argc >= 1 && s->argc <= SPEC_ARGS_MAX && s->argv[0][0] && !s->argv[s->argc]);
    must(!s->env[s->env_count] && !s->on[s->on_count] && s->on_count <= SPEC_NODES_MAX);
    for (size_t i = 0; i < s->argc; i++)
        bytes += strlen(s->argv[i]) + 1;
    for (size_t i = 0; i < s->env_count; i++)
        bytes += strlen(s->env[i]) + 1;
    must(bytes <= SPEC_WORDS_BYTES_MAX);
    for (size_t i = 0; i < s->file_count; i++)
        must(s->files[i].name[0] && !strchr(s->files[i].name, '/') && s->files[i].mode <= 0777);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct job_spec *s;
    char **list;
    static const struct environ_facts facts = {"inria-1", 0,         "n1.inria", "inria",
                                               "",        "a@inria", "/s",       "/h"};
    if (spec_decode(&s, (struct xos_slice){data, size}, NULL) < 0)
        return 0;
    check(s);
    must(environ_build(&list, s, &facts, NULL) == 0);
    environ_free(list);
    spec_free(s);
    return 0;
}
