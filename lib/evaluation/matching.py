"""Which found pose belongs to which annotated one, by the COCO rules, as arrays to analyse.

``evaluate_coco`` gives the official numbers; here every match is at hand, so that scores can be
split by joint or size, corrected, and resampled. Average precision from here equals pycocotools'.
Letters: G annotated and D found people of an image, K joints, T similarity thresholds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lib.evaluation.coco_files import Rows

THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0.0, 1.0, 101)
MAX_PEOPLE = 20
ALL_SIZES = (0.0, 1e10)  # square pixels


@dataclass
class ImagePoses:
    """Annotated and found people of one image.

    Attributes:
        image_id: id of the image.
        truth: (G, K, 2) ``(x, y)`` in pixels.
        visible: (G, K) bool, labelled joints.
        areas: (G,) square pixels.
        boxes: (G, 4) ``x, y, width, height``.
        crowd: (G,) bool, regions of many people.
        ignored: (G,) bool, crowd regions and people without a labelled joint.
        found: (D, K, 2) ``(x, y)`` in pixels, best score first, at most 20.
        joint_scores: (D, K).
        scores: (D,).
        found_areas: (D,) square pixels of the found boxes.
    """

    image_id: int
    truth: np.ndarray
    visible: np.ndarray
    areas: np.ndarray
    boxes: np.ndarray
    crowd: np.ndarray
    ignored: np.ndarray
    found: np.ndarray
    joint_scores: np.ndarray
    scores: np.ndarray
    found_areas: np.ndarray


@dataclass
class Matches:
    """Outcome for all found people of all images; D counts over images here, I images.

    Attributes:
        scores: (D,).
        image_index: (D,) position of the image.
        hit: (T, D) bool, matched to a counted annotated person.
        counted: (T, D) bool; False where a found person is neither right nor wrong.
        wanted: (I,) annotated people that count.
        truth_index: (T, D) number of the matched annotated person within its image, -1 for none.
    """

    scores: np.ndarray
    image_index: np.ndarray
    hit: np.ndarray
    counted: np.ndarray
    wanted: np.ndarray
    truth_index: np.ndarray


def group_by_image(dataset: dict[str, Any], rows: Rows) -> list[ImagePoses]:
    """Sort completed annotations and checked result rows by image (see ``prepare_poses``)."""
    truths, results = defaultdict(list), defaultdict(list)
    for row in dataset["annotations"]:
        truths[row["image_id"]].append(row)
    for row in rows:
        results[row["image_id"]].append(row)
    image_ids = sorted(image["id"] for image in dataset["images"])
    joints = next((len(r["keypoints"]) // 3 for r in (*dataset["annotations"], *rows)), 0)
    return [_image_poses(i, truths[i], results[i], joints) for i in image_ids]


def similarities(
    image: ImagePoses, sigmas: np.ndarray, mirror: np.ndarray | None = None
) -> np.ndarray:
    """Return (D, G, K) similarities of found joints to annotated ones, each in [0, 1].

    Where an annotated person has no labelled joint, distances are to its box grown threefold.

    Args:
        image: people of one image.
        sigmas: (K,) spreads.
        mirror: (K,) joint numbers; compare found joint ``k`` to annotated joint ``mirror[k]``.
    """
    order = np.arange(len(sigmas)) if mirror is None else mirror
    offsets = image.found[:, None] - image.truth[None, :, order]
    unlabelled = np.asarray(~image.visible.any(axis=1))
    if unlabelled.any():
        low = image.boxes[:, :2] - image.boxes[:, 2:]
        high = image.boxes[:, :2] + 2 * image.boxes[:, 2:]
        points = image.found[:, None]
        outside = np.maximum(low[:, None] - points, 0) + np.maximum(points - high[:, None], 0)
        offsets = np.where(unlabelled[:, None, None], outside, offsets)
    variances = np.square(2 * sigmas[order])
    sizes = (image.areas + np.spacing(1))[:, None]
    return np.exp(-np.square(offsets).sum(axis=-1) / variances / sizes / 2)


def mean_similarity(similarity: np.ndarray, visible: np.ndarray) -> np.ndarray:
    """Return (D, G) object similarities: the mean over labelled joints, over all if none is."""
    counted = visible | ~visible.any(axis=1, keepdims=True)
    return (similarity * counted).sum(axis=2) / np.maximum(counted.sum(axis=1), 1)


def match_people(
    overlaps: np.ndarray, ignored: np.ndarray, crowd: np.ndarray, thresholds: np.ndarray
) -> np.ndarray:
    """Give found people, best first, the free annotated person most similar to them.

    Counted people go before ignored ones, and of equals the later is taken; crowd regions can be
    taken again and again.

    Args:
        overlaps: (D, G) similarities.
        ignored: (G,) bool.
        crowd: (G,) bool.
        thresholds: (T,) least similarities.

    Returns:
        (T, D) numbers of annotated people, -1 for none.
    """
    taken = np.full((len(thresholds), len(overlaps)), -1)
    free = np.ones((len(thresholds), overlaps.shape[1]), bool)
    least = np.minimum(thresholds, 1 - 1e-10)
    rows = np.arange(len(thresholds))
    for d in np.nonzero((overlaps >= least.min()).any(axis=1))[0].tolist():
        overlap = overlaps[d]
        fits = free & (overlap >= least[:, None])
        for group in (~ignored, ignored):
            values = np.where(fits & group, overlap, -1.0)[:, ::-1]
            best = values.shape[1] - 1 - values.argmax(axis=1)
            new = (taken[:, d] < 0) & (fits & group).any(axis=1)
            taken[new, d] = best[new]
        chosen = taken[:, d] >= 0
        free[rows[chosen], taken[chosen, d]] = crowd[taken[chosen, d]]
    return taken


def match_images(
    images: Sequence[ImagePoses],
    overlaps: Sequence[np.ndarray],
    *,
    size_range: tuple[float, float] = ALL_SIZES,
    ignored: Sequence[np.ndarray] | None = None,
    thresholds: np.ndarray = THRESHOLDS,
) -> Matches:
    """Match every image.

    Args:
        images: I images.
        overlaps: I similarity matrices (D, G).
        size_range: areas in square pixels that count; outside it people are ignored.
        ignored: I masks (G,) of people that do not count, instead of the annotated ones.
        thresholds: (T,) least similarities.
    """
    low, high = size_range
    taken, hit, counted, wanted = [], [], [], []
    for number, image in enumerate(images):
        skip = image.ignored if ignored is None else ignored[number]
        skip = skip | (image.areas < low) | (image.areas > high)
        match = match_people(overlaps[number], skip, image.crowd, thresholds)
        found = match >= 0
        on_skipped = found & np.append(skip, False)[match]
        outside = (image.found_areas < low) | (image.found_areas > high)
        taken.append(match)
        hit.append(found & ~on_skipped)
        counted.append(~on_skipped & (found | ~outside))
        wanted.append(int((~skip).sum()))
    return Matches(
        scores=np.concatenate([image.scores for image in images] or [np.zeros(0)]),
        image_index=np.repeat(np.arange(len(images)), [len(image.scores) for image in images]),
        hit=np.concatenate(hit, axis=1),
        counted=np.concatenate(counted, axis=1),
        wanted=np.array(wanted),
        truth_index=np.concatenate(taken, axis=1),
    )


def precision_curves(
    matches: Matches, weights: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the interpolated precision at 101 recalls, and the recall reached.

    Args:
        matches: outcome of I images.
        weights: (I,) how often every image counts; None counts each once.

    Returns:
        precision (T, 101) and recall (T,); NaN if nothing was to be found.
    """
    wanted = matches.wanted if weights is None else matches.wanted * weights
    thresholds = len(matches.hit)
    if wanted.sum() == 0:
        return np.full((thresholds, len(RECALLS)), np.nan), np.full(thresholds, np.nan)
    order = np.argsort(-matches.scores, kind="stable")
    share = np.ones(len(order)) if weights is None else weights[matches.image_index[order]]
    hits = np.cumsum(matches.hit[:, order] * share, axis=1)
    counted = np.cumsum(matches.counted[:, order] * share, axis=1)
    recall = hits / wanted.sum()
    precision = hits / (counted + np.spacing(1))
    envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    padded = np.concatenate([envelope, np.zeros((thresholds, 1))], axis=1)
    curves = [p[np.searchsorted(r, RECALLS)] for r, p in zip(recall, padded, strict=True)]
    reached = recall[:, -1] if len(order) else np.zeros(thresholds)
    return np.stack(curves), reached


