#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2154,SC2086
# Whoever can reach a node's ports, its local socket, or sits between a client and its node. Were this
# to fail: a stranger, a thief of one node or a hostile xosd gets what is not his, is believed, or
# keeps the others from their work.
cd "$(dirname "$0")/../.." || exit 1
. tests/lib/tap.sh
. tests/lib/sandbox.sh
trap 'kill $middle $flood 2>/dev/null; box_down' EXIT
middle='' flood=''
box_up --net loopback || { echo "Bail out! no sandbox"; exit 1; }
ATTACK_BORN=$(date +%s000)
export ATTACK_BORN
inria=$(box_address n1.inria)
log=$(box_log n1.inria)
local=$(box_dir n1.inria)/run/xosd.sock
n2vu=@$(box_dir n2.vu)/state:n2.vu n2inria=@$(box_dir n2.inria)/state:n2.inria

# The head's counters, to see that refusals are counted.
sed -i "s/^http = off/http = $inria:7403/" "$(box_dir n1.inria)/xosd.conf"
xos sandbox kill n1.inria && xos sandbox start n1.inria
counted() { attack http "$inria:7403" /metrics | awk '/^xos_refusals_total/ {n += $2} END {print n + 0}'; }

# evil is an institution whose root inria trusts; its keys are ours. cern is nobody's peer.
attack root evil >"$work/evil.der"
cp "$work/evil.der" "$XOS_SANDBOX/inria/trust/roots/evil.der"
box_ca inria --peer-add "$work/evil.der" --fingerprint "$(sha256sum <"$work/evil.der" | cut -d' ' -f1)" >/dev/null
kill -HUP "$(box_pid n1.inria)"
eval "$(xos sandbox env alice@inria)"
xos login >/dev/null 2>&1
wait_for 20 xrun -- true
ok $? "alice works"

good=0
works() { xrun -- true </dev/null 2>"$work/err" || { good=1 && cat "$work/err"; }; }

# What is asked; what the asker hears; what the node's log says. To n1.inria's bulk port.
while IFS='|' read -r what as signer verb node flaw heard logged; do
    before=$(counted)
    : >"$work/got"
    attack ask "$inria:7402" "$as" "$signer" "$verb" inria "$node" "$flaw" >"$work/got" 2>&1
    grep -q "^$heard" "$work/got" && tail -n 20 "$log" | grep -q "REFUSED.*$logged" && [ "$(counted)" -gt "$before" ]
    ok $? "$what" || { cat "$work/got"; tail -n 5 "$log"; echo "# counted $before, then $(counted)"; }
    works
done <<EOT
no certificate|none|none|job.list|n1.inria|unsigned|DENIED job.list comes from another machine|is not signed
no peer|cern:node:n1|cern:user:eve|job.list|n1.inria|good|closed|no root of cern is known here
no peer's user|none|cern:user:eve|job.list|n1.inria|good|DENIED signer|no root of cern
another root of that name|inria:node:n9|inria:user:alice|job.list|n1.inria|good|closed|the root of inria is
another root's user|none|inria:user:alice|job.list|n1.inria|good|DENIED signer|the root of inria is
an expired node|evil:node:n1:expired|evil:node:n1|unit.report|n1.inria|good|closed|code=EXPIRED
an expired user|none|evil:user:eve:expired|job.list|n1.inria|good|EXPIRED signer|code=EXPIRED
one from the future|none|evil:user:eve:future|job.list|n1.inria|good|CLOCK signer|code=CLOCK
a user as a node|evil:user:eve|evil:user:eve|job.list|n1.inria|good|closed|code=DENIED
a user's verb between nodes|none|evil:user:eve|unit.report|n1.inria|good|DENIED kind|is between nodes
a worker as a head|$n2vu|$n2vu|claim.grant|n1.inria|good|DENIED kind|asked by heads alone
a peer without a rule|none|evil:user:eve|job.list|n1.inria|good|DENIED policy|policy
replayed|$n2vu|$n2vu|unit.report|n1.inria|replay|REPLAYED|already received
another body|none|$n2vu|unit.report|n1.inria|body|DENIED the body|not the one that was signed
another signature|none|$n2vu|unit.report|n1.inria|flip|DENIED signature|signature
an old request|none|$n2vu|unit.report|n1.inria|old|EXPIRED|ended
another run|none|$n2vu|unit.report|n1.inria|boot|STALE|started again
for another node|none|$n2vu|unit.report|n2.inria|good|DENIED the request is for n2.inria|is for n2.inria
no chain|none|evil:user:eve|job.list|n1.inria|nochain|DENIED signer: count|certificates
an unknown verb|none|none|job.lsit|n1.inria|unsigned|UNSUPPORTED|unknown verb
no envelope|none|none|job.list|n1.inria|garbage|PROTOCOL|well formed
the state of xos-ca|none|none|ca.status|n1.inria|unsigned|UNSUPPORTED|unknown verb
EOT
is "$good" 0 "a job ran right after each"
is "$(attack flip "$inria:7402" none "$n2vu" unit.report inria n1.inria 100)" "0 served, 100 refused" \
    "one bit of a request, anywhere"
