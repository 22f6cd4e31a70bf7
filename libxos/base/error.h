// SPDX-License-Identifier: Apache-2.0
/* error.h - what went wrong, as a stable code and one line of text.
 *
 * A function that can fail returns 0 or -1 (or NULL) and takes a struct xos_error * last. The text
 * grows outward: each caller may prefix what it was doing, so that the line that a user reads goes
 * from the outside in: "open volume home: metadata: database is locked". Codes are stable: the
 * wire and the commands use their numbers. */
#ifndef XOS_BASE_ERROR_H
#define XOS_BASE_ERROR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#define XOS_ERROR_TEXT_MAX 512

/* name, number on the wire, what it means */
#define XOS_ERRORS(X)                                                                              \
    X(NONE, 0, "no error")                                                                         \
    X(NOMEM, 1, "out of memory")                                                                   \
    X(INVALID, 2, "the request or argument is not well formed")                                    \
    X(PROTOCOL, 3, "a peer broke the protocol")                                                    \
    X(DENIED, 4, "policy or a credential does not allow this")                                     \
    X(NOT_FOUND, 5, "no such thing")                                                               \
    X(EXISTS, 6, "it exists already")                                                              \
    X(BUSY, 7, "held by somebody else at the moment")                                              \
    X(LIMIT, 8, "a named limit is reached")                                                        \
    X(TIMEOUT, 9, "the deadline passed")                                                           \
    X(CANCELLED, 10, "the caller gave up")                                                         \
    X(IO, 11, "reading or writing failed")                                                         \
    X(SYSTEM, 12, "the operating system refused")                                                  \
    X(CORRUPT, 13, "stored data does not match its checksum or format")                            \
    X(VERSION, 14, "written or spoken by a version that this one does not know")                   \
    X(UNAVAILABLE, 15, "the other side cannot be reached")                                         \
    X(EXPIRED, 16, "a credential or promise is past its end")                                      \
    X(STALE, 17, "a newer epoch exists")                                                           \
    X(REPLAYED, 18, "this request was seen before")                                                \
    X(UNSUPPORTED, 19, "this build or this machine cannot do that")                                \
    X(NO_LOGIN, 20, "nobody is logged in")                                                         \
    X(CLOCK, 21, "the clocks of the two sides differ too much")                                    \
    X(INTERNAL, 22, "a defect in XOS")

enum xos_code {
#define X(name, number, text) XOS_##name = number,
    XOS_ERRORS(X)
#undef X
};

struct xos_error {
    enum xos_code code;
    char text[XOS_ERROR_TEXT_MAX]; /* NUL-terminated, cut at the end when too long */
};

/* Set *err (which may be NULL) and return -1. The text is printf-like, without a full stop. */
int xos_fail(struct xos_error *err, enum xos_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* As xos_fail with XOS_SYSTEM (XOS_NOMEM, XOS_NOT_FOUND … where errno says so), and errno's text.
 */
int xos_fail_errno(struct xos_error *err, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Put "what: " before the text that is there; keeps the code. Returns -1. */
int xos_wrap(struct xos_error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* "NOT_FOUND" and "no such thing". For a number from the wire that is unknown: "UNKNOWN". */
const char *xos_code_name(enum xos_code code);
const char *xos_code_meaning(enum xos_code code);

/* The code of a wire number; XOS_INTERNAL for one that this version does not know. */
enum xos_code xos_code_from_wire(unsigned number);

#endif
