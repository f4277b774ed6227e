#!/bin/bash
# A Ray cluster inside one Slurm allocation, and a batch on it: `sbatch slurm.sh --parallel 40`, in the folder of task.json.
# The environment that is active when it is submitted has agentbatch[cluster]; the folder is on a file system that all
# nodes have, so nothing travels.
#SBATCH --job-name=agentbatch
#SBATCH --nodes=3
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --mem=32G
#SBATCH --time=08:00:00
#SBATCH --signal=B:INT@300
set -euo pipefail

# Keys stay with the engine: Ray's processes get a short list of variables, and a token of this job.
token=$(mktemp -p "$PWD" .ray-token-XXXXXX) && trap 'rm -f "$token"' EXIT
chmod 600 "$token" && head -c 32 /dev/urandom | base64 >"$token"
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH=$token RAY_USAGE_STATS_ENABLED=0
clean=(env -i "PATH=$PATH" "HOME=$HOME" "USER=$USER" "LANG=${LANG:-C.UTF-8}" "VIRTUAL_ENV=${VIRTUAL_ENV:-}"
  "RAY_AUTH_MODE=$RAY_AUTH_MODE" "RAY_AUTH_TOKEN_PATH=$token" RAY_USAGE_STATS_ENABLED=0)

head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
address=$(srun --overlap -N 1 -n 1 -w "$head" hostname --ip-address | cut -d' ' -f1):6379
srun --overlap -N 1 -n 1 -w "$head" "${clean[@]}" ray start --head --port 6379 --num-cpus "$SLURM_CPUS_PER_TASK" \
  --include-dashboard false --block &
until "${clean[@]}" ray health-check --address "$address" 2>/dev/null; do sleep 2; done
srun --overlap -N "$((SLURM_NNODES - 1))" -n "$((SLURM_NNODES - 1))" -x "$head" "${clean[@]}" \
  ray start --address "$address" --num-cpus "$SLURM_CPUS_PER_TASK" --block &

agentbatch --cluster "$address" --cluster-shared "$@" & # on the first node, which is the head's
trap 'kill -INT "$engine"' INT
engine=$!
wait "$engine" || wait "$engine" # again: a signal ends the first
