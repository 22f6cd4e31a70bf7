#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2016,SC2086,SC2119,SC2154
# Words, options and files that are wrong. Were this to fail: a command does something else than it
# was told, half of it, or says no more than that it failed.
cd "$(dirname "$0")/../.." || exit 1
. tests/lib/tap.sh
. tests/lib/standalone.sh
trap standalone_down EXIT
standalone_begin
head -c 2000000 /dev/zero >"$work/large"

# Status, a word of the one line, and what is typed (by eval: '…' may hold anything).
while IFS='^' read -r wanted word line; do
    eval "as_user timeout 20 $line" </dev/null >"$work/out" 2>"$work/err"
    got="$? $(wc -l <"$work/err") $(grep -c -- "$word" "$work/err")"
    is "$got" "$wanted 1 1" "$(echo "$line" | cut -c1-60)" || cat "$work/err"
    case $line in xps*) ;; *) [ ! -s "$work/out" ] || { ok 1 "… and says nothing else"; cat "$work/out"; } ;; esac
done <<'EOT'
2^did you mean .xos run^xos rnu
2^no such verb^xos ''
2^no such verb^xos --nosuch
2^no command^xrun
2^no command^xrun --
2^no such option^xrun --nosuch -- true
2^did you mean --units^xrun --unist 2 -- true
2^-n: ^xrun -n 0 -- true
2^-n: ^xrun -n -1 -- true
2^-n: ^xrun -n 2x -- true
2^-n: ^xrun -n 99999999999999999999 -- true
2^-n: ^xrun -n '' -- true
2^needs\|requires^xrun -n
2^-c: ^xrun -c 0 -- true
2^-c: ^xrun -c 1.5 -- true
2^--mem^xrun --mem 1XB -- true
2^--mem^xrun --mem -1 -- true
2^--mem^xrun --mem 99999999999999999999G -- true
2^--gpus^xrun --gpus x -- true
2^-t: ^xrun -t 5y -- true
2^-t: ^xrun -t '' -- true
2^--need^xrun --need 'cpu.cores>=' -- true
2^cpu.cores^xrun --need 'cpu.coers>=1' -- true
2^--need^xrun --need '((((' -- true
2^--prefer^xrun --prefer 'nosuch' -- true
2^--want^xrun --want spraed -- true
2^--on^xrun --on '' -- true
2^--on^xrun --on no/node -- true
2^--on^xrun --on n1.a.b -- true
125^n9.local^xrun --on n9 -- true
2^-Q^xrun -Q -- true
125^n9.local^xrun --on n9.local -- true
2^--env^xrun --env '' -- true
2^--env^xrun --env '=x' -- true
2^--env^xrun --env NOT_THERE_AT_ALL -- true
2^--in^xrun --in "$work/none" -- true
2^--in^xrun --in "$work" -- true
2^--in^xrun --in "$work/large" -- true
2^--grace^xrun --grace 1q -- true
125^--cwd^xrun --cwd relative -- true
125^name^xrun -N "$(printf "%0300d" 0)" -- true
2^No such file^xrun --stdin "$work/none" -- true
2^No such file^xrun --stdout "$work/none/x" -- true
2^directory^xrun --stderr "$work" -- true
2^%x^xrun --stdout "$work/%x" -- true
125^VO^xrun --vo nosuch -- true
2^pty\|terminal^xrun -it -n 2 -- true
2^no command^xsub
2^no such option^xsub --stdin x -- true
2^-n: ^xsub -n many -- true
2^--need^xsub --need 'mem>=1Q' -- true
2^which^xkill
2^no/job^xkill no/job
2^local-x^xkill local-x
2^no such signal^xkill -NOSUCH local-1
2^no such signal^xkill -99 local-1
1^local-99^xkill local-99
1^local-99^xkill local-99.3
2^--grace^xkill --grace x local-1
2^which^xwait
2^no/job^xwait no/job
125^local-99^xwait local-99
2^-t\|timeout^xwait -t x local-1
2^which^xattach
2^no/job^xattach no/job
125^local-99^xattach local-99
2^one^xattach local-1 local-2
2^no/job^xps no/job
1^local-99^xps local-99
2^no such option^xps --nosuch
2^need^xnodes --need 'x>'
1^no such node^xnodes n9.local
2^which^xlog
2^no/job^xlog no/job
1^local-99^xlog local-99
2^one^xlog local-1 local-2
1^alone^xos login
1^alone^xos login no/user
2^argument\|word^xos logout x
2^argument\|word^xos whoami x
1^logged in^xos whoami
2^verb^xos sandbox
2^did you mean^xos sandbox pu
2^nodes^xos sandbox up --nodes 0
2^nodes^xos sandbox up --nodes x
2^institutions^xos sandbox up --institutions 'A B'
2^institutions^xos sandbox up --institutions ''
1^no sandbox^xos sandbox status --dir "$work/none"
1^no sandbox^xos sandbox kill n1.inria --dir "$work/none"
EOT
# Where no xosd runs: one line, and 125 only of what stands for a job.
while read -r wanted words; do
    # shellcheck disable=SC2086
    as_user env XOS_SOCKET="$work/none" $words </dev/null >"$work/out" 2>"$work/err"
    is "$? $(wc -l <"$work/err") $(grep -c 'does not run here' "$work/err")" "$wanted 1 1" "without xosd: $words"
