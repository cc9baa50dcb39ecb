"""Finished trainings of an experiment -> what ``experiments/runs.json`` says of it."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from yacs.config import CfgNode

from lib.config import load_config
from lib.config.variants import member_configs
from lib.evaluation.bootstrap import bootstrap_difference
from lib.evaluation.scoring import score_file
from lib.tasks.splits import build_source
from lib.utils.errors import DataError
from lib.utils.files import read_json
from lib.utils.numbers import mean_interval
from lib.zoo.card import read_card
from lib.zoo.fetch import file_hash

RUN_KEYS = ("experiment", "metric", "value", "interval", "dataset", "boxes", "seeds")
RUN_KEYS += ("data", "weights")
SAME = 1e-6  # two ways to the same AP


def read_runs(root: Path) -> dict[str, list[dict[str, Any]]]:
    """Return the runs of ``runs.json`` in the folder ``experiments`` by experiment, if it is there.

    Raises:
        DataError: it has another form, or names an experiment that is not there.
    """
    file = root / "runs.json"
    found: dict[str, list[dict[str, Any]]] = {}
    if not file.is_file():
        return found
    for run in read_json(file, "run"):
        if not isinstance(run, dict) or set(run) != set(RUN_KEYS):
            raise DataError(
                f"{file}: every run must have exactly {', '.join(RUN_KEYS)}; got {run}."
            )
        if not (root / f"{run['experiment']}.yaml").is_file():
            raise DataError(f"{file}: there is no experiment {run['experiment']}.")
        found.setdefault(run["experiment"], []).append(run)
    return found


def record_runs(root: Path, experiment: str, folders: Sequence[Path], metric: str) -> None:
    """Write trainings of one experiment with several seeds into ``runs.json``.

    What stood there of the same experiment, metric, data set and boxes is replaced.

    Args:
        root: the folder ``experiments``.
        experiment: below it, without ``.yaml``.
        folders: run folders, each of another seed.
        metric: name of a score; that of the last evaluation of each run counts.

    Raises:
        DataError: a folder holds no finished run, or they are not comparable.
    """
    run = summarise_runs(experiment, folders, metric)
    same = ("experiment", "metric", "dataset", "boxes")
    earlier = [one for runs in read_runs(root).values() for one in runs]
    kept = [one for one in earlier if any(one[key] != run[key] for key in same)]
    if not (root / f"{experiment}.yaml").is_file():
        raise DataError(f"There is no experiment {root / experiment}.yaml.")
    content = sorted([*kept, run], key=lambda one: [one[key] for key in same])
    text = json.dumps(content, indent=1) + "\n"
    (root / "runs.json").write_text(text, encoding="utf-8")


def summarise_runs(experiment: str, folders: Sequence[Path], metric: str) -> dict[str, Any]:
    """Return the entry of `record_runs`.

    ``value`` is the mean over seeds, ``interval`` that of the mean by Student's t: it holds what
    other seeds do to the score, not what other pictures would. That of one run alone is a bootstrap
    over pictures, and holds the opposite.
    """
    runs = sorted((_read(folder, metric) for folder in folders), key=lambda run: run["seed"])
    seeds = [run["seed"] for run in runs]
    if len(set(seeds)) < len(seeds):
        raise DataError(f"Runs of different seeds are wanted; these have {seeds}.")
    for key in ("dataset", "boxes", "data", "settings"):
        if any(run[key] != runs[0][key] for run in runs):
            raise DataError(f"{folders[0]} and the other runs differ in more than seeds: {key}.")
    values = [run["value"] for run in runs]
    alone = len(runs) == 1
    interval = _over_pictures(folders[0], metric, values[0]) if alone else mean_interval(values)
    return {
        "experiment": experiment,
        "metric": metric,
        "value": statistics.mean(values),
        "interval": list(interval),
        "dataset": runs[0]["dataset"],
        "boxes": runs[0]["boxes"],
        "seeds": seeds,
        "data": runs[0]["data"],
        "weights": [run["weights"] for run in runs],
    }


def _over_pictures(folder: Path, metric: str, value: float) -> tuple[float, float]:
    """Return the bootstrap's interval of one run's AP, from the poses that it was scored by."""
    cfg = load_config(folder / "config.yaml")
    files = sorted((folder / "results").glob("*.json"))
    if metric != "AP" or not files:
        raise DataError(f"{folder}: one run alone has an interval for AP, from its results/*.json.")
    scored = score_file(build_source(cfg, train=False).annotation, files[-1])
    _, statistic = scored.compared
    if abs(statistic(None) - value) > SAME:
        raise DataError(f"{files[-1]} is of another evaluation than the last of the training.")
    found = bootstrap_difference(lambda _: 0.0, statistic, scored.count)
    return found.low, found.high


def _split_name(data: CfgNode) -> str:
    """Return folder and test set; of a folder of one machine the last part."""
    root = Path(data.ROOT)
    return f"{root.name if root.is_absolute() else data.ROOT} {data.TEST_SET}"


def _read(folder: Path, metric: str) -> dict[str, Any]:
    weights = [file for file in sorted(folder.glob("final_state.*")) if file.is_file()]
    history = folder / "metrics.jsonl"
    if not weights or not history.is_file():
        raise DataError(
            f"{folder} holds no finished run: final_state and metrics.jsonl are wanted."
        )
    lines = [json.loads(line) for line in history.read_text(encoding="utf-8").splitlines()]
    scored = [line for line in lines if line.get("kind") == "val"]
    if not scored or not isinstance(scored[-1].get(metric), float):
        raise DataError(f"{history} has no score {metric}.")
    card = read_card(weights[0])
    cfg = load_config(folder / "config.yaml")  # with the keys that came after the run was made
    places = {"SEED": 0, "OUTPUT_DIR": "", "LOG_DIR": "", "AUTO_RESUME": False}
    return {
        "seed": cfg.SEED,
        "value": scored[-1][metric],
        "dataset": " + ".join(_split_name(one.DATASET) for one in member_configs(cfg)),
        "boxes": card.get("boxes", ""),
        "data": [one["sha256"] for one in card.get("data", ())],
        "weights": file_hash(weights[0]),
        "settings": {**cfg, **places},
    }
