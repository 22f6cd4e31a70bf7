#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2016,SC2119,SC2154
# A command on a node: its status, its streams, its environment. Were this to fail, nothing that a
# user types into xrun could be trusted.
cd "$(dirname "$0")/../.." || exit 1
. tests/lib/tap.sh
. tests/lib/standalone.sh
trap standalone_down EXIT
standalone_begin

# status WANTED NAME COMMAND…
status() {
    wanted=$1 name=$2
    shift 2
    as_user xrun -- "$@" </dev/null >"$work/out" 2>"$work/err"
    is $? "$wanted" "$name"
}

status 0 "true is 0" true
status 7 "the job's own status" sh -c 'exit 7'
status 137 "128 and the signal" sh -c 'kill -9 $$'
status 143 "128 and TERM" sh -c 'kill -TERM $$'
status 127 "a command that is not there" nosuch
is "$(wc -l <"$work/err")" 1 "… says so in one line"
grep -q -- --in "$work/err" && grep -q -- --cwd "$work/err"
ok $? "… and names --in and --cwd"
status 126 "a command that cannot be executed" /etc/passwd

is "$(echo hi | as_user xrun -- cat)" hi "input comes through"
is "$(as_user xrun -- sh -c 'echo out; echo err >&2' 2>/dev/null </dev/null)" out "output alone"
is "$(as_user xrun -- sh -c 'echo out; echo err >&2' 2>&1 >/dev/null </dev/null)" err "errors alone"
as_user xrun -n 4 -- sh -c 'echo $XOS_UNIT of $XOS_UNITS' </dev/null | sort >"$work/four"
is "$(cat "$work/four")" "0 of 4
1 of 4
2 of 4
3 of 4" "four units"
is "$(as_user xrun -n 2 -l -- sh -c 'echo x' </dev/null | sort)" "0: x
1: x" "labels"
is "$(as_user xrun -n 3 -- sh -c 'exit $XOS_UNIT' </dev/null; echo $?)" 2 "the highest status wins"
is "$(as_user xrun -- sh -c 'echo $XOS_NODE $XOS_INSTITUTION ${HOME##*/} $TMPDIR' </dev/null |
    awk '{print $1, $2, ($4 != "")}')" "n1.local local 1" "the environment"
is "$(as_user xrun --env A=b -- sh -c 'echo $A' </dev/null)" b "--env"

for i in 0 1; do echo "in $i" >"$work/in.$i"; done
chmod 644 "$work"/in.*
as_user xrun -n 2 --stdin "$work/in.%u" --stdout "$work/out.%u" -- cat
is "$(cat "$work/out.0" "$work/out.1")" "in 0
in 1" "files for every unit"

is "$(as_user xrun --need 'cpu.cores>=1000000' -- true </dev/null 2>/dev/null; echo $?)" 125 \
    "a need that no node meets"
is "$(as_user xrun --need 'cpu.coers>=1' -- true </dev/null 2>"$work/err"; echo $?)" 2 \
    "a need that is no expression"
grep -q cpu.cores "$work/err"
ok $? "… names the nearest attribute"
is "$(as_user xrun --nosuch -- true </dev/null 2>/dev/null; echo $?)" 2 "an unknown option"

# 100 MB in both directions at once.
head -c 100000000 /dev/urandom >"$work/big" && chmod 644 "$work/big"
sum=$(sha256sum <"$work/big")
(as_user xrun -- cat <"$work/big" | sha256sum >"$work/sum"; : >"$work/over") &
reader=$!
while [ ! -e "$work/over" ]; do # what each process has needed so far, in MB
    for p in $(pgrep -u "$(stat -c %u "/proc/$xosd_pid")" '^(xos|xrun)'); do
        awk '/^Name/ {name = $2} /^VmHWM/ {print name, int($2 / 1024)}' "/proc/$p/status" 2>/dev/null
    done >>"$work/peaks"
    sleep 0.1
done
wait "$reader"
is "$(cat "$work/sum")" "$sum" "100 MB through cat"
for name in xosd xos-execd xos-shim xos-init xrun; do
    peak=$(awk -v name="$name" '$1 == name && $2 >= most {most = $2; seen = 1} END {print seen ? most : 999}' "$work/peaks")
    [ "$peak" -le 64 ]
    ok $? "$name stayed below 64 MB ($peak MB)"
done

standalone_down
done_testing
