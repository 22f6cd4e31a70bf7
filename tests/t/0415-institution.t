#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2016,SC2154
# Types docs/institution.md on two machines: mount and network namespaces in which /etc, /usr, /var
# and /root are the machine's own. Were this to fail: what an administrator is told to type does not
# make an institution.
cd "$(dirname "$0")/../.." || exit 1
. tests/lib/tap.sh
[ "$(id -u)" = 0 ] || skip_all "needs root"
command -v systemd-sysusers >/dev/null || skip_all "needs systemd-sysusers: run make deps-test"
unshare -m -n true 2>/dev/null || skip_all "this root may not make namespaces"
top=$(mktemp -d /tmp/xos-inst.XXXXXX) || exit 1
mount -t tmpfs -o mode=755 xos-inst "$top" || skip_all "this root may not mount"
source=$PWD

clean() {
    for m in n1 n2; do
        [ ! -f "$top/$m.pids" ] || while read -r p; do kill -9 "$p" 2>/dev/null; done <"$top/$m.pids"
    done
    for p in $(grep -lzs "^XOS_INST=$top\$" /proc/[0-9]*/environ | cut -d/ -f3); do kill -9 "$p" 2>/dev/null; done
    # What is left of units hangs on their shims, which have just died.
    sleep 0.5
    for c in /sys/fs/cgroup/*/xos-inst-n[12]; do
        [ ! -d "$c" ] || find "$c" -depth -type d -exec rmdir {} + 2>/dev/null
    done
    umount "$top" 2>/dev/null || umount -l "$top" 2>/dev/null
    rmdir "$top" 2>/dev/null
}
trap clean EXIT

machine() { # machine NAME
    mkdir -p "$top/$1" && cat >"$top/$1/setup" <<EOT
mount --make-rprivate /
for d in etc usr var root home; do
    mkdir -p $top/$1/\$d $top/$1/.\$d
    mount -t overlay -o lowerdir=/\$d,upperdir=$top/$1/\$d,workdir=$top/$1/.\$d overlay /\$d || exit 1
done
mount -t tmpfs -o mode=755 run /run && mkdir -p -m 1777 /run/lock && mount -t tmpfs -o mode=755 media /media
ip link set lo up
touch $top/$1.up
exec sleep infinity
EOT
    XOS_INST=$top unshare -m -n sh "$top/$1/setup" >"$top/$1.log" 2>&1 &
    echo $! >>"$top/$1.pids"
    eval "pid_$1=$!"
    for _ in $(seq 100); do [ -e "$top/$1.up" ] && return 0; sleep 0.05; done
    return 1
}
on() { # on NAME COMMAND…
    eval "target=\$pid_$1"
    name=$1
    shift
    (cd "$source" && XOS_INST=$top MACHINE=$name TOP=$top PID1=$pid_n1 \
        PATH=$top/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        nsenter -t "$target" -m -n --wd="$source" "$@")
}
page() { # page HEADING: what is to be typed below it
    awk -v h="## $1" '/^## / {in_it = ($0 == h)} in_it && /^    / {print substr($0, 5)}' docs/institution.md
}
typed() { # typed NAME HEADING
    page "$2" >"$top/page"
    on "$1" sh -e "$top/page" >"$top/$1.$3.out" 2>&1 || { cat "$top/$1.$3.out"; return 1; }
}

# There is no systemd here, and no network between real machines: these stand for them.
mkdir "$top/bin"
cat >"$top/bin/systemctl" <<'EOT'
#!/bin/sh
for unit in "$@"; do
    case $unit in enable | --now) continue ;; esac
    file=/usr/lib/systemd/system/$unit.service
    user=$(sed -n 's/^User=//p' "$file")
    env=$(sed -n 's/^EnvironmentFile=//p' "$file")
    start=$(sed -n 's/^ExecStart=//p' "$file")
    [ -z "$env" ] || { set -a; . "$env"; set +a; }
    # The test's own name for the cgroup: two nodes share this kernel.
    case $unit in xos-execd) start="$start --cgroup xos-inst-$MACHINE" ;; esac
    eval "set -- $start"
    if [ -n "$user" ]; then set -- setpriv --reuid "$user" --regid "$user" --init-groups "$@"; fi
    setsid "$@" >"/var/log/$unit.log" 2>&1 </dev/null &
    echo $! >>"$TOP/$MACHINE.pids"
    case $unit in xosd) s=/run/xos/xosd.sock ;; *) s=/run/$unit/socket ;; esac
    for _ in $(seq 200); do [ -S "$s" ] && break; sleep 0.05; done
    [ -S "$s" ] || { cat "/var/log/$unit.log"; exit 1; }
done
EOT
cat >"$top/bin/ssh" <<'EOT'
#!/bin/sh
shift
exec nsenter -t "$PID1" -m "$@"
EOT
cat >"$top/bin/scp" <<'EOT'
#!/bin/sh
shift
for last; do :; done
for from; do
    path=${from#*:}
    [ "$from" = "$last" ] || nsenter -t "$PID1" -m tar -C "$(dirname "$path")" -cf - "$(basename "$path")" | tar -C "$last" -xf -
done
EOT
chmod 755 "$top"/bin/*

machine n1 && machine n2 || { cat "$top"/*.log; skip_all "no overlay file system here"; }
ip link add eth0 netns "$pid_n1" type veth peer name eth0 netns "$pid_n2" || skip_all "no veth here"
for m in 1 2; do
    on n$m ip addr add 10.77.0.$m/24 dev eth0
    on n$m ip link set eth0 up
done

for m in n1 n2; do
    typed $m "Both machines" both
    ok $? "$m: installed"
done
on n2 sh -c 'useradd -m alice && cd /home/alice && runuser -u alice -- ssh-keygen -q -t ed25519 -N "" -f key &&
    cat key.pub' >"$top/alice.pub"
on n1 cp "$top/alice.pub" /root/alice.pub
typed n1 "The head" head
ok $? "the head"
typed n2 "The worker" worker
ok $? "the worker"
{
    echo '. /etc/profile.d/xos.sh; cd; eval "$(ssh-agent)" >/dev/null; ssh-add -q key'
    echo 'for _ in $(seq 100); do xos login >/dev/null 2>&1 && [ "$(xnodes --json 2>/dev/null | grep -c "\"name\"")" = 2 ] && break; sleep 0.2; done'
    page "Anybody, anywhere"
    echo 'xos logout; kill $SSH_AGENT_PID'
} >"$top/alice"
chmod 644 "$top/alice"
on n2 runuser -u alice -- sh -e "$top/alice" >"$top/alice.out" 2>&1
ok $? "alice" || cat "$top/alice.out" "$top"/n[12]/var/log/xos*.log
is "$(grep -c '^n[12].inria *up .*cgroup' "$top/alice.out")" 2 "sees both machines" || cat "$top/alice.out"
is "$(grep -c '^[01]: uid=19[0-9]* ' "$top/alice.out")" 2 "and runs on both, under a uid of her own" || cat "$top/alice.out"
is "$(on n2 sh -c 'stat -c %U /var/lib/xos/jobs.db')" xos "xosd is not root"
done_testing