works

# The local socket.
while IFS='|' read -r what signer verb inst node flaw heard; do
    attack ask "$local" none "$signer" "$verb" "$inst" "$node" "$flaw" >"$work/got" 2>&1
    grep -q "^$heard" "$work/got"
    ok $? "locally: $what" || { echo "# got"; cat "$work/got"; }
    works
done <<EOT
nobody|none|job.list|inria|n1.inria|unsigned|NO_LOGIN
a stranger|cern:user:eve|job.list|inria|n1.inria|good|DENIED signer
a stranger, to another node|cern:user:eve|job.list|vu|n1.vu|good|DENIED signer
nobody, to another node|none|job.list|vu|n1.vu|unsigned|NO_LOGIN
replayed|$n2vu|unit.report|inria|n1.inria|replay|REPLAYED
to nobody|cern:user:eve|job.list|cern|-|good|UNAVAILABLE
garbage|none|job.list|inria|n1.inria|garbage|PROTOCOL
EOT

# The overlay.
while IFS='|' read -r what kind as outcome logged; do
    before=$(counted)
    is "$(attack overlay "$inria:7401" $kind "$as" "$(box_dir n1.inria)/state" n1.inria)" "$outcome" "overlay: $what"
    [ -z "$logged" ] || { wait_for 5 grep -q "PEER_REFUSED reason=$logged" "$log" && [ "$(counted)" -gt "$before" ]; }
    ok $? "… and it is named and counted"
    works
done <<EOT
no CURVE|null|none|refused|handshake
a key that nobody knows|curve|none|refused|unknown-key
a node's own|curve|$n2vu|in|
EOT

# A node that was taken back is no one any more.
box_ca vu --revoke xos://vu/node/n2 >/dev/null
for i in inria vu; do box_publish vu $i; done
attack ask "$inria:7402" "$n2vu" "$n2vu" unit.report inria n1.inria good >"$work/got" 2>&1
is "$(cut -d: -f1 "$work/got")" closed "a revoked node does not come in" || { echo "# got"; cat "$work/got"; }
attack ask "$inria:7402" none "$n2vu" unit.report inria n1.inria good >"$work/got" 2>&1
is "$(grep -c '^DENIED signer: .*revoked' "$work/got")" 1 "nor does its word count" || { echo "# got"; cat "$work/got"; }
is "$(attack overlay "$inria:7401" curve "$n2vu" "$(box_dir n1.inria)/state" n1.inria)" refused "nor its overlay key"
works
is "$good" 0 "all that time alice's jobs ran"

# Floods. Each holds what it can for some seconds; alice's jobs run meanwhile.
for kind in nothing garbage slow tls; do
    count=3000
    [ $kind = tls ] && count=400
    attack flood "$inria:7402" $kind $count 6 >"$work/flood" 2>&1 &
    flood=$!
    sleep 1
    began=$(date +%s)
    fine=0
    for _ in 1 2 3; do xrun --on n1.vu -- true </dev/null 2>>"$work/err" || fine=1; done
    xrun --on n2.inria -- true </dev/null 2>>"$work/err" || fine=1
    fds=$(find "/proc/$(box_pid n1.inria)/fd" -mindepth 1 | wc -l)
    [ $fine = 0 ] && [ "$fds" -le 1000 ]
    ok $? "$count connections that bring $kind: four jobs in $(($(date +%s) - began)) s, $fds descriptors" || cat "$work/err"
    wait $flood
    echo "# $(cat "$work/flood")"
