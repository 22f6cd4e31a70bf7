#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2154
# [limits]: what is kept for long and then goes, and how much one may have. Were this to fail, a node
# fills its disk with what nobody wants, forgets what somebody does, or serves one user alone.
cd "$(dirname "$0")/../.." || exit 1
. tests/lib/tap.sh
. tests/lib/standalone.sh
trap standalone_down EXIT
standalone_begin

for i in 1 2 3; do as_user xrun -- sh -c "echo out $i"; done >/dev/null </dev/null
kept=$(as_user xsub -- sleep 1000)
spools() { find "$DIR/spool" -mindepth 1 -maxdepth 1 ! -name .trash | wc -l; }
jobs() { as_user xps 1 2 3 2>/dev/null | awk 'NR > 1' | wc -l; }
is "$(spools) $(jobs)" "4 3" "three jobs have ended, one runs"

# limits OUTPUT HISTORY: changed while it runs
limits() {
    sed -i '/^output_kept\|^history/d' "$DIR/xosd.conf"
    grep -q '^\[limits\]' "$DIR/xosd.conf" || echo '[limits]' >>"$DIR/xosd.conf"
    sed -i "/^\\[limits\\]/a output_kept = $1\\nhistory = $2" "$DIR/xosd.conf"
    kill -HUP "$xosd_pid"
}
limits 1h 1h
sleep 2.5
is "$(spools) $(jobs)" "4 3" "all is young enough"
limits 1s 1h
gone() { [ "$(spools)" = 1 ]; }
wait_for 20 gone
is "$(spools) $(jobs)" "1 3" "old output goes, the job is still known"
as_user xlog 2 >"$work/out" 2>"$work/err"
is "$? $(grep -c "not kept any more" "$work/err")" "1 1" "xlog says that it is gone"
limits 1s 1s
forgotten() { [ "$(jobs)" = 0 ]; }
wait_for 20 forgotten
ok $? "old jobs are forgotten"
is "$(as_user xps "$kept" --json | jq -r '.[0].state')" running "what runs is not"
as_user xkill "$kept"
ended() { as_user xwait -t 5 "$kept" >/dev/null 2>&1; [ $? = 143 ]; }
wait_for 10 ended
sleep 2.5
kill -9 "$xosd_pid"
wait "$xosd_pid" 2>/dev/null
standalone_xosd
wait_for 10 as_user xrun -- true
is "$(as_user xsub -- true)" local-6 "no number is given twice, whatever was forgotten"

# So many live jobs and no more; those that are over, and a restart, change nothing about that.
sed -i '/^\[limits\]/a jobs_per_user = 2' "$DIR/xosd.conf"
kill -HUP "$xosd_pid"
refused() { as_user xsub -- true >"$work/out" 2>"$work/err"; [ $? = 1 ] && grep -q 'jobs_per_user: .* has 2 live jobs' "$work/err"; }
first=$(as_user xsub -- sleep 1000) second=$(as_user xsub -- sleep 1000)
wait_for 10 refused
ok $? "the third is refused by the limit's name"
kill -9 "$xosd_pid"
wait "$xosd_pid" 2>/dev/null
standalone_xosd
wait_for 10 refused
ok $? "also after a restart"
as_user xkill "$first"
accepted() { as_user xrun -- true </dev/null 2>/dev/null; }
wait_for 10 accepted
ok $? "who ends one may have another"
as_user xkill "$second"
standalone_down
done_testing
