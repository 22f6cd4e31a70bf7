// SPDX-License-Identifier: Apache-2.0
/* Any bytes as a discovery message: decoded, encoded again to what decodes to the same, and given
 * to the cores, whose views must stay sound. */
#include "discovery/core/spread.h"
#include "discovery/core/view.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct view_actions view_out;
static struct spread_actions spread_out;

static void must(bool ok)
{
    if (!ok)
        abort();
}

static struct view *fresh_view(void)
{
    struct view *v = NULL;
    static const struct descriptor self = {.node = "self.vu", .institution = "vu"};
    struct view_event start = {
        .kind = VIEW_START, .now_ms = 1, .real_ms = 1, .random = 1, .descriptor = &self};
    must(view_new(&v, NULL) == 0 && view_step(v, &start, &view_out, NULL) == 0);
    return v;
}

static struct spread *fresh_spread(void)
{
    struct spread *s = NULL;
    struct spread_event up = {.kind = SPREAD_NEIGHBOR_UP, .node = "peer.vu", .now_ms = 1};
    must(spread_new(&s, "self.vu", NULL) == 0 && spread_step(s, &up, &spread_out, NULL) == 0);
    return s;
}

static void to_view(const struct view_message *m)
{
    struct view *v = fresh_view();
    struct view_event ev = {.kind = VIEW_MESSAGE, .real_ms = 1, .message = m};
    /* From its own subject it may make a neighbour, whose further words are then heard. */
    for (unsigned i = 0; i < 3; i++) {
        ev.now_ms = 2 + i;
        ev.random = i;
        ev.node = i < 2 ? m->who.node : "peer.vu";
        must(view_step(v, &ev, &view_out, NULL) == 0);
        must(view_defect(v) == NULL);
    }
    struct view_event tick = {.kind = VIEW_TICK, .now_ms = 100000, .real_ms = 2};
    must(view_step(v, &tick, &view_out, NULL) == 0 && view_defect(v) == NULL);
    view_free(v);
}

static void to_spread(const struct spread_message *m)
{
    struct spread *s = fresh_spread();
    struct spread_event ev = {.kind = SPREAD_MESSAGE, .node = "peer.vu", .message = m};
    int64_t real = m->row_count ? m->rows[0]->expiry_ms - 1 : 1;
    for (unsigned i = 0; i < 2; i++) {
        ev.now_ms = 1000 + i * 1000;
        ev.real_ms = real > 0 ? real : 0;
        must(spread_step(s, &ev, &spread_out, NULL) == 0);
    }
    spread_free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct disc_message *m = NULL, *again = NULL;
    struct xos_buf wire = XOS_BUF(2 * DISC_MESSAGE_BYTES_MAX);
    if (disc_message_decode(&m, (struct xos_slice){data, size}, NULL) < 0)
        return 0;
    must((m->view ? disc_message_encode_view(&wire, m->view, NULL)
                  : disc_message_encode_spread(&wire, m->spread, NULL)) == 0);
    if (wire.len <= DISC_MESSAGE_BYTES_MAX)
        must(disc_message_decode(&again, (struct xos_slice){wire.data, wire.len}, NULL) == 0);
    if (m->view)
        to_view(m->view);
    else
        to_spread(m->spread);
    disc_message_free(again);
    disc_message_free(m);
    xos_buf_free(&wire);
    return 0;
}
