#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Were this to fail: an operator looks an alarm up and finds another meaning than the code has.
cd "$(dirname "$0")/../.." || exit 1
print=${B:-build}/tests/print_docs
echo 1..5
number=0
for name in metrics log xql; do
    number=$((number + 1))
    if "$print" $name | diff "docs/$name.md" - >&2; then
        echo "ok $number - docs/$name.md is current"
    else
        echo "not ok $number - docs/$name.md is not what the table says: run make docs"
    fi
done
if "$print" nonsense 2>/dev/null; then
    echo "not ok 4 - an unknown document is printed"
else
    echo "ok 4 - an unknown document is refused"
fi
if "${B:-build}/bin/xosd" --print-docs config.5 | diff man/xosd.conf.5 - >&2; then
    echo "ok 5 - man/xosd.conf.5 is current"
else
    echo "not ok 5 - man/xosd.conf.5 is not what the table says: run make docs"
fi
