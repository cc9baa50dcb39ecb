"""Annotated beside predicted people, picture by picture, and how a network usually does on them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lib.annotations.form import Annotations
from lib.evaluation.coco_files import Rows, check_numbers, check_results, match_results
from lib.utils.errors import DataError

NEAR = 0.35  # distance of box centres, in sizes of the person, of a prediction that is its own
SURE = 0.6  # of the usual confidence of a joint: less says nothing about it
FAR = 4.0  # times the usual error of a joint that is a shift
LEAST_FAR = 0.08  # sizes of the person: less is no shift, however exact the network
TAIL = 0.9  # share of errors of a joint that the network surely makes itself
BEYOND = 1.5  # times those, from which it is the label
FEWEST_TAIL = 30  # people from whom that is known
SEEN = 0.85  # of the usual confidence: joints that are there, though not labelled


@dataclass(frozen=True)
class Picture:
    """Annotated and predicted people of a picture.

    Attributes:
        image_id: as the file has it.
        extent: (2,) width and height in pixels; infinite where they are not known.
        rows: (N,) numbers of the annotations.
        truth: (N, K, 3).
        sizes: (N,) square roots of the areas.
        centres: (N, 2) of the boxes.
        found: (M, K, 3) ``x, y, score``.
        found_centres: (M, 2).
        scores: (M,).
        own: (N,) number of the prediction of each annotated person, -1 for none.
    """

    image_id: Any
    extent: np.ndarray
    rows: np.ndarray
    truth: np.ndarray
    sizes: np.ndarray
    centres: np.ndarray
    found: np.ndarray
    found_centres: np.ndarray
    scores: np.ndarray
    own: np.ndarray


@dataclass(frozen=True)
class Usual:
    """How the network does on this data.

    Attributes:
        error: (K,) median error, in sizes of the person.
        far: (K,) error that is a wrong label rather than the network's.
        confidence: (K,) median confidence.
        score: median score of a pose.
    """

    error: np.ndarray
    far: np.ndarray
    confidence: np.ndarray
    score: float

    def sure(self, scores: np.ndarray) -> np.ndarray:
        """Return (..., K) bool: the network is as confident of a joint as usual, nearly."""
        return scores >= SURE * self.confidence

    def agreement(self, apart: np.ndarray) -> np.ndarray:
        """Return similarities in (0, 1] of distances in sizes."""
        return np.exp(-np.square(apart) / (2 * np.square(3 * self.error)))


def read_pictures(truth: Annotations, rows: Rows) -> Iterator[Picture]:
    """Yield the pictures that were predicted on, crowd regions left out.

    Raises:
        DataError: rows are damaged, or of other joints.
    """
    images = truth.images
    joints = truth.skeleton.num_joints
    labels = [images.label(n) for n in range(len(images))]
    rows = match_results(rows, truth)
    check_results(rows, set(labels))
    check_numbers(rows, "keypoints", 3 * joints)
    by_image: dict[Any, Rows] = {}
    for row in rows:
        by_image.setdefault(row["image_id"], []).append(row)
    for place, label in enumerate(labels):
        if label not in by_image:  # nobody was looked for: nothing is known
            continue
        people = np.flatnonzero((truth.people.image_index == place) & ~truth.is_crowd)
        found = by_image[label]
        triples = np.array([row["keypoints"] for row in found], np.float64).reshape(-1, joints, 3)
        boxes = truth.boxes[people]
        centres = boxes[:, :2] + boxes[:, 2:] / 2
        sizes = np.sqrt(np.maximum(truth.areas[people], 1))
        found_centres = np.array([_centre(r, t) for r, t in zip(found, triples, strict=True)])
        yield Picture(
            image_id=label,
            extent=np.where(images.sizes[place] > 0, images.sizes[place], np.inf),
            rows=people,
            truth=truth.triples[people],
            sizes=sizes,
            centres=centres,
            found=triples,
            found_centres=found_centres,
            scores=np.array([row["score"] for row in found], np.float64),
            own=_own(centres, sizes, found_centres),
        )


def _centre(row: dict[str, Any], triples: np.ndarray) -> np.ndarray:
    """Return the centre of the box that a prediction was made in, else of its joints."""
    centre, box = row.get("center"), row.get("bbox")
    if isinstance(centre, list) and len(centre) == 2:
        return np.array(centre, np.float64)
    if isinstance(box, list) and len(box) == 4:
        return np.array([box[0] + box[2] / 2, box[1] + box[3] / 2], np.float64)
    return (triples[:, :2].min(axis=0) + triples[:, :2].max(axis=0)) / 2


def _own(centres: np.ndarray, sizes: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Return (N,) the prediction whose box is a person's; the joints may be wrong."""
    from scipy.optimize import linear_sum_assignment

    own = np.full(len(centres), -1)
    if not len(centres) or not len(found):
        return own
    apart = np.linalg.norm(centres[:, None] - found[None], axis=2) / sizes[:, None]
    for n, m in zip(*linear_sum_assignment(np.minimum(apart, 10)), strict=True):
        if apart[n, m] <= NEAR:
            own[n] = m
    return own


def measure_usual(pictures: Sequence[Picture], joints: int) -> Usual:
    """Return the usual errors and confidences, by medians, which few wrong labels do not move."""
    errors: list[np.ndarray] = []
    confidences: list[np.ndarray] = []
    scores: list[float] = []
    for picture in pictures:
        for n in np.flatnonzero(picture.own >= 0).tolist():
            found = picture.found[picture.own[n]]
            labelled = picture.truth[n, :, 2] > 0
            apart = np.linalg.norm(picture.truth[n, :, :2] - found[:, :2], axis=1)
            errors.append(np.where(labelled, apart / picture.sizes[n], np.nan))
            confidences.append(np.where(labelled, found[:, 2], np.nan))
            scores.append(float(picture.scores[picture.own[n]]))
    if not errors:
        raise DataError(
            "No prediction is near an annotated person: do the results belong to these pictures?"
        )
    stacked = (np.stack(errors), np.stack(confidences))
    seen = np.isfinite(stacked[0]).any(axis=0)
    error, confidence = np.full(joints, np.nan), np.full(joints, np.nan)
    error[seen] = np.nanmedian(stacked[0][:, seen], axis=0)
    confidence[seen] = np.nanmedian(stacked[1][:, seen], axis=0)
    error = np.maximum(np.where(seen, error, np.inf), 0.005)
    confident = stacked[1] >= SEEN * confidence
    far = np.maximum(FAR * error, LEAST_FAR)
    for k in np.flatnonzero(confident.sum(axis=0) >= FEWEST_TAIL):
        tail = float(np.quantile(stacked[0][confident[:, k], k], TAIL))
        far[k] = max(far[k], BEYOND * tail)
    return Usual(error, far, np.where(seen, confidence, np.inf), float(np.median(scores)))
