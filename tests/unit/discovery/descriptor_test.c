// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: a node is sought at an address that is not its own, or a peer's descriptor
 * writes past its room. */
#include "discovery/core/descriptor.h"
#include "tests/lib/disc.h"
#include "tests/lib/xtest.h"

#include <string.h>

static void bad_descriptors_are_refused(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_buf wire = XOS_BUF(4096);
    struct descriptor d = {.node = "n1.vu", .institution = "vu"}, out;
    static struct descriptor_reach reach;
    static const uint8_t signature[DESCRIPTOR_BYTES_MAX];
    reach.address_count = DESCRIPTOR_ADDRESSES_MAX;
    for (size_t i = 0; i < DESCRIPTOR_ADDRESSES_MAX; i++)
        memset(reach.addresses[i].host, 'h', DESCRIPTOR_HOST_BYTES_MAX);
    XT_TRY(descriptor_state(&wire, &d, &reach, &err));
    XT_REFUSED(descriptor_parse(&out, (struct xos_slice){wire.data, wire.len},
                                (struct xos_slice){signature, DESCRIPTOR_BYTES_MAX / 2}, &err),
               XOS_LIMIT);
    reach.address_count = 0;
    xos_buf_clear(&wire);
    XT_TRY(descriptor_state(&wire, &d, &reach, &err));
    XT_TRY(descriptor_parse(&out, (struct xos_slice){wire.data, wire.len},
                            (struct xos_slice){signature, 64}, &err));
    assert_int_equal(descriptor_signature(&out).len, 64);
    d.node[0] = '\0';
    xos_buf_clear(&wire);
    XT_TRY(descriptor_state(&wire, &d, &reach, &err));
    XT_REFUSED(descriptor_parse(&out, (struct xos_slice){wire.data, wire.len},
                                (struct xos_slice){signature, 64}, &err),
               XOS_PROTOCOL);
out:
    xos_buf_free(&wire);
}

static void a_descriptor_keeps_what_was_signed(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct descriptor d, copy;
    struct descriptor_reach reach;
    XT_TRY(disc_test_descriptor(&d, "n1", "vu", 7, &err));
    descriptor_copy(&copy, &d);
    assert_string_equal(copy.node, "n1.vu");
    assert_string_equal(copy.institution, "vu");
    assert_int_equal(copy.seq, 7);
    assert_int_equal(descriptor_statement(&copy).len, d.statement_bytes);
    assert_memory_equal(descriptor_statement(&copy).data, d.bytes, d.statement_bytes);
    XT_TRY(descriptor_reach(&copy, &reach, &err));
    assert_string_equal(reach.addresses[0].host, "192.0.2.1");
    assert_int_equal(reach.addresses[0].overlay_port, 7401);
    assert_true(node_name_hash("n1.vu") != node_name_hash("n2.vu"));
out:;
}

static const struct xt_test tests[] = {
    XT(bad_descriptors_are_refused),
    XT(a_descriptor_keeps_what_was_signed),
};
XT_MAIN(tests)
