#!/usr/bin/env bash
# Train on two machines, lose one twice, and finish. Run as root:
#
#     tests/scripts/two_machines.sh
#
# The machines are network namespaces with addresses and output folders of their own, joined by a
# virtual cable; torchrun starts one process on each. First all processes of machine 2 are killed,
# later its cable is cut as well (machine 1 hears nothing more, only the timeout of collectives
# helps). Each time machine 2 is started again with the same command. In the end the weights must be
# equal, bit for bit, to those of a run without accidents. On a slow or busy host set TIMEOUT (20)
# higher: the seconds after which machine 1 gives up waiting for machine 2.
set -euo pipefail
cd "$(dirname "$0")/../.."

WORK=$(mktemp -d)
export PYTHONPATH=$PWD OMP_NUM_THREADS=1 GLOO_SOCKET_IFNAME=cable PYTHONUNBUFFERED=1
# torchrun tells a machine that joins later nothing of the address of rank 0 unless this is set: it
# publishes that once only, and not again for the group that the new machine belongs to.
export TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1
export PATH="$(dirname "$(command -v python)"):$PATH"

address() { echo "10.77.0.$1"; }
inside() { ip netns exec "machine$1" "${@:2}"; }
say() { echo "[$(date +%T)] $*"; }

cleanup() {
    for n in 1 2; do
        ip netns pids "machine$n" 2>/dev/null | xargs -r kill -9 2>/dev/null || true
        ip netns del "machine$n" 2>/dev/null || true
    done
    rm -rf "$WORK"
}
trap cleanup EXIT

build_machines() {
    for n in 1 2; do
        ip netns del "machine$n" 2>/dev/null || true
        ip netns add "machine$n"
    done
    ip link add cable netns machine1 type veth peer name cable netns machine2
    for n in 1 2; do
        inside "$n" ip addr add "$(address "$n")/24" dev cable
        inside "$n" ip link set cable up
        inside "$n" ip link set lo up
    done
}

# start MACHINE RUN: torchrun in the background; its process id goes to PID[MACHINE]. Real machines
# know their own names and need neither --local-addr nor is_host.
start() {
    inside "$1" torchrun --nnodes 2 --nproc-per-node 1 --max-restarts 5 \
        --rdzv-backend c10d --rdzv-endpoint "$(address 1):29400" --rdzv-id "$2" \
        --local-addr "$(address "$1")" --rdzv-conf "is_host=$((2 - $1))" \
        tools/train.py --cfg "$WORK/topdown_$2.yaml" OUTPUT_DIR "$WORK/machine$1" \
        LOG_DIR "$WORK/log$1" AUTO_RESUME false DIST_TIMEOUT "${TIMEOUT:-20}" TRAIN.END_EPOCH 40 \
        >>"$WORK/$2.machine$1.log" 2>&1 &
    PID[$1]=$!
}

folder() { echo "$WORK/machine$1/coco/pose_hrnet/topdown_$2"; }

saved_steps() {
    ls "$(folder 1 "$1")" 2>/dev/null | sed -n 's/^checkpoint_\([0-9]*\)\.pth$/\1/p' | sort -n | tail -1
}

# wait_for RUN STEPS: until machine 1 has a checkpoint of so many steps
wait_for() {
    while [ "$(saved_steps "$1" | grep . || echo 0)" -lt "$2" ]; do
        kill -0 "${PID[1]}" 2>/dev/null || { say "machine 1 ended early"; show_logs "$1"; exit 1; }
        sleep 0.2
    done
}

show_logs() {
    for n in 1 2; do
        echo "--- machine $n"
        grep -hE "[0-9] process\(es\)$|resumed after|(finished|stopped) after|[eE]rror: |signal" \
            "$WORK/$1.machine$n.log" | cut -c1-150 | tail -40 || true
    done
}

# both_end RUN: wait for the end of torchrun on both machines
both_end() {
    for n in 1 2; do
        wait "${PID[$n]}" || { say "machine $n failed"; tail -n 40 "$WORK/$1".machine*.log; exit 1; }
    done
}

lose_machine_2() {
    ip netns pids machine2 | xargs -r kill -9
    wait "${PID[2]}" 2>/dev/null || true
}

declare -a PID
build_machines
(cd tests/scripts && python - "$WORK" <<'PYTHON'
import sys
from pathlib import Path
from killing import write_config
from lib.datasets.synthetic import Recipe, write_dataset
folder = Path(sys.argv[1])
write_dataset(folder, Recipe(train=8, val=3, seed=3, size=(160, 120)), workers=1)
for name in ("peace", "accidents"):
    write_config("topdown", folder, name)
PYTHON
)

say "without accidents"
start 1 peace
start 2 peace
both_end peace
TOTAL=$(saved_steps peace)
say "finished $TOTAL steps"

say "with accidents"
start 1 accidents
start 2 accidents
wait_for accidents $((TOTAL / 4))
say "machine 1 has saved $(saved_steps accidents) steps: killing all processes of machine 2"
lose_machine_2
sleep 3
say "starting machine 2 again"
start 2 accidents
wait_for accidents $((TOTAL * 2 / 3))
say "machine 1 has saved $(saved_steps accidents) steps: cutting the cable of machine 2"
inside 2 ip link set cable down
lose_machine_2
sleep 3
say "joining the cable, starting machine 2 again"
inside 2 ip link set cable up
start 2 accidents
both_end accidents
say "finished $(saved_steps accidents) steps"
show_logs accidents

python - "$(folder 1 peace)" "$(folder 1 accidents)" "$(folder 2 accidents)" <<'PYTHON'
import sys
from pathlib import Path
import torch
peace, accidents = (torch.load(f"{f}/final_state.pth", weights_only=True)["state_dict"] for f in sys.argv[1:3])
assert peace.keys() == accidents.keys()
differing = [name for name in peace if not torch.equal(peace[name], accidents[name])]
print("weights of both runs:", f"DIFFERENT {differing[:5]}" if differing else "equal bit for bit")
print("files on machine 2:", [p.name for p in Path(sys.argv[3]).glob("*")] if Path(sys.argv[3]).exists() else "none")
sys.exit(bool(differing))
PYTHON
