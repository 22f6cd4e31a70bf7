// SPDX-License-Identifier: Apache-2.0
/* Were this to fail: the overlay's memory, its log, or its patience with a dead peer has no
 * bound. */
#include "libxos/base/telemetry.h"
#include "libxos/net/contacts.h"
#include "libxos/net/link.h"
#include "libxos/net/refusals.h"
#include "tests/lib/xtest.h"

#include <string.h>

#define CONTACTS 400

static void an_outbox_is_charged_until_the_bytes_are_gone(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_outbox *box = NULL;
    zmq_msg_t one, two;
    size_t open = 0;
    static const uint8_t bytes[1000] = {7};
    XT_TRY(xos_outbox_new(&box, 2 * (1000 + XOS_OUTBOX_MESSAGE_BYTES), &err));
    XT_TRY(xos_outbox_message(box, (struct xos_slice){bytes, 1000}, &one, &err));
    open = 1;
    assert_memory_equal(zmq_msg_data(&one), bytes, 1000);
    assert_int_equal(xos_outbox_held(box), 1000 + XOS_OUTBOX_MESSAGE_BYTES);
    XT_REFUSED(xos_outbox_message(box, (struct xos_slice){bytes, 1001 + XOS_OUTBOX_MESSAGE_BYTES},
                                  &two, &err),
               XOS_LIMIT);
    XT_TRY(xos_outbox_message(box, (struct xos_slice){NULL, 0}, &two, &err));
    zmq_msg_close(&two);
    assert_int_equal(xos_outbox_held(box), 1000 + XOS_OUTBOX_MESSAGE_BYTES);
out:
    xos_outbox_free(box); /* its last message outlives it */
    if (open)
        zmq_msg_close(&one);
}

static void contacts_are_found_by_key_and_by_connection(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_contacts contacts = {0};
    struct xos_contact *c;
    uint8_t key[XOS_CURVE_KEY_BYTES] = {0};
    for (uint32_t i = 0; i < CONTACTS; i++) { /* so many that the table grows */
        memcpy(key, &i, sizeof(i));
        XT_TRY(xos_contacts_add(&contacts, key, 1000, &c, &err));
        c->route = (struct xos_route){.set = i % 2, .fd = (int)i};
    }
    XT_REFUSED(xos_contacts_add(&contacts, key, 1000, &c, &err), XOS_EXISTS);
    assert_ptr_equal(xos_contacts_by_fd(&contacts, CONTACTS - 1), xos_contacts_get(&contacts, key));
    assert_null(xos_contacts_by_fd(&contacts, CONTACTS - 2));
    xos_contacts_remove(&contacts, xos_contacts_get(&contacts, key));
    assert_null(xos_contacts_get(&contacts, key));
out:
    while (contacts.by_key)
        xos_contacts_remove(&contacts, contacts.by_key);
}

static void contacts_have_a_maximum(void **state)
{
    (void)state;
    struct xos_error err = {0};
    struct xos_contacts contacts = {0};
    struct xos_contact *c;
    uint8_t key[XOS_CURVE_KEY_BYTES] = {0};
    for (uint32_t i = 0; i < XOS_OVERLAY_PEERS_MAX; i++) {
        memcpy(key, &i, sizeof(i));
        XT_TRY(xos_contacts_add(&contacts, key, 1000, &c, &err));
    }
    key[31] = 1;
    XT_REFUSED(xos_contacts_add(&contacts, key, 1000, &c, &err), XOS_LIMIT);
out:
    while (contacts.by_key)
        xos_contacts_remove(&contacts, contacts.by_key);
}

static void the_pause_between_attempts_grows_to_its_maximum(void **state)
{
    (void)state;
    assert_in_range(xos_link_backoff_ms(1, 0), XOS_LINK_BACKOFF_MS_MIN / 2,
                    XOS_LINK_BACKOFF_MS_MIN);
    assert_in_range(xos_link_backoff_ms(2, UINT32_MAX), XOS_LINK_BACKOFF_MS_MIN,
                    2 * XOS_LINK_BACKOFF_MS_MIN);
    for (unsigned failures = 1; failures < 200; failures++)
        for (uint32_t random = 0; random < 20; random++)
            assert_in_range(xos_link_backoff_ms(failures, random * 214748364u),
                            XOS_LINK_BACKOFF_MS_MIN / 2, XOS_LINK_BACKOFF_MS_MAX);
    assert_in_range(xos_link_backoff_ms(UINT32_MAX, 0), XOS_LINK_BACKOFF_MS_MAX / 2,
                    XOS_LINK_BACKOFF_MS_MAX);
}

static unsigned lines;
static char last_line[512];

static void take_line(enum xos_log_level level, const char *line, void *arg)
{
    (void)level;
    (void)arg;
    lines++;
    strncpy(last_line, line, sizeof(last_line) - 1);
}

static void ignore_line(enum xos_log_level level, const char *line, void *arg)
{
    (void)level;
    (void)line;
    (void)arg;
}

static void refusals_are_all_counted_and_few_are_logged(void **state)
{
    (void)state;
    struct xos_refusals r = {0};
    double before = xos_metric_get(XOS_M_REFUSALS, "test");
    xos_log_sink(take_line, NULL);
    for (int i = 0; i < 1000; i++)
        xos_refusals_note(&r, 5000 + (uint64_t)i / 2, "test", "number=%d", i);
    assert_int_equal(lines, XOS_REFUSALS_LOGGED_MAX);
    xos_refusals_note(&r, 5000 + XOS_REFUSALS_WINDOW_MS, "test", "number=%d", 1000);
    assert_int_equal(lines, XOS_REFUSALS_LOGGED_MAX + 1);
    assert_non_null(strstr(last_line, "PEER_REFUSED reason=test number=1000 unlogged=990"));
    assert_true(xos_metric_get(XOS_M_REFUSALS, "test") - before > 1000);
    xos_log_sink(ignore_line, NULL);
}

static void errors_too_are_counted_and_few_are_logged(void **state)
{
    (void)state;
    struct xos_refusals r = {0};
    struct xos_error why = {0};
    double before = xos_metric_get(XOS_M_REFUSALS, "EXPIRED");
    xos_fail(&why, XOS_EXPIRED, "it ended");
    lines = 0;
    xos_log_sink(take_line, NULL);
    for (int i = 0; i < 100; i++)
        xos_refusals_error(&r, 5000, XOS_EV_REFUSED, &why, "number=%d", i);
    assert_int_equal(lines, XOS_REFUSALS_LOGGED_MAX);
    xos_refusals_error(&r, 5000 + XOS_REFUSALS_WINDOW_MS, XOS_EV_REFUSED, &why, "number=%d", 100);
    assert_non_null(
        strstr(last_line, "REFUSED number=100 unlogged=90 code=EXPIRED error=\"it ended\""));
    assert_true(xos_metric_get(XOS_M_REFUSALS, "EXPIRED") - before > 100);
    xos_log_sink(ignore_line, NULL);
}

static const struct xt_test tests[] = {
    XT(an_outbox_is_charged_until_the_bytes_are_gone),
    XT(contacts_are_found_by_key_and_by_connection),
    XT_PLAIN(contacts_have_a_maximum),
    XT(the_pause_between_attempts_grows_to_its_maximum),
    XT_PLAIN(refusals_are_all_counted_and_few_are_logged),
    XT_PLAIN(errors_too_are_counted_and_few_are_logged),
};
XT_MAIN(tests)
