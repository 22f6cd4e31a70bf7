// SPDX-License-Identifier: Apache-2.0
#include "cmd/escape.h"

#define CONTROL_Z 26

static enum cmd_escape_action action_of(char c)
{
    static const struct {
        char c;
        enum cmd_escape_action action;
    } table[] = {{'.', CMD_ESCAPE_DETACH}, {'?', CMD_ESCAPE_HELP}, {CONTROL_Z, CMD_ESCAPE_SUSPEND}};
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (table[i].c == c)
            return table[i].action;
    return CMD_ESCAPE_NONE;
}

static enum cmd_escape_action take_one(struct cmd_escape *e, char c, char *out, size_t *sent)
{
    if (!e->tilde && !e->inside && c == '~') {
        e->tilde = true;
        return CMD_ESCAPE_NONE;
    }
    enum cmd_escape_action action = e->tilde ? action_of(c) : CMD_ESCAPE_NONE;
    if (e->tilde && action == CMD_ESCAPE_NONE && c != '~')
        out[(*sent)++] = '~';
    e->tilde = false;
    if (action != CMD_ESCAPE_NONE)
        return action;
    out[(*sent)++] = c;
    e->inside = c != '\n' && c != '\r';
    return CMD_ESCAPE_NONE;
}

enum cmd_escape_action cmd_escape_take(struct cmd_escape *e, const char **data, size_t *bytes,
                                       char *out, size_t *sent)
{
    enum cmd_escape_action action = CMD_ESCAPE_NONE;
    *sent = 0;
    while (*bytes && action == CMD_ESCAPE_NONE) {
        action = take_one(e, **data, out, sent);
        (*data)++;
        (*bytes)--;
    }
    return action;
}
