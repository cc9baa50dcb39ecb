"""The views of a data set: one per person with enough labelled joints."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from lib.annotations.form import Annotations
from lib.stress.curves import Predict
from lib.stress.view import View, cut
from lib.structures.results import PoseResult
from lib.structures.skeleton import Skeleton
from lib.structures.union import joint_places
from lib.utils.errors import DataError

MARGIN = 0.6  # of the box's longer side, of surroundings that stay on every side
FEWEST_JOINTS = 5
SMALLEST_SIDE = 24.0  # pixels


def read_views(annotations: Annotations, limit: int = 0) -> Iterator[View]:
    """Yield the people of a data set, read with their outlines; pictures are read once.

    Args:
        annotations: everybody, with ``segmentations``.
        limit: most views, 0 takes all.

    Raises:
        UnreadableImageError: a picture is missing or damaged.
    """
    boxes = annotations.boxes
    counts = annotations.num_keypoints >= FEWEST_JOINTS
    large = boxes[:, 2:].max(axis=1, initial=0) >= SMALLEST_SIDE
    chosen = np.flatnonzero(counts & large & ~annotations.is_crowd)
    chosen = chosen[: limit or None]
    images = annotations.people.image_index
    for image in np.unique(images[chosen]).tolist():
        pixels = annotations.images.read(image)
        for person in chosen[images[chosen] == image].tolist():
            yield person_view(annotations, person, pixels)


def choose_joints(predict: Predict, joints: Skeleton, predicted: Skeleton, data: str) -> Predict:
    """Return a model that gives the joints of a data set only, in its order.

    Args:
        predict: the model.
        joints: of the data set.
        predicted: by the model.
        data: what messages call the data set.

    Raises:
        DataError: the model does not predict them all.
    """
    if joints.joints == predicted.joints:
        return predict
    places = joint_places(joints, predicted, {})
    if (places < 0).any():
        absent = [joint for joint, at in zip(joints.joints, places, strict=True) if at < 0]
        raise DataError(
            f"{data} has the joints {', '.join(absent)}, which the model does not find (it finds "
            f"{', '.join(predicted.joints)}): name other data with --gt and --images."
        )

    def chosen(person: PoseResult) -> PoseResult:
        scores = person.keypoint_scores[places]
        return replace(person, keypoints=person.keypoints[places], keypoint_scores=scores)

    return lambda images, boxes: [[chosen(p) for p in people] for people in predict(images, boxes)]


def person_view(annotations: Annotations, person: int, pixels: np.ndarray) -> View:
    """Return the view of an annotated person on its picture (H, W, 3)."""
    image = annotations.people.image_index[person]
    others = np.flatnonzero(annotations.people.image_index == image)
    others = others[others != person]
    x, y, width, height = annotations.boxes[person].tolist()
    whole = View(
        image=pixels,
        joints=np.where(annotations.triples[person][:, 2:] > 0, annotations.triples[person], 0.0),
        box=np.array([x, y, x + width, y + height]),
        area=float(annotations.areas[person]),
        outline=_outline(annotations.segmentations[person]),
        others=annotations.triples[others],
        other_areas=annotations.areas[others],
        group=int(image),
    )
    margin = MARGIN * whole.side
    limits = np.array(pixels.shape[1::-1])
    low = np.clip(np.floor(whole.box[:2] - margin), 0, limits - 1).astype(int)
    high = np.clip(np.ceil(whole.box[2:] + margin), low + 1, limits).astype(int)
    return cut(whole, (int(low[0]), int(low[1])), (int(high[0]), int(high[1])))


def _outline(text: bytes | None) -> tuple[np.ndarray, ...]:
    """Return polygons (N, 2); none where there is no outline, or run lengths."""
    value = None if text is None else json.loads(text)
    if not isinstance(value, list):
        return ()
    return tuple(np.asarray(polygon, np.float64).reshape(-1, 2) for polygon in value)
