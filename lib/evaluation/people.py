"""The pose that was found for every annotated person: what scores by distance look at.

A result file does not say whom a row was made for, so poses are given to people as AP does: best
scores first, each the free person most similar to it, if it is similar at all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from lib.annotations.form import Annotations
from lib.evaluation.distance import normalised_distances
from lib.evaluation.matching import match_pairs
from lib.evaluation.pairs import pose_pairs
from lib.evaluation.table import PoseTable, ranks
from lib.utils.errors import DataError

LEAST = 1e-3  # similarity below which a pose is nobody's


@dataclass(frozen=True)
class FoundPeople:
    """N annotated people that count (no crowds, at least one labelled joint).

    Attributes:
        annotations: (N,) their numbers among the annotations.
        found_index: (N,) places of the poses found for them, -1 for none.
        found: (N, K, 2) ``(x, y)`` in pixels, NaN for people who were not found.
        truth: (N, K, 2) ``(x, y)`` in pixels.
        labelled: (N, K) bool.
        boxes: (N, 4) ``x, y, width, height``.
        image_ids: N ids.
    """

    annotations: np.ndarray
    found_index: np.ndarray
    found: np.ndarray
    truth: np.ndarray
    labelled: np.ndarray
    boxes: np.ndarray
    image_ids: list[Any]

    @property
    def share_found(self) -> float:
        """Share of the people for whom a pose was found."""
        return float((self.found_index >= 0).mean()) if len(self.truth) else float("nan")

    def distances(self, lengths: np.ndarray) -> np.ndarray:
        """Return (N, K) ``normalised_distances`` by lengths (N,); infinite for people not found."""
        return normalised_distances(self.found, self.truth, self.labelled, lengths)


def found_people(table: PoseTable, sigmas: np.ndarray) -> FoundPeople:
    """Return the people that count and the poses found for them.

    Args:
        table: poses of a split.
        sigmas: (K,) spreads.
    """
    pairs = pose_pairs(table, sigmas, LEAST)
    place = ranks(table.found_cell)
    (owner,) = match_pairs(pairs, place, table.ignored, table.crowd, np.array([LEAST]))
    pose_of = np.full(len(table.truth), -1)
    pose_of[owner[owner >= 0]] = np.flatnonzero(owner >= 0)
    rows = np.flatnonzero(~table.ignored)
    index = pose_of[rows]
    nowhere = np.full((1, *table.truth.shape[1:]), np.nan)
    images = table.truth_cell[rows] % max(len(table.image_ids), 1)
    return FoundPeople(
        annotations=table.truth_rows[rows],
        found_index=index,
        found=np.concatenate([table.found, nowhere])[index],
        truth=table.truth[rows],
        labelled=table.visible[rows],
        boxes=table.boxes[rows],
        image_ids=[table.image_ids[image] for image in images],
    )


def tracks(
    people: FoundPeople, annotations: Annotations, content: dict[str, Any]
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield found (F, K, 2), true (F, K, 2) and labelled (F, K) joints of every stretch of a track.

    Frames are images with ``video_id`` (or ``vid_id``) and ``frame_id``, tracks people of the same
    ``track_id``; a stretch ends where a frame is missing.

    Args:
        people: annotated people and the poses found for them.
        annotations: what they were read from.
        content: of the annotation file.

    Raises:
        DataError: the data set has no videos.
    """
    frames = {image["id"]: _frame(image) for image in content["images"]}
    rows = {row.get("id"): row for row in content["annotations"]}
    groups: dict[Any, list[tuple[int, int]]] = defaultdict(list)
    for n, image_id in enumerate(people.image_ids):
        video, frame = frames[image_id]
        groups[video, _track(rows[annotations.label(people.annotations[n])])].append((frame, n))
    for group in groups.values():
        order = sorted(group)
        times = np.array([time for time, _ in order])
        for part in np.split(np.arange(len(order)), np.flatnonzero(np.diff(times) != 1) + 1):
            chosen = [order[n][1] for n in part]
            yield people.found[chosen], people.truth[chosen], people.labelled[chosen]


def _frame(image: dict[str, Any]) -> tuple[Any, int]:
    video = image.get("video_id", image.get("vid_id"))
    if video is None or not isinstance(image.get("frame_id"), int):
        raise DataError(
            f"Image {image['id']} has no 'video_id' and 'frame_id': the metric 'motion' needs "
            "videos, whose images have both."
        )
    return video, image["frame_id"]


def _track(row: dict[str, Any]) -> Any:
    if "track_id" not in row:
        raise DataError(
            f"Annotation {row.get('id')} has no 'track_id': the metric 'motion' needs tracks."
        )
    return row["track_id"]
