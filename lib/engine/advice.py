"""One sentence on what to turn where a training wastes its time."""

from __future__ import annotations

import logging

from lib.utils.phases import COMPUTING, EVALUATING, SAVING, SENDING, WAITING

logger = logging.getLogger(__name__)

MUCH_WAITING, MUCH_SENDING = 0.5, 0.2  # of the time of steps
MUCH_EVALUATING, MUCH_SAVING = 0.5, 0.25  # of all time
LONG = 60.0  # seconds from which on evaluations and checkpoints are worth a word


class Adviser:
    """Says each sentence once.

    Args:
        workers: loader processes of a training process.
        cores: that a training process may use.
        device: ``cpu``, ``cuda`` or ``mps``.
    """

    def __init__(self, workers: int, cores: int, device: str) -> None:
        self._of_machine = workers, cores, device
        self._said: set[str] = set()

    def advise(self, shares: dict[str, float], seconds: dict[str, float]) -> str:
        """Warn of what is new; return it.

        Args:
            shares: as those of `lib.engine.clock.Pace`.
            seconds: of each phase, over the run.
        """
        found = {"steps": on_steps(shares, *self._of_machine), "pauses": on_pauses(seconds)}
        new = {kind: text for kind, text in found.items() if text and kind not in self._said}
        self._said.update(new)
        for sentence in new.values():
            logger.warning("%s", sentence)
        return " ".join(new.values())


def on_steps(shares: dict[str, float], workers: int, cores: int, device: str) -> str:
    """Return what to do about steps that wait for their batches, '' if they do not.

    Args:
        shares: as those of `lib.engine.clock.Pace`.
        workers: loader processes of a training process.
        cores: that a training process may use.
        device: ``cpu``, ``cuda`` or ``mps``.
    """
    waiting, sending = shares.get(WAITING, 0.0), shares.get(SENDING, 0.0)
    if waiting >= MUCH_WAITING:
        idle = "" if device == "cpu" else ", and the device is idle meanwhile"
        told = f"{100 * waiting:.0f} % of the time goes into waiting for data{idle}: "
        if workers < cores:
            return f"{told}raise WORKERS (now {workers} on {cores} cores)."
        return (
            f"{told}all {cores} cores load already; put smaller images on a faster disk, set "
            "TRAIN.WHOLE_IMAGES true, or draw fewer of DATASET.PHOTOMETRIC."
        )
    if sending >= MUCH_SENDING:
        return (
            f"{100 * sending:.0f} % of the time goes into sending batches to the device: set "
            "PIN_MEMORY true, or lower MODEL.IMAGE_SIZE."
        )
    return ""


def on_pauses(seconds: dict[str, float]) -> str:
    """Return what to do about evaluations or checkpoints that take too long, '' if none does.

    Args:
        seconds: of each phase, over the run.
    """
    total = sum(
        seconds.get(name, 0.0) for name in (WAITING, SENDING, COMPUTING, EVALUATING, SAVING)
    )
    for name, much, key in (
        (EVALUATING, MUCH_EVALUATING, "TRAIN.EVAL_PERIOD"),
        (SAVING, MUCH_SAVING, "TRAIN.CHECKPOINT_PERIOD (or CHECKPOINT_ITERS)"),
    ):
        spent = seconds.get(name, 0.0)
        if spent >= max(LONG, much * total):
            share = 100 * spent / total
            return f"{share:.0f} % of the run so far went into {name}: raise {key}."
    return ""
