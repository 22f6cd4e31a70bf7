#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2016,SC2119,SC2154
# Many jobs, one after the other and at once. Were this to fail: a node fills up with what past
# jobs left behind, xosd grows with every job, or a status is another job's.
cd "$(dirname "$0")/../.." || exit 1
. tests/lib/tap.sh
. tests/lib/standalone.sh
trap standalone_down EXIT
standalone_begin

full=20000 size=${XOS_TEST_SIZE:-1}
jobs=$((full * size / 100))
descriptors() { find "/proc/$xosd_pid/fd" -mindepth 1 | wc -l; }
rss() { awk '/VmRSS/ {print int($2 / 1024)}' "/proc/$xosd_pid/status"; }

as_user xrun -- true </dev/null
wait_for 10 standalone_empty
before=$(descriptors)
rest=$(rss)
[ "$rest" -le 20 ]
ok $? "xosd at rest holds no more than 20 MB ($rest MB)"

cat >"$work/one" <<'EOT'
xrun -- sh -c "exit $(($1 % 7))" </dev/null 2>>"$2/err"
got=$?
[ $got = $(($1 % 7)) ] || echo "job $1: $got" >>"$2/bad"
EOT
as_user sh -c 'seq "$1" | xargs -P 64 -I{} sh "$0/one" {} "$0"' "$work" "$jobs"
ok $? "$jobs jobs, 64 at once"
is "$(head -n 5 "$work/bad" 2>/dev/null)" "" "every status was its own job's"
is "$(head -n 5 "$work/err" 2>/dev/null)" "" "nothing was said"

wait_for 20 standalone_empty
ok $? "no directory, ledger entry, scratch or process is left" || standalone_units
is "$(find "$DIR/spool" -name 'local-*' | wc -l)" $((jobs + 1)) "every job's output is kept"
is "$(descriptors)" "$before" "xosd holds as many descriptors as before"
[ "$(rss)" -le 32 ]
ok $? "xosd has not grown beyond 32 MB ($(rss) MB)"
standalone_down
done_testing
