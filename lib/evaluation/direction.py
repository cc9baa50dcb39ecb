"""Which numbers of an evaluation are better the lower they are."""

from __future__ import annotations

from lib.evaluation.metrics import METRICS

LOSS = "loss"  # its parts are ``loss <name>``


def is_loss(name: str) -> bool:
    """Return whether a name is that of a loss on the test split, ``TRAIN.VAL_LOSS``."""
    return name == LOSS or name.startswith(f"{LOSS} ")


def lower_is_better(name: str) -> bool:
    """Return whether a number is a loss, or an error of one of ``METRICS``.

    Args:
        name: as evaluations give it: ``EPE``; of a mix ``coco/EPE``; where two metrics have a
            number of one name, ``epe EPE``.
    """
    errors = {
        text
        for metric in METRICS
        for error in METRICS[metric].errors
        for text in (error, f"{metric} {error}")
    }
    return is_loss(name) or name in errors or name.partition("/")[2] in errors
