#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2016,SC2034,SC2119,SC2154
# A clean stop of xosd with a job and a client on it. Were this to fail, an upgrade ends jobs, or the
# daemon forgets what it holds. Runs the sanitized xosd where there is one: that one also says what it
# leaked.
cd "$(dirname "$0")/../.." || exit 1
. tests/lib/tap.sh
[ ! -x "${B:-build}/asan/bin/xosd" ] || { XOS_EXEC_BIN=$PWD/${B:-build}/bin B=${B:-build}/asan; }
export ASAN_OPTIONS=detect_leaks=1
. tests/lib/standalone.sh
trap standalone_down EXIT
standalone_begin
is "$(as_user xrun -- echo hello </dev/null)" hello "a job before"
as_user xrun -- sh -c 'echo begun; sleep 3; echo done; exit 5' </dev/null >"$DIR/out" &
client=$!
wait_for 10 grep -q begun "$DIR/out"
ok $? "a job that runs"
kill -TERM "$xosd_pid"
wait "$xosd_pid"
is $? 0 "xosd ends with 0"
! grep -q -e Sanitizer -e 'runtime error' "$DIR/xosd.log"
ok $? "… and has nothing to confess"
[ "$tap_failed" = 0 ] || sed 's/^/# /' "$DIR/xosd.log" | tail -n 40
: >"$DIR/xosd.log"
standalone_xosd
wait "$client"
is $? 5 "the job went on, its status arrived"
is "$(cat "$DIR/out")" "begun
done" "… and all that it said"
kill -HUP "$xosd_pid"
wait_for 10 grep -q RELOAD "$DIR/xosd.log"
ok $? "a reload"
echo 'rubbish' >>"$DIR/xosd.conf"
kill -HUP "$xosd_pid"
wait_for 10 grep -q 'RELOAD_FAILED.*xosd.conf:' "$DIR/xosd.log"
ok $? "a reload of a broken file names file and line"
is "$(as_user xrun -- echo still </dev/null)" still "… and changes nothing"
done_testing
