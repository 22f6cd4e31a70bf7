#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2016,SC2119,SC2154
# What is sent along with a job: --in, a script with its options, XOS_HOSTS. Were this to fail, a job
# would start without its files, or with other ones.
cd "$(dirname "$0")/../.." || exit 1
. tests/lib/tap.sh
. tests/lib/standalone.sh
trap standalone_down EXIT
standalone_begin

# --in
printf '#!/bin/sh\necho "hi $*"; exit 7\n' >"$work/tool" && chmod 755 "$work/tool"
head -c 300000 /dev/urandom >"$work/data"
status 7 "a program of one's own" xrun --in "$work/tool" -- ./tool a b
is "$(cat "$work/out")" "hi a b" "… runs with its words"
status 0 "two files, one under another name" xrun -n 2 --in "$work/data" --in "$work/tool:t" -- \
    sh -c 'sha256sum <data; stat -c %a data t; ls'
is "$(sort -u "$work/out")" "$( (sha256sum <"$work/data"; stat -c %a "$work/data" "$work/tool"; printf 'data\nt\n') | sort -u)" \
    "… are there in each unit, as they were"
status 0 "a file" xrun --in "$work/data" --cwd / -- sh -c 'pwd; wc -c <$HOME/data'
is "$(cat "$work/out")" "/
300000" "… lies in scratch, wherever the job starts"
is "$(as_user xrun --in "$work/data" -- cat data </dev/null | cksum)" "$(cksum <"$work/data")" "… byte for byte"

bad() { # bad TEXT COMMAND…
    text=$1
    shift
    as_user "$@" </dev/null >"$work/out" 2>"$work/err"
    is "$? $(wc -l <"$work/err") $(grep -c -- "$text" "$work/err")" "2 1 1" "$* : $text"
}
bad 'called tool in scratch' xrun --in "$work/tool" --in "$work/data:tool" -- true
bad 'No such file' xrun --in "$work/none" -- true
bad 'not a regular file' xrun --in "$work" -- true
bad 'kept for XOS' xrun --in "$work/tool:.xos-hosts" -- true
bad 'not the name of a file' xrun --in "$work/tool:../up" -- true
head -c 700000 /dev/zero >"$work/large"
bad 'RUN_FILES_BYTES_MAX' xrun --in "$work/large" -- true
status 127 "a program that was not sent" xrun -- ./tool
grep -q -- --in "$work/err"
ok $? "… says how to send it"

# XOS_HOSTS
status 0 "each unit" xrun -n 3 -- sh -c 'cat "$XOS_HOSTS"'
is "$(sort "$work/out" | uniq -c | awk '{print $1, $2, $3}')" "3 0 n1.local
3 1 n1.local
3 2 n1.local" "… knows where the others are"

# Scripts
cat >"$work/job.sh" <<'END'
#!/bin/sh
# A job of two units.
#XOS -n 2 -N 'a script'
#XOS --env LEVEL=9

echo "$XOS_UNIT $LEVEL $* ${0##*/}"
exit 3
#XOS -n 5
END
status 0 "a script is sent" xsub "$work/job.sh" x 'y z'
id=$(cat "$work/out")
is "$(as_user xwait "$id"; echo $?)" 3 "… runs"
is "$(as_user xlog "$id" | sort)" "0 9 x y z job.sh
1 9 x y z job.sh" "… with the options that stand in it"
is "$(as_user xps "$id" --json | jq -r '.[0].name')" "a script" "… and that name"
status 0 "the command line counts more" xsub -n 1 -N mine --env LEVEL=8 --cwd /tmp "$work/job.sh"
id=$(cat "$work/out")
rm "$work/job.sh"
is "$(as_user xwait "$id"; as_user xlog "$id"; as_user xps "$id" --json | jq -r '.[0].name')" \
    "0 8  job.sh
mine" "… and the script is not needed any more"
printf '#!/bin/sh\n#XOS -n 2\n#XOS --cpuz 2\n' >"$work/job.sh"
bad 'job.sh:3: --cpuz' xsub "$work/job.sh"
printf '#!/bin/sh\n#XOS -N "a\n' >"$work/job.sh"
bad 'job.sh:2: a quote' xsub "$work/job.sh"
printf '#!/bin/sh\n#XOS hello\n' >"$work/job.sh"
bad 'job.sh:2: only options' xsub "$work/job.sh"
printf 'echo\n' >"$work/job.sh"
bad 'first line' xsub "$work/job.sh"
bad 'xsub -- sleep' xsub sleep 3
bad 'No such file' xsub ./sleep 3
bad 'regular file' xsub "$work"
printf '#!/no/such/shell\n' >"$work/job.sh"
as_user xsub "$work/job.sh" >"$work/out"
is "$(as_user xwait "$(cat "$work/out")" 2>/dev/null; echo $?)" 127 "a script that nothing can run"
cp /bin/true "$work/prog"
as_user xsub "$work/prog" >"$work/out"
is "$(as_user xwait "$(cat "$work/out")"; echo $?)" 0 "a program may be sent, too"

standalone_down
done_testing
