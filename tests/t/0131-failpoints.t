#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2016,SC2119,SC2154
# xosd dies at each step of a job's life. Were this to fail: a crash at a bad moment loses a job,
# starts it twice, loses its status, or leaves a shim behind for good.
cd "$(dirname "$0")/../.." || exit 1
. tests/lib/tap.sh
. tests/lib/standalone.sh
trap standalone_down EXIT
standalone_begin

restart() { XOS_FAILPOINT=${1:-} standalone_xosd_again; }

xosd_dead() { ! kill -0 "$xosd_pid" 2>/dev/null || grep -q '^State:.Z' "/proc/$xosd_pid/status"; }

for point in head.journalled head.journalled:kill:1 head.journalled:kill:2 head.journalled:kill:3 \
    head.told head.told:kill:1 head.told:kill:2 head.told:kill:3 head.claimed head.start-sent \
    unit.saved unit.ordered unit.started unit.ended unit.end-saved unit.told unit.acked \
    unit.removed; do
    case $point in *:*) restart "$point" ;; *) restart "$point:kill" ;; esac
    rm -f "$work/started"
    # Longer than a unit whose start is not worth a report.
    as_user xrun -- sh -c 'echo once >>"$0"; echo out; sleep 0.2; exit 7' "$work/started" \
        >"$work/out" 2>"$work/err" </dev/null &
    run=$!
    wait_for 10 xosd_dead
    ok $? "$point: xosd died there"
    restart
    wait "$run"
    is $? 7 "$point: the status arrived"
    is "$(cat "$work/started")" once "$point: it ran once"
    is "$(cat "$work/out")" out "$point: its output is whole"
    wait_for 10 standalone_empty
    ok $? "$point: nothing was left behind" || standalone_units
done
standalone_down
done_testing
