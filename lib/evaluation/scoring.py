"""Result files against ground truth: no model, no configuration (``tools/analyse/score.py``)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from lib.evaluation.bootstrap import Difference, bootstrap_difference
from lib.evaluation.breakdown import all_matches, joint_table, size_table
from lib.evaluation.coco_files import read_results
from lib.evaluation.curves import average_precision
from lib.evaluation.diagnosis import JOINT_ERRORS, Diagnosis
from lib.evaluation.metrics import (
    METRICS,
    Subject,
    numbers_of_metric,
    read_subject,
    usual_metric,
)
from lib.evaluation.mpii import MpiiTruth, read_mpii_predictions, read_mpii_truth
from lib.evaluation.pckh import MPII_MEAN, pckh_joints, pckh_numbers, person_hits
from lib.evaluation.sensitivity import warn_of_assumed
from lib.structures.skeleton import Skeleton, load_skeleton
from lib.utils.errors import ConfigError, DataError
from lib.utils.files import read_json

MPII = "pckh"  # the metric of MPII's ground truth, a MATLAB file


@dataclass(frozen=True)
class Scored:
    """One result file, scored.

    Attributes:
        file: the result file.
        metric: name of the metric.
        primary: the number that ranks result files.
        numbers: scores by name, NaN where nothing is to be scored.
        joints: one row per joint.
        sizes: one row per range of person sizes; empty for MPII.
        diagnosis: errors of its poses by the COCO rules; None for MPII.
        skeleton: the joints.
        compared: what the bootstrap resamples: name of a number, and how it comes out of (I,)
            weights of images (MPII: people), None counting each once.
        count: I.
    """

    file: str
    metric: str
    primary: str
    numbers: dict[str, float]
    joints: list[dict[str, Any]]
    sizes: list[dict[str, Any]]
    diagnosis: Diagnosis | None
    skeleton: Skeleton
    compared: tuple[str, Callable[[np.ndarray | None], float]]
    count: int

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain values for JSON, NaN as None."""
        content = {
            "file": self.file,
            "metric": self.metric,
            "metrics": _known(self.numbers),
            "joints": [_known(row) for row in self.joints],
            "sizes": [_known(row) for row in self.sizes],
        }
        found = self.diagnosis
        if found is None:
            return content
        counts = found.joint_counts.sum(axis=0).tolist()
        errors = {
            "joints": dict(zip(JOINT_ERRORS, counts, strict=True)),
            "people": found.people,
            "costs": _known(found.costs),
        }
        return content | {"errors": errors}


def score_file(
    truth: str | Path, results: str | Path, *, metric: str = "auto", sigmas: str = ""
) -> Scored:
    """Score one result file.

    Args:
        truth: COCO, CrowdPose or COCO-WholeBody annotation file, or MPII's ``gt_valid.mat``.
        results: COCO results file; for MPII a MATLAB file with ``preds`` or a NumPy file (N, 16, 2
            or more), both in 1-based pixels.
        metric: one of ``METRICS``, ``pckh`` for MPII, or ``auto`` for the data set's usual one.
        sigmas: K numbers with commas, or the name or file of a skeleton that has them.

    Raises:
        DataError: a file is missing, damaged, or does not fit the other one.
        ConfigError: there is no such metric, or it is not for this ground truth.
    """
    if Path(truth).suffix == ".mat":
        if metric not in ("auto", MPII):
            raise ConfigError(f"'{truth}' is MPII's: it is scored by {MPII}, not by '{metric}'.")
        return _score_mpii(read_mpii_truth(truth), results)
    if metric == MPII:
        raise ConfigError(f"The metric {MPII} needs MPII's MATLAB file, got '{truth}'.")
    content = read_json(truth, "annotation")
    if not isinstance(content, dict):
        raise DataError(f"'{truth}' is not a COCO annotation file: it does not hold an object.")
    name = usual_metric(content) if metric == "auto" else metric
    check = METRICS[name]  # an unknown name is said before files are looked at
    rows = read_results(results)
    subject = _named(truth, lambda: read_subject(name, content, rows))
    if sigmas:
        spreads = np.asarray(_sigmas(sigmas, subject.truth.skeleton), np.float64)
        subject = replace(subject, sigmas=spreads)
    return _named(results, lambda: _score(subject, name, str(results), check.primary))


def compare(first: Scored, second: Scored, resamples: int = 1000, seed: int = 0) -> Difference:
    """Tell whether the second of two files on the same ground truth is better, or lucky."""
    return bootstrap_difference(
        first.compared[1], second.compared[1], first.count, resamples=resamples, seed=seed
    )


def _score(subject: Subject, name: str, file: str, primary: str) -> Scored:
    numbers = numbers_of_metric(name, subject)
    skeleton = replace(subject.truth.skeleton, sigmas=tuple(subject.sigmas.tolist()))
    warn_of_assumed(skeleton)
    found = subject.diagnosis
    matches = all_matches(found)
    return Scored(
        file=file,
        metric=name,
        primary=primary,
        numbers=numbers,
        joints=joint_table(found, skeleton),
        sizes=size_table(found),
        diagnosis=found,
        skeleton=skeleton,
        compared=("AP", lambda weights: average_precision(matches, weights)),
        count=matches.images,
    )


def _score_mpii(truth: MpiiTruth, results: str | Path) -> Scored:
    predictions = read_mpii_predictions(results, len(truth))
    hits, counts = person_hits(predictions, truth)

    def mean(weights: np.ndarray | None) -> float:
        shares = np.ones(len(hits)) if weights is None else weights
        total = float(shares @ counts)
        return 100 * float(shares @ hits) / total if total else float("nan")

    return Scored(
        file=str(results),
        metric=MPII,
        primary=MPII_MEAN,
        numbers=pckh_numbers(predictions, truth),
        joints=pckh_joints(predictions, truth),
        sizes=[],
        diagnosis=None,
        skeleton=load_skeleton("mpii"),
        compared=(MPII_MEAN, mean),
        count=len(hits),
    )


def _sigmas(choice: str, skeleton: Skeleton) -> tuple[float, ...]:
    """Return the spreads that the user chose, or the skeleton's own."""
    if not choice:
        return skeleton.sigmas
    try:
        chosen = tuple(float(number) for number in choice.replace(",", " ").split())
    except ValueError:
        chosen = load_skeleton(choice).sigmas
    if len(chosen) != skeleton.num_joints or not all(0 < s < math.inf for s in chosen):
        raise ConfigError(
            f"--sigmas gives {len(chosen)} numbers, wanted {skeleton.num_joints} above 0, one per "
            f"joint of {skeleton.name}, with commas between them, or the name of a skeleton."
        )
    return chosen


def _named(file: str | Path, read: Callable[[], Any]) -> Any:
    """Return what ``read`` returns; its errors name the file."""
    try:
        return read()
    except DataError as error:
        if str(file) in str(error):
            raise
        raise DataError(f"'{file}': {error}") from error


def _known(row: dict[str, Any]) -> dict[str, Any]:
    """Return the row with None for NaN, which JSON does not have."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in row.items()
    }
