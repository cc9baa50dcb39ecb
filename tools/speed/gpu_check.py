"""Find out within minutes whether all of this runs on a GPU, and how fast.

    python tools/speed/gpu_check.py --out gpu_check.json
    python tools/speed/gpu_check.py --short                 the same in small, also on a CPU

Trains every kind of model in bfloat16, joins an NCCL group of one rank with SyncBN, tests with
results fetched while the next batch is computed, tests as many boxes as COCO's val2017 has
detections, compiles, and runs tools/benchmark.py. The data set is drawn for the run unless --data
names one in COCO's layout. Exit code 1 if a check failed. Weights are random: speed, not AP.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib.config import load_config
from lib.datasets.synthetic import Recipe, write_dataset
from lib.utils.cli import run_tool
from lib.utils.files import json_text

if TYPE_CHECKING:
    import torch

    from lib.benchmark.checks import Check

ROOT = Path(__file__).parent.parent.parent
COCO, SYNTHPOSE = ROOT / "experiments/coco", ROOT / "experiments/synthpose"
FIRST = COCO / "hrnet/w32_256x192_adam_lr1e-3.yaml"  # also the model of all checks after training
MODELS = (
    FIRST, COCO / "resnet/res50_256x192_d256x3_adam_lr1e-3.yaml",
    COCO / "lpn/lpn50_256x192_gd256x2_gc.yaml", COCO / "hrformer/s_256x192_adamw_lr5e-4.yaml",
    COCO / "efenet/s_256x192_adamw_lr5e-4.yaml", COCO / "vitpose/vitpose_b_256x192.yaml",
    COCO / "rtmpose/rtmpose_m_256x192.yaml", COCO / "simcc/simcc_resnet50_256x192.yaml",
    COCO / "eeffpose/eeffposep0_256x192_adam_lr1e-3.yaml",
    COCO / "posenet/convnext_tiny_efem_256x192.yaml",
    COCO / "posenet/mobilenetv3_lpn_256x192.yaml",
    COCO / "higher_hrnet/w32_512_adam_lr1e-3.yaml",
    COCO / "higher_hrnet_davit/w32_512_adam_lr1e-3.yaml",
    COCO / "hrnet_ae/w32_512_adam_lr1e-3.yaml",
    COCO / "keypoint_rcnn/r50_fpn_3x.yaml",
)  # fmt: skip
SMALL = (SYNTHPOSE / "quickstart.yaml", SYNTHPOSE / "higher_hrnet.yaml")
DETECTIONS = 104125  # boxes of the usual detector file of COCO val2017
FULL = {"boxes": DETECTIONS, "images": 5000, "drawn": 400, "ahead": 4000, "steps": 10, "rounds": 9}
SHORT = {"boxes": 23, "images": 5, "drawn": 4, "ahead": 11, "steps": 1, "rounds": 1}
BATCHES = {"step": 0, "rank": 32, "compile": 32}  # 0: that of the YAML
SMALL_BATCHES = {"step": 2, "rank": 2, "compile": 2}
PARTS = ("train", "rank", "ahead", "test", "compile", "stages")


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--out", default="gpu_check.json", metavar="FILE", help="JSON to write (gpu_check.json)")
    add("--data", metavar="DIR", help="data set in COCO's layout (synthpose, drawn for this run)")
    add("--cfg", nargs="+", metavar="FILE", help="YAMLs to train, the first one top-down")
    add("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="which checks (all)")
    add("--budget", type=float, default=480.0, metavar="S", help="no check begins later (480)")
    add("--short", action="store_true", help="smallest sizes: does it work?")
    add("--set", nargs="+", default=[], metavar="KEY=VALUE", help="configuration keys to override")
    return parser.parse_args(argv)


def list_checks(args: argparse.Namespace, root: Path, device: torch.device) -> list[Check]:
    """Return the checks that are wanted, the most important first."""
    from lib.benchmark import device as parts
    from lib.benchmark.checks import Check

    files = [Path(file) for file in args.cfg or (SMALL if args.short else MODELS)]
    size, batch = (SHORT, SMALL_BATCHES) if args.short else (FULL, BATCHES)
    words = [f"DATASET.ROOT={root}", "TEST.USE_GT_BBOX=True", "MODEL.SYNC_BN=False"]
    half = [*words, "FP16.ENABLED=True", "FP16.DTYPE=bfloat16", *args.set]
    plain = [*words, "FP16.ENABLED=False", *args.set]

    def train(file: Path) -> dict[str, Any]:
        cfg = load_config(file, half)
        wanted = batch["step"] or cfg.TRAIN.BATCH_SIZE_PER_GPU
        return parts.train_steps(cfg, device, batch=wanted, steps=size["steps"])

    first = partial(load_config, files[0])
    makers = {
        "rank": lambda: parts.one_rank(first(plain), device, batch=batch["rank"]),
        "ahead": lambda: parts.asynchronous(first(half), device, boxes=size["ahead"]),
        "test": lambda: parts.whole_test(
            first(half), device, boxes=size["boxes"], images=size["images"]
        ),
        "compile": lambda: parts.compiled(
            first(plain), device, batch=batch["compile"], rounds=size["rounds"]
        ),
        "stages": lambda: time_stages(args, root, files[0]),
    }
    training = [
        Check(f"train {file.parent.name}/{file.stem}", partial(train, file)) for file in files
    ]
    others = [Check(name, make) for name, make in makers.items() if name in args.parts]
    return [*(training if "train" in args.parts else []), *others]


def time_stages(args: argparse.Namespace, root: Path, cfg: Path) -> dict[str, Any]:
    """Run tools/benchmark.py in a process of its own; its rows are in the figures."""
    words = ["--json", "--data", str(root), "--cfg", str(cfg), *(["--short"] if args.short else [])]
    if args.set:
        words += ["--set", *args.set]
    script = [sys.executable, str(ROOT / "tools/benchmark.py"), *words]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"tools/benchmark.py: {done.stderr.strip().splitlines()[-1]}")
    rows = json.loads(done.stdout)
    return {name: row["ratio"] for name, row in rows.items() if name != "machine"}


def run(args: argparse.Namespace, root: Path) -> dict[str, Any]:
    """Return ``machine`` and the rows of all checks, which are in ``--out`` as far as they go."""
    from lib.benchmark.checks import run_checks
    from lib.benchmark.timing import describe_machine
    from lib.config.defaults import default_config
    from lib.engine.device import setup_device

    device = setup_device(default_config())[0]
    report: dict[str, Any] = {"machine": describe_machine(device), "checks": []}

    def keep(rows: list[dict[str, Any]]) -> None:
        Path(args.out).write_text(json_text({**report, "checks": rows}, indent=1), encoding="utf-8")
        if rows:
            print(f"{rows[-1]['check']}: {rows[-1]['outcome']}", file=sys.stderr)

    keep([])  # a path that cannot be written is found before all the work
    checks = list_checks(args, root, device)
    return {**report, "checks": run_checks(checks, budget_s=args.budget, keep=keep)}


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """Check, print the table; leave with 1 if a check failed."""
    from lib.benchmark.checks import FAILED, format_rows

    args = parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        if not args.data:
            count = SHORT["drawn"] if args.short else FULL["drawn"]
            recipe = Recipe(train=count, val=count, size=(640, 480), formats=("coco",))
            write_dataset(folder, recipe, workers=1 if args.short else os.cpu_count() or 1)
        report = run(args, Path(args.data or Path(folder) / "coco"))
    print(", ".join(f"{key} {value}" for key, value in report["machine"].items()))
    print(format_rows(report["checks"]))
    if any(row["outcome"] == FAILED for row in report["checks"]):
        raise SystemExit(1)
    return report


if __name__ == "__main__":
    logging.getLogger("lib").setLevel(logging.ERROR)  # warnings of models that nobody will use
    run_tool(main)
