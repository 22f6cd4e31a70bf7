// SPDX-License-Identifier: Apache-2.0
/* json.h - what --json prints. */
#ifndef XOS_CMD_JSON_H
#define XOS_CMD_JSON_H

#include <jansson.h>
#include <stdint.h>

/* JSON is UTF-8; what is not is escaped as for a terminal. */
json_t *cmd_json_text(const char *text);

/* RFC 3339; null for 0. */
json_t *cmd_json_time(uint64_t ms);

/* Print it and let it go: 0, or -1 and said why. NULL: it could not be made. */
int cmd_json_print(json_t *value);

#endif
