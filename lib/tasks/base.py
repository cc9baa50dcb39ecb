"""What the engine may ask of a way to turn images into poses; it makes no other calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from torch import Tensor, nn

from lib.structures.results import Poses
from lib.structures.skeleton import Skeleton

Batch = dict[str, Any]
Metrics = dict[str, float]


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


class TrainData(Protocol):
    """A training set whose samples depend on nothing but their key: not on order, worker or past.

    The key is ``(epoch, index)``: the engine's sampler hands out both, so that a resumed run
    or one with other workers draws the same augmentations.

    With a method ``name(index) -> str`` it is asked what to call a sample in messages. With a
    method ``batch(keys)`` it is asked for several samples at once, in any form that the task's
    ``collate`` takes. An attribute ``sources`` (N,) says which samples come from one file
    (``TRAIN.WHOLE_IMAGES``).
    """

    def __len__(self) -> int:
        """Return the number of samples of an epoch."""
        ...

    def __getitem__(self, key: tuple[int, int]) -> Any:
        """Return sample ``index`` as augmented in ``epoch``."""
        ...


class Loader(Protocol):
    """Batches of a split, in a fixed order."""

    def __len__(self) -> int:
        """Return the number of batches, or an upper bound of it."""
        ...

    def __iter__(self) -> Iterator[Batch]:
        """Yield the batches."""
        ...


class Task(Protocol):
    """One way of turning images into poses.

    A task whose model takes anything but one tensor of images, which ``DataParallel`` could not
    split, has the attribute ``splits_batches = False``. A task that gains from several images at
    once has ``predict_images(model, images, boxes)``: ``predict_image`` of lists, whose
    ``image_ids`` are the numbers of the images.
    """

    num_joints: int

    @property
    def skeleton(self) -> Skeleton:
        """What the joints are."""
        ...

    def build_model(self) -> nn.Module:
        """Return the network, initialised, without checkpoint weights, on the CPU."""
        ...

    def build_train_dataset(self) -> TrainData:
        """Return the training set; the engine owns its sampler, so that a run can be resumed."""
        ...

    def collate(self, samples: Any) -> Batch:
        """Join training samples to a batch of tensors (or lists of them) and plain values.

        Args:
            samples: a list of them, or what the training set's ``batch`` returned.
        """
        ...

    def group_ids(self) -> list[int] | None:
        """Return a group per training sample if a batch must hold one group only, else None."""
        ...

    def build_test_loader(self, rank: int = 0, world: int = 1) -> Loader:
        """Return the loader of the test split, or of the ``rank``-th of ``world`` exact shards."""
        ...

    def loss_step(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Return named scalar losses of a batch on the device; the engine sums and logs them.

        Names that start with ``_`` are figures to log (for instance ``_accuracy``), not losses.
        """
        ...

    def predict_step(self, model: nn.Module, batch: Batch) -> Poses | Callable[[], Poses]:
        """Return people in original-image pixels, flip and scale testing included.

        Or a function that waits for them: it is called when the next batch is on its way.
        """
        ...

    def predict_image(
        self, model: nn.Module, image: np.ndarray, boxes: np.ndarray | None = None
    ) -> Poses:
        """Return the people of one (H, W, 3) uint8 BGR image, on the device of ``model``.

        Args:
            model: the network, in evaluation mode.
            image: blue-green-red pixels.
            boxes: (N, 4) ``x1, y1, x2, y2`` of people; None means the whole image for a top-down
                model. The others find people themselves and refuse boxes with a ValueError.
        """
        ...

    def build_evaluator(self) -> Evaluator:
        """Return the evaluator of the test split."""
        ...

    def describe(self) -> dict[str, Any]:
        """Return what a weights file must remember to be used rightly, as plain values.

        At least ``task``, ``codec``, ``color_rgb``, ``joints`` (names), ``boxes`` (source of the
        boxes a test uses) and ``flip``.
        """
        ...
