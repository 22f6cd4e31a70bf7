#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# More commands at once than an agent has room for. Were this to fail: a loop that starts a hundred
# jobs has some of them refused, or hang.
cd "$(dirname "$0")/../.." || exit 1
. tests/lib/tap.sh
B=${B:-build}
case $B in /*) bin=$B/bin ;; *) bin=$PWD/$B/bin ;; esac
PATH=$bin:$PATH
export PATH
XOS_SANDBOX=$(mktemp -d /tmp/xos-many.XXXXXX) || exit 1
export XOS_SANDBOX
work=$(mktemp -d /tmp/xos-many-work.XXXXXX)
rmdir "$XOS_SANDBOX"
clean() {
    xos sandbox down >/dev/null 2>&1
    rm -rf "$work" "$XOS_SANDBOX"
}
trap clean EXIT
xos sandbox up >"$work/out" 2>&1 || { cat "$work/out"; echo "Bail out! not up"; exit 1; }
eval "$(xos sandbox env alice@inria)"
xos login >/dev/null

# All of them wait for one file, so that all are there at once.
mkdir "$work/gate" && chmod 755 "$work" "$work/gate"
for i in $(seq 90); do
    (
        timeout 120 xrun -- sh -c 'until [ -e "$0/open" ]; do sleep 0.5; done; exit "$1"' "$work/gate" $((i % 50)) \
            </dev/null >"$work/$i.out" 2>"$work/$i.err"
        echo "$?" >"$work/$i.rc"
    ) &
done
until [ "$(xps --json | jq '[.[] | select(.state=="running")] | length')" = 90 ] || [ "$(date +%s)" -gt "$((${end:=$(date +%s)} + 90))" ]; do
    sleep 0.5
done
is "$(xps --json | jq '[.[] | select(.state=="running")] | length')" 90 "ninety jobs of ninety commands run"
touch "$work/gate/open"
wait
good=0
for i in $(seq 90); do [ "$(cat "$work/$i.rc")" = $((i % 50)) ] && good=$((good + 1)); done
is "$good" 90 "each command ends with its job's status" || cat "$work"/*.err | sort | uniq -c | head
done_testing
