"""What a result file can be scored by: one entry per metric, and more from a user's own modules.

A metric takes a ``Subject`` (ground truth and results, read and checked) and gives numbers by name.
To add one, write a module and register a function in it::

    @METRICS.register("nose")
    @metric(primary="nose error", errors=("nose error",))
    def nose(subject: Subject) -> dict[str, float]: ...
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from lib.annotations.form import Annotations
from lib.annotations.wholebody import join_parts
from lib.evaluation.coco import numbers_of
from lib.evaluation.coco_files import Rows, match_results, read_truth
from lib.evaluation.confidence import auroc, joint_events, person_events, reliability
from lib.evaluation.crowdpose import evaluate_crowdpose, with_box_areas
from lib.evaluation.diagnosis import Diagnosis, diagnose
from lib.evaluation.distance import (
    area_under_curve,
    mean_distance,
    pck,
)
from lib.evaluation.extended import extended_candidates, joints_inside
from lib.evaluation.matching import Candidates, pose_candidates
from lib.evaluation.motion import acceleration_errors, jitter
from lib.evaluation.people import FoundPeople, found_people, tracks
from lib.evaluation.table import PoseTable, pose_table
from lib.evaluation.wholebody import evaluate_wholebody, join_results
from lib.utils.errors import ConfigError, UserError
from lib.utils.plugins import failure
from lib.utils.registry import Registry

PCK_SHARES = (0.05, 0.1, 0.2)  # of the longer side of the box


@dataclass(frozen=True)
class Subject:
    """Ground truth and results to score.

    Attributes:
        truth: annotated people.
        rows: result rows, held against them (``match_results``).
        content: all that the annotation file says.
        sigmas: (K,) spreads.
    """

    truth: Annotations
    rows: Rows
    content: dict[str, Any]
    sigmas: np.ndarray

    @cached_property
    def table(self) -> PoseTable:
        """The poses as columns."""
        return pose_table(self.truth, self.rows)

    @cached_property
    def candidates(self) -> Candidates:
        """The poses with their similarities."""
        return pose_candidates(self.table, self.sigmas)

    @cached_property
    def diagnosis(self) -> Diagnosis:
        """The errors of the poses by the COCO rules."""
        skeleton = replace(self.truth.skeleton, sigmas=tuple(self.sigmas.tolist()))
        return diagnose(self.table, skeleton)

    @cached_property
    def people(self) -> FoundPeople:
        """Every annotated person that counts, and the pose that was found for it."""
        return found_people(self.table, self.sigmas)


@dataclass(frozen=True)
class Metric:
    """One way of scoring.

    Attributes:
        score: the numbers of a subject, NaN where nothing is to be scored.
        primary: the number that ranks result files.
        errors: its numbers that are better the lower they are.
        join: annotation file as read -> as scored, where a data set has a format of its own.
        join_rows: the same for result rows.
        adapt: annotated people -> as this metric sees them.
    """

    score: Callable[[Subject], dict[str, float]]
    primary: str = "AP"
    errors: tuple[str, ...] = ()
    join: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    join_rows: Callable[[Rows], Rows] | None = None
    adapt: Callable[[Annotations], Annotations] | None = None


METRICS: Registry[Metric] = Registry(
    "metric", Metric, ": write @metric(primary=...) between name and function"
)


def metric(**options: Any) -> Callable[[Callable[[Subject], dict[str, float]]], Metric]:
    """Return a decorator that makes a ``Metric`` of a function; keywords as its attributes."""
    return lambda score: Metric(score, **options)


def usual_metric(content: dict[str, Any]) -> str:
    """Return the metric that a data set is usually scored by, from the look of its file."""
    images, annotations, kinds = (
        [row for row in content.get(key) or () if isinstance(row, dict)]
        for key in ("images", "annotations", "categories")
    )
    if any("crowdIndex" in image for image in images[:1]):
        return "crowdpose"
    if any("foot_kpts" in row for row in annotations[:1]):
        return "wholebody"
    return "ap10k" if sum(bool(kind.get("keypoints")) for kind in kinds) > 1 else "coco"


@METRICS.register("coco")
@metric()
def coco(subject: Subject) -> dict[str, float]:
    """COCO's ten numbers; also those of OCHuman, Human-Art and Halpe."""
    return numbers_of(subject.candidates)


for _name in ("ochuman", "humanart", "halpe26"):
    METRICS.register(_name)(coco)


