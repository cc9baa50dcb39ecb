"""Time of every stage beside its textbook form, measured in turns in one run.

    python tools/benchmark.py                      synthpose, drawn at COCO's image size
    python tools/benchmark.py --data data/coco --cfg experiments/coco/hrnet/w32_....yaml

Both forms must agree before anything is timed (exit code 1 if they do not). The textbook does what
the HRNet family does, so the settings that it knows are used: Gaussian targets, flip test with a
shift of one cell, quarter step, suppression by threshold. One thread; times on the CPU are
processor time, those on a GPU wall clock.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2

from lib.annotations.form import coco_ground_truth
from lib.config import load_config
from lib.datasets.synthetic import Recipe, write_dataset
from lib.evaluation.coco_files import read_truth_file
from lib.utils.cli import count, run_tool
from lib.utils.errors import ConfigError

if TYPE_CHECKING:
    import torch

    from lib.benchmark.timing import Stage
    from lib.tasks.topdown import TopDownTask

DEFAULT_CFG = Path(__file__).parent.parent / "experiments/synthpose/quickstart.yaml"
LINEAGE = (
    "MODEL.TARGET_TYPE=gaussian", "DATASET.CUTOUT=False", "DATASET.SELECT_DATA=False",
    "LOSS.USE_OHKM=False", "LOSS.USE_TARGET_WEIGHT=True", "LOSS.FACTOR=0.5",
    "LOSS.USE_DIFFERENT_JOINTS_WEIGHT=False", "TEST.SOFT_ARGMAX=False", "TEST.BIAS=0.0",
    "TEST.FLIP_TEST=True", "TEST.SHIFT_HEATMAP=True", "TEST.FLIP_ALIGN=''",
    "TEST.POST_PROCESS=True", "TEST.SOFT_NMS=False", "TEST.RESCORE=True", "TEST.OKS_THRE=0.9",
    "TEST.USE_GT_BBOX=True", "WORKERS=0", "FP16.ENABLED=False",
)  # fmt: skip
IMAGE_SIZE = (640, 480)  # COCO's
NOTES = ("over_decode", "whole_images_over_decode", "ratio_without_decode")
COLUMNS = ("stage", "ours", "textbook", "ratio", "quartiles", "per", "notes")
FULL = {
    "people": 64,
    "images": 12,
    "maps": 64,
    "groups": 4,
    "cells": 256,
    "many": 400,
    "batch": 16,
    "rounds": 9,
}
SHORT = {
    "people": 6,
    "images": 2,
    "maps": 3,
    "groups": 1,
    "cells": 64,
    "many": 9,
    "batch": 2,
    "rounds": 1,
}

STAGES = (
    "train_data", "test_data", "decode", "group", "nms", "evaluate", "forward", "train_step",
    "end_to_end",
)  # fmt: skip


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--cfg", default=str(DEFAULT_CFG), metavar="FILE", help="YAML of a top-down COCO model")
    add("--data", metavar="DIR", help="data set in COCO's layout (synthpose, drawn for this run)")
    add("--stages", nargs="+", choices=STAGES, default=list(STAGES), help="which (all)")
    add("--rounds", type=count, help="measurements of each form")
    add("--short", action="store_true", help="smallest sizes, one round: does it work?")
    add("--json", action="store_true", help="write {stage: {ours, textbook, ratio, spread}}")
    add("--set", nargs="+", default=[], metavar="KEY=VALUE", help="configuration keys to override")
    return parser.parse_args(argv)


def build_stage(name: str, task: TopDownTask, size: dict[str, int], device: torch.device) -> Stage:
    """Return what is measured under ``name``, in both forms, at ``size``."""
    from lib.benchmark import data, network, results
    from lib.datasets.sources import source_content
    from lib.tasks.splits import build_source

    makers: dict[str, Callable[[], Stage]] = {
        "train_data": lambda: data.train_data(task, size["people"]),
        "test_data": lambda: data.test_data(task, size["images"]),
        "decode": lambda: results.decode(task, size["maps"], device),
        "group": lambda: results.group_people(size["groups"], size["cells"], device),
        "nms": lambda: results.suppress(size["many"]),
        "evaluate": lambda: results.score(
            coco_ground_truth(read_truth_file(source_content(build_source(task.cfg, train=False)))),
            size["many"],
        ),
        "forward": lambda: network.forward(task, size["batch"], device),
        "train_step": lambda: network.train_step(task, size["batch"], device),
        "end_to_end": lambda: network.end_to_end(task, size["people"], device),
    }
    return makers[name]()


def run(args: argparse.Namespace, root: Path) -> dict[str, Any]:
    """Return the rows of the wanted stages, with ``machine`` beside them."""
    import torch

    from lib.benchmark.timing import describe_machine, measure
    from lib.codecs import CODECS
    from lib.codecs.kinds.gaussian import GaussianCodec
    from lib.engine.device import setup_device
    from lib.tasks import build_task
    from lib.tasks.splits import build_source
    from lib.tasks.topdown import TopDownTask

    own = load_config(args.cfg, args.set)
    if GaussianCodec.reads != CODECS[own.MODEL.TARGET_TYPE].reads or own.MODEL.CODEC:
        raise ConfigError(
            f"{args.cfg}: the textbook reads Gaussian heatmaps, MODEL.TARGET_TYPE "
            f"'{own.MODEL.TARGET_TYPE}' something else; take a configuration that reads heatmaps."
        )
    cfg = load_config(args.cfg, [*LINEAGE, f"DATASET.ROOT={root}", *args.set])
    task = build_task(cfg)
    if not isinstance(task, TopDownTask) or build_source(cfg, train=False).kind != "coco":
        raise ConfigError(f"{args.cfg}: the benchmark needs a top-down model on a COCO data set.")
    size = dict(SHORT if args.short else FULL)
    size["rounds"] = args.rounds or size["rounds"]
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    device = setup_device(cfg)[0]
    rows: dict[str, Any] = {}
    for name in args.stages:
        print(f"{name} ...", file=sys.stderr)
        rows[name] = measure(build_stage(name, task, size, device), size["rounds"], device)
    machine = describe_machine(device) | {"cfg": str(args.cfg), "data": args.data or "synthpose"}
    return {**rows, "machine": machine}


def format_table(report: dict[str, Any]) -> str:
    """Return the rows as aligned text below a line about the machine."""
    machine = ", ".join(f"{key} {value}" for key, value in report["machine"].items())
    lines: list[tuple[str, ...]] = [COLUMNS]
    for name, row in report.items():
        if name == "machine":
            continue
        low, high = row["spread"]
        notes = [f"{key} {row[key]:.2f}" for key in NOTES if key in row]
        times = [f"{1e3 * row[key]:.3f} ms" for key in ("ours", "textbook")]
        quartiles = f"{low:.2f}-{high:.2f}"
        lines.append((name, *times, f"{row['ratio']:.2f}", quartiles, row["unit"], " ".join(notes)))
    widths = [max(len(line[i]) for line in lines) for i in range(len(COLUMNS))]
    table = [
        "  ".join(word.ljust(w) for word, w in zip(line, widths, strict=True)) for line in lines
    ]
    return "\n".join([machine, *(line.rstrip() for line in table)])


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """Measure, and print the table or JSON."""
    args = parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(args.data or Path(folder) / "coco")
        if not args.data:
            images = (4, 3) if args.short else (48, 24)
            recipe = Recipe(
                train=images[0], val=images[1], seed=0, size=IMAGE_SIZE, formats=("coco",)
            )
            write_dataset(folder, recipe, workers=1)
        report = run(args, root)
    print(json.dumps(report, indent=1) if args.json else format_table(report))
    return report


if __name__ == "__main__":
    logging.getLogger("lib").setLevel(logging.ERROR)  # warnings of models that nobody will use
    run_tool(main)
