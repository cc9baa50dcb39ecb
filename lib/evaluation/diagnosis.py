"""Why a score is low: the errors of found poses, and what each kind costs.

Ronchi and Perona 2017, "Benchmarking and Error Diagnosis in Multi-Instance Pose Estimation". Each
labelled joint of a matched pose is one of: good (similarity at least 0.85), jitter (at least 0.5),
inversion (near the mirrored joint of the same person), swap (near the same or the mirrored joint
of another person), miss (near nothing). Differs from the paper: where a joint is near both its
mirror and another person, the nearer decides; and what an error costs is AP after putting all its
joints onto the truth, one kind at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from lib.evaluation.curves import average_precision
from lib.evaluation.matching import (
    match_images,
    match_people,
)
from lib.evaluation.pairs import mean_similarity, similarities
from lib.evaluation.table import ImagePoses, PoseTable
from lib.structures.skeleton import Skeleton

JOINT_ERRORS: tuple[str, ...] = ("good", "jitter", "inversion", "swap", "miss")
GOOD, JITTER, INVERSION, SWAP, MISS = range(5)
GOOD_SIMILARITY = 0.85
NEAR_SIMILARITY = 0.5
MATCH_SIMILARITY = 0.1  # a pose less similar than this to everybody was found in the background


@dataclass
class ImageErrors:
    """What is wrong with the poses of one image.

    Attributes:
        image: its annotated and found people.
        truth_index: (D,) the annotated person a found one stands for, -1 for none.
        background: (D,) bool, found where nobody is, not even a crowd.
        duplicate: (D,) bool, found near a person whom another pose stands for.
        missed: (G,) bool, annotated people nobody was found for.
        kinds: (D, K) number of ``JOINT_ERRORS``, -1 where a joint has no truth.
        overlaps: (D, G) object similarities.
    """

    image: ImagePoses
    truth_index: np.ndarray
    background: np.ndarray
    duplicate: np.ndarray
    missed: np.ndarray
    kinds: np.ndarray
    overlaps: np.ndarray


@dataclass
class Diagnosis:
    """Errors of a split.

    Attributes:
        images: one entry per image.
        joint_counts: (K, 5) labelled joints of matched people by kind of ``JOINT_ERRORS``.
        people: counts of ``matched``, ``background``, ``duplicate`` and ``missed`` people.
        ap: average precision as it is.
        costs: AP gained by mending all errors of a kind: the four of joints, ``background`` and
            ``duplicate`` (such poses removed; negative where a duplicate is the better pose),
            ``missed`` (such people no longer wanted), ``scores`` (poses ranked by their true
            similarity).
    """

    images: list[ImageErrors]
    joint_counts: np.ndarray
    people: dict[str, int]
    ap: float
    costs: dict[str, float]


def diagnose(table: PoseTable, skeleton: Skeleton) -> Diagnosis:
    """Sort all errors of found poses.

    Args:
        table: annotated and found poses (``lib.evaluation.table.read_table``).
        skeleton: mirror pairs and spreads of the K joints.
    """
    sigmas = np.asarray(skeleton.sigmas, np.float64)
    images = [find_errors(image, sigmas, skeleton.flip_index) for image in table.images()]
    counts = np.zeros((skeleton.num_joints, len(JOINT_ERRORS)), np.int64)
    for errors in images:
        for kind in range(len(JOINT_ERRORS)):
            counts[:, kind] += (errors.kinds == kind).sum(axis=0)
    people = {
        "matched": sum(int((e.truth_index >= 0).sum()) for e in images),
        "background": sum(int(e.background.sum()) for e in images),
        "duplicate": sum(int(e.duplicate.sum()) for e in images),
        "missed": sum(int(e.missed.sum()) for e in images),
    }
    ap = average_precision(match_images([e.image for e in images], [e.overlaps for e in images]))
    costs = {
        name: _mended(images, sigmas, kind) - ap
        for kind, name in enumerate(JOINT_ERRORS)
        if kind != GOOD
    }
    costs |= {name: _without(images, name) - ap for name in ("background", "duplicate")}
    costs |= {"missed": _without_missed(images) - ap, "scores": _with_true_scores(images) - ap}
    return Diagnosis(images, counts, people, ap, costs)


def find_errors(image: ImagePoses, sigmas: np.ndarray, mirror: np.ndarray) -> ImageErrors:
    """Sort the errors of one image.

    Args:
        image: its annotated and found people.
        sigmas: (K,) spreads.
        mirror: (K,) number of every joint's mirror image.
    """
    same = similarities(image, sigmas)
    overlaps = mean_similarity(same, image.visible)
    truth_index = _owners(overlaps, image)
    unmatched = truth_index < 0
    nearest = np.concatenate([overlaps, np.zeros((len(overlaps), 1))], axis=1).max(axis=1)
    truth_index = np.where(np.append(image.ignored, False)[truth_index], -1, truth_index)
    missed = ~image.ignored
    missed[truth_index[truth_index >= 0]] = False
    flipped = np.where(image.visible[:, mirror], similarities(image, sigmas, mirror), 0.0)
    kinds = np.full((len(image.scores), len(sigmas)), -1)
    for d, g in enumerate(truth_index.tolist()):
        if g >= 0:
            near = _nearness(np.where(image.visible, same[d], 0.0), flipped[d], g, mirror)
            kinds[d] = np.where(image.visible[g], _kinds(*near), -1)
    background = unmatched & (nearest < MATCH_SIMILARITY)
    duplicate = unmatched & ~background
    return ImageErrors(image, truth_index, background, duplicate, missed, kinds, overlaps)


def _owners(overlaps: np.ndarray, image: ImagePoses) -> np.ndarray:
    """Return (D,) the person each pose stands for, -1 for none.

    First as AP .5 matches; then whoever is left and a little similar; crowd regions, which any
    pose within them resembles, come last.
    """
    owners = np.full(len(overlaps), -1)
    regular = np.where(image.ignored, 0.0, overlaps)
    for table, threshold in (
        (regular, NEAR_SIMILARITY),
        (regular, MATCH_SIMILARITY),
        (overlaps, MATCH_SIMILARITY),
    ):
        rest = table.copy()
        taken = owners[owners >= 0]
        rest[owners >= 0] = 0
        rest[:, taken] *= image.crowd[taken]
        (match,) = match_people(rest, image.ignored, image.crowd, np.array([threshold]))
        owners = np.where(owners >= 0, owners, match)
    return owners


def _nearness(
    same: np.ndarray, flipped: np.ndarray, person: int, mirror: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (K,) similarities to the own joint, the own mirrored one, and anybody else's."""
    others = np.arange(len(same)) != person
    nobody = np.zeros((1, same.shape[1]))
    either = np.concatenate([same[others], flipped[others], nobody])
    own_mirror = np.where(mirror == np.arange(len(mirror)), 0.0, flipped[person])
    return same[person], own_mirror, either.max(axis=0)


