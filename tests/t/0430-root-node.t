#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2016,SC2154
# Two users on one node whose xos-execd is root. Were this to fail: one reads, signals or traces the
# other's job, a job passes its limits, or root leaves something behind.
cd "$(dirname "$0")/../.." || exit 1
. tests/lib/tap.sh
B=${B:-build}
case $B in /*) bin=$B/bin ;; *) bin=$PWD/$B/bin ;; esac
PATH=$bin:$PATH
export PATH
[ "$(id -u)" = 0 ] || skip_all "needs root"
XOS_SANDBOX=$(mktemp -d /tmp/xos-root.XXXXXX) || exit 1
export XOS_SANDBOX
work=$(mktemp -d /tmp/xos-root-work.XXXXXX) && chmod 777 "$work"
rmdir "$XOS_SANDBOX"
clean() {
    xos sandbox down >/dev/null 2>&1
    rm -rf "$work" "$XOS_SANDBOX"
}
trap clean EXIT
wait_for() { # wait_for SECONDS COMMAND…
    until=$(($(date +%s) + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$(date +%s)" -lt "$until" ] || return 1
        sleep 0.1
    done
}

xos sandbox up --nodes 1 --net namespaces >"$work/out" 2>&1 || {
    grep -q 'may not make' "$work/out" && skip_all "$(cat "$work/out")"
    cat "$work/out" "$XOS_SANDBOX"/log/*
    echo "Bail out! not up"
    exit 1
}
net=$(jq -r .net "$XOS_SANDBOX/sandbox.json")
node=$XOS_SANDBOX/inria/n1
alice() { (eval "$(xos sandbox env alice@inria)" && "$@"); }
bob() { (eval "$(xos sandbox env bob@vu --node n1.inria)" && "$@"); }
alice xos login >/dev/null && bob xos login >/dev/null
ok $? "both are logged in"
case $(alice xnodes --json | jq -r '.[] | select(.name=="n1.inria") | .attributes.isolation') in cgroup*) true ;; *) false ;; esac
ok $? "the node says that cgroups keep units apart"

# Who runs: an own uid, the same each time, alone in its namespaces.
a=$(alice xrun --on n1.inria -- id -u) b=$(bob xrun --on n1.inria -- id -u)
[ "$a" -ge 1900000000 ] && [ "$b" -ge 1900000000 ] && [ "$a" != "$b" ]
ok $? "alice is $a, bob is $b"
is "$(alice xrun --on n1.inria -- id -u)" "$a" "and alice is that again"
is "$(alice xrun --on n1.inria -- sh -c 'ls /proc | grep -c "^[0-9]"; id -G; cat /proc/self/status | grep CapEff' | tr '\n' ' ')" \
    "4 $a CapEff:	0000000000000000 " "only its own processes, groups and no capability"
alice xrun --on n1.inria -- sh -c 'exit 7'
is $? 7 "a status"
alice xrun --on n1.inria -- nosuch 2>/dev/null
is $? 127 "no such command"
alice xrun --on n1.inria -- sh -c 'kill -9 $$'
is $? 137 "a signal"
alice xrun --on n1.inria --mem 64MiB -- perl -e '$x = "a" x 200_000_000' 2>"$work/err"
is "$? $(grep -c oom "$work/err")" "137 1" "more memory than it asked for"

# bob against alice. What the node's paths are he may well know.
cat >"$work/secret" <<'EOT'
umask 0; echo tell-nobody >"$HOME/secret"; chmod 777 "$HOME"; echo "$HOSTNAME" >/dev/shm/alice 2>/dev/null
touch "$1/ready"; sleep 300 & wait
EOT
kept=$(alice xsub --on n1.inria -- sh "$work/secret" "$work")
wait_for 15 test -e "$work/ready"
ok $? "alice's job runs"
pid=$(for p in $(grep -ls "$net-n1.inria" /proc/[0-9]*/cgroup | cut -d/ -f3); do
    [ "$(cat "/proc/$p/comm")" = sleep ] && echo "$p"
