"""Boxes with nobody in them, to teach a top-down network what absence looks like."""

from __future__ import annotations

import numpy as np

from lib.annotations.tables import PersonTable, join_people

TRIES = 30  # places to try before an image is taken for full
LARGEST_OVERLAP = 0.05  # of a negative's box with any annotated one, as a share of the smaller


def with_negatives(
    people: PersonTable, everybody: PersonTable, share: float, seed: int
) -> PersonTable:
    """Return people followed by boxes of the background, with no labelled joint.

    A negative has the size of somebody's box and lies anywhere in that person's image, apart from
    everybody annotated there. Of images without room there are none.

    Args:
        people: N people to train on.
        everybody: all that is annotated in the same images, crowds included.
        share: negatives to look for, per person.
        seed: of their places.
    """
    random = np.random.default_rng(seed)
    wanted = round(share * len(people))
    chosen = np.resize(random.permutation(len(people)), wanted)
    found = [(row, _free_box(people, everybody, row, random)) for row in np.sort(chosen).tolist()]
    rows = np.array([row for row, box in found if box is not None], np.int64)
    if not len(rows):
        return people
    negatives = people.select(rows)
    negatives.boxes[:] = np.stack([box for _, box in found if box is not None])
    negatives.visibility[:] = 0
    negatives.keypoints[:] = 0
    negatives.ids[:] = -1
    negatives.crops[:] = np.nan
    return join_people([people, negatives], people.images)


def _free_box(
    people: PersonTable, everybody: PersonTable, row: int, random: np.random.Generator
) -> np.ndarray | None:
    """Return a box (4,) of the size of a person's in the same image, where nobody is."""
    image = people.image_index[row]
    taken = everybody.boxes[everybody.image_index == image]
    size = people.boxes[row, 2:]
    room = people.images.sizes[image] - size
    if (room <= 0).any():
        return None
    for corner in random.uniform(0, 1, (TRIES, 2)) * room:
        box = np.concatenate([corner, size])
        if not _overlaps(box, taken):
            return box.astype(np.float32)
    return None


def _overlaps(box: np.ndarray, others: np.ndarray) -> bool:
    """Return whether a box (4,) ``x, y, width, height`` and one of others (N, 4) share much."""
    low = np.maximum(box[:2], others[:, :2])
    high = np.minimum(box[:2] + box[2:], others[:, :2] + others[:, 2:])
    shared = np.maximum(high - low, 0).prod(axis=1)
    smaller = np.minimum(box[2:].prod(), others[:, 2:].prod(axis=1))
    return bool((shared > LARGEST_OVERLAP * smaller).any())
