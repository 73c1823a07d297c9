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
    # The test of a checkpoint has nothing to save. srun hands the signals on.
    local resume=()
    if [[ "$script" == train.py && -n "${SLURM_JOB_ID:-}" && " $* " != *" --resume"* ]]; then
        resume=(--resume)
    fi
    # SRUN_ARGS holds several arguments, so it is not quoted.
    exec srun --partition="$partition" --job-name="$job_name" --ntasks="$gpus" \
        --ntasks-per-node="$gpus_per_node" --gres="gpu:$gpus_per_node" \
        --cpus-per-task="${CPUS_PER_TASK:-8}" --kill-on-bad-exit=1 ${SRUN_ARGS:-} \
        python -u "$TOOLS/$script" "$@" "${resume[@]}" --launcher slurm
}
