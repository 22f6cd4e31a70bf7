// SPDX-License-Identifier: Apache-2.0
#include "jobmgr/exec/wire_blob.h"

#include <string.h>

static uint32_t count_nuls(const uint8_t *data, size_t bytes)
{
    uint32_t n = 0;
    for (size_t i = 0; i < bytes; i++)
        n += data[i] == 0;
    return n;
}

static bool blob_good(const uint8_t *message, const struct wire_blob *b,
                      const struct wire_blob_rule *rule)
{
    if (b->zero != 0 || b->bytes > rule->bytes_max)
        return false;
    if (rule->count_max == 0)
        return b->count == 0;
    if (b->count < rule->count_min || b->count > rule->count_max)
        return false;
    const uint8_t *data = message + b->offset;
    if (b->bytes && data[b->bytes - 1] != 0)
        return false;
    return count_nuls(data, b->bytes) == b->count;
}

const char *wire_blobs_check(const void *message, size_t total, size_t head,
                             const struct wire_blob *blobs, const struct wire_blob_rule *rules,
                             size_t n)
{
    size_t next = head;
    if (total < head)
        return "head";
    for (size_t i = 0; i < n; i++) {
        if (blobs[i].offset != next || blobs[i].bytes > total - next)
            return rules[i].name;
        if (!blob_good(message, &blobs[i], &rules[i]))
            return rules[i].name;
        next += blobs[i].bytes;
    }
    return next == total ? NULL : "end";
}

int wire_blob_put(void *message, size_t max, size_t *end, struct wire_blob *blob, const void *data,
                  size_t bytes, uint32_t count)
{
    if (bytes > max - *end)
        return -1;
    if (bytes)
        memcpy((uint8_t *)message + *end, data, bytes);
    *blob = (struct wire_blob){.offset = (uint32_t)*end, .bytes = (uint32_t)bytes, .count = count};
    *end += bytes;
    return 0;
}

int wire_blob_put_strings(void *message, size_t max, size_t *end, struct wire_blob *blob,
                          const char *const *strings)
{
    size_t at = *end;
    uint32_t count = 0;
    for (; strings && strings[count]; count++) {
        size_t bytes = strlen(strings[count]) + 1;
        if (bytes > max - at)
            return -1;
        memcpy((uint8_t *)message + at, strings[count], bytes);
        at += bytes;
    }
    *blob = (struct wire_blob){
        .offset = (uint32_t)*end, .bytes = (uint32_t)(at - *end), .count = count};
    *end = at;
    return 0;
}

void wire_blob_strings(const void *message, const struct wire_blob *blob, const char **out)
{
    const char *at = (const char *)message + blob->offset;
    for (uint32_t i = 0; i < blob->count; i++) {
        out[i] = at;
        at += strlen(at) + 1;
    }
    out[blob->count] = NULL;
}

const char *wire_blob_text(const void *message, const struct wire_blob *blob)
{
    return blob->count ? (const char *)message + blob->offset : NULL;
}

static bool unit_char(char c, bool first)
{
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
        return true;
    return !first && (c == '.' || c == '_' || c == '-' || c == '[' || c == ']');
}

bool exec_unit_valid(const char unit[static EXEC_UNIT_BYTES])
{
    size_t len = strnlen(unit, EXEC_UNIT_BYTES);
    if (len == 0 || len == EXEC_UNIT_BYTES)
        return false;
    for (size_t i = 0; i < len; i++)
        if (!unit_char(unit[i], i == 0))
            return false;
    for (size_t i = len; i < EXEC_UNIT_BYTES; i++)
        if (unit[i] != 0)
            return false;
    return true;
}
