"""The samples of each epoch that lost most, by name and as a sheet of the views that were drawn."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from torch import Tensor

from lib.engine.distributed import current_world
from lib.engine.filmstrip import FOLDER, stacked
from lib.engine.records import RunRecords
from lib.engine.state import TrainState
from lib.engine.stream import TrainStream
from lib.engine.worst import Worst
from lib.structures.drawing import join_panels, save_picture
from lib.tasks.base import Task
from lib.utils.seed import preserved_rng

logger = logging.getLogger(__name__)

_HEIGHT, _COLUMNS = 200, 4  # of the sheet: pixels of a row, samples in it


class WorstRecorder:
    """Names and paints the worst samples of each pass of a run.

    Args:
        task: paints samples.
        state: of the run; keeps the samples.
        stream: of the batches; makes the samples again, which depend on their keys only.
        records: take what is found.
        folder: run folder.
    """

    def __init__(
        self, task: Task, state: TrainState, stream: TrainStream, records: RunRecords, folder: Path
    ) -> None:
        self._task, self._state, self._stream = task, state, stream
        self._records, self._folder = records, folder
        self._paints = task.painter is not None

    def note(self, samples: Sequence[int], losses: Tensor | None) -> None:
        """Take the samples of the step that was just done, see `WorstSamples.note`."""
        state = self._state
        if losses is not None:
            state.worst.note(state.plan.position(state.step - 1)[0], samples, losses)
        elif state.worst.count:
            state.worst.count = 0
            logger.info(
                "TRAIN.WORST: no samples are named, as the loss of %s tells none of single samples "
                "(one of LOSS.NAME may, see lib/losses/registry.py)",
                type(self._task).__name__,
            )

    def name(self) -> None:
        """Record the worst samples of the pass that ends; every rank must call."""
        state = self._state
        worst = state.worst.take()
        if not (worst and current_world().is_main):
            return
        with preserved_rng(state.device):
            pictures = self._paint(worst) if self._paints else {}
        found = [(one, self._stream.name(one.index)) for one in worst]
        self._records.worst(state.step, state.plan.epoch(state.step), found, pictures)

    def _paint(self, worst: Sequence[Worst]) -> dict[str, str]:
        """Paint the views that were drawn; what cannot be painted costs a warning, once."""
        file = f"{FOLDER}/worst_{self._state.step:08d}.jpg"
        painter, skeleton = self._task.painter, self._task.skeleton
        assert painter is not None
        try:
            batch = self._stream.load([(one.epoch, one.index) for one in worst])
            tiles = [tile(painter(batch, n, skeleton)) for n in range(len(worst))]
            titles = [f"{n + 1}: {one.loss:.3g}" for n, one in enumerate(worst)]
            rows = [slice(start, start + _COLUMNS) for start in range(0, len(worst), _COLUMNS)]
            sheet = stacked([join_panels(tiles[row], titles[row]) for row in rows])
            save_picture(self._folder / file, sheet)
        except Exception as error:  # whatever a task of one's own may raise
            self._paints = False
            logger.warning("Worst samples are named, but not painted any more (%s).", error)
            return {}
        return {"worst": file}


def tile(picture: np.ndarray) -> np.ndarray:
    """Return a picture as high as the others of a sheet."""
    width = max(1, round(_HEIGHT * picture.shape[1] / picture.shape[0]))
    return cv2.resize(picture, (width, _HEIGHT), interpolation=cv2.INTER_AREA)
