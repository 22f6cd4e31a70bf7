// SPDX-License-Identifier: Apache-2.0
#include "libxos/base/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct code_row {
    enum xos_code code;
    const char *name;
    const char *meaning;
};

static const struct code_row code_table[] = {
#define X(name, number, text) {XOS_##name, #name, text},
    XOS_ERRORS(X)
#undef X
};

static const struct code_row *code_find(unsigned number)
{
    for (size_t i = 0; i < sizeof(code_table) / sizeof(code_table[0]); i++)
        if ((unsigned)code_table[i].code == number)
            return &code_table[i];
    return NULL;
}

static void error_set(struct xos_error *err, enum xos_code code, const char *fmt, va_list ap)
{
    if (!err)
        return;
    char text[XOS_ERROR_TEXT_MAX]; /* an argument may be err->text itself */
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    for (char *p = text; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = '?'; /* a name from outside must not break the line or drive the terminal */
    err->code = code;
    memcpy(err->text, text, strlen(text) + 1);
}

int xos_fail(struct xos_error *err, enum xos_code code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    error_set(err, code, fmt, ap);
    va_end(ap);
    return -1;
}

static enum xos_code code_of_errno(int number)
{
    static const struct {
        int number;
        enum xos_code code;
    } table[] = {
        {ENOMEM, XOS_NOMEM},
        {ENOENT, XOS_NOT_FOUND},
        {EEXIST, XOS_EXISTS},
        {EIO, XOS_IO},
        {ENOSPC, XOS_IO},
        {EDQUOT, XOS_IO},
        {EFBIG, XOS_IO},
        {EROFS, XOS_IO},
        {ECONNREFUSED, XOS_UNAVAILABLE},
        {ECONNRESET, XOS_UNAVAILABLE},
        {EPIPE, XOS_UNAVAILABLE},
        {EHOSTUNREACH, XOS_UNAVAILABLE},
        {ENETUNREACH, XOS_UNAVAILABLE},
        {ETIMEDOUT, XOS_TIMEOUT},
        {EMFILE, XOS_LIMIT},
        {ENFILE, XOS_LIMIT},
        {EADDRINUSE, XOS_BUSY},
        {ENOSYS, XOS_UNSUPPORTED},
        {EOPNOTSUPP, XOS_UNSUPPORTED},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (table[i].number == number)
            return table[i].code;
    return XOS_SYSTEM;
}

int xos_fail_errno(struct xos_error *err, const char *fmt, ...)
{
    int saved = errno;
    va_list ap;
    va_start(ap, fmt);
    error_set(err, code_of_errno(saved), fmt, ap);
    va_end(ap);
    if (err) {
        size_t used = strlen(err->text);
        (void)snprintf(err->text + used, sizeof(err->text) - used, ": %s", strerror(saved));
    }
    errno = saved;
    return -1;
}

int xos_wrap(struct xos_error *err, const char *fmt, ...)
{
    if (!err)
        return -1;
    char inner[XOS_ERROR_TEXT_MAX];
    memcpy(inner, err->text, sizeof(inner));
    va_list ap;
    va_start(ap, fmt);
    error_set(err, err->code, fmt, ap);
    va_end(ap);
    size_t used = strlen(err->text);
    (void)snprintf(err->text + used, sizeof(err->text) - used, ": %s", inner);
    return -1;
}

const char *xos_code_name(enum xos_code code)
{
    const struct code_row *row = code_find((unsigned)code);
    return row ? row->name : "UNKNOWN";
}

const char *xos_code_meaning(enum xos_code code)
{
    const struct code_row *row = code_find((unsigned)code);
    return row ? row->meaning : "a code that this version does not know";
}

enum xos_code xos_code_from_wire(unsigned number)
{
    const struct code_row *row = code_find(number);
    return row ? row->code : XOS_INTERNAL;
}