def _kinds(own: np.ndarray, inverted: np.ndarray, swapped: np.ndarray) -> np.ndarray:
    """Return (K,) kinds of ``JOINT_ERRORS``."""
    wrong = np.where(swapped > inverted, SWAP, INVERSION)
    wrong = np.where(np.maximum(swapped, inverted) >= NEAR_SIMILARITY, wrong, MISS)
    right = np.where(own >= GOOD_SIMILARITY, GOOD, JITTER)
    return np.where(own >= NEAR_SIMILARITY, right, wrong)


def _mended(images: Sequence[ImageErrors], sigmas: np.ndarray, kind: int) -> float:
    """Return AP with all joints of one kind moved onto the truth."""
    mended, overlaps = [], []
    for errors in images:
        truth = np.concatenate([errors.image.truth, np.zeros((1, len(sigmas), 2))])
        found = np.where(
            (errors.kinds == kind)[..., None], truth[errors.truth_index], errors.image.found
        )
        image = replace(errors.image, found=found)
        mended.append(image)
        overlaps.append(mean_similarity(similarities(image, sigmas), image.visible))
    return average_precision(match_images(mended, overlaps))


def _without(images: Sequence[ImageErrors], wrong: str) -> float:
    """Return AP without the poses that the mask named ``wrong`` marks."""
    kept, overlaps = [], []
    for errors in images:
        keep = ~getattr(errors, wrong)
        kept.append(_select_found(errors.image, keep))
        overlaps.append(errors.overlaps[keep])
    return average_precision(match_images(kept, overlaps))


def _select_found(image: ImagePoses, keep: np.ndarray) -> ImagePoses:
    """Return the image with the found people of a mask or an order."""
    names = ("found", "joint_scores", "scores", "found_areas")
    return replace(image, **{name: getattr(image, name)[keep] for name in names})


def _without_missed(images: Sequence[ImageErrors]) -> float:
    return average_precision(
        match_images(
            [e.image for e in images],
            [e.overlaps for e in images],
            ignored=[e.image.ignored | e.missed for e in images],
        )
    )


def _with_true_scores(images: Sequence[ImageErrors]) -> float:
    """Return AP with every pose scored by its similarity to the person it stands for."""
    ranked, overlaps = [], []
    for errors in images:
        known = np.concatenate([errors.overlaps, np.zeros((len(errors.overlaps), 1))], axis=1)
        scores = known[np.arange(len(known)), errors.truth_index]
        order = np.argsort(-scores, kind="stable")
        image = replace(errors.image, scores=scores)
        ranked.append(_select_found(image, order))
        overlaps.append(errors.overlaps[order])
    return average_precision(match_images(ranked, overlaps))
