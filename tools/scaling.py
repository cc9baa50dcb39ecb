"""Time and peak memory as the work grows: people per image, images, joints, input size; plots.

    python tools/scaling.py --out scaling.png
    python tools/scaling.py --cfg experiments/coco/lpn/lpn18_256x192_gd256x2_gc.yaml --out lpn.png

One quantity grows at a time. With --cfg the input of that top-down network grows too. The exponent
in a title is that of the best power law: 1 is linear. Memory is what one run adds to the peak.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2

from lib.config import load_config
from lib.config.defaults import default_config
from lib.utils.cli import count, drawing, run_tool
from lib.utils.errors import ConfigError

if TYPE_CHECKING:
    import torch

AMOUNTS = {
    "people": (1, 2, 3, 5, 10, 20, 30),
    "images": (10, 30, 100, 300, 1000),
    "joints": (5, 14, 17, 33, 68, 133),
    "side": (128, 256, 384, 512),  # and 3/4 of them: networks want multiples of 32
}
INK, TIME, MEMORY = "0.3", "#2563eb", "#d97706"


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--cfg", metavar="FILE", help="YAML of a top-down network (none)")
    add("--out", type=drawing, metavar="FILE", help="chart to draw: .png, .svg, .pdf or .jpg")
    add("--rounds", type=count, default=5, help="measurements of each amount (5)")
    add("--short", action="store_true", help="the two smallest amounts, one round: does it work?")
    add("--json", action="store_true", help="write {machine, sweep: [{amount, seconds, ...}]}")
    return parser.parse_args(argv)


def build_network(path: str, device: torch.device) -> torch.nn.Module:
    """Return a top-down network as tests run it, with weights by chance."""
    import torch

    from lib.engine.device import place
    from lib.models import build_model, fold_batch_norm
    from lib.models.registry import RECIPES

    cfg = load_config(path)
    if RECIPES[cfg.MODEL.NAME].task != "topdown":
        raise ConfigError(f"{path}: {cfg.MODEL.NAME} does not see one person at a time.")
    torch.manual_seed(0)
    network = build_model(cfg).eval()
    fold_batch_norm(network)
    return place(network, device)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Return ``machine`` and the rows of every sweep."""
    import torch

    from lib.benchmark.scaling import sweep, sweeps
    from lib.benchmark.timing import describe_machine
    from lib.engine.device import setup_device

    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    device = setup_device(load_config(args.cfg) if args.cfg else default_config())[0]
    network = build_network(args.cfg, device) if args.cfg else None
    report: dict[str, Any] = {"machine": describe_machine(device)}
    for name, prepare in sweeps(network, device).items():
        print(f"{name} ...", file=sys.stderr)
        amounts = AMOUNTS[name.partition(":")[0]]
        amounts = amounts[:2] if args.short else amounts
        report[name] = sweep(prepare, amounts, 1 if args.short else args.rounds, device)
    return report


def draw(report: dict[str, Any], path: Path) -> None:
    """Write one panel per sweep: time on the left axis, memory on the right."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    names = [name for name in report if name != "machine"]
    columns = 3
    rows = -(-len(names) // columns)
    figure, grid = plt.subplots(
        rows, columns, figsize=(4.6 * columns, 3.4 * rows), squeeze=False, layout="constrained"
    )
    for axes in grid.flat[len(names) :]:
        axes.set_axis_off()
    for axes, name in zip(grid.flat, names, strict=False):
        draw_panel(axes, name, report[name])
    machine = report["machine"]
    words = f"{machine['device']}, {machine['processor']}, {machine['threads']} thread"
    figure.suptitle(f"{words} ({machine['clock']})", fontsize=9, color=INK)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def draw_panel(axes: Any, name: str, rows: list[dict[str, Any]]) -> None:
    """Draw one sweep."""
    from lib.benchmark.scaling import exponent

    quantity, _, stage = name.partition(": ")
    amounts = [row["amount"] for row in rows]
    times = [1e3 * row["seconds"] for row in rows]
    low, high = zip(*([1e3 * end for end in row["spread"]] for row in rows), strict=True)
    axes.plot(amounts, times, "o-", color=TIME, markersize=4)
    axes.fill_between(amounts, low, high, color=TIME, alpha=0.2, linewidth=0)
    axes.set_title(f"{stage}: time ~ {quantity}^{exponent(rows):.2f}", fontsize=10)
    axes.set_xlabel({"side": "input height (px)"}.get(quantity, quantity))
    axes.set_ylabel("ms", color=TIME)
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.2)
    if all(row["megabytes"] is not None for row in rows):
        right = axes.twinx()
        right.plot(
            amounts, [row["megabytes"] for row in rows], "s--", color=MEMORY, markersize=3, lw=1
        )
        right.set_ylabel("peak MB", color=MEMORY)
        right.set_ylim(bottom=0)


def format_table(report: dict[str, Any]) -> str:
    """Return the rows as aligned text below a line about the machine."""
    from lib.benchmark.scaling import exponent

    machine = ", ".join(f"{key} {value}" for key, value in report["machine"].items())
    lines = [machine]
    for name, rows in report.items():
        if name == "machine":
            continue
        lines.append(f"{name}  (time ~ amount^{exponent(rows):.2f})")
        for row in rows:
            memory = "" if row["megabytes"] is None else f"{row['megabytes']:9.1f} MB"
            lines.append(f"  {row['amount']:>5}  {1e3 * row['seconds']:10.3f} ms  {memory}")
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """Measure, print the table or JSON, draw."""
    args = parse_args(argv)
    report = run(args)
    print(json.dumps(report, indent=1) if args.json else format_table(report))
    if args.out:
        draw(report, args.out)
    return report


if __name__ == "__main__":
    run_tool(main)
