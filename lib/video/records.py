"""Predictions as files, written while they come: memory does not grow with the frames.

The JSON file (``format`` "efepose-predictions", ``version`` 1)::

    {"format": "efepose-predictions", "version": 1,
     "source": "walk.mp4", "model": {... the model card ...},
     "skeleton": {"name": "coco", "joints": ["nose", ...], "limbs": [[15, 13], ...]},
     "frames": [
       {"index": 0, "name": "walk_000000", "width": 640, "height": 480,
        "people": [{"keypoints": [[x, y, score], ...], "score": 0.9,
                    "box": [x1, y1, x2, y2], "box_score": 0.8, "track": 3}]}]}

Coordinates are pixels of the picture, pixel ``i`` is centred on ``i``; ``keypoints`` are in the
order of ``joints``, limbs are pairs of joint numbers from 0. ``score`` is the mean of the joint
scores, or what a one-stage or bottom-up model says; ``box_score`` stands there if boxes were given,
``track`` if people were tracked. One frame is one line.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from lib.structures.geometry import xyxy_to_xywh
from lib.structures.skeleton import Skeleton
from lib.utils.errors import DataError
from lib.utils.files import json_text
from lib.video.sources import Frame

FORMAT, VERSION = "efepose-predictions", 1
Person = dict[str, Any]


class ListFile:
    """A JSON file that ends in a list, written entry by entry; complete whenever it is closed."""

    def __init__(self, path: Path, head: str = "[", tail: str = "]") -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._file = path.open("w", encoding="utf-8")
        except OSError as error:
            raise DataError(f"Cannot write '{path}': {error.strerror}.") from None
        self.path = path
        self._tail = tail
        self._separator = "\n"
        self._file.write(head)

    def add(self, entry: Any) -> None:
        """Append one entry, which may hold arrays, as a line."""
        self._file.write(self._separator + json_text(entry))
        self._separator = ",\n"

    def __enter__(self) -> ListFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.write("\n" + self._tail + "\n")
        self._file.close()


def prediction_file(path: Path, source: str, card: dict[str, Any], skeleton: Skeleton) -> ListFile:
    """Open the JSON file of the module's docstring; add `frame_entry` to it."""
    head = {
        "format": FORMAT,
        "version": VERSION,
        "source": source,
        "model": card,
        "skeleton": {
            "name": skeleton.name,
            "joints": list(skeleton.joints),
            "limbs": [list(limb) for limb in skeleton.limbs],
        },
    }
    return ListFile(path, json_text(head)[:-1] + ', "frames": [', "]}")


def frame_entry(frame: Frame, people: list[Person]) -> dict[str, Any]:
    """Return a frame as the JSON file holds it."""
    return {
        "index": frame.index,
        "name": frame.name,
        "width": frame.image.shape[1],
        "height": frame.image.shape[0],
        "people": people,
    }


def person_entry(
    keypoints: np.ndarray,
    keypoint_scores: np.ndarray,
    score: float,
    box: np.ndarray,
    *,
    box_score: float | None = None,
    track: int | None = None,
) -> Person:
    """Return a person as the JSON file holds them; arrays as in ``PoseResult``, and stay arrays."""
    joints = np.concatenate([keypoints, keypoint_scores[:, None]], axis=1)
    entry: Person = {
        "keypoints": _rounded(joints),
        "score": round(float(score), 5),
        "box": _rounded(box),
    }
    if box_score is not None:
        entry["box_score"] = round(float(box_score), 5)
    if track is not None:
        entry["track"] = int(track)
    return entry


def coco_entry(frame: Frame, person: Person, category_id: Any = 1) -> dict[str, Any]:
    """Return a person as COCO's results have them; the score is the pose's times the box's.

    ``file_name`` tells which picture ``image_id`` is, where that is a number of ours.
    """
    box = xyxy_to_xywh(np.array(person["box"]))
    return {
        "image_id": frame.image_id,
        "file_name": frame.name,
        "category_id": category_id,
        "keypoints": [value for joint in person["keypoints"] for value in joint],
        "score": person["score"] * person.get("box_score", 1.0),
        "bbox": _rounded(box),
    }


def _rounded(values: np.ndarray) -> np.ndarray:
    return np.round(values.astype(np.float64), 4)
