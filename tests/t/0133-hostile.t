#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2016,SC2119,SC2154
# Local clients that keep no rule. Were this to fail: any process on the machine can end xosd, fill
# its memory, or do what is for nodes alone, and two clients' input is mixed into one.
cd "$(dirname "$0")/../.." || exit 1
. tests/lib/tap.sh
. tests/lib/standalone.sh
trap standalone_down EXIT
standalone_begin "[limits]
output_per_unit = 16MiB"
xosd_was=$xosd_pid

raw() { as_user perl tests/lib/rawclient "$@"; }
rss() { awk '/VmHWM/ {print int($2 / 1024)}' "/proc/$xosd_pid/status"; }
newest() { sed -n 's/.*unit=\(local-[0-9]*\)\..*/\1/p' "$DIR/xosd.log" | tail -n 1; }
stop_raw() { # by their own ids
    for p in $(standalone_left); do
        grep -aqs rawclient "/proc/$p/cmdline" && kill "$p"
    done
}

# code 3: protocol, 4: denied, 8: limit, 19: unsupported
while read -r wanted what; do
    # shellcheck disable=SC2086
    is "$(raw ask $what | cut -d' ' -f1)" "$wanted" "$what"
done <<EOT
0 job.list
19 no.such.verb
4 unit.start
4 unit.report
4 unit.signal
4 claim.grant
4 claim.hold
4 claim.release
4 job.list 00 signed
4 node.hello 00 signed
3 job.run ffffffff
3 unit.attach ffff
3 job.signal ff
8 job.run 0a00
EOT
for bytes in 0000000ddeadbeefdeadbeefdeadbeefde ffffffff00 00000000 '' 0000ffff00; do
    is "$(raw send "$bytes")" closed "bytes: \"$bytes\""
done
is "$(raw more job.list)" closed "frames behind a request"
if [ "$(id -u)" = 0 ]; then
    stranger=$((standalone_uid + 1))
    is "$(XOS_SOCKET=$RUN/xosd/xosd.sock setpriv --reuid $stranger --clear-groups \
        perl tests/lib/rawclient ask job.list | cut -d' ' -f1)" 4 "another uid is refused"
else
    skip "another uid is refused" "needs root to become another user"
fi

as_user perl tests/lib/rawclient idle 3000 30 >"$work/idle" &
wait_for 20 test -s "$work/idle"
is "$(as_user xrun -- echo on </dev/null)" on "a job runs beside $(cat "$work/idle") idle connections"
[ "$(find "/proc/$xosd_pid/fd" -mindepth 1 | wc -l)" -le 400 ]
ok $? "… of which xosd keeps few"
stop_raw
as_user prlimit --nofile=40: --pid "$xosd_pid"
as_user perl tests/lib/rawclient idle 100 3 >/dev/null
as_user prlimit --nofile=4096: --pid "$xosd_pid"
is "$(as_user xrun -- echo on </dev/null)" on "it accepts again after it was out of descriptors"

# Who does not read: a foreground client holds the job, any other loses nothing but its own time.
as_user xrun -- sh -c 'until [ -e "$0" ]; do sleep 0.1; done; head -c 100000000 /dev/zero' \
    "$work/go" </dev/null >"$work/out" &
run=$!
sleep 0.5
raw attach "$(newest)" 1 0 fs >"$work/stalled" &
wait_for 5 grep -q attached "$work/stalled"
touch "$work/go"
sleep 2
[ "$(wc -c <"$work/out")" -lt 100000000 ]
ok $? "a client that reads nothing holds the job"
stop_raw
wait "$run"
is "$?.$(wc -c <"$work/out")" 0.100000000 "… until it goes; nothing is lost"
[ "$(rss)" -le 48 ]
ok $? "xosd's memory stayed bounded ($(rss) MB)"

mkfifo "$work/older" "$work/newer" && chmod 666 "$work/older" "$work/newer"
as_user xrun -- cat <"$work/older" >"$work/out" 2>&1 &
run=$!
exec 7>"$work/older"
echo first >&7
wait_for 5 grep -q first "$work/out"
raw attach "$(newest)" 1 0 i <"$work/newer" >"$work/seen" &
exec 8>"$work/newer"
wait_for 5 grep -q attached "$work/seen"
echo second >&8
echo lost >&7
exec 7>&-
wait_for 5 grep -q second "$work/out"
echo third >&8
wait_for 5 grep -q third "$work/out"
exec 8>&-
as_user xkill "$(newest)"
wait "$run"
is "$(cat "$work/out")" "first
second
third" "two clients' input is not mixed: the newer one has it"
is "$(head -n 1 "$work/seen")" "attached at 6" "… from where the older one had come"

as_user xrun -- sh -c 'echo abc; sleep 1' </dev/null >"$work/out" &
run=$!
sleep 0.5
for from in 5000000000 9223372036854775807 18446744073709551615; do
    is "$(raw attach "$(newest)" 1 $from '')" "attached at 0" "from byte $from on there is nothing"
done
wait "$run"
is "$?.$(cat "$work/out")" 0.abc "… and the job minds none of it"
is "$(raw attach 'local-1/../../x' 1 0 '' | cut -d' ' -f1)" 2 "a path is no job"

kill -0 "$xosd_was"
ok $? "xosd lives"
wait_for 10 standalone_empty
ok $? "nothing is left" || standalone_units
standalone_down
done_testing
