"""Annotations that disagree with predictions of a network that has not seen them.

Five kinds: joints ``shifted``, sides ``mirrored``, joints of the ``wrong person``, joints or people
``missing``, people who are ``extra``. How exact the network is, is measured on the data itself,
joint by joint, so that a poor network doubts little. Predictions must be out of fold (of networks
that were not trained on the pictures): a network that has seen a wrong label may repeat it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lib.annotations.form import Annotations
from lib.evaluation.coco_files import Rows, check_numbers, check_results, match_results
from lib.utils.errors import DataError

KINDS = ("shifted", "mirrored", "wrong person", "missing", "extra")
NEAR = 0.35  # distance of box centres, in sizes of the person, of a prediction that is its own
SURE = 0.6  # of the usual confidence of a joint: less says nothing about it
FAR = 4.0  # times the usual error of a joint that is a shift
LEAST_FAR = 0.08  # sizes of the person: less is no shift, however exact the network
TAIL = 0.9  # share of errors of a joint that the network surely makes itself
BEYOND = 1.5  # times those, from which it is the label
FEWEST_TAIL = 30  # people from whom that is known
EDGE = 0.05  # sizes of the person from the picture's edge: what is nearer may be cut off
GAIN = 0.25  # of agreement that another reading of the annotation must bring
AGREES = 0.4  # agreement from which that reading is believed
SEEN = 0.85  # of the usual confidence: joints that are there, though not labelled
EXTRA = 0.4  # of the usual confidence: less, and nobody is there
FEWEST = 2  # joints that tell


@dataclass
class Doubt:
    """One annotation that is probably wrong, or a person without one.

    Attributes:
        kind: one of `KINDS`.
        doubt: how sure that is, in (0, 1].
        image_id: as the file has it.
        annotation_id: as the file has it; None for a person without annotation.
        joints: numbers of the joints concerned; all for a whole person.
        action: ``replace``, ``remove`` or ``add``.
        keypoints: (K, 3) proposed ``x, y, visibility``.
        found: (K, 2) what the network sees.
    """

    kind: str
    doubt: float
    image_id: Any
    annotation_id: Any
    joints: list[int]
    action: str
    keypoints: np.ndarray = field(repr=False)
    found: np.ndarray = field(repr=False)


@dataclass(frozen=True)
class _Picture:
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
class _Usual:
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


def find_label_errors(truth: Annotations, rows: Rows) -> list[Doubt]:
    """Return doubts about annotations, the surest first.

    Args:
        truth: the annotations.
        rows: COCO result rows of people in annotated or detected boxes, out of fold. Only those of
            detected boxes (or of models that find people themselves) can show missing people.

    Raises:
        DataError: rows are damaged, of other joints, or hardly any belongs to an annotation.
    """
    pictures = list(_pictures(truth, rows))
    usual = _usual(pictures, truth.skeleton.num_joints)
    flip = truth.skeleton.flip_index
    doubts = []
    for picture in pictures:
        for n in range(len(picture.rows)):
            doubt = _doubt(picture, n, usual, flip)
            if doubt is not None:
                doubt.annotation_id = truth.label(int(picture.rows[n]))
                doubts.append(doubt)
        doubts += _missing_people(picture, usual)
    return sorted(doubts, key=lambda doubt: -doubt.doubt)


def _pictures(truth: Annotations, rows: Rows) -> Iterator[_Picture]:
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
        yield _Picture(
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


def _usual(pictures: Sequence[_Picture], joints: int) -> _Usual:
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
    return _Usual(error, far, np.where(seen, confidence, np.inf), float(np.median(scores)))


def _doubt(picture: _Picture, n: int, usual: _Usual, flip: np.ndarray) -> Doubt | None:
    """Return what is wrong with an annotated person, the most telling reading first."""
    m = int(picture.own[n])
    if m < 0:
        return None
    truth, found = picture.truth[n], picture.found[m]
    labelled = truth[:, 2] > 0
    sure = usual.sure(found[:, 2])
    extra = _extra(picture, n, m, usual, labelled)
    if extra is not None:
        return extra
    both = labelled & sure
    apart = np.linalg.norm(truth[:, :2] - found[:, :2], axis=1) / picture.sizes[n]
    agreement = usual.agreement(apart)
    if both.sum() >= FEWEST:
        for doubt in (
            _mirrored(picture, n, m, usual, flip, agreement),
            _wrong_person(picture, n, m, usual, agreement),
            _shifted(picture, n, m, usual, apart),
        ):
            if doubt is not None:
                return doubt
    return _missing_joints(picture, n, m, usual)


def _proposal(
    picture: _Picture, n: int, m: int, kind: str, doubt: float, joints: np.ndarray
) -> Doubt:
    """Return a doubt that puts joints where the network sees them."""
    keypoints = picture.truth[n].copy()
    keypoints[joints, :2] = picture.found[m][joints, :2]
    keypoints[joints, 2] = np.maximum(keypoints[joints, 2], 1) if kind != "missing" else 2
    chosen = np.flatnonzero(joints).tolist()
    doubt = float(np.clip(doubt, 0, 1))
    found = picture.found[m][:, :2]
    return Doubt(kind, doubt, picture.image_id, None, chosen, "replace", keypoints, found)


def _extra(picture: _Picture, n: int, m: int, usual: _Usual, labelled: np.ndarray) -> Doubt | None:
    if not labelled.any():
        return None
    share = float(np.median(picture.found[m][labelled, 2] / usual.confidence[labelled]))
    if share >= EXTRA:
        return None
    doubt = _proposal(picture, n, m, "extra", 1 - share / EXTRA, labelled)
    doubt.action, doubt.keypoints = "remove", picture.truth[n].copy()
    return doubt


def _mirrored(
    picture: _Picture, n: int, m: int, usual: _Usual, flip: np.ndarray, agreement: np.ndarray
) -> Doubt | None:
    """Return a doubt where the annotation with sides swapped fits what the network sees."""
    swapped = picture.truth[n][flip]
    paired = flip != np.arange(len(flip))
    usable = paired & (picture.truth[n, :, 2] > 0) & (swapped[:, 2] > 0)
    usable &= usual.sure(picture.found[m][:, 2])
    if usable.sum() < FEWEST:
        return None
    apart = np.linalg.norm(swapped[:, :2] - picture.found[m][:, :2], axis=1) / picture.sizes[n]
    fits = float(usual.agreement(apart)[usable].mean())
    gain = fits - float(agreement[usable].mean())
    if gain < GAIN or fits < AGREES:
        return None
    doubt = _proposal(picture, n, m, "mirrored", gain, paired)
    doubt.keypoints = swapped.copy()
    return doubt


def _wrong_person(
    picture: _Picture, n: int, m: int, usual: _Usual, agreement: np.ndarray
) -> Doubt | None:
    """Return a doubt where the annotation fits what the network sees of somebody else."""
    labelled = picture.truth[n, :, 2] > 0
    others = [k for k in range(len(picture.found)) if k != m]
    best = 0.0
    for k in others:
        found = picture.found[k]
        usable = labelled & usual.sure(found[:, 2])
        # Another find of the same person proves nothing.
        twin = np.linalg.norm(found[:, :2] - picture.found[m][:, :2], axis=1) / picture.sizes[n]
        if usable.sum() < FEWEST or usual.agreement(twin)[usable].mean() > AGREES:
            continue
        apart = np.linalg.norm(picture.truth[n, :, :2] - found[:, :2], axis=1) / picture.sizes[n]
        best = max(best, float(usual.agreement(apart)[usable].mean()))
    own = labelled & usual.sure(picture.found[m][:, 2])
    gain = best - float(agreement[own].mean())
    if gain < GAIN or best < AGREES:
        return None
    return _proposal(picture, n, m, "wrong person", gain, own)


def _shifted(picture: _Picture, n: int, m: int, usual: _Usual, apart: np.ndarray) -> Doubt | None:
    """Return a doubt where joints lie far from where the network is sure to see them.

    Not where it sees a joint at another joint of the person: that is its own confusion.
    """
    found, truth = picture.found[m], picture.truth[n]
    labelled = truth[:, 2] > 0
    far = labelled & (found[:, 2] >= SEEN * usual.confidence) & (apart > usual.far)
    if not far.any():
        return None
    near = np.linalg.norm(found[:, None, :2] - truth[None, :, :2], axis=2) / picture.sizes[n]
    near[:, ~labelled] = np.inf
    far &= near.min(axis=1) > usual.error
    if not far.any():
        return None
    ratio = float((apart[far] / usual.far[far]).max())
    return _proposal(picture, n, m, "shifted", 1 - 1 / ratio, far)


def _missing_joints(picture: _Picture, n: int, m: int, usual: _Usual) -> Doubt | None:
    """Return a doubt where joints are not labelled that the network is as sure of as of others."""
    truth, found = picture.truth[n], picture.found[m]
    edge = EDGE * picture.sizes[n]
    inside = ((found[:, :2] > edge) & (found[:, :2] < picture.extent - edge)).all(axis=1)
    missing = (truth[:, 2] == 0) & (found[:, 2] >= SEEN * usual.confidence) & inside
    if not missing.any() or not (truth[:, 2] > 0).any():
        return None
    trust = float((found[missing, 2] / usual.confidence[missing]).max())
    return _proposal(picture, n, m, "missing", 1 - 1 / (1 + trust), missing)


def _missing_people(picture: _Picture, usual: _Usual) -> Iterator[Doubt]:
    """Yield the finds that are nobody's, and that the network is as sure of as of others."""
    for m in sorted(set(range(len(picture.found))) - set(picture.own.tolist())):
        found = picture.found[m]
        near = np.linalg.norm(picture.found[:, :, :2] - found[None, :, :2], axis=2).mean(axis=1)
        size = max(float(np.ptp(found[:, :2], axis=0).max()), 1.0)
        taken = [k for k in picture.own.tolist() if k >= 0]
        if picture.scores[m] < usual.score or any(near[k] < 0.2 * size for k in taken):
            continue
        sure = usual.sure(found[:, 2])
        keypoints = np.concatenate([found[:, :2], 2.0 * sure[:, None]], axis=1)
        keypoints[~sure] = 0
        doubt = 1 - 1 / (1 + float(picture.scores[m]) / usual.score)
        joints = np.flatnonzero(sure).tolist()
        if joints:
            yield Doubt(
                "missing", doubt, picture.image_id, None, joints, "add", keypoints, found[:, :2]
            )