done | head -n 1)
unit=$(basename "$(echo "$node"/scratch/"$kept".*)")
cat >"$work/attack" <<'EOT'
dir=$1 unit=$2 pid=$3
try() { what=$1; shift; if "$@" >/dev/null 2>&1; then echo "BROKEN: $what"; else echo "kept: $what"; fi; }
try "her files by the node's path" cat "$dir/scratch/$unit/secret"
try "the list of units" sh -c 'ls "$1/scratch" | grep .' sh "$dir"
try "her output" cat "$dir/spool/$unit/out"
try "her control socket" sh -c 'ls "$1/execd/units" | grep .' sh "$dir"
try "the table of uids" cat "$dir/scratch/.uids"
try "the node's key" cat "$dir/state/node/key.pem"
try "signalling her process" kill -0 "$pid"
try "her process in /proc" cat "/proc/$pid/cmdline"
try "tracing her process" perl -e 'exit(syscall(101, 16, $ARGV[0], 0, 0) == 0 ? 0 : 1)' "$pid"
try "reading her memory" sh -c 'head -c 1 "/proc/$1/mem"' sh "$pid"
try "her shared memory" sh -c 'ls /dev/shm | grep .'
try "mounting" mount -t tmpfs none /mnt
try "being root" perl -e '$> = 0; exit($> == 0 ? 0 : 1)'
try "asking execd" perl -MSocket -e 'socket(S, AF_UNIX, SOCK_SEQPACKET, 0) && connect(S, pack_sockaddr_un($ARGV[0])) or exit 1' "$dir/execd/socket"
try "writing to the system" sh -c 'echo 1 >/proc/sys/kernel/panic || : >/sys/kernel/uevent_helper'
EOT
bob xrun --on n1.inria -- sh "$work/attack" "$node" "$unit" "$pid" >"$work/out" 2>&1
is "$(grep -c '^kept' "$work/out") $(grep '^BROKEN' "$work/out")" "15 " "bob reaches nothing of hers" || cat "$work/out"
bob xkill "$kept" 2>/dev/null
is $? 1 "nor by xkill"
is "$(alice xrun --on n1.inria -- sh -c 'ls -A /xos/scratch')" .xos-hosts "her own next job has a fresh scratch"

# kill -9 of xosd and of xos-execd: the unit does not notice.
xos sandbox kill n1.inria
kill -9 "$(cut -d' ' -f1 "$XOS_SANDBOX/pid/xos-execd.n1.inria")"
xos sandbox start n1.inria
ok $? "both start again"
kill -0 "$pid" 2>/dev/null
ok $? "alice's job runs on"
alice xkill "$kept"
alice xwait "$kept" 2>/dev/null
is $? 143 "and ends when she says so"
is "$(alice xrun --on n1.inria -- id -u)" "$a" "her uid outlived execd"

# xosd cannot have a unit started that nobody signed: the judge was asked each time.
is "$(grep -c 'as root nothing' "$XOS_SANDBOX"/log/xos-execd.n1.inria)" 0 "execd had a judge"

wait_for 10 sh -c "[ \"\$(find '$node/scratch' -mindepth 1 -maxdepth 1 ! -name '.*' | wc -l)\" = 0 ]"
ok $? "no scratch is left" || ls "$node/scratch"
xos sandbox down
is $? 0 "down"
is "$(find /sys/fs/cgroup -maxdepth 2 -name "$net-*" 2>/dev/null)" "" "no cgroup is left"
is "$(grep -c "$XOS_SANDBOX" /proc/mounts)" 0 "no mount is left"
left=$(grep -ls "$net-" /proc/[0-9]*/cgroup | cut -d/ -f3 | while read -r p; do
    grep -q '^State:.Z' "/proc/$p/status" 2>/dev/null || tr '\0' ' ' <"/proc/$p/cmdline"
done)
is "$left" "" "no process of a unit is left"
[ ! -e "$XOS_SANDBOX" ]
ok $? "no file is left"
done_testing
