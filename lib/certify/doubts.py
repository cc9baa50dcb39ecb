"""How far a score can be trusted: other images, other seeds, other annotators."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from yacs.config import CfgNode

from lib.certify.influence import Evidence
from lib.config import load_config
from lib.evaluation.bootstrap import bootstrap_difference
from lib.evaluation.coco_files import Rows
from lib.evaluation.curves import average_precision
from lib.utils.errors import ConfigError, DataError
from lib.utils.files import read_json

# Keys in which two runs of one experiment may differ beside the seed.
_OF_A_RUN = ("OUTPUT_DIR", "LOG_DIR", "GPUS", "WORKERS", "AUTO_RESUME", "DATA_DIR", "TEST")


def doubt_of_images(evidence: Evidence, resamples: int) -> dict[str, Any]:
    """Return the 95 % interval of AP over images drawn with replacement."""
    matches = evidence.matches
    found = bootstrap_difference(
        lambda _: 0.0,
        lambda weights: average_precision(matches, weights),
        matches.images,
        resamples=resamples,
    )
    return {"AP": found.ap, "low": found.low, "high": found.high, "resamples": resamples}


def doubt_of_seeds(run: Path, beside: Sequence[Path], primary: str) -> dict[str, Any] | None:
    """Return the spread of a score over runs that differ in their seeds only; None without any.

    Args:
        run: the run that is certified.
        beside: runs of the same experiment with other seeds.
        primary: name of the score.

    Raises:
        ConfigError: a run is of another experiment, or has the same seed.
        DataError: a run was not tested.
    """
    if not beside:
        return None
    folders = [run, *beside]
    configs = [load_config(folder / "config.yaml") for folder in folders]
    for folder, cfg in zip(beside, configs[1:], strict=True):
        others = sorted(_differences(configs[0], cfg))
        if others:
            raise ConfigError(
                f"{folder} differs from {run} in {', '.join(others[:5])}: the runs of --beside "
                "must be of the same experiment, with other seeds."
            )
    seeds = [cfg.SEED for cfg in configs]
    if len(set(seeds)) < len(seeds):
        raise ConfigError(f"The runs have the seeds {seeds}: name runs with different ones.")
    values = [score_of(folder, primary) for folder in folders]
    spread = float(np.std(values, ddof=1))
    return {
        "score": primary,
        "values": dict(zip(map(str, seeds), values, strict=True)),
        "mean": float(np.mean(values)),
        "deviation": spread,
        "half width": _half_width(spread, len(values)),
    }


def doubt_of_annotators(
    evidence: Evidence, content: dict[str, Any] | None, rows: Rows
) -> dict[str, Any] | None:
    """Return AP by a second annotator's joints of the same images; None without any."""
    if content is None:
        return None
    second = Evidence.read(evidence.metric, content, rows)
    if second.subject.table.image_ids != evidence.subject.table.image_ids:
        raise DataError(
            "The second annotation file lists other images than the first; it must list the same."
        )
    value = second.average_precision
    return {"AP": value, "minus first": value - evidence.average_precision}


def score_of(run: Path, name: str) -> float:
    """Return a score of a tested run.

    Raises:
        DataError: the run was not tested, or has no such score.
    """
    report = read_json(run / "metrics.json", "report", "test the run with tools/test.py")
    value = report.get("metrics", {}).get(name) if isinstance(report, dict) else None
    if not isinstance(value, int | float):
        raise DataError(f"{run / 'metrics.json'} has no score {name}: run tools/test.py again.")
    return float(value)


def _half_width(deviation: float, count: int) -> float:
    """Return half the 95 % interval of a mean of ``count`` values (Student 1908)."""
    from scipy.stats import t

    return float(t.ppf(0.975, count - 1)) * deviation / math.sqrt(count)


def _differences(first: CfgNode, second: CfgNode, before: str = "") -> set[str]:
    """Return the keys with different values, but for those of a run alone."""
    found: set[str] = set()
    for key in first.keys() | second.keys():
        if not before and (key in _OF_A_RUN or key == "SEED"):
            continue
        one, other = first.get(key), second.get(key)
        if isinstance(one, CfgNode) and isinstance(other, CfgNode):
            found |= _differences(one, other, f"{before}{key}.")
        elif one != other:
            found.add(before + key)
    return found
