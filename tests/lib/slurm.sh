# SPDX-License-Identifier: Apache-2.0
# slurm.sh - a Slurm of one node, for scripts: munged, slurmctld and slurmd with a key, sockets,
# ports, state and configuration of their own, everything below one directory.
#
#   . tests/lib/slurm.sh
#   slurm_lacks             why none can be started here, or nothing
#   slurm_up                SLURM_DIR and SLURM_CONF (exported) are set
#   srun -n1 true
#   slurm_down              also at exit
# shellcheck shell=sh

slurm_lacks() {
    for p in munged slurmctld slurmd srun sbatch; do
        PATH=$PATH:/usr/sbin command -v $p >/dev/null || { echo "$p: run make deps-bench"; return; }
    done
}

# Free a moment ago; every daemon says in its log when it was not.
slurm_ports() {
    perl -MIO::Socket::INET -e 'my @s = map { IO::Socket::INET->new(Listen => 1,
        LocalAddr => "127.0.0.1", Proto => "tcp") or die "$!\n" } 1, 2; print join(" ",
        map { $_->sockport } @s), "\n"'
}

# As on a machine that serves one node: no cgroups, no accounting, a scheduler that never waits.
slurm_conf() { # slurm_conf CTLD-PORT SLURMD-PORT
    host=$(hostname -s)
    cat <<EOT
ClusterName=bench
SlurmctldHost=$host(127.0.0.1)
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
SlurmctldPort=$1
SlurmdPort=$2
AuthType=auth/munge
AuthInfo=socket=$SLURM_DIR/munge.socket
CredType=cred/munge
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
StateSaveLocation=$SLURM_DIR/state
SlurmdSpoolDir=$SLURM_DIR/spool
SlurmctldPidFile=$SLURM_DIR/slurmctld.pid
SlurmdPidFile=$SLURM_DIR/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_min_interval=0,batch_sched_delay=0,default_queue_depth=1000
SlurmdParameters=config_overrides
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
MaxJobCount=20000
PropagateResourceLimits=NONE
NodeName=bench NodeHostname=$host NodeAddr=127.0.0.1 CPUs=64 RealMemory=16384 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
EOT
}

slurm_daemon() { # slurm_daemon NAME COMMAND… : its id is left in slurm_NAME
    name=$1
    shift
    "$@" </dev/null >>"$SLURM_DIR/$name.out" 2>&1 &
    eval "slurm_$name=$!"
}

slurm_wait() { # slurm_wait SECONDS COMMAND…
    slurm_until=$(($(date +%s) + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$(date +%s)" -lt "$slurm_until" ] || return 1
        sleep 0.05
    done
}

slurm_idle() { sinfo -h -o %T | grep -qx idle; }
slurm_empty() { [ -z "$(squeue -h)" ]; }

slurm_up() {
    PATH=$PATH:/usr/sbin
    SLURM_DIR=$(mktemp -d /tmp/xos-slurm.XXXXXX) || return 1
    chmod 755 "$SLURM_DIR"
    mkdir "$SLURM_DIR/state" "$SLURM_DIR/spool"
    (umask 077 && head -c 128 /dev/urandom >"$SLURM_DIR/munge.key")
    # shellcheck disable=SC2046
    slurm_conf $(slurm_ports) >"$SLURM_DIR/slurm.conf"
    SLURM_CONF=$SLURM_DIR/slurm.conf
    export SLURM_CONF
    slurm_daemon munged munged --force --foreground --key-file="$SLURM_DIR/munge.key" \
        --socket="$SLURM_DIR/munge.socket" --pid-file="$SLURM_DIR/munged.pid" \
        --log-file="$SLURM_DIR/munged.log" --seed-file="$SLURM_DIR/munged.seed"
    slurm_wait 10 test -S "$SLURM_DIR/munge.socket" || return 1
    slurm_daemon slurmctld slurmctld -D
    slurm_wait 20 scontrol ping || return 1
    slurm_daemon slurmd slurmd -D
    slurm_wait 20 slurm_idle
}

# A step's daemon outlives slurmd, and listens in its spool folder.
slurm_left() {
    sockets=$(awk -v "dir=$SLURM_DIR/" 'index($8, dir) == 1 { print "socket:[" $7 "]" }' /proc/net/unix)
    [ -n "$sockets" ] || return 0
    for p in /proc/[0-9]*; do
        for fd in "$p"/fd/[0-9]*; do
            link=$(readlink "$fd" 2>/dev/null) && echo "$sockets" | grep -qxF "$link" || continue
            echo "${p#/proc/}"
            break
        done
    done
}

slurm_down() {
    [ -n "${SLURM_DIR:-}" ] || return 0
    if [ -n "${slurm_slurmd:-}" ]; then
        scancel --user="$(id -un)" --full 2>/dev/null
        slurm_wait 10 slurm_empty
    fi
    for p in ${slurm_slurmd:-} ${slurm_slurmctld:-} ${slurm_munged:-}; do
        kill "$p" 2>/dev/null
        wait "$p" 2>/dev/null
    done # each while the next one can still hear it
    for p in $(slurm_left); do kill -9 "$p" 2>/dev/null; done
    rm -rf "$SLURM_DIR"
    SLURM_DIR='' slurm_slurmd='' slurm_slurmctld='' slurm_munged=''
}
