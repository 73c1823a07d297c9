#!/usr/bin/env bash
# Sets up Slurm on this machine alone, one node with eight slots, in a folder of its own, as root:
#   apt-get install slurm-wlm munge && bash tests/helpers/slurm.sh FOLDER
# Then: export SLURM_CONF=FOLDER/slurm.conf. The partition is `test`.
set -euo pipefail
folder=$(realpath -m "${1:?usage: bash tests/helpers/slurm.sh FOLDER}")
mkdir -p "$folder"/{state,spool} /run/munge /var/log/munge /var/lib/munge
[ -f /etc/munge/munge.key ] || { dd if=/dev/urandom bs=1 count=1024 of=/etc/munge/munge.key
                                 chmod 400 /etc/munge/munge.key; }
chown -R munge: /etc/munge /run/munge /var/log/munge /var/lib/munge
munge -n > /dev/null 2>&1 || runuser -u munge -- munged
host=$(hostname -s)
cat > "$folder/slurm.conf" <<END
ClusterName=one
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ReturnToService=2
KillWait=30
JobRequeue=1
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
SlurmdParameters=config_overrides
NodeName=$host NodeAddr=127.0.0.1 CPUs=8 State=UNKNOWN
PartitionName=test Nodes=$host Default=YES MaxTime=60 State=UP
END
export SLURM_CONF=$folder/slurm.conf
slurmctld
slurmd
for _ in $(seq 60); do
    if sinfo --noheader -o %T 2>/dev/null | grep -q idle; then exit 0; fi
    sleep 1
done
echo "the node did not come up; see $folder/slurmctld.log and slurmd.log" >&2
exit 1
