"""``PoseEstimator``: a trained model as one object, image in, people out."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from yacs.config import CfgNode

from lib.engine.device import Precision, build_precision, place, setup_device
from lib.engine.inference import Evaluation, evaluate
from lib.models import fold_batch_norm, load_weights, read_checkpoint
from lib.structures.results import PoseResult
from lib.structures.skeleton import Skeleton
from lib.tasks import Task, build_task

logger = logging.getLogger(__name__)


class PoseEstimator:
    """A network with its task: finds the people of an image, or scores a whole test split.

    Build it with ``from_config``. ``tools/test.py`` and ``tools/predict.py`` use it too, so what a
    test scores is what a caller gets.
    """

    def __init__(
        self, task: Task, network: nn.Module, device: torch.device, precision: Precision
    ) -> None:
        self.task = task
        self.network = network.eval()
        self.device = device
        self.precision = precision

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
            weights: a checkpoint of ours or an official one; None leaves the initialisation, for
                tests of speed.
            device: None takes the first of ``GPUS`` that is there, else the CPU.

        Raises:
            WeightsError: the file is missing, damaged, or belongs to another model.
            ConfigError: the configuration contradicts itself or the data set.
        """
        task = build_task(cfg)
        network = task.build_model()
        if weights is not None:
            state, payload = read_checkpoint(weights)
            logger.info("%s: %s", weights, load_weights(network, state))
            warn_of_differences(payload.get("meta", {}), task.describe(), str(weights))
        if cfg.TEST.FOLD_BN:
            fold_batch_norm(network.eval())
        chosen = torch.device(device) if device is not None else setup_device(cfg)[0]
        return cls(task, place(network, chosen), chosen, build_precision(cfg, chosen))

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
            ValueError: the image or the boxes have another shape or type.
        """
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise ValueError(f"image must be (H, W, 3) uint8, got {image.shape} {image.dtype}")
        if boxes is not None and (np.ndim(boxes) != 2 or np.shape(boxes)[1] != 4):
            raise ValueError(f"boxes must be (N, 4) x1, y1, x2, y2, got {np.shape(boxes)}")
        if boxes is not None and not len(boxes):
            return []
        with self.precision.autocast():
            return list(self.task.predict_image(self.network, image, boxes))

    def evaluate(self, folder: Path | None = None) -> Evaluation:
        """Predict and score the test split; predictions go to ``folder`` if given."""
        return evaluate(self.task, self.network, self.device, self.precision, folder=folder)


def warn_of_differences(stored: dict[str, Any], current: dict[str, Any], source: str) -> None:
    """Warn where a model is used otherwise than it was trained, key by key."""
    for key in ("codec", "color_rgb", "joints"):
        if key in stored and stored[key] != current[key]:
            logger.warning(
                "%s was trained with %s %s, and is used with %s",
                source,
                key,
                *(
                    values if not isinstance(values, list) else ", ".join(values)
                    for values in (stored[key], current[key])
                ),
            )
