"""Object keypoint similarity, its non-maximum suppression, and rescoring of poses.

OKS: COCO keypoint evaluation (Lin et al. 2014; cocodataset.org). Suppression and rescoring are
those of the HRNet family (Xiao et al. 2018; Sun et al. 2019), vectorised over people, joints and
images. Soft suppression: Bodla et al. 2017. Kept habits of the family, all pinned by tests:
a visibility filter looks at the candidate's joints only, never at the reference's; soft suppression
keeps at most 20 people and only reorders (its decayed scores are not written).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

SOFT_MAX_PEOPLE = 20
CHUNK_ELEMENTS = 1 << 19  # pairs x joints per numpy call: intermediate arrays stay in the cache


def oks_matrix(
    references: np.ndarray,
    candidates: np.ndarray,
    reference_areas: np.ndarray,
    candidate_areas: np.ndarray,
    sigmas: np.ndarray,
    *,
    visible: np.ndarray | None = None,
) -> np.ndarray:
    """Return the similarity of every reference to every candidate, the mean area as object size.

    Args:
        references: (..., M, K, 2) ``(x, y)`` in pixels.
        candidates: (..., N, K, 2) ``(x, y)`` in pixels.
        reference_areas: (..., M) square pixels.
        candidate_areas: (..., N) square pixels.
        sigmas: (K,) spreads relative to the square root of the area.
        visible: (..., N, K) bool, the candidates' joints that count; None counts all. A candidate
            without any has similarity 0.

    Returns:
        (..., M, N) float64 in [0, 1].
    """
    areas = np.asarray(reference_areas, np.float64)[..., :, None] + candidate_areas[..., None, :]
    similarities = _joint_similarities(
        candidates[..., None, :, :, :], references[..., :, None, :, :], areas, sigmas
    )
    return _mean_counted(similarities, None if visible is None else visible[..., None, :, :])


def decay_scores(
    overlaps: np.ndarray, scores: np.ndarray, threshold: float, kind: str = "gaussian"
) -> np.ndarray:
    """Return ``scores`` lowered by ``overlaps`` with a better pose (Soft-NMS, Bodla et al. 2017).

    Args:
        overlaps: (..., N) similarities in [0, 1].
        scores: (..., N).
        threshold: width of the Gaussian decay, or the overlap from which linear decay starts.
        kind: ``"gaussian"`` or ``"linear"``.
    """
    if kind == "gaussian":
        return scores * np.exp(-np.square(overlaps) / threshold)
    if kind == "linear":
        return np.where(overlaps >= threshold, scores * (1 - overlaps), scores)
    raise ValueError(f"kind must be 'gaussian' or 'linear', got '{kind}'")


def rescore(
    keypoint_scores: np.ndarray, box_scores: np.ndarray, in_vis_thre: float = 0.2
) -> np.ndarray:
    """Return (N,) pose scores: mean of the joint scores above ``in_vis_thre`` times the box score.

    A pose none of whose joints is above the threshold scores 0.

    Args:
        keypoint_scores: (N, K).
        box_scores: (N,).
        in_vis_thre: exclusive lower bound.
    """
    counted = keypoint_scores > in_vis_thre
    totals = np.where(counted, keypoint_scores, 0).sum(axis=1)
    return totals / np.maximum(counted.sum(axis=1), 1) * box_scores


def oks_nms(
    keypoints: np.ndarray,
    scores: np.ndarray,
    areas: np.ndarray,
    sigmas: np.ndarray,
    threshold: float,
    *,
    visible: np.ndarray | None = None,
) -> np.ndarray:
    """Keep poses of one image that are at most ``threshold`` similar to every better kept one.

    Args:
        keypoints: (N, K, 2) ``(x, y)`` in pixels.
        scores: (N,).
        areas: (N,) square pixels.
        sigmas: (K,) spreads.
        threshold: similarity above which the worse pose goes.
        visible: (N, K) bool, the joints that count when a pose is the candidate; None counts all.

    Returns:
        Indices of the kept poses, best first; of equal scores the later comes first.
    """
    image_ids = np.zeros(len(scores), np.int64)
    return nms_by_image(image_ids, keypoints, scores, areas, sigmas, threshold, visible=visible)


def soft_oks_nms(
    keypoints: np.ndarray,
    scores: np.ndarray,
    areas: np.ndarray,
    sigmas: np.ndarray,
    threshold: float,
    *,
    visible: np.ndarray | None = None,
) -> np.ndarray:
    """Order poses of one image by scores that decay near better ones; at most 20 are kept.

    Arguments as for ``oks_nms``; ``threshold`` is the width of the Gaussian decay.

    Returns:
        Indices of the kept poses in the order they were picked.
    """
    image_ids = np.zeros(len(scores), np.int64)
    return nms_by_image(
        image_ids, keypoints, scores, areas, sigmas, threshold, visible=visible, soft=True
    )


def nms_by_image(
    image_ids: np.ndarray,
    keypoints: np.ndarray,
    scores: np.ndarray,
    areas: np.ndarray,
    sigmas: np.ndarray,
    threshold: float,
    *,
    visible: np.ndarray | None = None,
    soft: bool = False,
) -> np.ndarray:
    """Suppress the poses of all images at once; images of like head count share numpy calls.

    ``image_ids`` are (N,), the image of every pose, in any order. The others are as ``oks_nms``
    takes them, or ``soft_oks_nms`` if ``soft``.

    Returns:
        Indices of the kept poses: images in the order of their first pose, and within an image
        in the order of ``oks_nms`` or ``soft_oks_nms``.
    """
    if len(scores) == 0:
        return np.zeros(0, np.int64)
    order, starts, counts = _sort_by_image(image_ids, scores)
    if not soft:
        rank = np.repeat(np.arange(len(counts)), counts)
        seen = None if visible is None else visible[order]
        poses = keypoints[order], areas[order]
        return order[_suppress_hard(rank, *poses, np.asarray(sigmas), threshold, seen)]
    kept = np.full(len(scores), -1, np.int64)  # the slots of an image are neighbours
    for groups, width in _chunks(counts, keypoints.shape[1]):
        places = np.arange(width)
        valid = places < counts[groups, None]  # (G, n)
        table = order[np.where(valid, starts[groups, None] + places, starts[groups, None])]
        poses, sizes = keypoints[table], areas[table]
        seen = None if visible is None else visible[table]
        overlaps = oks_matrix(poses, poses, sizes, sizes, sigmas, visible=seen)
        picks = _suppress_soft(
            overlaps, scores[table], valid, threshold
        )  # (G, P) places, -1 for none
        rows, columns = np.nonzero(picks >= 0)
        slots = starts[groups[rows]] + columns
        kept[slots] = table[rows, picks[rows, columns]]
    return kept[kept >= 0]


def _sort_by_image(
    image_ids: np.ndarray, scores: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return pose order (images by first appearance, best first), starts and counts of images."""
    _, first, inverse = np.unique(image_ids, return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first))[inverse.reshape(-1)]
    order = np.lexsort((-np.arange(len(scores)), -scores, rank))
    counts = np.bincount(rank)
    return order, np.cumsum(counts) - counts, counts


