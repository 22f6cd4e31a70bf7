// SPDX-License-Identifier: Apache-2.0
/* text.h - texts of a message, as the strings that a program gets. */
#ifndef XOS_CLIENT_TEXT_H
#define XOS_CLIENT_TEXT_H

#include <protobuf-c/protobuf-c.h>

/* A copy with its NUL; NULL: no memory. The caller frees. */
char *client_text_dup(ProtobufCBinaryData from);

/* The same into a block that has room for it: *to goes on behind its NUL. Returns where it is. */
const char *client_text_put(char **to, ProtobufCBinaryData from);

#endif
