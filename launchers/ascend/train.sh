#!/usr/bin/env bash
# Trains on Ascend cards: launchers/ascend/train.sh DATASET RUN [more options of `pianomuse train`]
# CANN's variables are set, the cards are counted, and one process runs on each. PYTHON names another Python.
set -euo pipefail

if [ $# -lt 2 ]; then
  echo "Say what to train on and where to: $0 DATASET RUN [options of pianomuse train]" >&2
  exit 2
fi
dataset=$1 run=$2
shift 2
python=${PYTHON:-python3}

for setup in "${ASCEND_HOME_PATH:-}/set_env.sh" "$HOME/Ascend/ascend-toolkit/set_env.sh" \
  /usr/local/Ascend/ascend-toolkit/set_env.sh; do
  if [ -f "$setup" ]; then
    set +u # CANN's script reads variables that are not set
    # shellcheck disable=SC1090
    . "$setup"
    set -u
    break
  fi
done

if ! "$python" -c "import pianomuse, torch, torch_npu; raise SystemExit(not torch.npu.is_available())"; then
  echo "No Ascend card can be used from $python. Needed: the driver, CANN, torch and the torch_npu that belongs to them," >&2
  echo "and pianomuse with its extra train. docs/howto/ascend.md says how." >&2
  exit 1
fi

n_cards=$("$python" -c "import torch, torch_npu; print(torch.npu.device_count())")
resume=()
[ -f "$run/config.toml" ] && resume=(--resume)
words=(-m pianomuse train "$dataset" --out "$run" --device npu "${resume[@]}" "$@")
if [ "$n_cards" = 1 ]; then
  exec "$python" "${words[@]}"
fi
exec "$python" -m torch.distributed.run --standalone --nproc-per-node "$n_cards" "${words[@]}"
