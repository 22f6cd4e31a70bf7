#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2154
# Jobs that are another's: seen, read, signalled where policy lets, and not there otherwise. Were this
# to fail, users would see each other's work, or an administrator could not see what runs.
cd "$(dirname "$0")/../.." || exit 1
. tests/lib/tap.sh
. tests/lib/sandbox.sh
trap box_down EXIT
box_up --nodes 1 --net loopback || { echo "Bail out! no sandbox"; exit 1; }
alice() { (eval "$(xos sandbox env alice@inria)" && "$@" </dev/null); }
bob() { (eval "$(xos sandbox env bob@vu)" && "$@" </dev/null); }
alice xos login >/dev/null && bob xos login >/dev/null
ok $? "both are logged in"
wait_for 20 alice xrun --on n1.vu -- true
id=$(alice xsub -N hers --on n1.inria -- sh -c 'echo secret; sleep 600')
runs() { alice xps "$id" --json | jq -e '.[0].state == "running"' >/dev/null; }
wait_for 20 runs
ok $? "alice has a job"

# seen STATUS COMMAND…: bob's status, and no word of the job
seen() {
    want=$1
    shift
    bob "$@" >"$work/out" 2>"$work/err"
    is "$? $(grep -c 'secret\|hers' "$work/out")" "$want" "bob: $*"
}
seen "1 0" xps "$id"
seen "1 0" xlog "$id"
seen "1 0" xkill "$id"
seen "0 0" xps -a
bob timeout 20 xattach "$id" >"$work/out" 2>&1
is "$? $(grep -c secret "$work/out")" "125 0" "bob: xattach"

# Inria lets him see, but not touch.
rule() { # rule RULE: at inria
    echo "$1" >>"$XOS_SANDBOX/inria/policy"
    kill -HUP "$(box_pid n1.inria)"
}
rule 'allow vo:demo@inria to job.list, job.watch, unit.attach when own==no'
sees() { bob xps "$id" | grep -q hers; }
wait_for 10 sees
ok $? "a rule lets the VO's members see what is done for it"
seen "0 1" xlog "$id"
is "$(alice xps -a | awk 'NR <= 2 {print $2}' | tr '\n' ' ')" "USER alice@inria " "with -a users are a column"
seen "1 0" xkill "$id"
runs
ok $? "the job runs on"
rule 'allow bob@vu to job.signal when own==no'
kills() { bob xkill "$id" 2>"$work/err"; }
wait_for 10 kills
ok $? "and another lets him end it"
is "$(alice xwait "$id" 2>/dev/null; echo $?)" 143 "which it does"
alice xlog "$id" >/dev/null && alice xps "$id" >/dev/null
ok $? "alice needs no rule"

# The job of an institution's own user: its administrator sees it with -a alone.
is "$(alice xps --json | jq length) $(alice xps -a --json | jq length)" "2 2" "alice sees her two"
job=$(bob xsub --on n1.vu -- sleep 600)
is "$(bob xps -a --json | jq -r '.[].id')" "$job" "bob sees his at vu"

# What a VO may have in all: one job more would be too much.
conf=$(box_dir n1.vu)/xosd.conf
grep -q '^\[limits\]' "$conf" || echo '[limits]' >>"$conf"
sed -i '/^\[limits\]/a jobs_per_vo = 1' "$conf"
kill -HUP "$(box_pid n1.vu)"
refused() { bob xsub -- true >"$work/out" 2>"$work/err"; [ $? = 1 ] && grep -q 'jobs_per_vo: vo:demo@inria has 1 live jobs' "$work/err"; }
wait_for 10 refused
ok $? "the VO has as many jobs as it may have" || cat "$work/err"
bob xkill "$job"
box_down
done_testing
