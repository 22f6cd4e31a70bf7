#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2119,SC2154
# A node that was off until its certificate had ended. Were this to fail: whoever comes back from a
# long weekend finds nodes that an administrator must let in again, one by one.
cd "$(dirname "$0")/../.." || exit 1
. tests/lib/tap.sh
. tests/lib/sandbox.sh
trap box_down EXIT
box_up || { echo "Bail out! no sandbox"; exit 1; }
eval "$(xos sandbox env alice@inria)"
xos login >/dev/null 2>&1
cp "$box_build/tests/attack" "$work/attack" && chmod 755 "$work/attack"
for node in n2.vu n1.inria; do
    xos sandbox kill $node
    box_as "$work/attack" expire "$XOS_SANDBOX/${node#*.}/ca" "$(box_dir $node)/state" $node
    ok $? "$node is off, and its certificate ends"
done
sleep 63 # two clocks may differ by a minute
# A head renews at its own xos-ca.
xos sandbox start n1.inria
wait_for 20 grep -q CERT_ISSUED "$(box_log n1.inria)"
ok $? "a head that comes back renews" || tail -n 3 "$(box_log n1.inria)"
wait_for 120 xrun --on n2.inria -- true
ok $? "and serves"
xos sandbox start n2.vu
wait_for 60 grep -q CERT_ISSUED "$(box_log n2.vu)"
ok $? "a worker that comes back renews" || tail -n 5 "$(box_log n2.vu)"
wait_for 120 xrun --on n2.vu -- true
ok $? "and works again"
box_down
done_testing
