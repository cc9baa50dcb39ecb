"""Ex-OKS (Purkrabek and Matas 2025, "ProbPose"): OKS that also asks which joints are out of view.

The distance of a joint that is inside the picture both in truth and in the result is that of OKS.
If only one of the two is inside, it is that one's distance to the nearest border; if both are
outside, 0. A result says "outside" by a point outside the picture or a joint score of 0 or less.
Differs from the paper: the window is the picture, as result files do not tell the crop.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lib.annotations.form import Annotations
from lib.evaluation.matching import Candidates, pose_candidates
from lib.evaluation.pairs import NEAR, similar_pairs
from lib.evaluation.table import PoseTable
from lib.utils.errors import DataError


def extended_candidates(
    table: PoseTable, sigmas: np.ndarray, annotations: Annotations
) -> Candidates:
    """Return the candidates of a table of poses, compared by Ex-OKS.

    Args:
        table: poses of a split.
        sigmas: (K,) spreads.
        annotations: what the table was made of; its images have a width and a height.

    Raises:
        DataError: an image has no size.
    """
    sizes = _sizes(table, annotations)
    images = max(len(table.image_ids), 1)
    windows = sizes[table.found_cell % images]
    truth_in = _inside(table.truth, sizes[table.truth_cell % images])
    found_in = _inside(table.found, windows) & (table.joint_scores > 0)
    found_depth = _border_distance(table.found, windows)
    truth_depth = _border_distance(table.truth, sizes[table.truth_cell % images])
    variances = np.square(sigmas * 2)

    def similarity(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
        apart = np.square(table.found[found] - table.truth[truth]).sum(axis=2)
        mine, theirs = found_in[found], truth_in[truth]
        only_mine = np.where(mine, np.square(found_depth[found]), 0.0)
        squares = np.where(theirs, np.square(truth_depth[truth]), only_mine)
        squares = np.where(mine & theirs, apart, squares)
        terms = np.exp(-squares / variances / (table.areas[truth] + np.spacing(1))[:, None] / 2)
        counted = table.visible[truth]
        return (terms * counted).sum(axis=1) / np.maximum(counted.sum(axis=1), 1)

    pairs = similar_pairs(table.found_cell, table.truth_cell, similarity, NEAR)
    return replace(pose_candidates(table, sigmas), pairs=pairs)


def joints_inside(annotations: Annotations, rows: np.ndarray) -> np.ndarray:
    """Return (N, K) bool, which joints of annotations lie in their picture, if its size is known.

    Args:
        annotations: annotated people.
        rows: (N,) their numbers.
    """
    sizes = annotations.images.sizes[annotations.people.image_index[rows]]
    return _inside(annotations.triples[rows, :, :2], sizes) | (sizes <= 0).any(
        axis=1, keepdims=True
    )


def _sizes(table: PoseTable, annotations: Annotations) -> np.ndarray:
    """Return (I, 2) widths and heights."""
    images = annotations.images
    unknown = (images.sizes <= 0).any(axis=1)
    if unknown.any():
        label = images.label(int(unknown.argmax()))
        raise DataError(
            f"Image {label} has no 'width' and 'height', which Ex-OKS needs to tell whether a "
            "joint is in the picture."
        )
    sizes = {images.label(n): size for n, size in enumerate(images.sizes.tolist())}
    return np.array([sizes[own] for own in table.image_ids], np.float64).reshape(-1, 2)


def _inside(points: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return (N, K) bool, joints (N, K, 2) within pictures (N, 2) of those sizes."""
    return np.asarray(((points >= 0) & (points <= sizes[:, None] - 1)).all(axis=2))


def _border_distance(points: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return (N, K) pixels from joints within the picture to its nearest border."""
    return np.minimum(points, sizes[:, None] - 1 - points).min(axis=2)
