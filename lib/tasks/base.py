"""What the engine may ask of a way to turn images into poses; it makes no other calls."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from lib.datasets.base import TrainData
from lib.structures.results import Poses
from lib.structures.skeleton import Skeleton
from lib.utils.errors import ExportError

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from lib.evaluation.calibration import Calibration
    from lib.export import ExportedNetwork, FileNetwork
    from lib.export.graph import Graph

Batch = dict[str, Any]
Metrics = dict[str, float]
Pictures = Sequence[np.ndarray]
GivenBoxes = Sequence[np.ndarray | None]


class Evaluator(Protocol):
    """Collects predictions of a split and scores them."""

    primary: str  # the metric by which the best checkpoint is chosen, higher is better

    def update(self, poses: Poses) -> None:
        """Take people in original-image pixels; call as often as there are batches."""
        ...

    def compute(self) -> Metrics:
        """Return the scores by name; NaN where the ground truth has nothing to score."""
        ...

    def write(self, folder: Path) -> list[Path]:
        """Write the predictions in the data set's own format below ``folder``."""
        ...


class Loader(Protocol):
    """Batches of a split, in a fixed order."""

    def __len__(self) -> int:
        """Return the number of batches, or an upper bound of it."""
        ...

    def __iter__(self) -> Iterator[Batch]:
        """Yield the batches."""
        ...


