"""More metrics beside those that a data set is scored by (``TEST.METRICS``)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lib.evaluation.coco_evaluator import CocoEvaluator
from lib.evaluation.metrics import numbers_of_metric, read_subject
from lib.structures.results import Poses


class MoreMetrics:
    """Adds numbers to those of an evaluator (implements ``lib.tasks.base.Evaluator``).

    Args:
        evaluator: of the data set; its main score stays the main one.
        names: of ``METRICS``. A number whose name is taken gets that of its metric in front.
        content: gives what the annotation file says.
    """

    def __init__(
        self,
        evaluator: CocoEvaluator,
        names: Sequence[str],
        content: Callable[[], dict[str, Any]],
    ) -> None:
        self.evaluator, self.names, self.content = evaluator, names, content
        self.primary = evaluator.primary

    def update(self, poses: Poses) -> None:
        """Take people in original-image pixels."""
        self.evaluator.update(poses)

    def compute(self) -> dict[str, float]:
        """Return the scores by name; none for a test split.

        Raises:
            ConfigError: a user's metric fails.
            DataError: the people are not of a metric's kind.
        """
        numbers = self.evaluator.compute()
        if not self.evaluator.scored:
            return numbers
        content, rows = self.content(), self.evaluator.rows()
        for name in self.names:
            subject = read_subject(name, content, rows, self.evaluator.skeleton.sigmas)
            for key, value in numbers_of_metric(name, subject).items():
                numbers[f"{name} {key}" if key in numbers else key] = value
        return numbers

    def write(self, folder: Path) -> list[Path]:
        """Write the predictions as the data set's evaluator does."""
        return self.evaluator.write(folder)
