#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Were this to fail: a red test is counted as green, and every other test proves nothing.
#
# Runs a copy of run-tests over a tree of small tests whose outcome is known.
here=$(cd "$(dirname "$0")/../.." && pwd) || exit 1
dir=$(mktemp -d "${TMPDIR:-/tmp}/xos-run-tests.XXXXXX") || exit 1
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
unset B FUZZ_SECONDS XOS_TEST_SIZE XOS_TEST_SLOW
mkdir -p tests/lib tests/t tests/unit build/tests/unit
cp "$here/tests/lib/run-tests" tests/lib/
echo 1..9
number=0

script() { # NAME TEXT
    printf '#!/bin/sh\n%s\n' "$2" >"tests/t/$1.t"
    chmod 755 "tests/t/$1.t"
}
expect() { # WHAT STATUS LAST-LINE [PATTERN]
    tests/lib/run-tests --lane federation >out 2>&1
    status=$?
    number=$((number + 1))
    if [ $status = "$2" ] && [ "$(tail -n 1 out)" = "$3" ] && grep -q -- "${4:-.}" out; then
        echo "ok $number - $1"
    else
        echo "not ok $number - $1"
        sed 's/^/# /' out
    fi
    rm -f tests/t/*.t
}

script 0001-good 'echo 1..2; echo ok 1; echo ok 2'
expect 'what passes is counted' 0 '2 passed, 0 failed, 0 skipped'

script 0001-bad 'echo 1..2; echo ok 1; echo not ok 2; echo "# because"'
expect 'what fails is counted and shown' 1 '1 passed, 1 failed, 0 skipped' 'because'

script 0001-dead 'echo 1..1; echo ok 1; exit 3'
expect 'a status counts though each case passed' 1 '1 passed, 1 failed, 0 skipped'

script 0001-short 'echo 1..3; echo ok 1'
expect 'cases that were not run count' 1 '1 passed, 1 failed, 0 skipped'

script 0001-empty 'exit 0'
expect 'a script without a case is no success' 1 '0 passed, 1 failed, 0 skipped'

script 0410-skip 'echo "1..0 # SKIP needs /dev/fuse"'
script 0411-skip 'echo 1..2; echo "ok 1 # skip needs root"; echo ok 2'
expect 'a skip is counted with its reason' 0 '1 passed, 0 failed, 2 skipped' \
    'SKIP 0410 needs /dev/fuse'

script 0001-left 'sleep 1000 >/dev/null 2>&1 & echo 1..1; echo ok 1'
expect 'what leaves a process behind fails' 1 '1 passed, 1 failed, 0 skipped' 'left processes'

export XOS_TEST_SLOW=0.001
script 0001-hang 'echo 1..1; sleep 1000; echo ok 1'
expect 'what hangs is ended, by name' 1 '0 passed, 1 failed, 0 skipped' \
    '0001-hang: TIMEOUT after'
unset XOS_TEST_SLOW

number=$((number + 1))
echo 'int main(void) { return 0; }' >tests/unit/gone_test.c
if tests/lib/run-tests --lane unit >out 2>&1; then
    echo "not ok $number - a program that was not built fails"
else
    echo "ok $number - a program that was not built fails"
fi
