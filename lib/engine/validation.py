"""The loss on the test split, computed as in training but with nothing drawn."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import torch
from torch import nn
from yacs.config import CfgNode

from lib.datasets.base import TrainData
from lib.engine.device import Precision, to_device
from lib.engine.distributed import current_world, gather_objects_everywhere
from lib.engine.inference import evaluating
from lib.engine.sampling import EpochSampler
from lib.engine.stream import TrainStream
from lib.tasks.base import Metrics, Task
from lib.utils.errors import ConfigError
from lib.utils.workers import limit_workers


class _Part(EpochSampler):
    """Every ``parts``-th batch, so that ranks share the samples without repeating any."""

    def __init__(self, size: int, batch_size: int, part: int, parts: int) -> None:
        self.part, self.parts = part, parts
        super().__init__(size, batch_size, seed=0, shuffle=False)

    def batches(self, epoch: int) -> list[np.ndarray]:
        return super().batches(epoch)[self.part :: self.parts]


class ValidationLoss:
    """Measures the losses of a network on data that is not trained on.

    Args:
        task: computes the losses.
        data: the test split as training data.
        batch_size: samples per batch.
        workers: loader processes.
        device: of the network.
        precision: number format.
    """

    def __init__(
        self,
        task: Task,
        data: TrainData,
        batch_size: int,
        *,
        workers: int,
        device: torch.device,
        precision: Precision,
    ) -> None:
        world = current_world()
        sampler = _Part(len(data), batch_size, world.rank, world.size)
        self.task = task
        self.stream = TrainStream(task, data, sampler, workers=workers, pin=False)
        self.device = device
        self.precision = precision

    def measure(self, network: nn.Module) -> Metrics:
        """Return ``loss``, and each named loss where there are several; means over all samples.

        Every rank must call.
        """
        sums, count = self._sums(network)
        totals: dict[str, float] = defaultdict(float)
        samples = 0
        for part, number in gather_objects_everywhere((sums, count)):
            samples += number
            for name, value in part.items():
                totals[name] += value
        named = {f"loss {name}": value / samples for name, value in totals.items()}
        return {"loss": sum(named.values()), **(named if len(named) > 1 else {})}

    def _sums(self, network: nn.Module) -> tuple[dict[str, float], int]:
        sums: dict[str, float] = defaultdict(float)
        count = 0
        with evaluating(network), torch.no_grad():
            for fetched in self.stream.batches(0):
                with self.precision.autocast():
                    losses = self.task.loss_step(network, to_device(fetched.batch, self.device))
                for name, value in losses.items():
                    if not name.startswith("_"):
                        sums[name] += float(value) * len(fetched.samples)
                count += len(fetched.samples)
        return dict(sums), count


def build_validation_loss(
    cfg: CfgNode, task: Task, device: torch.device, precision: Precision
) -> ValidationLoss | None:
    """Read ``TRAIN.VAL_LOSS``.

    Raises:
        ConfigError: the task cannot tell the loss of its test split.
    """
    if not cfg.TRAIN.VAL_LOSS:
        return None
    data = task.build_held_out_dataset()
    if data is None:
        raise ConfigError(
            f"TRAIN.VAL_LOSS: {cfg.MODEL.NAME} has no loss outside of training; set it to false."
        )
    return ValidationLoss(
        task,
        data,
        cfg.TEST.BATCH_SIZE_PER_GPU,
        workers=limit_workers(cfg.WORKERS),
        device=device,
        precision=precision,
    )
