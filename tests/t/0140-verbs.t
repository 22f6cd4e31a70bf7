#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2016,SC2119,SC2154
# The verbs about jobs that are there: list them, read what they wrote, submit and go. Were this to
# fail, a user could not find a job again, or would miss a part of what it wrote.
cd "$(dirname "$0")/../.." || exit 1
. tests/lib/tap.sh
. tests/lib/standalone.sh
trap standalone_down EXIT
standalone_begin

# Xps
status 0 "no job at all" xps
is "$(cat "$work/out")" "ID  NAME  STATE  UNITS  NODE  AGE  EXIT  REASON" "… is a head without rows"
as_user xrun -n 2 -N "$(printf 'a\033[2Jb')" -- sh -c 'exit $((3 * XOS_UNIT))' </dev/null
is $? 3 "a job that ends with 3"
as_user xrun -N nap -- sleep 1000 </dev/null >/dev/null 2>&1 &
sleeper=$!
running() { as_user xps --json | grep -q '"running"'; }
wait_for 10 running
ok $? "a job that runs is listed"
status 0 "xps" xps
is "$(awk 'NR > 1 {print $1, $2, $3, $4, $5, $7}' "$work/out")" \
    'local-1 a\x1b[2Jb done 2 n1.local 3
local-2 nap running 1 n1.local -' "… has its columns, and no control character"
status 0 "xps -l" xps -l local-1
is "$(awk 'NR > 1 {print $1, $3, $5, $7}' "$work/out")" "local-1.0 done n1.local 0
local-1.1 done n1.local 3" "… has a line for each unit"
status 0 "a number is a job of this institution" xps 2
is "$(wc -l <"$work/out")" 2 "… and that alone"
status 0 "xps --json" xps --json 1
if command -v python3 >/dev/null; then
    is "$(python3 -c '
import json, sys, datetime
j, = json.load(sys.stdin)
for k in "submitted", "started", "ended":
    datetime.datetime.strptime(j[k], "%Y-%m-%dT%H:%M:%S.%fZ")
print(list(j), list(j["units"][1]), j["id"], j["name"], j["exit"], j["units"][1]["exit"])
' <"$work/out" 2>&1)" "['id', 'user', 'vo', 'institution', 'name', 'state', 'reason', 'submitted', \
'started', 'ended', 'exit', 'units'] ['unit', 'node', 'state', 'exit', 'reason'] local-1 \
$(printf 'a\033[2Jb') 3 3" "… has its keys"
else
    skip "… has its keys" "no python3"
fi
status 1 "a job that is not there" xps 1 local-99
is "$(cat "$work/err")" "xps: local-99: no such job, or not one of yours" "… is named"
is "$(wc -l <"$work/out")" 2 "… and the other one is listed"
status 2 "a name that is none" xps no/job
status 2 "a unit" xps local-1.0
status 2 "an option that is none" xps --jsno
grep -q -- 'did you mean --json' "$work/err"
ok $? "… and the nearest one"
status 0 "xps --help" xps --help
grep -q -- --json "$work/out"
ok $? "… names its options"

as_user xkill -KILL local-2
wait "$sleeper"

# Xsub
status 0 "xsub" xsub -n 2 -N batch -- sh -c 'sleep 0.3; echo "unit $XOS_UNIT"; exit 4'
is "$(cat "$work/out")" local-3 "… prints the id alone"
is "$(as_user xwait local-3; echo $?)" 4 "… and the job goes on to its end"
is "$(as_user xattach --no-input local-3 </dev/null 2>/dev/null | sort)" "unit 0
unit 1" "… with its output kept"
is "$(as_user xps -l 3 | awk 'NR > 1 {print $1, $2, $3, $7}')" "local-3.0 batch done 4
local-3.1 batch done 4" "… and listed"
status 0 "a job that reads" xsub -- cat
is "$(as_user xwait -t 10 local-4; echo $?)" 0 "… gets end of file"
status 2 "a need that is no expression" xsub --need 'cpu.coers>=1' -- true
grep -q cpu.cores "$work/err"
ok $? "… names the nearest attribute"
is "$(cat "$work/out")" "" "… and prints no id"
status 2 "no command" xsub
status 2 "a terminal is nothing for a batch job" xsub -it -- true
status 0 "xsub --help" xsub --help

# Xlog
status 0 "xlog of a job that ended" xlog local-3
is "$(sort "$work/out")" "unit 0
unit 1" "… is all that it wrote, whatever its status"
status 0 "xlog -l" xlog -l local-3
is "$(sort "$work/out")" "0: unit 0
1: unit 1" "… labels its lines"
status 0 "xlog of a unit" xlog local-3.1
is "$(cat "$work/out")" "unit 1" "… is that of the unit"
as_user xsub -- sh -c 'echo out; echo err >&2; while [ ! -e go ]; do sleep 0.05; done; echo end' \
    >"$work/id"
id=$(cat "$work/id")
wrote() { as_user xlog "$id" 2>&1 | grep -q err; }
wait_for 10 wrote
ok $? "what a job that runs has written is there"
status 0 "xlog of a job that runs" timeout 10 xlog "$id"
is "$(cat "$work/out") $(cat "$work/err")" "out err" "… ends with what is there, on both streams"
as_user timeout 20 xlog -f "$id" </dev/null >"$work/out" 2>"$work/err" &
follower=$!
find "$DIR/scratch" -mindepth 1 -type d -exec touch '{}/go' ';'
wait "$follower"
is $? 0 "xlog -f ends with the job"
is "$(cat "$work/out")" "out
end" "… and shows all of it"
status 1 "xlog of no job" xlog local-99
status 1 "xlog -f of no job" xlog -f local-99
status 1 "xlog of no unit" xlog local-3.2
status 2 "which job?" xlog
status 2 "xlog of no name" xlog no/job

standalone_down
done_testing
