#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2120,SC2016,SC2119,SC2154
# kill -9 of each process around a job, and stopping xosd for longer than a claim holds. Were this
# to fail: one process that dies takes jobs with it that it does not hold, or leaves a job running
# that nobody knows of.
cd "$(dirname "$0")/../.." || exit 1
. tests/lib/tap.sh
. tests/lib/standalone.sh
trap standalone_down EXIT
standalone_begin

pid_of() { # pid_of PROGRAM: of the one unit that runs
    for p in $(standalone_left); do
        case $(tr '\0' ' ' <"/proc/$p/cmdline" 2>/dev/null) in "$1"*) echo "$p" ;; esac
    done
}
begin() { # a job with a child of its own; $run is xrun, $work/pid the child
    rm -f "$work/pid"
    as_user xrun -- sh -c 'sleep 1000 & echo $! >"$0"; wait' "$work/pid" \
        </dev/null >"$work/out" 2>"$work/err" &
    run=$!
    wait_for 10 test -s "$work/pid"
}
gone() { ! kill -0 "$(cat "$work/pid")" 2>/dev/null; }
execd_again() {
    kill -9 "$execd_pid" 2>/dev/null
    wait "$execd_pid" 2>/dev/null
    rm -f "$RUN/execd/socket"
    standalone_execd
}
all_gone() { # all_gone WHAT
    wait_for 10 gone
    ok $? "$1: the unit's processes are gone"
    wait_for 10 standalone_empty
    ok $? "$1: nothing is left" || standalone_units
}

begin
kill -9 "$(pid_of xos-shim)"
wait "$run"
is $? 125 "the shim killed: 125"
grep -q shim-lost "$work/err"
ok $? "… and it says shim-lost"
all_gone "the shim killed"

begin
kill -9 "$(pid_of xos-init)"
wait "$run"
is $? 137 "the init killed: 137"
all_gone "the init killed"

begin
kill -9 "$(pid_of xos-shim)" "$xosd_pid" "$execd_pid"
execd_again
standalone_xosd_again
wait "$run"
is $? 125 "shim, xosd and execd killed at once: 125"
all_gone "all killed at once"

rm -f "$work/pid"
as_user xrun -- sh -c 'echo $$ >"$0"; sleep 1; echo on; exit 9' "$work/pid" </dev/null \
    >"$work/out" 2>"$work/err" &
run=$!
wait_for 10 test -s "$work/pid"
kill -9 "$xosd_pid" "$execd_pid"
execd_again
standalone_xosd_again
wait "$run"
is $? 9 "xosd and execd killed at once: the job ends as it would have"
is "$(cat "$work/out")" on "… with its output"
wait_for 10 standalone_empty
ok $? "… and nothing is left" || standalone_units

kill -9 "$execd_pid"
wait "$execd_pid" 2>/dev/null
rm -f "$RUN/execd/socket"
as_user xrun -- sh -c 'exit 5' </dev/null &
run=$!
sleep 3
execd_again
wait "$run"
is $? 5 "a job that is submitted while execd is away starts when it is back"

# Stopped for longer than a claim holds: fenced jobs stand still, others run through.
ticks() { # ticks NAME XRUN-OPTIONS…
    name=$1
    shift
    as_user xrun "$@" -- sh -c 'for i in $(seq 200); do echo x >>"$0"; sleep 0.1; done; exit 4' \
        "$work/$name" </dev/null >/dev/null 2>"$work/$name.err" &
}
count() { wc -l <"$work/$1"; }
ticks free
free=$!
ticks fenced --requeue
fenced=$!
wait_for 10 test -s "$work/free" -a -s "$work/fenced"
sleep 2.5
kill -STOP "$xosd_pid"
sleep 11
at=$(count fenced) free_at=$(count free)
sleep 1
is "$(count fenced)" "$at" "xosd stopped: the fenced job stands still after its deadline"
[ "$(count free)" -gt "$free_at" ]
ok $? "… the other runs on"
kill -CONT "$xosd_pid"
moved() { [ "$(count fenced)" -gt "$at" ]; }
wait_for 5 moved
ok $? "xosd goes on: the fenced job thaws"
wait "$free"
is $? 4 "the other job's status arrives"
wait "$fenced"
is $? 4 "the fenced job's status arrives"
is "$(count fenced)" 200 "the fenced job ran once, from its beginning to its end"
wait_for 10 standalone_empty
ok $? "nothing is left" || standalone_units
standalone_down
done_testing
