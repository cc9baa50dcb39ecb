"""The poses of some images of a test split, by the way that a whole test takes."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from yacs.config import CfgNode

from lib.api import PoseEstimator
from lib.datasets.sources import Source
from lib.evaluation.coco_files import Rows, read_results
from lib.evaluation.table import MAX_PEOPLE
from lib.tasks.build import build_task
from lib.tasks.splits import build_source, detector_file, uses_truth
from lib.tasks.topdown import TopDownTask
from lib.utils.errors import ConfigError
from lib.utils.files import read_json


class SplitPredictor:
    """Predicts images of the test split of a configuration.

    A part of the split is a data set of its own, written to a temporary file: everything on the
    way, boxes, suppression and scores included, is what ``tools/test.py`` does.

    Args:
        cfg: the configuration.
        weights: of the network.
        device: where to compute.

    Raises:
        ConfigError: the split is of a kind that cannot be certified.
        WeightsError: the weights are missing or do not fit.
    """

    def __init__(self, cfg: CfgNode, weights: Path, device: str) -> None:
        self.cfg, self.weights, self.device = cfg, weights, device
        self.source = certifiable_source(cfg)
        self.content: dict[str, Any] = read_json(self.source.annotation, "annotation")
        self._estimator: PoseEstimator | None = None

    def __call__(self, images: Sequence[Any], noise: float = 0.0, seed: int = 0) -> Rows:
        """Return the result rows of images.

        Args:
            images: their ids.
            noise: standard deviation of Gaussian noise on the normalised pixels.
            seed: of the noise.
        """
        with tempfile.TemporaryDirectory(prefix="certify-") as folder:
            place = Path(folder)
            cfg = self._part(set(images), place)
            if self._estimator is None:
                self._estimator = PoseEstimator.from_config(cfg, self.weights, self.device)
            model = self._estimator
            part = PoseEstimator(build_task(cfg), model.network, model.device, model.precision)
            with noisy_inputs(model.network, noise, seed):
                part.evaluate(place)
            files = sorted((place / "results").glob("keypoints_*_results_*.json"))
            return [row for file in files for row in read_results(file)]

    def most_poses(self, images: Sequence[Any]) -> np.ndarray:
        """Return (I,) the most poses of each image that its boxes allow."""
        task = build_task(self.cfg)
        if not isinstance(task, TopDownTask):  # finds people itself
            return np.full(len(images), MAX_PEOPLE)
        people = task.people
        counts = np.bincount(people.image_index, minlength=len(people.images))
        by_label = {people.images.label(n): count for n, count in enumerate(counts.tolist())}
        return np.array([by_label.get(image, 0) for image in images], np.int64)

    @property
    def boxes(self) -> Path | None:
        """The detector file; None if people are given by their annotated boxes or found."""
        task = build_task(self.cfg)
        if not task.takes_boxes or uses_truth(self.cfg):
            return None
        return detector_file(self.cfg)

    def _part(self, images: set[Any], folder: Path) -> CfgNode:
        """Write the annotations of some images; return the configuration of a test on them."""
        content = {
            **self.content,
            "images": [row for row in self.content["images"] if row["id"] in images],
            "annotations": [r for r in self.content["annotations"] if r["image_id"] in images],
        }
        file = folder / self.source.annotation.name
        file.write_text(json.dumps(content), encoding="utf-8")
        cfg = self.cfg.clone()
        cfg.defrost()
        cfg.DATASET.ANNOTATION_TEST = str(file)
        cfg.DATASET.IMAGES_TEST = self.source.images.removesuffix(".zip@").removesuffix("/")
        cfg.WORKERS = 0
        cfg.freeze()
        return cfg


def certifiable_source(cfg: CfgNode) -> Source:
    """Return the files of a test split.

    Raises:
        ConfigError: it is MPII's, of several sets, or has no ground truth.
    """
    source = build_source(cfg, train=False)
    if source.kind == "mpii" or not source.has_truth:
        raise ConfigError(
            f"{cfg.DATASET.DATASET} {cfg.DATASET.TEST_SET} cannot be certified: that takes a test "
            "split in COCO's format, with its annotations."
        )
    return source


@contextmanager
def noisy_inputs(network: nn.Module, noise: float, seed: int) -> Iterator[None]:
    """Add noise to what a network is given, within the block.

    Args:
        network: takes a tensor of images, or a list of them, first.
        noise: standard deviation; 0 changes nothing.
        seed: of the noise.
    """
    random = torch.Generator().manual_seed(seed)

    def shaken(value: Any) -> Any:
        if isinstance(value, list):
            return [shaken(one) for one in value]
        return value + noise * torch.randn(value.shape, generator=random).to(value)

    def change(_: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        return (shaken(inputs[0]), *inputs[1:])

    handle = network.register_forward_pre_hook(change) if noise else None
    try:
        yield
    finally:
        if handle is not None:
            handle.remove()
