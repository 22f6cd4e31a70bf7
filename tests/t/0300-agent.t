#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The agent as a program: where it listens, what it replaces, how it ends. Were this to fail: a user
# has no agent after a crash, or two, or one that others can reach.
cd "$(dirname "$0")/../.." || exit 1
. tests/lib/tap.sh
agent=${B:-build}/bin/xos-agent
[ -x "$agent" ] || { echo "1..0 # SKIP $agent is not built"; exit 0; }
DIR=$(mktemp -d) || exit 1
pids=
# shellcheck disable=SC2329
clean() {
    for pid in $pids; do kill -9 "$pid" 2>/dev/null; done
    rm -rf "$DIR"
}
trap clean EXIT
unset XOS_AGENT
export XDG_RUNTIME_DIR="$DIR"

# The processes of $agent that were given this socket.
of_socket() {
    for cmdline in /proc/[0-9]*/cmdline; do
        if [ "$(cat "$cmdline" 2>/dev/null | tr "\\0" " ")" = "xos-agent --foreground --ready --socket $1 " ]; then
            pid=${cmdline#/proc/}
            echo "${pid%/cmdline}"
        fi
    done
}

path=$("$agent" 2>"$DIR/err")
is "$path" "$DIR/xos-agent.sock" "listens in the runtime directory"
pid=$(of_socket "$path")
pids="$pids $pid"
is "$(stat -c %a "$path")" 600 "nobody else may connect"
is "$(readlink "/proc/$pid/cwd")" / "holds no directory"
is "$(awk '/^Max core/ {print $6}' "/proc/$pid/limits")" 0 "never dumps core"
"$agent" >"$DIR/out" 2>&1
is "$? $(cat "$DIR/out")" "0 $path" "a second one leaves the first in place"
is "$(of_socket "$path" | wc -l)" 1 "and does not stay"

kill -9 "$pid"
while [ -d "/proc/$pid" ] && ! grep -q '^State:.Z' "/proc/$pid/status" 2>/dev/null; do sleep 0.05; done
is "$(stat -c %F "$path")" socket "a killed one leaves its socket"
"$agent" >/dev/null 2>&1
ok $? "which the next one replaces"
pid=$(of_socket "$path")
pids="$pids $pid"
kill "$pid"
for _ in $(seq 100); do [ -e "$path" ] || break; sleep 0.05; done
[ ! -e "$path" ]
ok $? "an orderly end removes it"
is "$(find "$DIR" -newer "$DIR/err" ! -name out ! -path "$DIR" | wc -l)" 0 "and leaves no file"

mkdir -m 777 "$DIR/open" && chmod 777 "$DIR/open"
"$agent" --socket "$DIR/open/s" >"$DIR/out" 2>&1
is "$?" 1 "a directory that others can write to is refused"
grep -q "others can write there" "$DIR/out"
ok $? "in words"
: >"$DIR/file"
"$agent" --socket "$DIR/file" >"$DIR/out" 2>&1
is "$?" 1 "a file in the way is not removed"
[ -f "$DIR/file" ]
ok $? "it is still there"
"$agent" --socket relative/s >/dev/null 2>&1
is "$?" 1 "a relative path is refused"
"$agent" --no-such-option >/dev/null 2>&1
is "$?" 2 "usage is status 2"
done_testing
