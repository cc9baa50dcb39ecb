"""Score a model: ``python tools/test.py --cfg experiments/....yaml TEST.MODEL_FILE w.pth``.

Leaves results/ (predictions in the data set's format) and metrics.json in the run folder. Files of
an earlier test that was another one move to earlier-<n>/ there.
"""

from __future__ import annotations

import json
import logging
import math
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yacs.config import CfgNode

from lib.config import save_config
from lib.config.cli import UNTRAINED, config_parser, find_weights, parse_config, run_folders
from lib.utils.aside import set_aside
from lib.utils.cli import run_tool
from lib.utils.lock import moving_files
from lib.utils.logging import setup_logging
from lib.utils.numbers import number

if TYPE_CHECKING:
    from lib.api import PoseEstimator
    from lib.engine.inference import Evaluation

logger = logging.getLogger(__name__)


def main(argv: list[str] | None = None) -> dict[str, float]:
    """Load weights, predict the test split, score it."""
    parser = config_parser("Score a pose estimator on its test split.")
    parser.add_argument(
        "--untrained",
        action="store_true",
        help="score the initialisation instead of weights: the floor that training starts from",
    )
    parser.add_argument(
        "--per-joint", action="store_true", help="add a table with the AP and PCK of each joint"
    )
    cfg, args = parse_config(parser, argv)

    from lib.api import PoseEstimator
    from lib.engine.distributed import session

    folder, _ = run_folders(cfg, args.cfg)
    if args.untrained:
        folder = folder / UNTRAINED
    with session(cfg.DIST_BACKEND, cfg.DIST_TIMEOUT) as world:
        setup_logging(rank=world.rank)
        weights = None if args.untrained else find_weights(cfg, folder)
        estimator = PoseEstimator.from_config(cfg, weights)
        draft = folder / f"testing-{os.getpid()}"
        try:
            evaluation = estimator.evaluate(draft)
            if world.is_main:
                finish(cfg, args.per_joint, estimator, evaluation, weights, draft)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return evaluation.metrics