done <<'EOT'
125 xrun -- true
125 xwait 1
125 xattach --no-input 1
1 xsub -- true
1 xps
1 xkill 1
1 xlog 1
1 xnodes
1 xos node drain n1.local
1 xos status
EOT

is "$(as_user xps -a --json | jq length)" 3 "nothing was submitted but what its owner refused (125)"

# Files. One line that names the file, the line and what may stand there.
# shellcheck disable=SC2030
conf() { # conf NAME WORD LINES
    printf '%b' "$3" >"$work/$1.conf"
    as_user timeout 10 "$bin/xosd" --config "$work/$1.conf" >"$work/out" 2>"$work/err" </dev/null
    status=$?
    [ $status != 0 ] && [ $status != 124 ] && [ "$(wc -l <"$work/err")" = 1 ] && grep -q -- "$2" "$work/err"
    ok $? "xosd.conf: $1" || { echo "# $status"; cat "$work/err"; }
}
conf "unknown key" 'did you mean' '[node]\nnmae = n1.x\n'
conf "unknown section" 'nodes' '[nodes]\nname = n1.x\n'
conf "no section" '1' 'name = n1.x\n'
conf "twice" 'twice\|already' '[node]\nname = n1.x\nname = n2.x\n'
conf "bad name" 'NODE.INSTITUTION' '[node]\nname = n1\n'
conf "bad role" 'none of head worker' '[node]\nname = n1.x\nroles = boss\n'
conf "bad number" 'cpus' '[node]\nname = n1.x\ncpus = many\n'
conf "bad size" 'mem' '[node]\nname = n1.x\nmem = 4 elephants\n'
conf "out of bounds" 'between\|at most\|bulk' '[node]\nname = n1.x\n[net]\nlisten = 127.0.0.1\nbulk_port = 99999\n'
conf "bad address" 'listen' '[node]\nname = n1.x\n[net]\nlisten = somewhere\n'
conf "bad seed" 'seeds' '[node]\nname = n1.x\n[net]\nseeds = nobody\n'
conf "bad http" 'http' '[node]\nname = n1.x\n[net]\nhttp = 7403\n'
conf "bad level" 'level' '[node]\nname = n1.x\n[log]\nlevel = loud\n'
conf "bad store" 'store' "[node]\nname = n1.x\nstate = $work/st\n[store]\nurl = mysql://x\n"
conf "bad yes" 'accept_unisolated' '[node]\nname = n1.x\naccept_unisolated = perhaps\n'
conf "no file" 'such' ''
rm -f "$work/none.conf"

words() { # words STATUS WORD PROGRAM WORDS…
    wanted=$1 word=$2 program=$3
    shift 3
    as_user timeout 10 "$bin/$program" "$@" >"$work/out" 2>"$work/err" </dev/null
    status=$?
    is "$status $(grep -c -- "$word" "$work/err")" "$wanted 1" "$program $(echo "$*" | cut -c1-60)" || cat "$work/err"
}
words 2 config xosd --config
words 2 none.conf xosd --config "$work/none.conf"
words 2 nosuch xosd --nosuch
words 1 'join' xosd --config "$DIR/xosd.conf" --join nonsense
words 2 nosuch xos-ca --nosuch
words 1 none xos-ca --state "$work/none" --show
words 2 peer-uid xos-ca --peer-uid x
words 2 nosuch xos-execd --nosuch
words 2 nosuch xos-agent --nosuch
standalone_down
done_testing
