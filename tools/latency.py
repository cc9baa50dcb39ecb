"""Time and memory of top-down networks: as built, channels-last, folded, compiled, in runtimes.

    python tools/latency.py --cfg A.yaml B.yaml --batch 1 8 --threads 1 2

Networks run with weights by chance on noise of the YAML's image size, without the flip test. All
forms of a network must give the same heatmaps before any is timed (exit code 1 if not); they are
timed in turns. --runtimes exports each network and lets onnxruntime and OpenVINO run the file on
the processor; one that is not installed is named and left out. With one thread on the CPU times
are processor time, else wall clock.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from lib.config import load_config
from lib.utils.cli import count, run_tool
from lib.utils.errors import ConfigError

COLUMNS = (
    "model", "params M", "MACs G", "threads", "batch", "form", "ms/person", "quartiles",
    "speedup", "peak MB",
)  # fmt: skip


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--cfg", nargs="+", required=True, metavar="FILE", help="YAMLs of top-down models")
    add("--batch", nargs="+", type=count, default=[1, 8], help="people at once (1 8)")
    add("--threads", nargs="+", type=count, default=[1], help="threads (1)")
    add("--rounds", type=count, default=9, help="measurements of each form (9)")
    add("--fold", action="store_true", help="batch-norm folded, in both memory orders")
    add("--compile", action="store_true", help="torch.compile of the fastest of the others")
    add("--runtimes", action="store_true", help="exported: onnxruntime and OpenVINO")
    add("--json", action="store_true", help="write {machine, rows}")
    add("--set", nargs="+", default=[], metavar="KEY=VALUE", help="configuration keys to override")
    return parser.parse_args(argv)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Return ``machine``, and ``rows`` of all models."""
    import torch

    from lib.benchmark.latency import latency
    from lib.benchmark.timing import describe_machine
    from lib.engine.device import setup_device
    from lib.models import build_model
    from lib.models.registry import RECIPES

    rows = []
    device = torch.device("cpu")
    for path in args.cfg:
        print(f"{path} ...", file=sys.stderr)
        cfg = load_config(path, args.set)
        if RECIPES[cfg.MODEL.NAME].task != "topdown":
            raise ConfigError(f"{path}: {cfg.MODEL.NAME} does not see one person at a time.")
        device = setup_device(cfg)[0]
        torch.manual_seed(0)
        width, height = cfg.MODEL.IMAGE_SIZE
        times = latency(
            build_model(cfg),
            (height, width),
            forms=chosen_forms(args, device.type),
            batches=args.batch,
            threads=args.threads,
            rounds=args.rounds,
            device=device,
        )
        rows += [{"cfg": path, "input": f"{height}x{width}", **row} for row in times]
    machine = describe_machine(device)
    del machine["threads"], machine["clock"]  # of a row
    return {"machine": machine, "rows": rows}


def chosen_forms(args: argparse.Namespace, device: str) -> list[str]:
    """Return the forms to time; those asked for that cannot be are named."""
    from lib.benchmark.latency import FORMS, RUNTIMES, missing_packages

    forms = []
    for form in FORMS:
        wanted = args.runtimes if form in RUNTIMES else args.fold or not form.startswith("folded")
        if not wanted or (form == "compiled" and not args.compile):
            continue
        missing = " and ".join(missing_packages(form))
        if missing:
            print(f"{form} left out: pip install {missing}", file=sys.stderr)
        elif form in RUNTIMES and device != "cpu":
            print(
                f"{form} left out: it is timed on the processor only (GPUS '()')", file=sys.stderr
            )
        else:
            forms.append(form)
    return forms


def format_table(report: dict[str, Any]) -> str:
    """Return the rows as aligned text below a line about the machine."""
    lines: list[tuple[str, ...]] = [COLUMNS]
    for row in report["rows"]:
        low, high = row["spread"]
        costs = f"{row['params'] / 1e6:.3f}", f"{row['macs'] / 1e9:.3f}"
        times = f"{row['milliseconds']:.2f}", f"{low:.2f}-{high:.2f}", f"{row['speedup']:.2f}"
        where = str(row["threads"]), str(row["batch"]), row["form"]
        memory = "-" if row["megabytes"] is None else f"{row['megabytes']:.0f}"
        lines.append((f"{Path(row['cfg']).stem} {row['input']}", *costs, *where, *times, memory))
    widths = [max(len(line[i]) for line in lines) for i in range(len(COLUMNS))]
    machine = ", ".join(f"{key} {value}" for key, value in report["machine"].items())
    words = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]
    return "\n".join([machine, *words])


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """Measure, and print the table or JSON."""
    args = parse_args(argv)
    report = run(args)
    print(json.dumps(report, indent=1) if args.json else format_table(report))
    return report


if __name__ == "__main__":
    run_tool(main)
