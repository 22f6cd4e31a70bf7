#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2016,SC2119,SC2154
# A full disk, a damaged store, a wrong configuration, a second xosd. Were this to fail: a node
# loses jobs because a disk was full for a while, or starts on what it should not trust.
cd "$(dirname "$0")/../.." || exit 1
. tests/lib/tap.sh
. tests/lib/standalone.sh
small=
finish() {
    standalone_down
    [ -z "$small" ] || { umount "$small" && rmdir "$small"; }
}
trap finish EXIT
standalone_begin

said() { # said STATUS-GOT STATUS-WANTED PATTERN NAME
    is "$1.$(wc -l <"$work/said")" "$2.1" "$4: one line, exit $2"
    grep -q -e "$3" "$work/said"
    ok $? "$4: the line names it" || cat "$work/said"
}
start() { # start CONFIGURATION
    (as_user_exec timeout 20 "$bin/xosd" --config "$1") >"$work/said.out" 2>"$work/said"
}

# Each value that can be wrong: SECTION | KEY = VALUE | what the line names
n=0
while IFS='|' read -r section line wanted; do
    n=$((n + 1))
    printf '[%s]\n%s\n' "$section" "$line" >"$work/wrong.$n"
    chmod 644 "$work/wrong.$n"
    start "$work/wrong.$n"
    said $? 2 "$wanted" "[$section] $line"
done <<'EOT'
node|name = n1|name
node|name = N1.LOCAL|name
node|name = .local|name
node|roles = king|roles
node|cpus = many|cpus
node|cpus = 65537|cpus
node|mem = 1 parsec|mem
net|http = nowhere|http
net|http = 127.0.0.1:70000|http
net|nosuch = 1|nosuch
nosuch|key = 1|nosuch
limits|output_per_unit = 1|output_per_unit
limits|jobs_per_user = -1|jobs_per_user
limits|units_per_user = 4097|units_per_user
log|level = loud|level
EOT
start "$work/nosuch.conf"
said $? 2 nosuch.conf "a configuration that is not there"

start "$DIR/xosd.conf"
said $? 1 'jobs.db' "a second xosd on the same state"
is "$(as_user xrun -- echo on </dev/null)" on "… and the first goes on"
if [ "$(id -u)" = 0 ]; then
    "$bin/xosd" --config "$DIR/xosd.conf" >/dev/null 2>"$work/said"
    said $? 1 'never root' "xosd as root"
else
    skip "xosd as root" "needs root"
fi

again() { # again: an orderly stop of xosd before
    : >"$DIR/xosd.log"
    standalone_xosd
}
stop() {
    kill "$xosd_pid"
    wait "$xosd_pid"
}
stop
is $? 0 "xosd ends orderly"
cp -p "$DIR/state/jobs.db" "$work/whole"
size=$(wc -c <"$work/whole")
for at in 20 4200 $((size - 2000)); do # the header, the schema, the newest records
    cp -p "$work/whole" "$DIR/state/jobs.db"
    printf '\377\125\252' | dd of="$DIR/state/jobs.db" bs=1 seek="$at" conv=notrunc 2>/dev/null
    start "$DIR/xosd.conf"
    is $? 1 "a store damaged at byte $at is not started on"
    grep -q 'FATAL.*page [0-9]* of .*jobs.db does not match its checksum' "$work/said"
    ok $? "… and the page is named" || cat "$work/said"
done
cp -p "$work/whole" "$DIR/state/jobs.db"
again
is "$(as_user xrun -- echo on </dev/null)" on "the whole store is taken again"

small=$(mktemp -d /tmp/xos-small.XXXXXX)
if [ "$(id -u)" = 0 ] && mount -t tmpfs -o size=8m,mode=777 none "$small" 2>/dev/null; then
    stop
    mkdir "$small/state"
    chmod 777 "$small/state"
    cp -p "$DIR"/state/* "$small/state/"
    sed -i "s#^state = .*#state = $small/state#" "$DIR/xosd.conf"
    again
    as_user xrun -- sh -c 'sleep 3; exit 9' </dev/null &
    run=$!
    sleep 0.5
    head -c 100m /dev/zero >"$small/fill" 2>/dev/null
    as_user xrun -- true </dev/null 2>"$work/said"
    said $? 125 'disk is full' "a job while the disk is full"
    sleep 4
    kill -0 "$xosd_pid"
    ok $? "xosd lives on"
    rm "$small/fill"
    wait "$run"
    is $? 9 "the job that ran before ends with its own status"
    is "$(as_user xrun -- echo on </dev/null)" on "jobs are taken again"
    wait_for 10 standalone_empty
    ok $? "nothing is left" || standalone_units
else
    rmdir "$small"
    small=
    skip "a full disk" "needs root and a tmpfs of its own"
fi
done_testing
