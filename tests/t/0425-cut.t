#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2016,SC2154,SC2119
# A file that must never have two writers, and its owner or its node out of reach, stopped or gone.
# Were this to fail: a job that must not run twice does, one that was lost is not started again, or
# one that may run through a cut does not.
cd "$(dirname "$0")/../.." || exit 1
. tests/lib/tap.sh
. tests/lib/sandbox.sh
stopped=
trap 'kill -CONT $stopped 2>/dev/null; box_down' EXIT
box_up || { echo "Bail out! no sandbox"; exit 1; }
eval "$(xos sandbox env alice@inria)"
xos login >/dev/null 2>&1
rounds=$((${XOS_TEST_SIZE:-1} >= 100 ? 10 : ${XOS_TEST_SIZE:-1} >= 10 ? 3 : 1))
slow=${XOS_TEST_SLOW:-1}

# Appends who it is and when, until it is told to stop; ends with 7. Whoever has written before and
# finds another's line behind its own is one of two.
cat >"$work/writer" <<'EOT'
#!/bin/sh
me=$XOS_NODE/$$
seen=
while [ ! -e "$1.stop" ]; do
    last=$(tail -n 1 "$1" 2>/dev/null)
    [ -z "$seen" ] || [ "${last%% *}" = "$me" ] || echo "$me conflict" >>"$1"
    echo "$me $(date +%s%3N)" >>"$1"
    seen=1
    sleep 0.1
done
exit 7
EOT
chmod 755 "$work/writer"

writer_of() { tail -n 1 "$1" | cut -d' ' -f1; }
moved() { [ "$(writer_of "$1")" != "$2" ]; }
goes_on() { [ "$(wc -l <"$1")" -gt "$2" ]; }
# Milliseconds from the last line of one writer to the first of the next, the shortest.
gap() { awk 'NR > 1 && $1 != was {d = $2 - at; if (!n++ || d < min) min = d} {was = $1; at = $2} END {print min + 0}' "$1"; }
# Times that the writer changes, beyond one for each that there was: 0 is right.
returns() { awk '{if ($1 != was) n++; was = $1; if (!($1 in all)) {all[$1]; k++}} END {print n - k}' "$1"; }

begin() { # begin NAME: file, job, old (its writer) and waiter are set
    file=$work/$1
    : >"$file"
    chmod 666 "$file"
    job=$(xsub --requeue --on n2.inria --on n1.vu --on n2.vu -- "$work/writer" "$file") || return 1
    wait_for 20 test -s "$file" || return 1
    sleep 0.5
    old=$(writer_of "$file")
    (xwait "$job" >/dev/null 2>"$file.err"; echo $? >>"$file.status") &
    waiter=$!
    sleep 1 # a command that begins waits 2 s for its node
}

end() { # end NAME: nobody writes twice, and one status comes
    sleep 5
    is "$(returns "$file").$(grep -c conflict "$file")" 0.0 "$1: never two writers"
    touch "$file.stop"
    wait "$waiter"
    is "$(cat "$file.status")" 7 "$1: one exit status arrives" || cat "$file.err"
    is "$(xps --json "$job" | jq -r '[.[] | .state, .exit] | join(" ")')" "done 7" "$1: and that is what is kept"
}

elsewhere() { # elsewhere NAME: after the loss
    began=$(date +%s%N)
    wait_for $((30 * slow)) moved "$file" "$old"
    ok $? "$1: it runs again"
    took=$((($(date +%s%N) - began) / 1000000))
    [ $took -le $((15000 * slow)) ]
    ok $? "$1: within 15 s ($took ms)"
    [ "$(gap "$file")" -ge 1000 ]
    ok $? "$1: the old one had been stopped first ($(gap "$file") ms)"
}

for round in $(seq "$rounds"); do
    name="cut $round"
    begin "cut.$round"
    node=${old%/*}
    free=$(xsub --on "$node" -- sh -c 'for i in $(seq 60); do date +%s%3N; sleep 0.5; done >"$0"; exit 5' "$work/free.$round")
    wait_for 10 test -s "$work/free.$round"
    xos sandbox cut "$node" n1.inria
    elsewhere "$name"
    sleep 3
    xos sandbox heal
    end "$name"
    xwait "$free" 2>"$work/err"
    is $? 5 "$name: a job that is not fenced reports afterwards" || cat "$work/err"
    is "$(wc -l <"$work/free.$round").$(awk 'NR > 1 && $1 - was > 3000 {n++} {was = $1} END {print n + 0}' "$work/free.$round")" \
        60.0 "$name: … and was never held"

    name="stopped worker $round"
    begin "worker.$round"
    stopped=$(box_pid "${old%/*}")
    kill -STOP "$stopped"
    elsewhere "$name"
    kill -CONT "$stopped"
    end "$name"

    name="lost $round"
    begin "lost.$round"
    xos sandbox lose "${old%/*}"
    elsewhere "$name"
    xos sandbox start "${old%/*}" >/dev/null
    end "$name"

    name="stopped head $round"
    begin "head.$round"
    stopped=$(box_pid n1.inria)
    kill -STOP "$stopped"
    sleep 13
    [ $(($(date +%s%3N) - $(tail -n 1 "$file" | cut -d' ' -f2))) -ge 1000 ]
    ok $? "$name: it is frozen at the end of its claim"
    lines=$(wc -l <"$file")
    kill -CONT "$stopped"
    wait_for $((15 * slow)) goes_on "$file" "$lines"
    ok $? "$name: and goes on, or runs elsewhere"
    end "$name"
    stopped=
done
wait_for 20 xrun --on n2.vu -- true
ok $? "all nodes are there again"
box_down
done_testing