def average_precision(matches: Matches, weights: np.ndarray | None = None) -> float:
    """Return AP over all thresholds; arguments as for ``precision_curves``."""
    return float(precision_curves(matches, weights)[0].mean())


def _image_poses(image_id: int, truths: Rows, rows: Rows, joints: int) -> ImagePoses:
    rows = sorted(rows, key=lambda row: -row["score"])[:MAX_PEOPLE]
    truth = _numbers(truths, "keypoints", 3 * joints).reshape(len(truths), joints, 3)
    found = _numbers(rows, "keypoints", 3 * joints).reshape(len(rows), joints, 3)
    crowd = np.array([bool(row["iscrowd"]) for row in truths], bool)
    empty = np.array([row["num_keypoints"] == 0 for row in truths], bool)
    return ImagePoses(
        image_id=image_id,
        truth=truth[..., :2],
        visible=truth[..., 2] > 0,
        areas=np.array([row["area"] for row in truths], np.float64),
        boxes=_numbers(truths, "bbox", 4),
        crowd=crowd,
        ignored=crowd | empty,
        found=found[..., :2],
        joint_scores=found[..., 2],
        scores=np.array([row["score"] for row in rows], np.float64),
        found_areas=_numbers(rows, "bbox", 4)[:, 2:].prod(axis=1),
    )


def _numbers(rows: Rows, key: str, length: int) -> np.ndarray:
    return np.array([row[key] for row in rows], np.float64).reshape(len(rows), length)