done
flood=''
attack http "$inria:7403" /metrics | grep -q '^xos_limits_reached_total{limit="half_open_source_max"} [1-9]'
ok $? "the limit that they met is named and counted"
[ "$(wc -c <"$log")" -le 2000000 ]
ok $? "the log stayed small ($(wc -c <"$log") bytes)"
[ "$(awk '/VmHWM/ {print int($2 / 1024)}' "/proc/$(box_pid n1.inria)/status")" -le 400 ]
ok $? "and so did memory"

# A hostile xosd in front of the client: nothing that it says is believed.
while IFS='|' read -r what verb way signer said; do
    attack middle "$work/middle" "$local" "$verb" $way "$signer" &
    middle=$!
    wait_for 5 test -S "$work/middle"
    [ $way = swap ] && XOS_SOCKET=$work/middle xsub -- true </dev/null >/dev/null 2>&1
    XOS_SOCKET=$work/middle xsub -- true </dev/null >"$work/got" 2>"$work/err"
    is "$? $(cat "$work/got")" "1 " "$what"
    grep -q "$said" "$work/err"
    ok $? "… $(cut -c1-150 "$work/err")"
    kill $middle && wait $middle 2>/dev/null
    rm -f "$work/middle"
done <<EOT
a worker answers for its institution's head|job.run|itself|$n2inria|is no head of it
a worker answers in the head's name|job.run|another|$n2inria|in the name of n1.inria
another institution's node|job.run|itself|evil:node:n1|answers for inria\|no root
a node that nobody knows|job.run|itself|cern:node:n1|no root of cern
nobody's signature|job.run|unsigned|none|not signed
a bit of the answer|job.run|flip|none|signed\|signature\|certificate
the answer to something else|job.run|swap|none|another request
"I stand alone"|node.hello|unsigned|none|you are logged in
EOT
middle=''
works
is "$good" 0 "the real one is believed"

# A hostile xosd at xos-ca.
cp "$box_build/tests/attack" "$work/attack" && chmod 755 "$work/attack"
token=$(box_ca inria --token n8.inria --roles worker,storage | grep -o 'xosj1-[0-9a-f]*')
attack_ca() { box_as "$work/attack" ca "$XOS_SANDBOX/$1/ca.sock" "$2" "$3" "$4" "$5" 2>&1; }
while IFS='|' read -r what inst case as node with heard; do
    [ "$with" = token ] && with=$token
    attack_ca "$inst" "$case" "$as" "$node" "$with" >"$work/got"
    grep -q "^$heard" "$work/got"
    ok $? "xos-ca: $what" || { echo "# got"; cat "$work/got"; }
done <<EOT
a join without a token|inria|join-no-token|evil:node:x|n8.inria|-|DENIED join: token
with another node's name|inria|join-name|evil:node:x|n8.inria|token|DENIED join: token
with more roles|inria|join-head|evil:node:x|n8.inria|token|DENIED join: token
the token's own|inria|join|evil:node:x|n8.inria|token|given
a used token|inria|join|evil:node:x|n8.inria|token|DENIED join: token
a revoked node renews|vu|renew|$n2vu|-|-|DENIED renewal: chain: revocation
another node's name in a renewal|inria|renew-name|$n2inria|-|-|DENIED renewal
a login with a key of nobody|inria|login|evil:node:x|-|-|DENIED login: SSH key
a login with a stale nonce|inria|login-stale|evil:node:x|-|-|[A-Z]* login: nonce
attributes for no member|inria|attr|evil:user:eve|-|-|DENIED
attributes for a node|inria|attr|$n2inria|-|-|DENIED
a job's certificate without a claim|inria|job|$n2inria|-|-|[A-Z]* job certificate: grant
a signature over anything|inria|sign|evil:node:x|-|-|DENIED unknown verb
an administrator's command|inria|revoke|evil:node:x|-|-|DENIED unknown verb
an empty login|inria|login-empty|evil:node:x|-|-|PROTOCOL
EOT
works
is "$good" 0 "and alice still works"
box_down
done_testing
