# SPDX-License-Identifier: Apache-2.0
# tap.sh - TAP for shell scripts: ok, is, plan at the end.
# shellcheck shell=sh

tap_count=0
tap_failed=0

ok() { # ok STATUS NAME; its own status lets a test say more: ok $? NAME || cat FILE
    tap_count=$((tap_count + 1))
    if [ "$1" = 0 ]; then
        echo "ok $tap_count - $2"
    else
        echo "not ok $tap_count - $2"
        tap_failed=$((tap_failed + 1))
        return 1
    fi
}

is() { # is GOT WANTED NAME
    if [ "$1" = "$2" ]; then
        ok 0 "$3"
    else
        ok 1 "$3"
        printf '# got:    %s\n# wanted: %s\n' "$1" "$2"
        return 1
    fi
}

skip() { # skip NAME REASON
    tap_count=$((tap_count + 1))
    echo "ok $tap_count # SKIP $1: $2"
}

skip_all() { # skip_all REASON: the whole script
    echo "1..0 # SKIP $1"
    exit 0
}

done_testing() {
    echo "1..$tap_count"
    [ "$tap_failed" = 0 ]
}
