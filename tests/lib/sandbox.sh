# SPDX-License-Identifier: Apache-2.0
# sandbox.sh - a federation for scripts: `xos sandbox`, and what they need to know of it.
#
#   . tests/lib/sandbox.sh
#   box_up OPTIONS…         XOS_SANDBOX (a directory of its own) and work are set
#   eval "$(xos sandbox env alice@inria)"
#   box_down                also at exit
# shellcheck shell=sh

B=${B:-build}
case $B in /*) box_build=$B ;; *) box_build=$PWD/$B ;; esac
PATH=$box_build/bin:$box_build/tests:$PATH
export PATH
box_uid=64099 # whom `xos sandbox` runs its daemons as, as root

wait_for() { # wait_for SECONDS COMMAND…
    box_until=$(($(date +%s) + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$(date +%s)" -lt "$box_until" ] || return 1
        sleep 0.1
    done
}

box_up() {
    XOS_SANDBOX=$(mktemp -d /tmp/xos-box.XXXXXX) || return 1
    export XOS_SANDBOX
    work=$(mktemp -d /tmp/xos-box-work.XXXXXX) && chmod 777 "$work" && rmdir "$XOS_SANDBOX" || return 1
    xos sandbox up "$@" >"$work/up" 2>&1 && return 0
    cat "$work/up" "$XOS_SANDBOX"/log/* 2>/dev/null
    return 1
}

box_down() {
    [ -n "${XOS_SANDBOX:-}" ] || return 0
    xos sandbox down >/dev/null 2>&1
    rm -rf "${work:?}" "$XOS_SANDBOX"
    XOS_SANDBOX=
}

# Where a node is in the sandbox's directory, its address, its xosd's process and log.
box_dir() { echo "$XOS_SANDBOX/${1#*.}/${1%%.*}"; }
box_address() { jq -r --arg n "$1" '.nodes[] | select(.name == $n).address' "$XOS_SANDBOX/sandbox.json"; }
box_pid() { cut -d" " -f1 "$XOS_SANDBOX/pid/xosd.$1"; }
box_log() { echo "$XOS_SANDBOX/log/xosd.$1"; }

# As the daemons' user.
box_as() {
    if [ "$(id -u)" = 0 ]; then
        setpriv --reuid "$box_uid" --regid "$box_uid" --clear-groups "$@"
    else
        "$@"
    fi
}

# As an administrator of an institution, at its head.
box_ca() { # box_ca INSTITUTION WORDS…
    box_inst=$1
    shift
    box_as "$(jq -r .bin "$XOS_SANDBOX/sandbox.json")/xos-ca" --state "$XOS_SANDBOX/$box_inst/ca" \
        --root-dir "$XOS_SANDBOX/$box_inst/root" "$@"
}

# What an institution says reaches the nodes of another (or its own), which read it again.
box_publish() { # box_publish FROM TO
    box_ca "$1" --publish "$XOS_SANDBOX/$2/trust" >/dev/null || return 1
    for box_node in $(jq -r --arg i "$2" '.nodes[] | select(.institution == $i).name' \
        "$XOS_SANDBOX/sandbox.json"); do
        kill -HUP "$(box_pid "$box_node")" 2>/dev/null
    done
    sleep 0.2
}
