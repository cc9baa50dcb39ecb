"""One annotated person in its surroundings: a picture with exact truth, and how it may be moved."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

PADDING = (114, 114, 114)  # what lies outside a picture


@dataclass(frozen=True)
class View:
    """A picture around one person, the target; all coordinates are pixels of this picture.

    Attributes:
        image: (H, W, 3) uint8 blue-green-red.
        joints: (K, 3) float64 ``x, y, visibility`` of the target, 0 not labelled, 1 hidden, 2 seen.
        box: (4,) float64 ``x1, y1, x2, y2`` of the target, as a model is given it.
        area: square pixels of the target; of the whole one, whatever is hidden of it.
        outline: polygons (N, 2) of the target; none where nobody drew one.
        others: (M, K, 3) joints of people who are in the picture and do not count.
        other_areas: (M,) square pixels.
        group: number of the picture that the view is from: views of one hang together.
    """

    image: np.ndarray
    joints: np.ndarray
    box: np.ndarray
    area: float
    outline: tuple[np.ndarray, ...]
    others: np.ndarray
    other_areas: np.ndarray
    group: int

    @property
    def side(self) -> float:
        """The longer side of the box."""
        return float((self.box[2:] - self.box[:2]).max())

    @property
    def mask(self) -> np.ndarray:
        """(H, W) bool, pixels inside the outline."""
        canvas = np.zeros(self.image.shape[:2], np.uint8)
        corners = [np.round(polygon).astype(np.int32) for polygon in self.outline]
        cv2.fillPoly(canvas, corners, (1,))
        return canvas.astype(bool)


def cut(view: View, low: tuple[int, int], high: tuple[int, int]) -> View:
    """Return the part of a view from pixel ``low`` to before ``high``, both ``(x, y)``."""
    image = view.image[low[1] : high[1], low[0] : high[0]]
    matrix = np.array([[1.0, 0.0, -low[0]], [0.0, 1.0, -low[1]]])
    return _moved(view, np.ascontiguousarray(image), matrix)


def warp(view: View, matrix: np.ndarray, size: tuple[int, int], smooth: bool = False) -> View:
    """Return a view moved by a similarity.

    Args:
        view: the view.
        matrix: (2, 3), old pixels to new ones.
        size: ``(width, height)`` of the new picture.
        smooth: average over the old pixels of a new one, where a picture shrinks.
    """
    source, forward = view.image, matrix
    shrink = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    if smooth and shrink < 1:
        source = cv2.GaussianBlur(source, (0, 0), 0.5 * np.sqrt(1 / shrink**2 - 1) + 1e-3)
    image = cv2.warpAffine(source, forward, size, flags=cv2.INTER_LINEAR, borderValue=PADDING)
    return _moved(view, image, matrix)


def cover(view: View, mask: np.ndarray) -> View:
    """Return the view with joints under a mask (H, W) hidden; the picture stays as it is."""
    return replace(view, joints=_hidden(view.joints, mask), others=_all_hidden(view.others, mask))


def _all_hidden(people: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return np.array([_hidden(joints, mask) for joints in people]).reshape(people.shape)


def _hidden(joints: np.ndarray, mask: np.ndarray) -> np.ndarray:
    rows = np.clip(np.round(joints[:, 1]).astype(int), 0, mask.shape[0] - 1)
    columns = np.clip(np.round(joints[:, 0]).astype(int), 0, mask.shape[1] - 1)
    covered = mask[rows, columns] & (joints[:, 2] > 1)
    return np.where(covered[:, None], joints * (1, 1, 0) + (0, 0, 1), joints)


def _moved(view: View, image: np.ndarray, matrix: np.ndarray) -> View:
    """Return a view whose truth is moved by ``matrix`` (2, 3) into ``image``."""
    size = image.shape[1], image.shape[0]
    outline = tuple(_points(polygon, matrix) for polygon in view.outline)
    corners = view.box[[[0, 1], [2, 1], [2, 3], [0, 3]]]
    upright = matrix[0, 1] == 0  # boxes stay boxes; turned, a box fits the outline again
    around = np.concatenate(outline) if outline and not upright else _points(corners, matrix)
    limits = np.array(size, np.float64)
    box = np.concatenate([np.clip(edge(around), 0, limits) for edge in (_low, _high)])
    share = abs(float(np.linalg.det(matrix[:, :2])))
    return replace(
        view,
        image=image,
        joints=_joints(view.joints, matrix, size),
        box=box,
        area=view.area * share,
        outline=outline,
        others=np.array([_joints(one, matrix, size) for one in view.others]).reshape(
            view.others.shape
        ),
        other_areas=view.other_areas * share,
    )


def _joints(joints: np.ndarray, matrix: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return joints (K, 3) moved; those that leave the picture are not labelled any more."""
    places = _points(joints[:, :2], matrix)
    inside = ((places > -0.5) & (places < np.array(size) - 0.5)).all(axis=1)
    known = inside & (joints[:, 2] > 0)
    return np.where(known[:, None], np.column_stack([places, joints[:, 2]]), 0.0)


def _points(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    return points @ matrix[:, :2].T + matrix[:, 2]


def _low(points: np.ndarray) -> np.ndarray:
    return points.min(axis=0)


def _high(points: np.ndarray) -> np.ndarray:
    return points.max(axis=0)
