"""Two questions asked after every step, answered one step late so that nothing waits for them.

Is the loss still finite? Does anybody want to stop? Each is a flag on the device, combined over the
ranks there, and copied to the host while the next step runs. All ranks read the same answer at the
same step, so they stop together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from lib.utils.errors import TrainingError

_NAMED = 64  # samples of a batch in a message


@dataclass
class _Posted:
    step: int
    flags: Tensor  # (2,) float on the host: any rank not finite, any rank wants to stop
    ready: torch.cuda.Event | None
    losses: dict[str, Tensor]
    samples: list[int]


class StepGuard:
    """Holds the flags of the last posted step until they are asked for.

    Args:
        device: where the losses live.
        name: says what a sample is, given its index in the training set.
    """

    def __init__(self, device: torch.device, name: Callable[[int], str] = str) -> None:
        self.device = device
        self.name = name
        self._wishes = torch.tensor([0.0, 1.0], device=device)
        self._posted: _Posted | None = None
        self.stop = False

    def post(self, step: int, losses: dict[str, Tensor], samples: list[int], *, stop: bool) -> None:
        """Ask about a step that was launched.

        Args:
            step: its number.
            losses: named scalars on the device; ``loss`` is their sum.
            samples: indices of this rank's samples in the step, named if the loss is not finite.
            stop: whether this rank wants to stop.
        """
        broken = (~torch.isfinite(losses["loss"].detach())).float()
        flags = torch.stack((broken, self._wishes[int(stop)]))
        if dist.is_initialized():
            dist.all_reduce(flags, dist.ReduceOp.MAX)
        ready = None
        if self.device.type == "cuda":
            host = torch.empty(2, pin_memory=True)
            flags = host.copy_(flags, non_blocking=True)
            ready = torch.cuda.Event()
            ready.record()
        self._posted = _Posted(step, flags, ready, losses, samples)

    def settle(self) -> bool:
        """Read the flags of the posted step; return whether to stop.

        Raises:
            TrainingError: its loss was not finite on some rank; the message names the step, and on
                the rank in question the losses and the samples.
        """
        posted, self._posted = self._posted, None
        if posted is None:
            return self.stop
        if posted.ready is not None:
            posted.ready.synchronize()
        broken, stop = posted.flags.tolist()
        if broken:
            raise TrainingError(_complaint(posted, self.name))
        self.stop = self.stop or bool(stop)
        return self.stop


def _complaint(posted: _Posted, name: Callable[[int], str]) -> str:
    values = {name: float(value) for name, value in posted.losses.items()}
    if all(map(_is_finite, values.values())):
        return f"The loss of step {posted.step} is not finite on another rank."
    listed = ", ".join(f"{name} {value:g}" for name, value in values.items())
    named = ", ".join(map(name, posted.samples[:_NAMED]))
    more = ", ..." if len(posted.samples) > _NAMED else ""
    return (
        f"The loss of step {posted.step} is not finite ({listed}). Its {len(posted.samples)} "
        f"training samples: {named}{more}. The last checkpoint is from before; lower TRAIN.LR, set "
        "TRAIN.CLIP_NORM, or switch FP16.ENABLED off, and resume."
    )


def _is_finite(value: float) -> bool:
    return value - value == 0.0
