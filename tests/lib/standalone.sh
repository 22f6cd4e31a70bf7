# SPDX-License-Identifier: Apache-2.0
# standalone.sh - one node that stands alone, for scripts: xos-execd and xosd as one unprivileged
# user, everything below one directory of its own.
#
#   . tests/lib/standalone.sh
#   standalone_begin        DIR, XOS_SOCKET, as_user and work (a directory for all) are set
#   standalone_up           the same, with a status instead of an end, and without work
#   status 7 "a name" xrun -- sh -c 'exit 7'      $work/out and $work/err have what it said
#   as_user xrun -- true
#   standalone_down         also at exit
# shellcheck shell=sh

B=${B:-build}
case $B in /*) bin=$B/bin ;; *) bin=$PWD/$B/bin ;; esac
# What holds units lives under their limits, which a sanitizer does not fit into: XOS_EXEC_BIN names
# another build's programs for that part.
exec_bin=${XOS_EXEC_BIN:-$bin}

# As root everything runs as a user that owns nothing else on the machine.
standalone_uid=${XOS_TEST_UID:-64017}
as_user() {
    if [ "$(id -u)" = 0 ]; then
        setpriv --reuid "$standalone_uid" --regid "$standalone_uid" --clear-groups \
            env HOME="$DIR" PATH="$bin:$PATH" XOS_SOCKET="$RUN/xosd/xosd.sock" "$@"
    else
        env PATH="$bin:$PATH" XOS_SOCKET="$RUN/xosd/xosd.sock" "$@"
    fi
}

# The same in place of this shell: for `… &`, so that $! is the program's own id.
as_user_exec() {
    if [ "$(id -u)" = 0 ]; then
        exec setpriv --reuid "$standalone_uid" --regid "$standalone_uid" --clear-groups "$@"
    fi
    exec "$@"
}

wait_for() { # wait_for SECONDS COMMAND…
    end=$(($(date +%s) + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$(date +%s)" -lt "$end" ] || return 1
        sleep 0.02
    done
}

standalone_execd() {
    as_user_exec "$exec_bin/xos-execd" --socket "$RUN/execd/socket" --run "$RUN/execd" \
        --spool "$DIR/spool" --scratch "$DIR/scratch" >>"$DIR/execd.log" 2>&1 &
    execd_pid=$!
    wait_for 10 test -S "$RUN/execd/socket"
}

standalone_xosd() {
    as_user_exec "$bin/xosd" --config "$DIR/xosd.conf" >>"$DIR/xosd.log" 2>&1 &
    xosd_pid=$!
    wait_for 10 grep -q ' START ' "$DIR/xosd.log"
}

standalone_up() { # standalone_up [CONF-LINES]
    DIR=$(mktemp -d /tmp/xos-alone.XXXXXX) || return 1
    # As on a real node, what does not survive a boot lies in memory.
    RUN=$(mktemp -d "$([ -w /dev/shm ] && echo /dev/shm || echo /tmp)/xos-alone.XXXXXX") || return 1
    mkdir "$DIR/state" "$DIR/spool" "$DIR/scratch" "$RUN/execd" "$RUN/xosd"
    [ "$(id -u)" != 0 ] || chown -R "$standalone_uid:$standalone_uid" "$DIR" "$RUN"
    chmod 755 "$DIR" "$RUN"
    cat >"$DIR/xosd.conf" <<EOF
[node]
name = n1.local
cpus = 64
mem = 16GiB
state = $DIR/state
run = $RUN/xosd
[net]
http = off
[exec]
socket = $RUN/execd/socket
run = $RUN/execd
spool = $DIR/spool
${1:-}
EOF
    standalone_execd && standalone_xosd
}

standalone_begin() { # standalone_begin [CONF-LINES]
    standalone_up "$@" || { cat "$DIR"/*.log; echo "Bail out! no node"; exit 1; }
    work=$(mktemp -d "$DIR/work.XXXXXX") && chmod 777 "$work"
}

# A check: what a command of the node's user ends with.
status() { # status WANTED NAME COMMAND…
    wanted=$1 name=$2
    shift 2
    as_user "$@" </dev/null >"$work/out" 2>"$work/err"
    is $? "$wanted" "$name"
}

# The processes of this node and of its units: by their words, environment, directory or open files,
# since a shim names itself by its unit alone; an init has none of them, but a shim above it.
standalone_own() { # standalone_own PID
    grep -aqsE "$DIR|$RUN" "/proc/$1/cmdline" "/proc/$1/environ" ||
        find "/proc/$1/cwd" "/proc/$1/fd" -type l -printf '%l\n' 2>/dev/null |
        grep -qE "^($DIR|$RUN)"
}
standalone_left() {
    for p in /proc/[0-9]*; do
        p=${p#/proc/}
        [ "$p" = "$$" ] && continue
        if standalone_own "$p" || { grep -aqs '^xos-init' "/proc/$p/cmdline" &&
            standalone_own "$(awk '/^PPid/ {print $2}' "/proc/$p/status" 2>/dev/null)"; }; then
            echo "$p"
        fi
    done
}

# What units that ended must not leave behind: directories, ledger entries, scratch, processes.
standalone_units() {
    find "$RUN/execd/units" "$RUN/execd/ledger" "$DIR/scratch" -mindepth 1 -maxdepth 1 \
        ! -name '.*'
    for p in $(standalone_left); do
        case $(tr '\0' ' ' <"/proc/$p/cmdline" 2>/dev/null) in
        *xos-shim* | *xos-init*) echo "process $p" ;;
        esac
    done
}
standalone_empty() { [ -z "$(standalone_units 2>/dev/null)" ]; }

# kill -9, and start again; the environment of the call is xosd's.
standalone_xosd_again() {
    kill -9 "$xosd_pid" 2>/dev/null
    wait "$xosd_pid" 2>/dev/null
    : >"$DIR/xosd.log"
    standalone_xosd
}

standalone_down() {
    [ -n "${DIR:-}" ] || return 0
    kill "$xosd_pid" "$execd_pid" 2>/dev/null
    wait "$xosd_pid" "$execd_pid" 2>/dev/null
    for p in $(standalone_left); do kill -9 "$p" 2>/dev/null; done
    rm -rf "$DIR" "$RUN"
    DIR=
}
