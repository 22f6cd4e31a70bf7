# SPDX-License-Identifier: Apache-2.0
# postgres.sh - a real PostgreSQL of a script's own, on a Unix socket alone, below one directory.
#
#   . tests/lib/postgres.sh
#   postgres_lacks          why none can be started here, or nothing
#   postgres_up DIR USER    PG_URL is set; DIR is made; USER (a name or uid) may connect
#   postgres_crash          kill -9 of all of it
#   postgres_start          again, on the same data
#   postgres_down           also at exit
# shellcheck shell=sh

postgres_bin() {
    for d in /usr/lib/postgresql/*/bin; do [ -x "$d/postgres" ] && echo "$d" && return; done
}
postgres_lacks() {
    [ -n "$(postgres_bin)" ] || { echo "PostgreSQL: run make deps-test"; return; }
    [ "$(id -u)" != 0 ] || id -u postgres >/dev/null 2>&1 || echo "PostgreSQL's user is missing"
}

# It refuses to be root.
as_postgres() {
    if [ "$(id -u)" = 0 ]; then setpriv --reuid postgres --regid postgres --clear-groups "$@"; else "$@"; fi
}

postgres_start() {
    rm -f "$PG_DIR/data/postmaster.pid"
    (cd / && as_postgres "$(postgres_bin)/pg_ctl" -D "$PG_DIR/data" -l "$PG_DIR/log" -w -t 30 \
        -o "-c listen_addresses='' -c unix_socket_directories='$PG_DIR' -c shared_buffers=4MB" start) >/dev/null
    PG_PID=$(head -n 1 "$PG_DIR/data/postmaster.pid")
}

postgres_up() {
    PG_DIR=$1
    mkdir -p "$PG_DIR" && chmod 755 "$PG_DIR" || return 1
    [ "$(id -u)" != 0 ] || chown postgres "$PG_DIR"
    (cd / && as_postgres "$(postgres_bin)/initdb" -D "$PG_DIR/data" -U xos -A trust -E UTF8 --locale=C \
        >"$PG_DIR/initdb.log" 2>&1) || return 1
    postgres_start || return 1
    PG_URL="postgresql:///postgres?host=$PG_DIR&user=xos"
}

postgres_crash() {
    for p in $(pgrep -P "$PG_PID"); do kill -9 "$p" 2>/dev/null; done
    kill -9 "$PG_PID" 2>/dev/null
    while kill -0 "$PG_PID" 2>/dev/null; do sleep 0.05; done
}

postgres_down() {
    [ -z "${PG_PID:-}" ] || kill -QUIT "$PG_PID" 2>/dev/null
    while kill -0 "${PG_PID:-0}" 2>/dev/null && [ -n "${PG_PID:-}" ]; do sleep 0.05; done
    PG_PID=
    rm -rf "${PG_DIR:-/nonexistent}"
}
