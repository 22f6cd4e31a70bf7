#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2016,SC2119,SC2154
# xrun -it in a real terminal. Were this to fail, an interactive job is not a terminal: keys kill the
# wrong thing, the size is wrong, or the user's own terminal is left unusable.
cd "$(dirname "$0")/../.." || exit 1
. tests/lib/tap.sh
. tests/lib/standalone.sh
command -v tmux >/dev/null || { echo "1..0 # SKIP needs tmux"; exit 0; }
finish() {
    [ -z "${TMUX_SOCK:-}" ] || tmux -S "$TMUX_SOCK" kill-server 2>/dev/null
    standalone_down
}
trap finish EXIT
standalone_begin
TMUX_SOCK=$DIR/tmux.sock
t() { tmux -S "$TMUX_SOCK" "$@"; }
keys() { t send-keys -t 0 "$@"; }
shows() { t capture-pane -p -t 0 | grep -q -- "$1"; }
see() { # see PATTERN NAME
    wait_for 15 shows "$1"
    ok $? "$2" || true
    [ "$tap_failed" = 0 ] || t capture-pane -p -t 0 | sed 's/^/# | /' | grep -v '| $'
}

as_user_words="env PATH=$bin:$PATH XOS_SOCKET=$RUN/xosd/xosd.sock HOME=$DIR PS1=near:"
[ "$(id -u)" != 0 ] ||
    as_user_words="setpriv --reuid $standalone_uid --regid $standalone_uid --clear-groups $as_user_words"
t -f /dev/null new-session -d -x 90 -y 30 "$as_user_words sh"
see 'near:' "a local shell in a terminal"
keys "xrun -it --env PS1=far: -- bash --norc --noprofile" Enter
see 'far:' "a far shell"
keys 'stty size' Enter
see '^30 90' "the size of the terminal"
t resize-window -t 0 -x 70 -y 20
keys 'clear; stty size' Enter
see '^20 70' "a new size"
keys 'sleep 1000' Enter
sleep 0.5
keys C-c
keys 'echo after $?' Enter
see '^after 130' "Ctrl-C ends the command, not the job"
keys 'sleep 1000' Enter
sleep 0.5
keys C-z
see 'Stopped' "Ctrl-Z stops the command, not the client"
keys 'kill %1; wait; clear; jobs; echo quiet' Enter
see '^quiet' "the far shell goes on"
keys 'printf "a\nb\nc\n" | less' Enter
see '(END)' "a full-screen program"
keys q
keys 'clear; echo left' Enter
see '^left' "… and out of it"
keys 'exit 9' Enter
see 'near:' "the far shell ends"
keys 's=$?; clear; echo status $s; stty -a | tr " " "\n" | grep -x -e echo -e icanon | tr "\n" " "' Enter
see '^status 9' "… with its status"
see 'icanon' "the local terminal is as it was"

keys 'clear; xrun -it --env PS1=far: -- bash --norc --noprofile' Enter
see 'far:' "a second far shell"
keys 'X=kept' Enter
keys Enter
sleep 0.3
keys '~.'
see 'xattach' "~. leaves it and says how to come back"
job=$(t capture-pane -p -t 0 | grep -o 'local-[0-9]*' | tail -n 1)
keys "clear; xattach $job" Enter
sleep 0.5
keys Enter
keys 'echo was $X' Enter
see '^was kept' "xattach finds it as it was"
kill -9 "$xosd_pid"
: >"$DIR/xosd.log"
standalone_xosd
keys 'echo still $X' Enter
see '^still kept' "a killed xosd is not noticed"
keys 'exit 3' Enter
see 'near:' "and the job ends"
keys 's=$?; clear; echo status $s' Enter
see '^status 3' "with its status"
done_testing
