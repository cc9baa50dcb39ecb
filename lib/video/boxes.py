"""Where top-down models get their boxes: a file, or a person detector."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from lib.annotations.categories import COCO_PERSON, PersonCategory
from lib.annotations.detections import rows_of_people
from lib.annotations.matching import PictureKeys, match_pictures
from lib.structures.geometry import xywh_to_xyxy
from lib.structures.results import PoseResult
from lib.utils.errors import DataError, WeightsError
from lib.utils.files import read_json
from lib.video.sources import Frame
from lib.zoo import resolve_weights

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)

PERSON = 1  # COCO's category, and torchvision's label
DETECTORS = (
    "fasterrcnn_resnet50_fpn",
    "fasterrcnn_resnet50_fpn_v2",
    "fasterrcnn_mobilenet_v3_large_fpn",
    "fasterrcnn_mobilenet_v3_large_320_fpn",
    "retinanet_resnet50_fpn",
    "retinanet_resnet50_fpn_v2",
    "fcos_resnet50_fpn",
    "ssdlite320_mobilenet_v3_large",
)


class Boxes(Protocol):
    """Finds people roughly."""

    def find(self, frames: Sequence[Frame]) -> list[np.ndarray]:
        """Return per frame (N, 5) float32 ``x1, y1, x2, y2, score`` in pixels."""
        ...


class PoseEstimator(Protocol):
    """What finds whole people: ``lib.api.PoseEstimator``."""

    def predict_batch(
        self, images: Sequence[np.ndarray], boxes: Sequence[np.ndarray | None] | None = None
    ) -> list[list[PoseResult]]:
        """Return the people of each image."""
        ...


class WholeFrame:
    """One person per frame, who fills it."""

    def find(self, frames: Sequence[Frame]) -> list[np.ndarray]:
        """Return one box per frame, with score 1."""
        return [
            np.array([[0, 0, frame.image.shape[1], frame.image.shape[0], 1]], np.float32)
            for frame in frames
        ]


class LookAgain:
    """One person per frame, whom a top-down model finds without a detector.

    It looks at the whole frame, then again and again where it saw joints. Enough for a picture of
    one person.
    """

    LOOKS = 2  # after the first; what later ones change is small
    LEAST = 0.2  # score of a joint
    MARGIN = 0.1  # of the longer side of the joints' extent

    def __init__(self, estimator: PoseEstimator) -> None:
        self._estimator = estimator

    def find(self, frames: Sequence[Frame]) -> list[np.ndarray]:
        """Return one box per frame, with score 1."""
        found = WholeFrame().find(frames)
        images = [frame.image for frame in frames]
        for _ in range(self.LOOKS):
            people = self._estimator.predict_batch(images, [table[:, :4] for table in found])
            found = [
                self._around(one[0], table, image.shape[:2])
                for one, table, image in zip(people, found, images, strict=True)
            ]
        return found

    def _around(self, person: PoseResult, before: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """Return the box (1, 5) of the joints seen; the one before if they are too few."""
        joints = person.keypoints[person.keypoint_scores > self.LEAST]
        if len(joints) < 3:
            return before
        least, most = joints.min(0), joints.max(0)
        margin = self.MARGIN * (most - least).max() + 1
        most = np.minimum(most + margin, size[::-1])
        return np.array([[*np.maximum(least - margin, 0), *most, 1]], np.float32)


class FileBoxes:
    """Boxes of a JSON file: a detector's or annotations in COCO's format, or boxes by name.

    The last is ``{name: [[x1, y1, x2, y2, score], ...]}``.

    Pictures are found by id, name, name without ending and path, see `PictureKeys`; frames of a
    video by their number or name. Frames that are not in the file have nobody in them.

    Args:
        path: the file.
        min_score: least score of a box.
        category: what people are in a COCO detector file.

    Raises:
        DataError: the file is missing or has another format.
    """

    def __init__(
        self, path: str | Path, min_score: float, category: PersonCategory = COCO_PERSON
    ) -> None:
        self.used = False  # whether any frame was in the file
        self.path = str(path)
        self._by_name: dict[Any, list[list[float]]] = {}
        self._by_frame: dict[str, list[list[float]]] | None = None
        content = read_json(path, "box")
        try:
            rows = _rows(content, category, self.path)
            for name, box in rows:
                if not np.isfinite(box).all():
                    raise ValueError(f"the box {box}")
                if box[2] < box[0] or box[3] < box[1]:
                    raise DataError(
                        f"{path}: the box {box} of {name} has x2 < x1 or y2 < y1: boxes are x1, "
                        "y1, x2, y2, score (COCO detector files have x, y, width, height)."
                    )
                if box[4] >= min_score:
                    self._by_name.setdefault(name, []).append(box)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise DataError(
                f"{path} must be a COCO detector or annotation file, or names with boxes x1, y1, "
                f"x2, y2, score ({type(error).__name__}: {error})."
            ) from None

    def match(self, names: Sequence[str], ids: Sequence[Any]) -> None:
        """Say which pictures there will be, so that the file is held against all of them.

        Raises:
            DataError: a name of the file may be several of them, or it has none of them.
        """
        known = {own: n for n, own in enumerate(ids)} | {str(own): n for n, own in enumerate(ids)}
        keys = list(self._by_name)
        places = match_pictures(keys, PictureKeys(known, names), self.path, "this source")
        self._by_frame = {}
        called = list(names)
        for key, place in zip(keys, places.tolist(), strict=True):
            if place >= 0:
                self._by_frame.setdefault(called[place], []).extend(self._by_name[key])

    def find(self, frames: Sequence[Frame]) -> list[np.ndarray]:
        """Look the frames up."""
        found = [self._of(frame) for frame in frames]
        self.used = self.used or any(found)
        return [np.array(boxes, np.float32).reshape(-1, 5) for boxes in found]

    def _of(self, frame: Frame) -> list[list[float]]:
        if self._by_frame is not None:
            return self._by_frame.get(frame.name, [])
        keys = (frame.image_id, str(frame.image_id), frame.name, Path(frame.name).stem)
        return next((self._by_name[key] for key in keys if key in self._by_name), [])


def usable_boxes(table: np.ndarray, frame: Frame) -> np.ndarray:
    """Return the boxes (N, 5) with area on the picture; others are counted in a warning."""
    height, width = frame.image.shape[:2]
    good = (table[:, 2] > table[:, 0]) & (table[:, 3] > table[:, 1])
    good &= (table[:, 0] < width) & (table[:, 1] < height) & (table[:, 2:4] > 0).all(axis=1)
    if not good.all():
        lost = np.count_nonzero(~good)
        logger.warning("%s: %d boxes without area on the picture are left out", frame.name, lost)
    return table[good]


class OwnDetector:
    """A one-stage or bottom-up model of ours as person detector."""

    def __init__(self, estimator: PoseEstimator, min_score: float) -> None:
        self._estimator = estimator
        self._min_score = min_score

    def find(self, frames: Sequence[Frame]) -> list[np.ndarray]:
        """Return per frame (N, 5) ``x1, y1, x2, y2, score``."""
        found = self._estimator.predict_batch([frame.image for frame in frames])
        return [
            np.array(
                [
                    [*person.box, person.score]
                    for person in people
                    if person.score >= self._min_score
                ],
                np.float32,
            ).reshape(-1, 5)
            for people in found
        ]


class TorchvisionDetector:
    """One of torchvision's detectors, with weights from a file.

    Raises:
        WeightsError: the file is missing, damaged or of another detector.
    """

    def __init__(
        self, weights: str | Path, name: str, device: torch.device, min_score: float
    ) -> None:
        from torchvision.models import detection

        from lib.models import read_checkpoint

        weights = resolve_weights(weights)
        self._network = getattr(detection, name)(weights=None, weights_backbone=None)
        state, _ = read_checkpoint(weights)
        try:
            self._network.load_state_dict(state)
        except RuntimeError as error:
            reason = str(error).strip().partition("\n")[0].rstrip(":")
            raise WeightsError(
                f"{weights} does not fit the detector {name} ({reason}); see --detector-name."
            ) from None
        self._network.eval().to(device)
        self._device = device
        self._min_score = min_score

    def find(self, frames: Sequence[Frame]) -> list[np.ndarray]:
        """Detect people."""
        import torch

        with torch.no_grad():
            images = [
                torch.from_numpy(frame.image).to(self._device).flip(2).permute(2, 0, 1) / 255
                for frame in frames
            ]
            return [self._people(found) for found in self._network(images)]

    def _people(self, found: dict[str, torch.Tensor]) -> np.ndarray:
        import torch

        keep = (found["labels"] == PERSON) & (found["scores"] >= self._min_score)
        table = torch.cat([found["boxes"], found["scores"][:, None]], dim=1)[keep]
        return table.float().cpu().numpy()


def _rows(content: Any, category: PersonCategory, path: str) -> list[tuple[Any, list[float]]]:
    """Return ``(picture, [x1, y1, x2, y2, score])`` of people in any of the formats."""
    if isinstance(content, dict) and {"images", "annotations"} <= content.keys():
        return _annotated(content)
    if isinstance(content, dict):
        pairs = [(name, box) for name, boxes in content.items() for box in boxes]
        return [(name, [*map(float, box[:4]), _score(box)]) for name, box in pairs]
    rows = [{"category_id": category.id, **row} for row in content]
    return [
        (
            row["image_id"],
            [*xywh_to_xyxy(np.array([row["bbox"]], float))[0].tolist(), row.get("score", 1.0)],
        )
        for row in rows_of_people(rows, category, path)
    ]


def _annotated(content: dict[str, Any]) -> list[tuple[Any, list[float]]]:
    """Return annotated boxes: of whatever has joints, or of all where nothing has any."""
    names = {image["id"]: image["file_name"] for image in content["images"]}
    rows = [row for row in content["annotations"] if row.get("bbox") and not row.get("iscrowd")]
    people = [row for row in rows if row.get("keypoints")] or rows
    corners = xywh_to_xyxy(np.array([row["bbox"] for row in people], float).reshape(-1, 4))
    return [
        (names[row["image_id"]], [*box, 1.0])
        for row, box in zip(people, corners.tolist(), strict=True)
    ]


def _score(box: list[float]) -> float:
    return float(box[4]) if len(box) > 4 else 1.0
