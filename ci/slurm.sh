#!/bin/sh
# A real SLURM on this one Debian machine, for tests: `ci/slurm.sh` starts it, `ci/slurm.sh stop` ends it.
# More slots than cores, so that several jobs run; two partitions; all on loopback; no systemd, no cgroups.
set -eu

home=/var/tmp/crossroads-slurm
slots=80
conf=/etc/slurm/slurm.conf
mark="# written by ci/slurm.sh of the Crossroads book"

[ "$(id -u)" = 0 ] || { echo "ci/slurm.sh: root is needed, as SLURM runs jobs for others" >&2; exit 1; }

stop() {
    for file in $home/slurmd.pid $home/slurmctld.pid $home/munge/pid; do
        [ -s "$file" ] || continue
        pid=$(cat "$file")
        kill "$pid" 2>/dev/null || true
        for _ in $(seq 100); do
            kill -0 "$pid" 2>/dev/null || break
            sleep 0.1
        done
    done
    rm -rf $home
}

if [ "${1:-}" = stop ]; then
    if [ -s $home/slurmctld.pid ]; then
        scancel --user=root
        sleep 3
    fi
    stop
    if grep -qsF "$mark" $conf; then rm $conf; fi
    exit 0
fi

if ! command -v slurmctld >/dev/null || ! command -v slurmd >/dev/null || ! command -v munged >/dev/null; then
    command -v apt-get >/dev/null || { echo "ci/slurm.sh: no apt-get: a Debian is needed" >&2; exit 1; }
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends slurm-wlm munge >/dev/null
fi
if [ -s $conf ] && ! grep -qF "$mark" $conf; then
    echo "ci/slurm.sh: $conf is of another SLURM: this script would replace it; use a machine without one" >&2
    exit 1
fi

stop
mkdir -p $home/state $home/spool $home/munge /etc/slurm
chmod 755 $home $home/munge
memory=$(($(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo) / 1024))
host=$(hostname -s)
cat >$conf <<EOF
$mark
ClusterName=crossroads
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$home/munge/socket
CryptoType=crypto/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=2,sched_interval=2
SlurmdParameters=config_overrides
MpiDefault=none
ReturnToService=2
KillWait=2
MinJobAge=300
StateSaveLocation=$home/state
SlurmdSpoolDir=$home/spool
SlurmctldPidFile=$home/slurmctld.pid
SlurmdPidFile=$home/slurmd.pid
SlurmctldLogFile=$home/slurmctld.log
SlurmdLogFile=$home/slurmd.log
NodeName=$host NodeAddr=127.0.0.1 CPUs=$slots RealMemory=$memory State=UNKNOWN
PartitionName=long Nodes=$host Default=YES MaxTime=INFINITE State=UP
PartitionName=short Nodes=$host MaxTime=2 State=UP
EOF
mungekey --create --keyfile=$home/munge/key
chown -R munge: $home/munge
setpriv --reuid munge --regid munge --clear-groups munged --force --socket=$home/munge/socket \
    --key-file=$home/munge/key --log-file=$home/munge/log \
    --pid-file=$home/munge/pid --seed-file=$home/munge/seed
slurmctld
slurmd
for _ in $(seq 100); do
    sinfo --noheader --format=%T 2>/dev/null | grep -qE 'idle|mixed' && exit 0
    sleep 0.2
done
echo "ci/slurm.sh: the node did not come up within 20 s; see $home/slurmctld.log and $home/slurmd.log" >&2
exit 1
