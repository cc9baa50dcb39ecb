"""One training of an experiment with other settings, and its score."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lib.config import load_config
from lib.config.cli import run_folders, run_weights
from lib.utils.logging import setup_logging

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trained:
    """How a training ended.

    Attributes:
        folder: of the run.
        weights: the last ones.
        finished: False if a signal stopped it; the same call goes on there.
        signal: its number; 0 for none.
    """

    folder: Path
    weights: Path
    finished: bool = True
    signal: int = 0


def words_of(folder: Path, seed: int) -> list[str]:
    """Return the overrides that put a run into ``folder``, and let it go on if it was stopped."""
    place = [f"OUTPUT_DIR={folder}", f"LOG_DIR={folder / 'log'}"]
    return [f"SEED={seed}", *place, "AUTO_RESUME=true"]


def train(file: str | Path, overrides: Sequence[str]) -> Trained:
    """Train an experiment unless it is finished; call it inside ``distributed.session``.

    Args:
        file: YAML file.
        overrides: as those of ``load_config``, with those of `words_of`.

    Raises:
        UserError: as ``load_config`` and ``fit``.
    """
    from lib.engine import fit
    from lib.engine.distributed import current_world
    from lib.engine.start import pretrained
    from lib.tasks import build_task

    cfg = load_config(file, overrides)
    folder, log_folder = run_folders(cfg, file)
    weights = folder / f"final_state.{cfg.TRAIN.FORMAT}"
    if weights.is_file():
        logger.info("%s already exists", weights)
        return Trained(folder, weights)
    setup_logging(folder, rank=current_world().rank)
    task = build_task(cfg)
    result = fit(cfg, task, folder, log_folder, initialise=pretrained(cfg, task))
    return Trained(folder, weights, result.finished, result.signal)


def best_of(trained: Trained) -> Path:
    """Return the best weights of a run; the last ones where none were scored."""
    return run_weights(trained.folder) or trained.weights


def score(file: str | Path, overrides: Sequence[str], weights: Path) -> float:
    """Return the number that chooses the best weights (``TEST.BEST``), of these; NaN if none.

    Higher is better: losses and errors have a minus. A loss is what their training measured.
    """
    from lib.api import PoseEstimator
    from lib.evaluation.direction import is_loss
    from lib.zoo.card import read_card

    cfg = load_config(file, overrides)
    if is_loss(cfg.TEST.BEST):
        scores = read_card(weights).get("scores") or {}
        return -float((scores.get("metrics") or {}).get(cfg.TEST.BEST, math.nan))
    return PoseEstimator.from_config(cfg, weights).evaluate().score
