// SPDX-License-Identifier: Apache-2.0
/* What xosd may send to root: whatever passes the check can be read to its end, and makes an order
 * that the init accepts. */
#include "jobmgr/exec/execd_wire.h"
#include "jobmgr/exec/order.h"

#include <assert.h>
#include <string.h>

static union {
    struct execd_request head;
    uint8_t bytes[EXECD_MESSAGE_BYTES_MAX];
} packet;
static union {
    struct order head;
    uint8_t bytes[ORDER_BYTES_MAX];
} order;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *list[EXECD_ARGS_MAX + 1];
    struct xos_error err = {0};
    if (size > sizeof(packet))
        return 0;
    memcpy(packet.bytes, data, size);
    if (execd_answer_check(packet.bytes, size, &err) == 0 ||
        execd_request_check(packet.bytes, size, &err) < 0)
        return 0;
    if (packet.head.verb != EXECD_START)
        return 0;
    for (int i = EXECD_ARGV; i <= EXECD_CWD; i++) {
        size_t bytes = 0;
        wire_blob_strings(packet.bytes, &packet.head.blobs[i], list);
        for (size_t n = 0; list[n]; n++)
            bytes += strlen(list[n]) + 1;
        assert(bytes == packet.head.blobs[i].bytes);
    }
    memset(&order.head, 0, sizeof(order.head));
    memcpy(order.head.unit, packet.head.unit, EXEC_UNIT_BYTES);
    struct order_paths paths = {.init = "/i", .root = "/r", .scratch = "/s"};
    assert(order_finish(&order.head, &packet.head, &paths) == 0);
    assert(!order_check(&order, order.head.bytes));
    return 0;
}
