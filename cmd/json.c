// SPDX-License-Identifier: Apache-2.0
#include "cmd/json.h"

#include "cmd/say.h"
#include "cmd/table.h"

#include <stdlib.h>

json_t *cmd_json_text(const char *text)
{
    json_t *v = json_string(text);
    if (v)
        return v;
    char *safe = cmd_safe(text);
    v = json_string(safe);
    free(safe);
    return v;
}

json_t *cmd_json_time(uint64_t ms)
{
    char text[CMD_TIME_BYTES];
    return ms ? json_string(cmd_time(ms, text)) : json_null();
}

int cmd_json_print(json_t *value)
{
    int rc = value ? json_dumpf(value, stdout, JSON_INDENT(2)) : -1;
    printf("\n");
    json_decref(value);
    if (rc != 0)
        cmd_say("--json: it could not be printed");
    return rc;
}