def _chunks(counts: np.ndarray, joints: int) -> Iterator[tuple[np.ndarray, int]]:
    """Yield (image ranks, padded head count): images of like head count, bounded in memory."""
    by_count = np.argsort(counts, kind="stable")
    start = 0
    while start < len(by_count):
        stop = start + 1
        while stop < len(by_count):
            width = counts[by_count[stop]]
            if (stop + 1 - start) * width * width * joints > CHUNK_ELEMENTS:
                break
            stop += 1
        groups = by_count[start:stop]
        yield groups, int(counts[groups[-1]])
        start = stop


def _suppress_hard(
    rank: np.ndarray,
    keypoints: np.ndarray,
    areas: np.ndarray,
    sigmas: np.ndarray,
    threshold: float,
    visible: np.ndarray | None,
) -> np.ndarray:
    """Return places of kept poses; arrays are sorted by image (``rank``), best first.

    In every round the best pose left of each image is kept, and all poses too similar to it go:
    as many pairs as one image at a time would take, but no loop over images.
    """
    left = np.arange(len(rank))
    kept = np.zeros(len(rank), bool)
    while len(left):
        best = np.concatenate([[True], rank[left[1:]] != rank[left[:-1]]])
        kept[left[best]] = True
        reference = left[np.maximum.accumulate(np.where(best, np.arange(len(left)), 0))]
        candidate, reference = left[~best], reference[~best]
        size = areas[reference].astype(np.float64) + areas[candidate]
        if visible is None:
            near = _are_similar(keypoints, reference, candidate, size, sigmas, threshold)
        else:
            terms = _joint_similarities(keypoints[candidate], keypoints[reference], size, sigmas)
            near = _mean_counted(terms, visible[candidate]) > threshold
        left = candidate[~near]
    return np.flatnonzero(kept)


