#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The demonstration, on a part of the text. Were this to fail: `make demo` is the first thing that
# somebody tries, and it does not work.
cd "$(dirname "$0")/../.." || exit 1
. tests/lib/tap.sh
out=$(mktemp) || exit 1
trap 'rm -f "$out"' EXIT
DEMO_FILES=300 sh tests/lib/demo >"$out" 2>&1
ok $? "it ends well" || sed 's/^/# /' "$out"
is "$(tail -n 1 "$out")" "demo: ok" "and says so"
is "$(grep -c 'byte for byte the same' "$out")" 1 "the result is the local one"
done_testing
