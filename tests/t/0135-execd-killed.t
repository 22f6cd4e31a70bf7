#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2016,SC2119,SC2154
# kill -9 of xos-execd in a loop while jobs start and end. Were this to fail: a job whose start was
# interrupted is reported lost, or runs twice.
cd "$(dirname "$0")/../.." || exit 1
. tests/lib/tap.sh
. tests/lib/standalone.sh
trap standalone_down EXIT
standalone_begin

full=3000 size=${XOS_TEST_SIZE:-1}
jobs=$((full * size / 100 > 100 ? full * size / 100 : 100))
cat >"$work/one" <<'EOT'
xrun -- sh -c 'echo ran >>"$0"; exit $1' "$2/ran.$1" $(($1 % 7)) </dev/null 2>>"$2/err"
got=$?
[ $got = $(($1 % 7)) ] || echo "job $1: $got" >>"$2/bad"
[ "$(wc -l <"$2/ran.$1")" = 1 ] || echo "job $1 did not run once" >>"$2/bad"
EOT
as_user sh -c 'seq "$1" | xargs -P 8 -I{} sh "$0/one" {} "$0"' "$work" $jobs &
all=$!
kills=0
while kill -0 $all 2>/dev/null; do
    sleep 0.0$((kills % 9 + 1))
    kill -9 "$execd_pid" 2>/dev/null
    wait "$execd_pid" 2>/dev/null
    rm -f "$RUN/execd/socket"
    standalone_execd
    kills=$((kills + 1))
done
wait $all
is "$(head -n 5 "$work/bad" 2>/dev/null)" "" "$jobs jobs, $kills kills: each ran once, with its status"
is "$(head -n 5 "$work/err" 2>/dev/null)" "" "nothing was said"
wait_for 20 standalone_empty
ok $? "nothing is left" || standalone_units
standalone_down
done_testing