def _are_similar(
    keypoints: np.ndarray,
    reference: np.ndarray,
    candidate: np.ndarray,
    size: np.ndarray,
    sigmas: np.ndarray,
    threshold: float,
) -> np.ndarray:
    """Return (P,) bool, which pairs are more similar than ``threshold``.

    A few joints tell most poses apart: if even with all others equal the mean cannot reach the
    threshold, the others are not looked at.
    """
    count = len(sigmas)
    few = min(count, int(np.ceil(count * (1 - threshold))) + 2)
    near = np.arange(len(reference))
    for joints, needed in ((few, threshold * count - (count - few) - 1e-6), (count, None)):
        terms = _joint_similarities(
            keypoints[candidate[near], :joints],
            keypoints[reference[near], :joints],
            size[near],
            sigmas[:joints],
        )
        enough = terms.mean(axis=-1) > threshold if needed is None else terms.sum(axis=-1) > needed
        near = near[enough]
    similar = np.zeros(len(reference), bool)
    similar[near] = True
    return similar


def _joint_similarities(
    candidates: np.ndarray, references: np.ndarray, areas: np.ndarray, sigmas: np.ndarray
) -> np.ndarray:
    """Return (..., K) similarities of joints (..., K, 2); ``areas`` (...) are sums of both."""
    squares = np.square(candidates[..., 0] - references[..., 0])
    squares += np.square(candidates[..., 1] - references[..., 1])
    size = areas / 2 + np.spacing(1)
    terms = squares / np.square(2 * np.asarray(sigmas, np.float64))
    terms /= size[..., None]
    terms *= -0.5
    return np.exp(terms, out=terms)


def _mean_counted(similarities: np.ndarray, visible: np.ndarray | None) -> np.ndarray:
    """Return the mean over joints (the last axis), over visible ones if given, 0 without any."""
    if visible is None:
        return similarities.mean(axis=-1)
    return (similarities * visible).sum(axis=-1) / np.maximum(visible.sum(axis=-1), 1)


def _suppress_soft(
    overlaps: np.ndarray, scores: np.ndarray, valid: np.ndarray, threshold: float
) -> np.ndarray:
    """Return (G, P <= 20) picked places in order of decayed score, -1 behind them."""
    groups, width = scores.shape
    rows = np.arange(groups)
    remaining = np.where(valid, scores, -np.inf).astype(np.float64)
    picks = np.full((groups, min(width, SOFT_MAX_PEOPLE)), -1, np.int64)
    for turn in range(picks.shape[1]):
        best = remaining.argmax(axis=1)
        picks[:, turn] = np.where(np.isneginf(remaining[rows, best]), -1, best)
        remaining = decay_scores(overlaps[rows, best], remaining, threshold)
        remaining[rows, best] = -np.inf
    return picks
