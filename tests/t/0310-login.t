#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2154
# Logging in with each kind of SSH key, held by a real ssh-agent. Were this to fail: a user is kept out
# by the kind of his key, or one gets in whose key nobody has enrolled.
cd "$(dirname "$0")/../.." || exit 1
. tests/lib/tap.sh
. tests/lib/sandbox.sh
trap box_down EXIT
box_up --institutions inria --nodes 1 --net loopback || { echo "Bail out! no sandbox"; exit 1; }
eval "$(xos sandbox env alice@inria)"
keys=$(find "$XOS_SANDBOX/inria" -name 'alice.keys')
[ -s "$keys" ]
ok $? "alice's key is enrolled"
xos login >"$work/out" 2>&1
ok $? "with it she logs in" || cat "$work/out"
xos logout
ssh-add -qD

n=0
while read -r type bits; do
    n=$((n + 1))
    ssh-keygen -q -t "$type" ${bits:+-b "$bits"} -N '' -C "key $n" -f "$work/key$n" && ssh-add -q "$work/key$n"
    xos login >"$work/out" 2>"$work/err"
    is "$? $(grep -c 'not enrolled' "$work/err")" "1 1" "$type $bits: not before it is enrolled"
    cat "$work/key$n.pub" >>"$keys"
    xos login >"$work/out" 2>"$work/err"
    ok $? "$type $bits: then she logs in" || cat "$work/err"
    xos whoami >/dev/null && xrun -- true </dev/null
    ok $? "$type $bits: and works"
    xos logout
    ssh-add -qd "$work/key$n"
done <<'EOT'
ed25519
ecdsa 256
ecdsa 384
ecdsa 521
rsa 2048
rsa 4096
EOT
xos login >"$work/out" 2>"$work/err"
is "$? $(wc -l <"$work/err")" "1 1" "without a key: one line"
ssh-keygen -q -t rsa -b 1024 -N '' -f "$work/weak" 2>/dev/null && ssh-add -q "$work/weak" &&
    cat "$work/weak.pub" >>"$keys"
xos login >"$work/out" 2>"$work/err"
is "$? $(wc -l <"$work/err")" "1 1" "an RSA key that is too short is none"
box_down
done_testing
