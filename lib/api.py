"""``PoseEstimator``: a trained model as one object, image in, people out."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn
from yacs.config import CfgNode

from lib.config.effect import FOR_TESTS, describe_idle, idle_keys
from lib.config.pretrained import find_model
from lib.engine.device import Precision, build_precision, named_device, place, setup_device
from lib.engine.hardware import describe_device
from lib.engine.inference import Evaluation, evaluate
from lib.export import FileNetwork
from lib.export.opening import is_onnx
from lib.structures.results import PoseResult
from lib.structures.skeleton import Skeleton
from lib.tasks import Task, build_task
from lib.tasks.build import task_kind
from lib.tasks.confidence import Confidence, build_confidence
from lib.tasks.exported import filled_network
from lib.utils.errors import ConfigError, DataError
from lib.video.boxes import Boxes, OwnDetector, TorchvisionDetector
from lib.video.onnx_detector import OnnxDetector
from lib.video.sources import ImageSource, VideoSource, open_source
from lib.video.stream import PeopleStream
from lib.zoo.card import own_config, read_card
from lib.zoo.resolve import is_published, published, resolve_weights

logger = logging.getLogger(__name__)


class PoseEstimator:
    """A network with its task: finds the people of an image, or scores a whole test split.

    Build it with ``from_pretrained`` or ``from_config``. ``tools/test.py`` and ``tools/predict.py``
    use it too, so what a test scores is what a caller gets.
    """

    def __init__(
        self, task: Task, network: nn.Module, device: torch.device, precision: Precision
    ) -> None:
        self.task = task
        self.network = network.eval()
        self.device = device
        self.precision = precision
        self.confidence: Confidence | None = None  # set by TEST.CALIBRATE

    @classmethod
    def from_pretrained(
        cls,
        source: str | Path,
        *,
        device: str | torch.device | None = None,
        overrides: Sequence[str] = (),
    ) -> PoseEstimator:
        """Build and fill a trained model by its name or file alone: it says which network it is.

        Args:
            source: a name of the zoo (``tools/zoo.py list``), a weight file or exported model with
                a model card, a run folder, ``hub:ORG/NAME``, or an address; see ``find_model``.
            device: None takes the first GPU that is there, else the CPU.
            overrides: keys to change, as on the command line: ``["TEST.FLIP_TEST=false"]``.

        Raises:
            WeightsError: there is no such file, it cannot be had, or is damaged.
            ConfigError: nothing says which network the file belongs to; or there is no such device.
        """
        cfg, weights = find_model(source, overrides)
        return cls.from_config(cfg, weights, device)

    @classmethod
    def from_config(
        cls,
        cfg: CfgNode,
        weights: str | Path | None = None,
        device: str | torch.device | None = None,
    ) -> PoseEstimator:
        """Build the network of ``cfg`` and fill it.

        Args:
            cfg: from ``load_config``.
            weights: a checkpoint of ours, an official one, or an exported model of anybody's (ONNX,
                OpenVINO, TorchScript, ``torch.export``), as a path or as ``resolve_weights`` takes
                it; None leaves the initialisation, for tests of speed.
            device: None takes the first of ``GPUS`` that is there, else the CPU.

        Raises:
            WeightsError: the file is missing, damaged, or belongs to another model.
            ConfigError: the configuration contradicts itself or the data set; or there is no such
                device.
        """
        task = build_task(cfg)
        weights = None if weights is None else resolve_weights(weights)
        if idle := describe_idle(idle_keys(cfg, task_kind(cfg), FOR_TESTS)):
            logger.warning("%s", idle)
        network = filled_network(task, cfg, weights)
        chosen = setup_device(cfg)[0] if device is None else named_device(device)
        precision = build_precision(cfg, chosen)
        exported = network if isinstance(network, FileNetwork) else None
        if device is None and cfg.REQUIRE_GPU and exported is not None and exported.on_cpu:
            raise ConfigError(
                f"REQUIRE_GPU is true, but {exported.runtime} runs {weights} on the CPU: for ONNX "
                "install onnxruntime-gpu, or leave REQUIRE_GPU (and --require-gpu) out."
            )
        runtime = "" if exported is None else exported.runtime
        logger.info("device: %s", describe_device(chosen, precision, runtime=runtime))
        estimator = cls(task, place(network, chosen), chosen, precision)
        if cfg.TEST.CALIBRATE:
            card = exported.card if exported is not None else weights and read_card(weights)
            estimator.confidence = build_confidence(cfg, task, card or {}, str(weights))
            task.calibration = estimator.confidence.calibration
        return estimator

    @property
    def skeleton(self) -> Skeleton:
        """Joints, limbs and mirror pairs of the poses."""
        return self.task.skeleton

    @torch.no_grad()
    def predict(self, image: np.ndarray, boxes: np.ndarray | None = None) -> list[PoseResult]:
        """Return the people of an image.

        Args:
            image: (H, W, 3) uint8, blue-green-red, as ``cv2.imread`` gives it.
            boxes: (N, 4) ``x1, y1, x2, y2`` in pixels, for top-down models; None takes the whole
                image as one person. Bottom-up and one-stage models find people themselves.

        Raises:
            DataError: the image is None, which is what ``cv2.imread`` gives for a bad file.
            ValueError: the image or the boxes have another shape or type.
        """
        return self.predict_batch([image], [boxes])[0]

    @torch.no_grad()
    def predict_batch(
        self, images: Sequence[np.ndarray], boxes: Sequence[np.ndarray | None] | None = None
    ) -> list[list[PoseResult]]:
        """Return the people of each of several images, of any sizes; see `predict`.

        Top-down models see all people of all images in batches of ``TEST.BATCH_SIZE_PER_GPU``.

        Raises:
            DataError: an image is None.
            ValueError: an image or its boxes have another shape or type.
        """
        given = list(boxes) if boxes is not None else [None] * len(images)
        for image, region in zip(images, given, strict=True):
            _check_input(image, region)
        # Views run backwards or may not be written: torch takes neither as it is.
        images = [np.require(image, requirements=("C", "W")) for image in images]
        found: list[list[PoseResult]] = [[] for _ in images]
        with self.precision.autocast():
            people = self.task.predict_images(self.network, images, given)
            for person in people if self.confidence is None else self.confidence(people):
                found[person.image_id].append(person)
        return found

    def stream(
        self,
        source: str | ImageSource | VideoSource,
        boxes: Boxes | None = None,
        *,
        frames: int = 8,
        limit: int | None = None,
    ) -> PeopleStream:
        """Return an iterator over frames with their people: ``for frame, people, _ in stream``.

        Args:
            source: an image, folder, pattern, video, camera number or address (``rtsp://``,
                ``http://``), as ``tools/predict.py`` takes it; or what ``open_source`` returned.
            boxes: finds people for a top-down model, see `open_detector`; None takes frames as
                people. Bottom-up and one-stage models find people themselves.
            frames: how many to hold; see `PeopleStream`, which also counts dropped frames.
            limit: end after so many frames.

        Raises:
            DataError: there is nothing of that name, or it cannot be opened.
            ValueError: ``frames`` or ``limit`` is no number from 1, or ``boxes`` are not wanted.
        """
        if frames < 1 or (limit is not None and limit < 1):
            raise ValueError(f"frames and limit count from 1, got {frames} and {limit}")
        if boxes is not None and not self.task.takes_boxes:
            raise ValueError("this model finds people itself: leave out boxes")
        opened = open_source(source) if isinstance(source, str) else source
        return PeopleStream(opened, self, boxes, frames=frames, limit=limit)

    @torch.no_grad()
    def heat(
        self,
        image: np.ndarray,
        boxes: np.ndarray | None = None,
        joints: Sequence[int] | None = None,
    ) -> np.ndarray:
        """Return the strongest of the network's maps at every pixel, (H, W) in [0, 1].

        Args:
            image: as `predict` takes it.
            boxes: as `predict` takes them.
            joints: numbers of those that count; None means all.

        Raises:
            NotImplementedError: the model has none (``task.gives_heat`` is false).
        """
        _check_input(image, boxes)
        image = np.require(image, requirements=("C", "W"))
        with self.precision.autocast():
            return self.task.heat(self.network, image, boxes, joints)

    def evaluate(self, folder: Path | None = None) -> Evaluation:
        """Predict and score the test split; predictions go to ``folder`` if given."""
        return evaluate(self.task, self.network, self.device, self.precision, folder=folder)


def open_detector(
    reference: str | Path, device: torch.device, min_score: float, name: str = ""
) -> Boxes:
    """Return a person detector: a name of the zoo, an ONNX file, a model of ours, torchvision's.

    Args:
        reference: as ``resolve_weights`` takes it.
        device: where it computes; ONNX files choose for themselves.
        min_score: least score of a box.
        name: torchvision's name of the network that a ``.pth`` file without card belongs to.

    Raises:
        WeightsError: there is no such file, or it fits nothing.
        ConfigError: it is a model that wants boxes itself.
    """
    entry = published(str(reference)) if is_published(str(reference)) else None
    if entry is None or entry.use == "detector":
        path = resolve_weights(reference)
        if is_onnx(path):
            return OnnxDetector(path, min_score)
        if entry is not None or not own_config(read_card(path)):
            return TorchvisionDetector(path, entry.network if entry else name, device, min_score)
    cfg, path = find_model(reference)
    estimator = PoseEstimator.from_config(cfg, path, device)
    if estimator.task.takes_boxes:
        raise ConfigError(
            f"{reference} needs boxes itself, so it is not a detector; see tools/zoo.py list "
            "detector."
        )
    return OwnDetector(estimator, min_score)


def _check_input(image: object, boxes: object) -> None:
    """Name what is wrong with an argument of a caller."""
    if image is None:
        raise DataError(
            "The image is None: cv2.imread gives that for a file that is missing or no picture; "
            "check the path."
        )
    if not isinstance(image, np.ndarray):
        raise ValueError(f"image must be an array (H, W, 3) uint8, got {type(image).__name__}")
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        raise ValueError(f"image must be (H, W, 3) uint8, got {image.shape} {image.dtype}")
    if boxes is None:
        return
    try:
        table = np.asarray(boxes, np.float64)
    except (TypeError, ValueError):
        raise ValueError("boxes must be (N, 4) numbers x1, y1, x2, y2") from None
    if table.size and (table.ndim != 2 or table.shape[1] != 4):
        raise ValueError(f"boxes must be (N, 4) x1, y1, x2, y2, got {table.shape}")
    if not np.isfinite(table).all():
        raise ValueError("boxes must be finite numbers")
    _check_boxes(table.reshape(-1, 4), image.shape[1], image.shape[0])


def _check_boxes(boxes: np.ndarray, width: int, height: int) -> None:
    """Name a box (N, 4) that has no part of the picture."""
    for box in boxes:
        x1, y1, x2, y2 = box.tolist()
        if x2 <= x1 or y2 <= y1:
            raise ValueError(
                f"the box {box.tolist()} has no area: boxes are x1, y1, x2, y2, with x1 < x2 and "
                "y1 < y2 (not x, y, width, height)"
            )
        if x1 >= width or y1 >= height or x2 <= 0 or y2 <= 0:
            raise ValueError(
                f"the box {box.tolist()} lies outside the picture of {width} x {height} pixels"
            )
