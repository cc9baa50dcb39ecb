"""Annotations that disagree with predictions of a network that has not seen them.

Five kinds: joints ``shifted``, sides ``mirrored``, joints of the ``wrong person``, joints or people
``missing``, people who are ``extra``. How exact the network is, is measured on the data itself,
joint by joint. A poor network still takes many of its own errors for shifts; swapped sides and
people it tells well. Predictions must be out of fold (of networks
that were not trained on the pictures): a network that has seen a wrong label may repeat it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lib.annotations.form import Annotations
from lib.evaluation.coco_files import Rows
from lib.evaluation.predicted_pairs import SEEN, Picture, Usual, measure_usual, read_pictures

KINDS = ("shifted", "mirrored", "wrong person", "missing", "extra")
EDGE = 0.05  # sizes of the person from the picture's edge: what is nearer may be cut off
GAIN = 0.25  # of agreement that another reading of the annotation must bring
AGREES = 0.4  # agreement from which that reading is believed
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


def find_label_errors(truth: Annotations, rows: Rows) -> list[Doubt]:
    """Return doubts about annotations, the surest first.

    Args:
        truth: the annotations.
        rows: COCO result rows of people in annotated or detected boxes, out of fold. Only those of
            detected boxes (or of models that find people themselves) can show missing people.

    Raises:
        DataError: rows are damaged, of other joints, or hardly any belongs to an annotation.
    """
    pictures = list(read_pictures(truth, rows))
    usual = measure_usual(pictures, truth.skeleton.num_joints)
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


def _doubt(picture: Picture, n: int, usual: Usual, flip: np.ndarray) -> Doubt | None:
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
    picture: Picture, n: int, m: int, kind: str, doubt: float, joints: np.ndarray
) -> Doubt:
    """Return a doubt that puts joints where the network sees them."""
    keypoints = picture.truth[n].copy()
    keypoints[joints, :2] = picture.found[m][joints, :2]
    keypoints[joints, 2] = np.maximum(keypoints[joints, 2], 1) if kind != "missing" else 2
    chosen = np.flatnonzero(joints).tolist()
    doubt = float(np.clip(doubt, 0, 1))
    found = picture.found[m][:, :2]
    return Doubt(kind, doubt, picture.image_id, None, chosen, "replace", keypoints, found)


def _extra(picture: Picture, n: int, m: int, usual: Usual, labelled: np.ndarray) -> Doubt | None:
    if not labelled.any():
        return None
    share = float(np.median(picture.found[m][labelled, 2] / usual.confidence[labelled]))
    if share >= EXTRA:
        return None
    doubt = _proposal(picture, n, m, "extra", 1 - share / EXTRA, labelled)
    doubt.action, doubt.keypoints = "remove", picture.truth[n].copy()
    return doubt


def _mirrored(
    picture: Picture, n: int, m: int, usual: Usual, flip: np.ndarray, agreement: np.ndarray
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
    picture: Picture, n: int, m: int, usual: Usual, agreement: np.ndarray
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


def _shifted(picture: Picture, n: int, m: int, usual: Usual, apart: np.ndarray) -> Doubt | None:
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


def _missing_joints(picture: Picture, n: int, m: int, usual: Usual) -> Doubt | None:
    """Return a doubt where joints are not labelled that the network is as sure of as of others."""
    truth, found = picture.truth[n], picture.found[m]
    edge = EDGE * picture.sizes[n]
    inside = ((found[:, :2] > edge) & (found[:, :2] < picture.extent - edge)).all(axis=1)
    missing = (truth[:, 2] == 0) & (found[:, 2] >= SEEN * usual.confidence) & inside
    if not missing.any() or not (truth[:, 2] > 0).any():
        return None
    trust = float((found[missing, 2] / usual.confidence[missing]).max())
    return _proposal(picture, n, m, "missing", 1 - 1 / (1 + trust), missing)


def _missing_people(picture: Picture, usual: Usual) -> Iterator[Doubt]:
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
