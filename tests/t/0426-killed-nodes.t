#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2016,SC2119,SC2154
# kill -9 of any xosd of a federation while jobs run: of the owner, of a worker, of the node at which
# the client sits. Were this to fail: a crash loses a job, runs it twice, leaves it behind, or loses
# or repeats a byte of what it says.
cd "$(dirname "$0")/../.." || exit 1
. tests/lib/tap.sh
. tests/lib/sandbox.sh
trap box_down EXIT
box_up || { echo "Bail out! no sandbox"; exit 1; }
eval "$(xos sandbox env alice@inria)"
xos login >/dev/null 2>&1
rounds=$((${XOS_TEST_SIZE:-1} >= 100 ? 20 : ${XOS_TEST_SIZE:-1} >= 10 ? 6 : 2))
jobs=20

# The nodes by turns, each as soon as the one before is back.
victims="n1.inria n2.vu n2.inria n1.vu"
left() { # what ended units must not leave: directories, ledger entries, scratch, shims
    find "$XOS_SANDBOX"/*/n*/execd/units "$XOS_SANDBOX"/*/n*/scratch -mindepth 1 -maxdepth 1 ! -name '.*' 2>/dev/null
    pgrep -f 'xos-(shim|init) inria-' | while read -r p; do
        find "/proc/$p/cwd" "/proc/$p/fd" -type l -printf '%l\n' 2>/dev/null | grep -q "^$XOS_SANDBOX" && echo "process $p"
    done
}
clean() { [ -z "$(left)" ]; }

for round in $(seq "$rounds"); do
    pids=
    for j in $(seq $jobs); do
        [ $((j % 2)) = 0 ] && XOS_SOCKET=$(box_dir n1.inria)/run/xosd.sock || XOS_SOCKET=$(box_dir n2.inria)/run/xosd.sock
        export XOS_SOCKET
        xrun -- sh -c '
            echo start >>"$1.started"
            for i in $(seq 100); do echo "$i"; sleep 0.1; done
            exit $2' job "$work/$round.$j" "$((j + 10))" \
            >"$work/$round.$j.out" 2>"$work/$round.$j.err" </dev/null &
        pids="$pids $!"
    done
    wait_for 20 test -s "$work/$round.$jobs.out"
    for node in $victims; do
        xos sandbox kill "$node"
        sleep 0.5
        xos sandbox start "$node" >/dev/null 2>"$work/err" || cat "$work/err"
        sleep 0.3
    done
    good=0 once=0 whole=0 j=0
    for pid in $pids; do
        j=$((j + 1))
        wait "$pid"
        status=$?
        if [ $status = $((j + 10)) ]; then good=$((good + 1)); else echo "# job $j: $status $(cat "$work/$round.$j.err")"; fi
        [ "$(wc -l <"$work/$round.$j.started")" = 1 ] && once=$((once + 1))
        if [ "$(cat "$work/$round.$j.out")" = "$(seq 100)" ]; then whole=$((whole + 1)); else echo "# job $j: $(wc -l <"$work/$round.$j.out") lines"; fi
    done
    is "$good" $jobs "round $round: every exit status arrived"
    is "$once" $jobs "round $round: every job ran once"
    is "$whole" $jobs "round $round: every byte came, none twice"
    wait_for 20 clean
    ok $? "round $round: nothing is left" || left
done
eval "$(xos sandbox env alice@inria)"
is "$(xps -a --json | jq -r '[.[] | select(.state != "done")] | length')" 0 "no job is left in between"
box_down
done_testing
