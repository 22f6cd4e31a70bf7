#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2016,SC2119,SC2154
# kill -9 of xosd while jobs run. Were this to fail: a crash of the daemon loses a job, runs it
# twice, or loses or repeats a byte of what it says.
cd "$(dirname "$0")/../.." || exit 1
. tests/lib/tap.sh
. tests/lib/standalone.sh
trap standalone_down EXIT
standalone_begin

rounds=$((${XOS_TEST_SIZE:-1} >= 10 ? 10 : 3))
jobs=20
for round in $(seq "$rounds"); do
    pids=
    for j in $(seq $jobs); do
        as_user xrun -- sh -c '
            echo start >>"$1.started"
            for i in $(seq 40); do echo "$i"; sleep 0.05; done
            exit $2' job "$work/$round.$j" "$((j + 10))" \
            >"$work/$round.$j.out" 2>"$work/$round.$j.err" </dev/null &
        pids="$pids $!"
    done
    sleep 1
    kill -9 "$xosd_pid" 2>/dev/null
    wait "$xosd_pid" 2>/dev/null
    : >"$DIR/xosd.log"
    standalone_xosd
    good=0 once=0 whole=0 j=0
    for pid in $pids; do
        j=$((j + 1))
        wait "$pid"
        [ $? = $((j + 10)) ] && good=$((good + 1))
        [ "$(wc -l <"$work/$round.$j.started")" = 1 ] && once=$((once + 1))
        [ "$(cat "$work/$round.$j.out")" = "$(seq 40)" ] && whole=$((whole + 1))
    done
    is "$good" $jobs "round $round: every exit status arrived"
    is "$once" $jobs "round $round: every job ran once"
    is "$whole" $jobs "round $round: every byte came, none twice"
done
standalone_down
done_testing
