# Sourced by dist_*.sh and slurm_*.sh: starts a Python script as several processes.

TOOLS="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"

# launch_torchrun SCRIPT PROCESSES_A_NODE ARGUMENT...
launch_torchrun() {
    local script=$1 processes=$2
    shift 2
    local where=(--standalone) resume=()
    if [[ "${NNODES:-1}" == *:* ]]; then
        : "${MASTER_ADDR:?is needed with NNODES=MIN:MAX: the address of the node all can reach}"
        where=(--nnodes="$NNODES" --rdzv-backend=c10d --rdzv-id="${JOB_ID:-amd_mm}"
               --rdzv-endpoint="$MASTER_ADDR:${PORT:-29500}")
    elif [ "${NNODES:-1}" -gt 1 ]; then
        : "${NODE_RANK:?is needed with NNODES > 1: the number of this node, from 0}"
        : "${MASTER_ADDR:?is needed with NNODES > 1: the address of node 0}"
        where=(--nnodes="$NNODES" --node-rank="$NODE_RANK" --master-addr="$MASTER_ADDR"
               --master-port="${PORT:-29500}")
    elif [ -n "${PORT:-}" ]; then
        where=(--master-port="$PORT")
    fi
    # Processes that are started again go on from the newest checkpoint.
    if [[ "${RESTARTS:-0}" != 0 || "${NNODES:-1}" == *:* ]]; then
        where+=(--max-restarts="${RESTARTS:-0}")
        if [[ "$script" == train.py && " $* " != *" --resume"* ]]; then resume=(--resume); fi
    fi
    exec python "$TOOLS/_torchrun.py" "${where[@]}" --nproc-per-node="$processes" \
        "$TOOLS/$script" "$@" "${resume[@]}" --launcher pytorch
}

# launch_slurm SCRIPT PARTITION JOB_NAME ARGUMENT...
launch_slurm() {
    local script=$1 partition=$2 job_name=$3
    shift 3
    local gpus=${GPUS:-8}
    local gpus_per_node=${GPUS_PER_NODE:-$((gpus < 8 ? gpus : 8))}
    # SRUN_ARGS holds several arguments, so it is not quoted.
    local where=(--partition="$partition" --job-name="$job_name" --ntasks="$gpus"
                 --ntasks-per-node="$gpus_per_node" --gres="gpu:$gpus_per_node"
                 --cpus-per-task="${CPUS_PER_TASK:-8}")
    # A training saves when the time limit is that near, and may then be started again.
    if [ "$script" = train.py ]; then where+=(--signal="USR1@${STOP_SECONDS:-120}"); fi
    local run=(python -u "$TOOLS/$script" "$@" --launcher slurm)
    if [ -z "${BATCH:-}" ]; then
        exec srun "${where[@]}" --kill-on-bad-exit=1 ${SRUN_ARGS:-} "${run[@]}"
    fi
    # A resumed run of a job that was never started begins anew.
    if [[ "$script" == train.py && " $* " != *" --resume"* ]]; then run+=(--resume); fi
    exec sbatch "${where[@]}" --requeue --open-mode=append \
        --output="${OUTPUT:-slurm-%j.out}" ${SRUN_ARGS:-} <<END
#!/usr/bin/env bash
# Two jobs on a node have two ports.
export MASTER_PORT=\${PORT:-\$((20000 + SLURM_JOB_ID % 20000))}
export AMD_MM_STOPPED_FILE=/tmp/amd_mm-stopped-\$SLURM_JOB_ID
rm -f "\$AMD_MM_STOPPED_FILE"
status=0
srun --kill-on-bad-exit=1 ${SRUN_ARGS:-} $(printf '%q ' "${run[@]}") || status=\$?
# It was told to stop and has saved: its tasks end with 0, as srun kills the others of one that
# does not. Who cancels a job ends this script as well.
if [ -e "\$AMD_MM_STOPPED_FILE" ]; then
    rm -f "\$AMD_MM_STOPPED_FILE"
    scontrol requeue "\$SLURM_JOB_ID"
    exit 75
fi
exit \$status
END
}
