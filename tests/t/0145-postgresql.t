#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2119,SC2154
# A head whose jobs lie in PostgreSQL. Were this to fail: a crash of the database loses what was
# acknowledged, or two heads start the same job.
cd "$(dirname "$0")/../.." || exit 1
. tests/lib/tap.sh
. tests/lib/standalone.sh
. tests/lib/postgres.sh
lacks=$(postgres_lacks)
[ -z "$lacks" ] || skip_all "$lacks"
clean() {
    standalone_down
    postgres_down
}
trap clean EXIT
postgres_up "/tmp/xos-pg.$$" || { cat "/tmp/xos-pg.$$"/*log; echo "Bail out! no PostgreSQL"; exit 1; }
standalone_begin "[store]
url = $PG_URL"

as_user xrun -- sh -c 'exit 7'
is $? 7 "a job's status"
is "$(as_user xrun -n 4 -- sh -c 'echo $XOS_UNIT' | sort | tr '\n' ' ')" "0 1 2 3 " "four units"

# Another head at the same database.
mkdir "$DIR/state2"
sed "s#^state = .*#state = $DIR/state2#; s#^run = $RUN/xosd#run = $DIR/state2#" "$DIR/xosd.conf" >"$DIR/second.conf"
[ "$(id -u)" != 0 ] || chown -R "$standalone_uid:$standalone_uid" "$DIR/state2"
(as_user_exec "$bin/xosd" --config "$DIR/second.conf") >"$DIR/second.log" 2>&1
is "$? $(grep -c 'another process has it' "$DIR/second.log")" "1 1" "a second one is refused in one line" || cat "$DIR/second.log"

# What was acknowledged outlives both.
kept=$(as_user xsub -- sh -c 'sleep 3; exit 5')
postgres_crash
wait_for 10 sh -c "! kill -0 $xosd_pid"
kill -9 "$xosd_pid" 2>/dev/null
wait "$xosd_pid" 2>/dev/null
postgres_start
: >"$DIR/xosd.log"
standalone_xosd
ok $? "after kill -9 of the database xosd starts again" || cat "$DIR/xosd.log"
as_user xwait "$kept"
is $? 5 "a job that ran meanwhile is there, with its status"
is "$(as_user xrun -- echo after)" after "and others run"

# Old output and old jobs go there, too.
printf '[limits]\noutput_kept = 1s\nhistory = 1s\n' >>"$DIR/xosd.conf"
kill -HUP "$xosd_pid"
gone() { [ "$(as_user xps 1 2 2>/dev/null | wc -l)" = 1 ] && ! find "$DIR/spool" -name 'local-*' | grep -q .; }
sleep 1.5
kill -HUP "$xosd_pid"
wait_for 15 gone
ok $? "what is old goes"
is "$(as_user xsub -- true)" local-5 "and no number is given twice"
clean
done_testing
