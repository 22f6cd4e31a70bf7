#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2016,SC2154
# A federation on one machine, and what may happen to it; XOS_TEST_NET: up's --net. Were this to fail: a newcomer's first
# command does nothing, or leaves processes behind; a lost node takes a job with it.
cd "$(dirname "$0")/../.." || exit 1
. tests/lib/tap.sh
B=${B:-build}
case $B in /*) bin=$B/bin ;; *) bin=$PWD/$B/bin ;; esac
PATH=$bin:$PATH
export PATH
XOS_SANDBOX=$(mktemp -d /tmp/xos-box.XXXXXX) || exit 1
export XOS_SANDBOX
work=$(mktemp -d /tmp/xos-box-work.XXXXXX) && chmod 777 "$work"
other=$(mktemp -d /tmp/xos-box2.XXXXXX)
rmdir "$XOS_SANDBOX" "$other"
clean() {
    xos sandbox down >/dev/null 2>&1
    xos sandbox down --dir "$other" >/dev/null 2>&1
    rm -rf "$work" "$XOS_SANDBOX" "$other"
}
trap clean EXIT
wait_for() { # wait_for SECONDS COMMAND…
    until=$(($(date +%s) + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$(date +%s)" -lt "$until" ] || return 1
        sleep 0.1
    done
}

xos sandbox status >"$work/out" 2>&1
is "$? $(grep -c 'xos sandbox up' "$work/out")" "1 1" "without one, it says how to make one"
began=$(date +%s%N)
xos sandbox up ${XOS_TEST_NET:+--net $XOS_TEST_NET} >"$work/out" 2>&1 || { cat "$work/out" "$XOS_SANDBOX"/log/*; echo "Bail out! not up"; exit 1; }
took=$((($(date +%s%N) - began) / 1000000))
ok 0 "up in $took ms"
xos sandbox up >"$work/out" 2>&1
is "$? $(grep -c already "$work/out")" "1 1" "a second one in the same place is refused"
is "$(xos sandbox status | grep -c 'up *up')" 4 "four nodes"
[ "$(id -u)" != 0 ] || [ "${XOS_TEST_NET:-}" = loopback ] || {
    xos sandbox up --net loopbak --dir "$other" >"$work/out" 2>&1
    is "$? $(grep -c 'namespaces or loopback' "$work/out")" "2 1" "an unknown network"
    net=$(jq -r .net "$XOS_SANDBOX/sandbox.json")
    is "$(ip -n "$net.n1.inria" -o -4 addr show eth0 | grep -c '10\.76\.0\.1/')" 1 "a node has its own network"
}
is "$(xos sandbox env nobody@inria 2>&1 >/dev/null | grep -c 'nobody@inria is nobody here: name alice@inria or bob@vu')" 1 "an unknown user"
is "$(xos sandbox cut inria vuu 2>&1 | grep -c 'vuu is neither')" 1 "a cable to nobody"
is "$(xos sandbox env alice@inria --node n9.vu 2>&1 >/dev/null | grep -c 'no such node')" 1 "an unknown node"
xos sandbox stauts >"$work/out" 2>&1
is "$? $(grep -c 'did you mean status' "$work/out")" "2 1" "a mistyped verb"

eval "$(xos sandbox env alice@inria)"
xrun -- true 2>"$work/err"
is "$? $(cat "$work/err")" "125 xrun: not logged in: run xos login" "nothing runs before the login"
xos login >"$work/out" 2>&1
is "$? $(grep -c vo:demo@inria "$work/out")" "0 1" "xos login"
is "$(xos whoami --json | grep -c 'alice@inria')" 1 "xos whoami"
is "$(xnodes --json | grep -c '"name": ')" 4 "xnodes sees all of them"
is "$(xnodes --need 'institution=="vu"' --json | grep -c '"name": ')" 2 "and finds those that meet a need"
xnodes --need 'cpu.cores>999' >/dev/null 2>&1
is $? 1 "none does"

xrun -- sh -c 'exit 7'
is $? 7 "the status of a job"
is "$(xrun -n 8 -- sh -c 'echo $XOS_NODE' | sort -u | wc -l)" 4 "units on all nodes of both institutions"
is "$(xrun -n 4 --on n2.inria,n2.vu -- sh -c 'echo $XOS_NODE' | sort -u | tr '\n' ' ')" "n2.inria n2.vu " "on a list of nodes"
xrun --on n7.vu -- true 2>"$work/err"
is "$? $(tail -n 1 "$work/err" | grep -c 'n7.vu: no such node')" "125 1" "an unknown node is named"
xrun --mem 900GiB -- true 2>"$work/err"
is "$? $(tail -n 1 "$work/err" | grep -c '1 unit of 1 CPU, 900GiB on 4 nodes')" "125 1" "what nobody has is said as it was typed" || cat "$work/err"
is "$(echo hi | xrun --on n2.vu -- cat)" hi "standard input to another institution's node"
xrun --on n2.vu -- nosuch 2>/dev/null
is $? 127 "no such command there"
head -c 20000000 /dev/urandom >"$work/bytes"
xrun --on n2.vu -- cat <"$work/bytes" | cmp - "$work/bytes"
ok $? "20 MB both ways, unharmed"

# A preference ranks the nodes that meet the need.
fills=$(xsub -c 40 --on n2.vu -- sleep 100)
fuller() { [ "$(xnodes --json | jq '.[] | select(.name=="n2.vu").attributes["cpu.free"]')" = 24 ]; }
wait_for 20 fuller
is "$(xrun --prefer '0 - cpu.free' -- sh -c 'echo $XOS_NODE')" n2.vu "where least is free"
is "$(xrun -n 3 --prefer cpu.free -- sh -c 'echo $XOS_NODE' | grep -c n2.vu)" 0 "where most is free"
xkill "$fills"

# bob's jobs are his own.
(eval "$(xos sandbox env bob@vu --node n2.inria)" && xos login >/dev/null 2>&1 &&
    xsub -- sleep 100) >"$work/bob" 2>"$work/err"
is "$(cut -d- -f1 "$work/bob")" vu "bob's jobs are owned by his home, whatever node he sits at" || cat "$work/err"
xkill "$(cat "$work/bob")" 2>"$work/err"
is "$? $(grep -c 'no live job' "$work/err")" "1 1" "alice cannot end bob's"
is "$(xps | grep -c "$(cat "$work/bob")")" 0 "nor see it"

# An administrator empties a node; what runs there runs on, also over a restart.
runs=$(xsub --on n2.inria -- sh -c 'sleep 4; exit 3')
wait_for 10 sh -c "xps '$runs' | grep -q running"
xos node drain n2
is $? 0 "xos node drain"
state_is() { [ "$(xnodes --json | jq -r '.[] | select(.name=="n2.inria").state')" = "$1" ]; }
wait_for 10 state_is draining
ok $? "others see that it drains"
is "$(xrun -n 3 -- sh -c 'echo $XOS_NODE' | grep -c n2.inria)" 0 "and give it nothing new"
xrun --no-wait --on n2.inria -- true 2>"$work/err"
is "$? $(grep -c node-lost "$work/err")" "125 0" "who will not wait is told so, and not that something was lost"
xos sandbox kill n2.inria && xos sandbox start n2.inria
xwait "$runs" 2>/dev/null
is $? 3 "what it had runs to its end"
wait_for 10 state_is drained
ok $? "then it is drained, a kill -9 of xosd notwithstanding"
xos node drain n1.vu 2>"$work/err"
is "$? $(grep -c 'no rule allows it' "$work/err")" "1 1" "another institution's is not alice's to drain"
xos node resume n2.inria
wait_for 10 state_is up
is "$(xrun --on n2.inria -- echo back)" back "it takes units again"

# A node is lost: what must never run twice runs elsewhere.
xsub --requeue --on n1.vu --on n2.vu -- sh -c 'while :; do echo "$XOS_NODE" >>"$0"; sleep 0.5; done' \
    "$work/where" >"$work/job"
wait_for 10 test -s "$work/where"
lost=$(tail -n 1 "$work/where")
xos sandbox lose "$lost"
moved() { [ "$(tail -n 1 "$work/where")" != "$lost" ]; }
began=$(date +%s)
wait_for 25 moved
ok $? "lost with $lost, it runs again"
took=$(($(date +%s) - began))
[ $took -le 15 ]
ok $? "within 15 s ($took s)"
is "$(sort -u "$work/where" | wc -l)" 2 "on one other node"
xos sandbox start "$lost" 2>"$work/err"
ok $? "the node comes back" || cat "$work/err"
xkill "$(cat "$work/job")"
xwait "$(cat "$work/job")"

# kill -9 of the owner's xosd: nothing is lost.
xrun --on n2.inria -- sh -c 'sleep 3; echo kept; exit 5' >"$work/out" 2>/dev/null &
pid=$!
sleep 1
xos sandbox kill n1.inria
xos sandbox start n1.inria
wait $pid
is "$? $(cat "$work/out")" "5 kept" "a job outlives its owner's xosd"

# The owner's whole machine is lost, and comes back.
kept=$(xsub --on n2.vu -- sh -c 'sleep 4; exit 6')
here=$(xsub --on n1.inria -- sleep 100)
wait_for 10 sh -c "xps '$here' | grep -q running"
xos sandbox lose n1.inria
xos sandbox start n1.inria
ok $? "a lost head starts again"
is "$(xos whoami --json | grep -c 'alice@inria')" 1 "who was logged in still is"
xwait "$kept"
is $? 6 "what ran elsewhere has its status"
xwait "$here" 2>/dev/null
is "$(xps "$here" --json | jq -r '.[0].units[0].reason')" shim-lost "what ran there is lost, and says so"

# A cut: both sides go on, and meet again.
xos sandbox cut inria vu
is "$(xos sandbox status | grep -c '^cut')" 1 "cut"
xrun --on n2.inria -- true
is $? 0 "this side works"
xos sandbox heal
wait_for 30 xrun --on n2.vu -- true
ok $? "healed"

xos sandbox up --dir "$other" --institutions cern --nodes 1 >"$work/out" 2>&1
ok $? "another one beside it" || cat "$work/out"
xos sandbox down --dir "$other"
is "$(xos sandbox status | grep -c 'up *up')" 4 "whose end leaves the first alone"
net=$(jq -r .net "$XOS_SANDBOX/sandbox.json")
xos sandbox down
is "$?" 0 "down"
is "$(find /run/netns -name "${net:-none}.*" 2>/dev/null)" "" "no network namespace is left"
[ ! -e "$XOS_SANDBOX" ]
ok $? "no file is left"
left=$(pgrep -f "$XOS_SANDBOX" | while read -r p; do grep -q '^State:.Z' "/proc/$p/status" 2>/dev/null || echo "$p"; done)
is "$left" "" "no process is left"
done_testing