class Task(ABC):
    """One way of turning images into poses.

    Members with a value or a body are defaults: a task overrides them where it can do better.

    Attributes:
        num_joints: joints of a person.
        splits_batches: whether ``DataParallel`` could split what ``loss_step`` gives the model,
            which is one tensor of images.
        calibration: maps of scores for the results of tests; None leaves scores as they come.
        takes_boxes: whether somebody else finds the people, and the task is told their boxes.
        gives_heat: whether `heat` can be shown.
        ahead: batches that a test may send before it waits for the people of the first.
        painter: paints a training sample with its joints, (H, W, 3) uint8 blue-green-red, given a
            batch on the host, the sample's place in it, and `skeleton`; None: they are no pictures.
    """

    num_joints: int
    calibration: Calibration | None = None
    splits_batches: ClassVar[bool] = True
    takes_boxes: ClassVar[bool] = False
    gives_heat: bool = False
    ahead: ClassVar[int] = 1
    painter: Callable[[Batch, int, Skeleton], np.ndarray] | None = None

    @property
    @abstractmethod
    def skeleton(self) -> Skeleton:
        """What the joints are."""

    @abstractmethod
    def build_model(self) -> nn.Module:
        """Return the network, initialised, without checkpoint weights, on the CPU."""

    def prepare(self, device: torch.device) -> None:
        """Get ready to train on ``device``: load what steps need beside the network.

        It is called once, before the network is built, and must not draw random numbers.

        Raises:
            UserError: that cannot be had.
        """
        del device

    @abstractmethod
    def build_train_dataset(self) -> TrainData:
        """Return the training set; the engine owns its sampler, so that a run can be resumed."""

    def build_held_out_dataset(self) -> TrainData | None:
        """Return the test split as training data with nothing drawn; None if it has no loss."""
        return None

    @abstractmethod
    def collate(self, samples: Any) -> Batch:
        """Join training samples to a batch of tensors (or lists of them) and plain values.

        Args:
            samples: a list of them, or what the training set's ``batch`` returned.
        """

    def group_ids(self) -> list[int] | None:
        """Return a group per training sample if a batch must hold one group only, else None."""
        return None

    @abstractmethod
    def build_test_loader(self, rank: int = 0, world: int = 1) -> Loader:
        """Return the loader of the test split, or of the ``rank``-th of ``world`` exact shards."""

    @abstractmethod
    def loss_step(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Return named scalar losses of a batch on the device; the engine sums and logs them.

        Names that start with ``_`` are figures to log (for instance ``_accuracy``), not losses.
        ``SAMPLES`` of `lib.utils.losses`, where a task tells it, are (B,) what each sample alone
        would lose, in the order of the batch; it is not logged, but names the worst samples.
        """

    @abstractmethod
    def predict_step(self, model: nn.Module, batch: Batch) -> Poses | Callable[[], Poses]:
        """Return people in original-image pixels, flip and scale testing included.

        Or a function that waits for them: it is called once, when the next batches (``ahead`` of
        them at most) are on their way.
        """

    @abstractmethod
    def predict_images(self, model: nn.Module, images: Pictures, boxes: GivenBoxes) -> Poses:
        """Return the people of several images, on the device of ``model``.

        Args:
            model: the network, in evaluation mode.
            images: each (H, W, 3) uint8, blue-green-red.
            boxes: of each image (N, 4) ``x1, y1, x2, y2`` of people; an empty array has nobody
                looked for. None means the whole image for a top-down model; the others find people
                themselves and refuse boxes with a ValueError.

        Returns:
            Poses whose ``image_ids`` and ``indices`` are the numbers of the images, from 0; a
            top-down model's ``indices`` are those of the boxes of all images.
        """

    def heat(
        self,
        model: nn.Module,
        image: np.ndarray,
        boxes: np.ndarray | None = None,
        joints: Sequence[int] | None = None,
    ) -> np.ndarray:
        """Return what the network says of every pixel, for the eye: (H, W) float32 in [0, 1].

        It is the strongest map of any joint, and of any person, mirrored views merged.

        Args:
            model: the network, in evaluation mode.
            image: one, as `predict_images` takes them.
            boxes: those of the image, as there; outside the crops of people it is 0.
            joints: numbers of those that count; None means all.

        Raises:
            NotImplementedError: the task has no maps of pictures (``gives_heat`` is false).
        """
        raise NotImplementedError(f"{type(self).__name__} has no maps of whole pictures")

    def graph(self, model: nn.Module, *, decode: bool = False) -> Graph:
        """Return what a file of the network is to compute, for an exporter.

        Args:
            model: the network, in evaluation mode, on the CPU.
            decode: put the reading of joints into the file, too.

        Raises:
            ExportError: this kind of network has no such file.
        """
        raise ExportError(f"{type(self).__name__} has no networks that can be exported.")

    def shown(self, batch: Batch) -> Tensor:
        """Return what a network of one input is shown of a training batch, (B, 3, H, W) float32.

        Raises:
            ExportError: the networks are shown something else.
        """
        raise ExportError(
            f"{type(self).__name__}: images of several sizes cannot calibrate a file; leave out "
            "--int8."
        )

    def adopt(self, file: ExportedNetwork) -> FileNetwork:
        """Return a file as the network that the task works with; see `graph`.

        Raises:
            WeightsError: it answers otherwise than the configuration says.
            ConfigError: it was made for another use.
        """
        return file

    @abstractmethod
    def build_evaluator(self) -> Evaluator:
        """Return the evaluator of the test split."""

    @property
    def test_sets(self) -> Mapping[str, Task]:
        """Tasks that test the same network on each data set of a mix, by name.

        Where there is one test split only, this task tests on it itself, and has no name.
        """
        return {"": self}

    @property
    def best(self) -> str:
        """Name of the score that chooses the best weights; of a mix ``<set>/<metric>``.

        Empty: what the evaluator of the (first) set says.
        """
        return ""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Return what a weights file must remember to be used rightly, as plain values.

        At least ``task``, ``codec``, ``color_rgb``, ``mean`` and ``std`` (of pixels in [0, 1], in
        the network's order), ``joints`` (names), ``boxes`` (source of the boxes a test uses) and
        ``flip``.
        """


def numbers_without_boxes(boxes: GivenBoxes, model: str) -> list[int]:
    """Return the numbers of the images in which a model that takes no boxes is to look.

    An empty array has nobody looked for, see `Task.predict_images`.

    Args:
        boxes: the boxes of each image.
        model: what the message calls the model.

    Raises:
        ValueError: there are boxes.
    """
    if any(given is not None and len(given) for given in boxes):
        raise ValueError(f"{model} finds people itself: leave out boxes")
    return [number for number, given in enumerate(boxes) if given is None]
