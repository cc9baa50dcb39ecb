"""Some steps of a training, operator by operator, in a file that Perfetto opens."""

from __future__ import annotations

import logging
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

logger = logging.getLogger(__name__)

_WARM_UP = 3  # steps in which kernels are chosen and buffers allocated


class StepTracer:
    """Traces steps of this process, after the first few.

    Args:
        folder: gets ``trace.json.gz``.
        steps: to trace.
        device: that computes them.
    """

    def __init__(self, folder: Path, steps: int, device: torch.device) -> None:
        self.path = folder / "trace.json.gz"
        self.steps = steps
        self._device = device
        self._seen = 0
        self._profile: profile | None = None

    def after_step(self) -> None:
        """Count a step; begin or end the trace when it is time."""
        self._seen += 1
        if self._seen == _WARM_UP:
            kinds = [ProfilerActivity.CPU]
            if self._device.type == "cuda":
                kinds.append(ProfilerActivity.CUDA)
            self._profile = profile(activities=kinds, record_shapes=True)
            self._profile.start()
        elif self._seen == _WARM_UP + self.steps:
            self.close()

    def close(self) -> None:
        """Write what was traced; a run may end before all of it is."""
        if self._profile is None:
            return
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        traced, self._profile = self._profile, None
        traced.stop()
        try:
            traced.export_chrome_trace(str(self.path))
        except (OSError, RuntimeError) as error:
            logger.warning("The trace cannot be written to %s (%s).", self.path, error)
            return
        logger.info(
            "%s has %d steps; open it in https://ui.perfetto.dev", self.path, self._seen - _WARM_UP
        )
