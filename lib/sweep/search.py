"""Trial after trial, until there are enough of them or a signal comes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from yacs.config import CfgNode

from lib.config import load_config
from lib.engine.distributed import broadcast_object, current_world, gather_objects_everywhere
from lib.engine.signals import StopRequest
from lib.sweep import trials
from lib.sweep.samplers import Sampler
from lib.sweep.space import Settings, corners, describe, words_of
from lib.sweep.store import Run, Store
from lib.utils.errors import BusyError, ConfigError, TrainingError
from lib.utils.lock import FolderLock

logger = logging.getLogger(__name__)

_COMPARED = ("MODEL", "LOSS", "DATASET", "TRAIN", "TEST", "FP16")  # the others say where, not what


@dataclass(frozen=True)
class Sweep:
    """What is searched.

    Attributes:
        file: YAML file of the experiment.
        fixed: overrides of all trials.
        sampler: chooses the settings.
        most: trials in all; 0 for all of a grid.
        seeds: with which each is trained; the value of a trial is the mean of their scores.
        out: folder of the runs.
    """

    file: str
    fixed: Sequence[str]
    sampler: Sampler
    most: int
    seeds: Sequence[int]
    out: Path

    @property
    def limit(self) -> int:
        """Number of trials.

        Raises:
            ConfigError: nothing says it.
        """
        whole = self.sampler.most
        if whole is None and not self.most:
            raise ConfigError("Say how many --trials: only a grid ends by itself.")
        return min(count for count in (whole, self.most) if count)

    def folder(self, trial: int, seed: int) -> Path:
        """Return the folder of a run."""
        return self.out / f"trial{trial:04d}" / f"seed{seed}"

    def words(self, settings: Settings) -> list[str]:
        """Return all overrides of a trial but those of its place."""
        return [*self.fixed, *words_of(settings)]

    def check(self) -> CfgNode:
        """Load the experiment with every value at least once; return one of the trees.

        Raises:
            ConfigError: a key or a value is wrong; before hours were spent on the others.
        """
        trees = [load_config(self.file, self.words(one)) for one in corners(self.sampler.space)]
        return trees[0]

    def about(self, cfg: CfgNode) -> dict[str, Any]:
        """Return what must be the same when a search goes on."""
        described = {"sampler": type(self.sampler).__name__, "seed": self.sampler.seed}
        described["kind"] = getattr(self.sampler, "name", "")
        nodes = {name: _flat(cfg[name], f"{name}.") for name in _COMPARED}
        swept = self.sampler.space
        keys = {k: v for node in nodes.values() for k, v in node.items() if k not in swept}
        return {"space": describe(swept), **described, **keys}


def search(sweep: Sweep, store: Store) -> int:
    """Train and score until all trials are done; call it inside ``distributed.session``.

    Several processes may search in one store, and on one trial the ranks of a launcher.

    Returns:
        Number of the signal that stopped it, on all ranks; 0 for none.

    Raises:
        UserError: what no other settings would mend, as data that cannot be read.
    """
    busy: set[tuple[int, int]] = set()
    with StopRequest() as stop:
        while not (number := max(gather_objects_everywhere(stop.number))):
            with ExitStack() as stack:
                job = _take(sweep, store, busy, stack) if current_world().is_main else None
                job = broadcast_object(job)
                if job is None:
                    break
                run = _run(sweep, *job)
                if run is not None and current_world().is_main:
                    store.note(run)
                    logger.info("trial %d, seed %d: %s", run.trial, run.seed, run.note or run.score)
    if busy and current_world().is_main:
        names = ", ".join(str(trial) for trial in sorted({trial for trial, _ in busy}))
        logger.info("others are still at work on trials %s", names)
    return number


def _take(
    sweep: Sweep, store: Store, busy: set[tuple[int, int]], stack: ExitStack
) -> tuple[int, int, list[str]] | None:
    """Return trial, seed and overrides of the next run that nobody is at work on; None at the end.

    Its folder is held by ``stack``; those that others hold are added to ``busy``.
    """
    while (found := _next(sweep, store, busy)) is not None:
        number, seed, settings = found
        folder = sweep.folder(number, seed)
        try:
            stack.enter_context(FolderLock(folder, "a sweep"))
        except BusyError:
            busy.add((number, seed))
            continue
        if (number, seed) in store.runs():  # another process ended it just now
            stack.close()
            continue
        logger.info("trial %d, seed %d: %s", number, seed, " ".join(words_of(settings)))
        return number, seed, [*sweep.words(settings), *trials.words_of(folder, seed)]
    return None


def _next(
    sweep: Sweep, store: Store, busy: set[tuple[int, int]]
) -> tuple[int, int, Settings] | None:
    """Return the first run that is not done, of the trials there are, or of one more."""
    runs = store.runs()
    for trial in store.trials(sweep.seeds):
        for seed in sweep.seeds:
            if not trial.failed and (trial.number, seed) not in {*runs, *busy}:
                return trial.number, seed, trial.settings
    trial = store.add(sweep.sampler.ask, sweep.limit, sweep.seeds)
    return None if trial is None else (trial.number, sweep.seeds[0], trial.settings)


def _run(sweep: Sweep, trial: int, seed: int, words: list[str]) -> Run | None:
    """Return how a run ended; None if a signal stopped it."""
    ended: Callable[..., Run] = partial(Run, trial, seed)
    try:
        trained = trials.train(sweep.file, words)
        if not trained.finished:
            return None
        return ended(trials.score(sweep.file, words, trials.best_of(trained)))
    except (ConfigError, TrainingError) as error:
        return ended(None, str(error))
    except RuntimeError as error:
        # Only alone: the other ranks would wait for this one.
        if "out of memory" not in str(error).lower() or current_world().size > 1:
            raise
        return ended(None, f"out of memory: {' '.join(str(error).split()):.200}")


def _flat(node: CfgNode, prefix: str) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in node.items():
        if isinstance(value, CfgNode):
            flat.update(_flat(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat
