"""An exported file in int8: written, held against the file it was made of, and kept if it may be.

Accuracy is that of the test split, before and after, by the same task; time that of one image.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from yacs.config import CfgNode

from lib.api import PoseEstimator
from lib.benchmark.timing import in_turns, quartiles
from lib.export import open_network
from lib.export.quantise import quantise_onnx
from lib.export.writer import kept_if_right
from lib.tasks.base import Task
from lib.utils.errors import ExportError

BATCH, ROUNDS = 16, 15
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Comparison:
    """A file before and after it was quantised.

    Attributes:
        metric: name of the score, higher is better.
        scores: before and after, NaN where the test split has no truth.
        sizes: of the files, in bytes.
        milliseconds: per image, in batches of one, medians.
        speedup: median over the rounds of time before / time after.
    """

    metric: str
    scores: tuple[float, float]
    sizes: tuple[int, int]
    milliseconds: tuple[float, float]
    speedup: float

    @property
    def loss(self) -> float:
        """What the score falls by."""
        return self.scores[0] - self.scores[1]

    def __str__(self) -> str:
        """Return all of it in one line."""
        (score, less), (slow, fast) = self.scores, self.milliseconds
        large, small = (size / 2**20 for size in self.sizes)
        return (
            f"{self.metric} {score:.4f} -> {less:.4f}, loss {self.loss:.4f}; {large:.1f} -> "
            f"{small:.1f} MB ({small / large:.2f}); {slow:.2f} -> {fast:.2f} ms per image "
            f"({self.speedup:.2f} times as fast, {torch.get_num_threads()} thread(s))"
        )


def write_int8(
    cfg: CfgNode,
    source: Path,
    target: Path,
    card: Mapping[str, Any],
    *,
    images: int,
    bound: float,
    accept: bool = False,
) -> Comparison:
    """Write the int8 form of an ONNX file, unless it loses too much of the test split's score.

    Args:
        cfg: of the network; ``SEED`` chooses the calibrating images.
        source: the file of float32.
        target: the new file; whatever was there stays unless the new one is kept.
        card: of the new file.
        images: how many of the training set calibrate it.
        bound: largest loss of the score.
        accept: keep the file whatever it loses.

    Raises:
        ExportError: it loses more, or the network cannot be quantised.
    """
    before = PoseEstimator.from_config(cfg, source, CPU)
    with kept_if_right(target) as draft:
        quantise_onnx(source, draft, calibrating_images(before.task, images, cfg.SEED), card)
        after = PoseEstimator.from_config(cfg, draft, CPU)
        image = next(calibrating_images(before.task, 1, cfg.SEED))
        found = _compare(before, after, (source, draft), image)
        if not found.loss <= bound and not accept:  # NaN, too
            raise ExportError(
                f"int8: {found}. That is more than {bound:g}, so {target} was not written; "
                "calibrate with more images (--int8), allow more (--max-loss), or keep it as it is "
                "(--accept-loss)."
            )
    return found


def calibrating_images(task: Task, count: int, seed: int) -> Iterator[Tensor]:
    """Yield batches (B, 3, H, W) of what the network is shown in training, on the CPU.

    Args:
        task: gives the training set.
        count: how many images; all if there are fewer.
        seed: chooses them, once each.

    Raises:
        ExportError: networks of the task cannot be calibrated.
    """
    data = task.build_train_dataset()
    chosen = np.random.default_rng(seed).permutation(len(data))[:count]
    for start in range(0, len(chosen), BATCH):
        keys = [(0, int(index)) for index in chosen[start : start + BATCH]]
        yield task.shown(task.collate(data.batch(keys))).contiguous()


def _compare(
    before: PoseEstimator, after: PoseEstimator, files: tuple[Path, Path], image: Tensor
) -> Comparison:
    scores = [estimator.evaluate().score for estimator in (before, after)]
    threads = torch.get_num_threads()
    slow, fast = (open_network(file, threads) for file in files)
    runs = {"before": lambda: slow(image), "after": lambda: fast(image)}
    for run in runs.values():
        run()  # the first one plans
    seconds = in_turns(runs, ROUNDS, CPU)
    milliseconds = [1e3 * quartiles(values)[0] for values in seconds.values()]
    return Comparison(
        metric=_metric(before.task),
        scores=(scores[0], scores[1]),
        sizes=(files[0].stat().st_size, files[1].stat().st_size),
        milliseconds=(milliseconds[0], milliseconds[1]),
        speedup=quartiles(seconds["before"] / seconds["after"])[0],
    )


def _metric(task: Task) -> str:
    """Return the name of the score that chooses the best weights."""
    return task.best or next(iter(task.test_sets.values())).build_evaluator().primary
