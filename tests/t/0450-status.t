#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2154
# What a node says of itself: xos status, /healthz, /metrics. Were this to fail, what is wrong goes
# unnoticed, or what is well wakes an administrator.
cd "$(dirname "$0")/../.." || exit 1
. tests/lib/tap.sh
. tests/lib/sandbox.sh
trap box_down EXIT
box_up --net loopback || { echo "Bail out! no sandbox"; exit 1; }
at=$(box_address n1.inria)
sed -i "s/^http = off/http = $at:7403/" "$(box_dir n1.inria)/xosd.conf"
xos sandbox kill n1.inria && xos sandbox start n1.inria
http() { attack http "$at:7403" "$1" | sed '1,/^\r*$/d'; }
eval "$(xos sandbox env alice@inria)"

xos status >"$work/out" 2>"$work/err"
is "$? $(cat "$work/err")" "1 xos status: login: not logged in: run xos login" "without a login that is what is wrong"
xos login >/dev/null
all() { xnodes 2>/dev/null | grep -c ' up ' | grep -qx 4; }
wait_for 20 all
is "$(xos status 2>&1 >"$work/out"; echo $?)" 0 "all is well"
is "$(awk '/^(node|state|roles|user) / {$1 = ""; print}' "$work/out")" " n1.inria
 up
 head worker storage gateway
 alice@inria" "and it says what it is"
is "$(xos status --json | jq -c '[.node, .state, .federated, .nodes_up, .user, .problems]')" \
    '["n1.inria","up",true,4,"alice@inria",[]]' "also as JSON"
is "$(http /healthz)" ok "healthz"

# Only who is on the node is told.
for as in none "@$(box_dir n2.vu)/state:n2.vu"; do
    flaw=good && [ "$as" != none ] || flaw=unsigned
    attack ask "$at:7402" none "$as" node.status inria n1.inria $flaw >"$work/got" 2>&1
    grep -q '^DENIED' "$work/got"
    ok $? "from elsewhere, $flaw: refused" || cat "$work/got"
done

# Every metric of the table is there when it has something to say, with the right value.
job=$(xsub --on n1.inria -- sleep 600)
xrun --on n1.inria -- sh -c 'exit 3'
running() { http /metrics | grep -qx 'xos_jobs{state="running"} 1'; }
wait_for 20 running
ok $? "a job runs"
http /metrics >"$work/metrics"
while read -r line; do
    grep -qE "^$line\$" "$work/metrics"
    ok $? "$line"
done <<'EOT'
xos_build_info\{version="[0-9.]+"\} 1
xos_jobs\{state="queued"\} 0
xos_units\{state="running"\} 1
xos_claims 1
xos_jobs_ended_total\{reason="exited"\} 1
xos_peers\{state="up"\} 3
xos_peers\{state="down"\} 0
xos_disk_free_ratio\{path=".*"\} 0\.[0-9]+
xos_certificate_expiry_seconds\{certificate="node"\} [0-9.]+
xos_certificate_expiry_seconds\{certificate="ca"\} [0-9.]+
xos_clock_offset_seconds\{peer=".*"\} -?[0-9.e-]+
xos_queue_fill_ratio\{queue=".*"\} .*
xos_store_commit_seconds_count [1-9][0-9]*
xos_rpc_seconds_count\{verb="job.run"\} 2
xos_stream_bytes_total\{direction="in"\} [1-9].*
EOT
xkill "$job"

# What is wrong is named, by all three.
wrong() { # wrong WHAT WORD…: of `xos status` and of healthz
    what=$1
    shift
    is "$(xos status 2>&1 >"$work/out"; echo $?)" "xos status: $what: $*
1" "status: $what"
    is "$(http /healthz)" "$what: $*" "healthz: $what"
}
execd=$(cut -d' ' -f1 "$XOS_SANDBOX/pid/xos-execd.n1.inria")
kill -9 "$execd"
dead() { ! kill -0 "$execd"; }
wait_for 10 dead
wrong xos-execd "nobody answers at $(box_dir n1.inria)/execd/socket: no unit can be started: is xos-execd running?"

# A disk that is too full, by what [limits] calls that.
xos sandbox kill n1.inria
sed -i '/^\[limits\]/a spool_min_free = 100%' "$(box_dir n1.inria)/xosd.conf"
grep -q spool_min_free "$(box_dir n1.inria)/xosd.conf" ||
    printf '[limits]\nspool_min_free = 100%%\n' >>"$(box_dir n1.inria)/xosd.conf"
xos sandbox start n1.inria
xos status >"$work/out" 2>"$work/err"
grep -q '^xos status: disk: .* below 100 % (spool_min_free) no new unit is taken: make room$' "$work/err"
ok $? "a full disk"
xrun -- true 2>"$work/err"
is "$? $(grep -c spool_min_free "$work/err")" "125 1" "takes no new job"
http /metrics | grep -q '^xos_limits_reached_total{limit="spool_min_free"} [1-9]'
ok $? "which is counted"
XOS_SOCKET=$work/none xos status 2>"$work/err"
is "$? $(wc -l <"$work/err")" "1 1" "no xosd"
xos status much 2>"$work/err"
is $? 2 "a wrong word"
box_down
done_testing