@METRICS.register("ap10k")
@metric()
def categories(subject: Subject) -> dict[str, float]:
    """The ten numbers, means over categories as AP-10K (Yu et al. 2021), and AP of each."""
    numbers = numbers_of(subject.candidates)
    names = {c["id"]: str(c.get("name", c["id"])) for c in subject.content["categories"]}
    table, images = subject.table, len(subject.table.image_ids)
    for place, category_id in enumerate(table.category_ids):
        mine = table.select_truth(table.truth_cell // images == place)
        mine = mine.select_found(mine.found_cell // images == place)
        if len(mine.truth):
            numbers[f"AP ({names[category_id]})"] = numbers_of(
                pose_candidates(mine, subject.sigmas)
            )["AP"]
    return numbers


@METRICS.register("crowdpose")
@metric(adapt=with_box_areas)
def crowdpose(subject: Subject) -> dict[str, float]:
    """CrowdPose's nine numbers."""
    return evaluate_crowdpose(subject.truth, subject.rows, subject.sigmas.tolist())


@METRICS.register("wholebody")
@metric(primary="whole AP", join=join_parts, join_rows=join_results)
def wholebody(subject: Subject) -> dict[str, float]:
    """COCO-WholeBody's ten numbers of the whole and of each part (Jin et al. 2020)."""
    return evaluate_wholebody(subject.truth, subject.rows, subject.sigmas.tolist())


@METRICS.register("exoks")
@metric()
def exoks(subject: Subject) -> dict[str, float]:
    """The ten numbers with Ex-OKS: joints outside the picture are to be found outside."""
    return numbers_of(extended_candidates(subject.table, subject.sigmas, subject.truth))


@METRICS.register("pck")
@metric(primary="PCK@0.2 (<)")
def pck_of_boxes(subject: Subject) -> dict[str, float]:
    """PCK by the longer side of the box, strict and inclusive; joints not found are wrong."""
    people = subject.people
    distances = people.distances(people.boxes[:, 2:].max(axis=1))
    return {
        f"PCK@{share:g} ({sign})": pck(distances, share, inclusive=sign == "<=")
        for share in PCK_SHARES
        for sign in ("<", "<=")
    } | {"found": people.share_found}


@METRICS.register("auc")
@metric(primary="AUC@30px")
def auc(subject: Subject) -> dict[str, float]:
    """Area under the curve of PCK up to 30 pixels; joints not found are wrong."""
    people = subject.people
    distances = people.distances(np.ones(len(people.boxes)))
    return {"AUC@30px": area_under_curve(distances), "found": people.share_found}


@METRICS.register("epe")
@metric(primary="EPE", errors=("EPE",))
def epe(subject: Subject) -> dict[str, float]:
    """Mean distance in pixels over the people that were found, and their share."""
    people = subject.people
    distances = people.distances(np.ones(len(people.boxes)))
    return {"EPE": mean_distance(distances), "found": people.share_found}


@METRICS.register("nme")
@metric(primary="NME (box)", errors=("NME (box)", "NME (diagonal)"))
def nme(subject: Subject) -> dict[str, float]:
    """Mean distance as a share of the box's longer side and of its diagonal, of people found."""
    people = subject.people
    sides = people.boxes[:, 2:]
    lengths = {"box": sides.max(axis=1), "diagonal": np.linalg.norm(sides, axis=1)}
    numbers = {f"NME ({n})": mean_distance(people.distances(v)) for n, v in lengths.items()}
    return numbers | {"found": people.share_found}


@METRICS.register("motion")
@metric(primary="acceleration error", errors=("acceleration error", "jitter"))
def motion(subject: Subject) -> dict[str, float]:
    """Acceleration error (px per frame squared) and jitter (px per frame cubed) along tracks."""
    errors, jerks = [np.zeros(0)], [np.zeros(0)]
    for found, truth, labelled in tracks(subject.people, subject.truth, subject.content):
        errors.append(acceleration_errors(found, truth, labelled).ravel())
        jerks.append(jitter(found).ravel())
    return {
        "acceleration error": mean_distance(np.concatenate(errors)),
        "jitter": mean_distance(np.concatenate(jerks)),
        "found": subject.people.share_found,
    }


@METRICS.register("confidence")
@metric(
    primary="joint calibration error",
    errors=("joint calibration error", "person calibration error"),
)
def confidence(subject: Subject) -> dict[str, float]:
    """Calibration errors, and how well joint scores tell visible joints from absent ones (AUROC).

    Absent are labelled joints outside the picture, occluded ones, unlabelled ones of people found,
    and all joints of poses in the background.
    """
    images, people = subject.diagnosis.images, subject.people
    joints, everybody = joint_events(images), person_events(images)
    there = people.found_index >= 0
    scores = subject.table.joint_scores[people.found_index[there]]
    rows = people.annotations[there]
    visibility = subject.truth.triples[rows, :, 2]
    inside = joints_inside(subject.truth, rows)
    visible = scores[(visibility == 2) & inside]
    absent = {
        "outside": scores[(visibility > 0) & ~inside],
        "occluded": scores[(visibility == 1) & inside],
        "unlabelled": scores[visibility == 0],
        "background": np.concatenate(
            [errors.image.joint_scores[errors.background].ravel() for errors in images]
            or [np.zeros(0)]
        ),
    }
    return {
        "joint calibration error": reliability(joints.scores, joints.right).error,
        "person calibration error": reliability(everybody.scores, everybody.right).error,
        **{f"AUROC ({name})": auroc(visible, values) for name, values in absent.items()},
    }


def numbers_of_metric(name: str, subject: Subject) -> dict[str, float]:
    """Return the numbers of a metric; one of a user's own may fail.

    Raises:
        ConfigError: it does, or gives something else than numbers by name.
    """
    score = METRICS[name].score
    try:
        found = {str(key): float(value) for key, value in score(subject).items()}
    except UserError:
        raise
    except Exception as error:  # a user's code may raise anything
        raise ConfigError(f"The metric '{name}': {failure(error, score)}.") from error
    return found


def read_subject(
    name: str, content: dict[str, Any], rows: Rows, sigmas: tuple[float, ...] | None = None
) -> Subject:
    """Return ground truth and results as the metric ``name`` sees them.

    Args:
        name: one of ``METRICS``.
        content: of the annotation file.
        rows: of the result file.
        sigmas: K spreads, by default the skeleton's.

    Raises:
        ConfigError: there is no such metric.
        DataError: a file is damaged, not of the metric's kind, or does not fit the other one.
    """
    chosen = METRICS[name]
    content = chosen.join(content) if chosen.join else content
    rows = chosen.join_rows(rows) if chosen.join_rows else rows
    truth = read_truth(content, sigmas)
    truth = chosen.adapt(truth) if chosen.adapt else truth
    spreads = np.asarray(truth.skeleton.sigmas if sigmas is None else sigmas, np.float64)
    return Subject(truth, match_results(rows, truth), content, spreads)