def finish(
    cfg: CfgNode,
    with_joints: bool,
    estimator: PoseEstimator,
    evaluation: Evaluation,
    weights: Path | None,
    draft: Path,
) -> None:
    """Put the files of a finished test in their place, and print the scores.

    Args:
        cfg: the configuration.
        with_joints: add a table by joint.
        estimator: what was tested.
        evaluation: what came out; its files lie in ``draft``.
        weights: what was tested, None for the initialisation.
        draft: a folder in the run folder.
    """
    folder = draft.parent
    report = describe(cfg, estimator, evaluation, weights)
    if with_joints:
        report["per_joint"] = per_joint(estimator, evaluation.files)
    draft.mkdir(parents=True, exist_ok=True)
    (draft / "metrics.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    save_config(cfg, draft / "config.yaml")
    with moving_files(folder):
        earlier = keep_earlier(folder, report)
        files = publish(draft, folder)
    if earlier is not None:
        logger.warning("moved the files of an earlier, different test to %s", earlier)
    print(table(report))
    logger.info("wrote %s", ", ".join(str(file) for file in files))


def keep_earlier(folder: Path, report: dict[str, Any]) -> Path | None:
    """Move an earlier test aside unless it was the same; return where it went.

    It takes a copy of ``config.yaml`` with it, so that its folder is a run folder, too.
    """
    try:
        before = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError:  # damaged
        before = None
    passing = dict.fromkeys(("seconds", "per_joint"))  # not what was tested, nor what came out
    if isinstance(before, dict) and {**before, **passing} == {**report, **passing}:
        return None
    earlier = set_aside(folder, ["metrics.json", "results", "pred.mat", "report.html", "pictures"])
    if earlier is not None and (folder / "config.yaml").is_file():
        shutil.copy2(folder / "config.yaml", earlier / "config.yaml")
    return earlier


def publish(draft: Path, folder: Path) -> list[Path]:
    """Move the files of ``draft`` to ``folder`` and return their new names."""
    trained = (folder / "metrics.jsonl").is_file()
    moved = []
    for file in sorted(path for path in draft.rglob("*") if path.is_file()):
        target = folder / file.relative_to(draft)
        if target.name == "config.yaml" and trained and target.is_file():
            continue  # a training's own is not touched
        target.parent.mkdir(parents=True, exist_ok=True)
        file.replace(target)
        moved.append(target)
    return moved


def describe(
    cfg: CfgNode, estimator: PoseEstimator, evaluation: Evaluation, weights: Path | None
) -> dict[str, Any]:
    """Return the content of metrics.json: scores, and everything they depend on."""
    return {
        "metrics": known(evaluation.metrics, *evaluation.metrics),
        **estimator.task.describe(),
        "dataset": tested_on(cfg),
        "weights": str(weights or "untrained"),
        **({"calibrated": True} if cfg.TEST.CALIBRATE else {}),
        "people": evaluation.people,
        "seconds": evaluation.seconds,
    }


def tested_on(cfg: CfgNode) -> str:
    """Return the test split in words, of a mix all of them."""
    from lib.tasks.sets import test_members

    members = test_members(cfg).items() if cfg.DATASET.MIX else [("", cfg)]
    return ", ".join(
        f"{name or one.DATASET.DATASET_TEST or one.DATASET.DATASET} {one.DATASET.TEST_SET}"
        for name, one in members
    )


def per_joint(estimator: PoseEstimator, files: list[Path]) -> list[dict[str, Any]]:
    """Return ``joint``, ``labelled``, ``AP`` and ``PCK`` of each joint, of a mix for each set.

    Nothing for MPII, whose scores are per joint as they are.
    """
    rows = []
    for name, part in estimator.task.test_sets.items():
        own = [file for file in files if not name or name in file.parts]
        found = joints_of_set(part.cfg, own)  # pyright: ignore[reportAttributeAccessIssue]
        rows += [{"set": name, **row} if name else row for row in found]
    return rows


def joints_of_set(cfg: CfgNode, files: list[Path]) -> list[dict[str, Any]]:
    """Return the rows of `per_joint` of one data set."""
    from lib.evaluation.breakdown import joint_table
    from lib.evaluation.diagnosis import diagnose
    from lib.evaluation.table import read_table
    from lib.tasks.splits import build_source, read_labels

    source = build_source(cfg, train=False)
    if source.kind == "mpii" or not source.has_truth:
        return []
    truth = read_labels(cfg, source)
    skeleton = truth.skeleton
    table, _ = read_table(truth, files[0], skeleton.sigmas)
    found = joint_table(diagnose(table, skeleton), skeleton)
    return [
        {"joint": row["joint"], "labelled": row["labelled"], **known(row, "AP", "PCK")}
        for row in found
    ]


def known(values: dict[str, Any], *names: str) -> dict[str, float | None]:
    """Return the ``names`` of ``values``; None, as JSON has no NaN, where nothing was scored."""
    return {name: None if math.isnan(values[name]) else values[name] for name in names}


def table(report: dict[str, Any]) -> str:
    """Return the scores as lines of text, of a mix for each set, and whose boxes were used."""
    metrics = report["metrics"]
    if not metrics:
        return f"{report['dataset']}: predictions written, not scored (there is no ground truth)"
    lines = [
        f"{report['weights']} on {report['dataset']}, boxes: {report['boxes']}, "
        f"flip test: {report['flip']}",
    ]
    for name in dict.fromkeys(metric.rpartition("/")[0] for metric in metrics):
        lines += score_lines({m: v for m, v in metrics.items() if m.rpartition("/")[0] == name})
    lines += [
        (f"{row['set']} " if "set" in row else "") + f"{row['joint']:>16} {row['labelled']:6d} "
        f"AP {number(row['AP'], 4)}  PCK {number(row['PCK'], 4)}"
        for row in report.get("per_joint", ())
    ]
    return "\n".join(lines)


def score_lines(metrics: dict[str, float | None]) -> tuple[str, str]:
    """Return names and values of scores, one below the other; the set's name stands before both."""
    title = next(iter(metrics)).rpartition("/")[0]
    names = [metric.rpartition("/")[2] for metric in metrics]
    cells = [number(value, 4) for value in metrics.values()]
    widths = [max(len(name), len(cell)) for name, cell in zip(names, cells, strict=True)]
    before = (f"{title}  ", " " * (len(title) + 2)) if title else ("", "")
    heads = "  ".join(name.rjust(width) for name, width in zip(names, widths, strict=True))
    values = "  ".join(cell.rjust(width) for cell, width in zip(cells, widths, strict=True))
    return before[0] + heads, before[1] + values


if __name__ == "__main__":
    run_tool(main)
