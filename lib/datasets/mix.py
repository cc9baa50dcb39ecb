"""The people of several data sets as those of one, with the joints of all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lib.annotations.form import Annotations
from lib.annotations.tables import ImageTable, PersonTable, join_people
from lib.structures.skeleton import Skeleton
from lib.structures.union import Renames, joint_places


def place_joints(
    people: PersonTable, skeleton: Skeleton, target: Skeleton, renames: Renames
) -> PersonTable:
    """Return people with the joints of ``target``; those that their set does not label have v = 0.

    Args:
        people: N people with the joints of ``skeleton``.
        skeleton: of their data set.
        target: what the network predicts.
        renames: `DATASET.RENAME` of the set.
    """
    if skeleton.joints == target.joints:
        return people
    places = joint_places(skeleton, target, renames)
    known = places >= 0
    keypoints = np.zeros((len(people), target.num_joints, 2), np.float32)
    visibility = np.zeros((len(people), target.num_joints), np.uint8)
    keypoints[:, places[known]] = people.keypoints[:, known]
    visibility[:, places[known]] = people.visibility[:, known]
    return replace(people, keypoints=keypoints, visibility=visibility)


def place_annotations(annotations: Annotations, target: Skeleton, renames: Renames) -> Annotations:
    """Return all annotations of a set with the joints of ``target``; see `place_joints`.

    Whoever has no joint that the network predicts counts as unlabelled.
    """
    people = place_joints(annotations.people, annotations.skeleton, target, renames)
    seen = (people.visibility > 0).any(axis=1)
    counts = np.where(seen, annotations.num_keypoints, 0).astype(np.int32)
    return replace(annotations, people=people, num_keypoints=counts, skeleton=target)


def labelled_joints(skeleton: Skeleton, target: Skeleton, renames: Renames) -> np.ndarray:
    """Return (K,) bool: which joints of ``target`` a set labels."""
    return np.isin(np.arange(target.num_joints), joint_places(skeleton, target, renames))


def join_sets(parts: Sequence[PersonTable]) -> PersonTable:
    """Return the people of several sets, one after the other; their images lie in many folders."""
    if len(parts) == 1:
        return parts[0]
    images = join_images([part.images for part in parts])
    starts = np.cumsum([0, *(len(part.images) for part in parts)])
    moved = [
        replace(part, image_index=(part.image_index + start).astype(np.int32))
        for part, start in zip(parts, starts, strict=False)
    ]
    return join_people(moved, images)


def join_images(tables: Sequence[ImageTable]) -> ImageTable:
    """Return the images of several sets; names hold their folders, ids may stand there twice."""
    return ImageTable(
        folder="",
        files=np.concatenate([np.char.add(t.folder.encode(), t.files) for t in tables]),
        ids=np.concatenate([table.ids for table in tables]),
        sizes=np.concatenate([table.sizes for table in tables]),
    )


def exact_shares(sizes: Sequence[int], weights: Sequence[float]) -> list[tuple[int, int]]:
    """Return ``(size, samples per epoch)`` of each set: an epoch is as long as all sets together.

    Shares that are no whole numbers are rounded down, and the samples left over go to those that
    lost most (the largest remainders), so that every epoch has the same, exact counts.

    Args:
        sizes: samples that each set has.
        weights: its part of an epoch, relative to the sum; all zero: everybody once.
    """
    if not any(weights):
        return [(size, size) for size in sizes]
    total = sum(sizes)
    relative = np.asarray(weights, np.float64) / max(weights)  # the sum of huge ones has no number
    exact = relative / relative.sum() * total
    counts = np.floor(exact).astype(int)
    behind = np.argsort(counts - exact, kind="stable")[: total - counts.sum()]
    counts[behind] += 1
    return list(zip(sizes, counts.tolist(), strict=True))
