"""Find a learning rate, or a batch size: ``python tools/analyse/lr_finder.py --cfg FILE``.

The rate rises from step to step until the loss blows up; the loss over the rate is printed, and
drawn with ``--plot FILE``. With ``--batch`` the batch doubles until it no longer fits, and samples
per second and memory are told. Nothing is written into a run folder.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lib.config.cli import config_parser, parse_config
from lib.utils.cli import count, drawing, run_tool

if TYPE_CHECKING:
    from lib.engine.finder import BatchTrial, RateScan


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    made = config_parser("Find a learning rate, or a batch size.")
    add = made.add_argument
    add("--low", type=float, default=1e-6, help="first rate (default: 1e-6)")
    add("--high", type=float, default=1.0, help="last rate (default: 1)")
    add("--steps", type=count, default=100, help="from the first to the last (default: 100)")
    add("--batch", action="store_true", help="find a batch size instead")
    add("--most", type=count, default=1024, help="largest batch to try (default: 1024)")
    add("--memory", type=float, default=math.inf, metavar="GIB", help="stop at so much of it")
    add("--plot", type=drawing, metavar="FILE", help="draw the curve: .png, .svg, .pdf or .jpg")
    return made


def main(argv: list[str] | None = None) -> RateScan | list[BatchTrial]:
    """Scan, print, draw; return what was found."""
    cfg, args = parse_config(parser(), argv)

    from lib.engine.finder import scan_batches, scan_rates
    from lib.engine.start import pretrained
    from lib.tasks import build_task

    task = build_task(cfg)
    start = pretrained(cfg, task)
    if args.batch:
        trials = scan_batches(cfg, task, most=args.most, limit=args.memory, initialise=start)
        print(batch_table(trials))
        if args.plot:
            x, y = [one.size for one in trials], [one.rate for one in trials]
            draw(args.plot, x, [("samples per second", y)], "batch size")
        return trials
    scan = scan_rates(cfg, task, low=args.low, high=args.high, steps=args.steps, initialise=start)
    print(rate_table(scan))
    if args.plot:
        lines = [("loss", list(scan.losses)), ("smoothed", list(scan.smoothed))]
        draw(args.plot, list(scan.rates), lines, "learning rate")
    return scan


def rate_table(scan: RateScan, rows: int = 20) -> str:
    """Return some rows of the curve, and what it says."""
    every = max(len(scan.rates) // rows, 1)
    lines = [f"{'rate':>10} {'loss':>12} {'smoothed':>12}"]
    for rate, loss, smoothed in list(zip(scan.rates, scan.losses, scan.smoothed, strict=True))[
        ::every
    ]:
        lines.append(f"{rate:10.3g} {loss:12.5g} {smoothed:12.5g}")
    if math.isnan(scan.steepest):
        return "\n".join([*lines, "the loss did not fall at any rate: see data and loss first"])
    return "\n".join(
        [
            *lines,
            f"the loss fell fastest at {scan.steepest:.3g}: a good TRAIN.LR",
            f"it was lowest at {scan.lowest:.3g}: stay well below, a tenth is the usual rule",
        ]
    )


def batch_table(trials: Sequence[BatchTrial]) -> str:
    """Return a row per size that fits, and the fastest."""
    if not trials:
        return "not even one sample fits"
    lines = [f"{'batch':>6} {'samples/s':>10} {'GiB':>7}"]
    lines += [f"{one.size:6d} {one.rate:10.1f} {one.memory:7.2f}" for one in trials]
    best = max(trials, key=lambda one: one.rate)
    lines.append(
        f"{trials[-1].size} is the largest that was tried and fits, {best.size} is fastest"
    )
    return "\n".join(lines)


def draw(
    file: Path, x: Sequence[float], lines: Sequence[tuple[str, Sequence[float]]], label: str
) -> None:
    """Write a chart with a logarithmic horizontal axis."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    for name, y in lines:
        axes.plot(x, y, label=name)
    axes.set(xscale="log", xlabel=label, ylabel=lines[-1][0])
    axes.legend()
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file)
    plt.close(figure)


if __name__ == "__main__":
    run_tool(main)
