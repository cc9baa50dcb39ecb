"""What a model has to reach: ``AP >= 0.9 of clean at occlusion 0.4``."""

from __future__ import annotations

import operator
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from lib.stress.curves import Curve, Estimate
from lib.stress.factors import FACTORS, Factor
from lib.utils.errors import ConfigError, did_you_mean

_COMPARE = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}
_NUMBER = r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)"
_FORM = re.compile(rf"(.+?)\s*(>=|<=|>|<)\s*{_NUMBER}(\s+of clean)?\s+at\s+(.+?)\s+{_NUMBER}")


@dataclass(frozen=True)
class Demand:
    """A bound for one number at one level.

    Attributes:
        text: as it was written.
        number: a name of ``Point.numbers``.
        sign: ``>=``, ``<=``, ``>`` or ``<``.
        bound: of the number, or of its share of the unchanged one.
        of_clean: whether it is a share of the number on unchanged pictures.
        factor: a name of ``FACTORS``.
        level: of the factor.
    """

    text: str
    number: str
    sign: str
    bound: float
    of_clean: bool
    factor: str
    level: float

    def with_level(self, factor: Factor) -> Factor:
        """Return the factor with this level among its own."""
        if self.level in factor.levels:
            return factor
        first, *rest = factor.levels
        return replace(factor, levels=(first, *sorted([*rest, self.level])))

    def judge(self, curves: Sequence[Curve]) -> tuple[bool, float]:
        """Return whether it holds, and the value reached; a number that is NaN holds nowhere.

        Raises:
            ConfigError: there is no such number.
        """
        points = next(curve.points for curve in curves if curve.factor == self.factor)
        reached = next(point for point in points if point.level == self.level)
        value = self._estimate(reached.numbers).value
        if self.of_clean:
            clean = self._estimate(points[0].numbers).value
            value = value / clean if clean > 0 else float("nan")
        return bool(_COMPARE[self.sign](value, self.bound)), value

    def _estimate(self, numbers: dict[str, Estimate]) -> Estimate:
        if self.number not in numbers:
            near = did_you_mean(self.number, numbers)
            raise ConfigError(f"'{self.text}': there is no number '{self.number}'.{near}")
        return numbers[self.number]


def read_demand(text: str) -> Demand:
    """Read ``NUMBER SIGN BOUND [of clean] at FACTOR LEVEL``.

    Raises:
        ConfigError: it has another form, or there is no such factor.
    """
    found = _FORM.fullmatch(" ".join(text.split()))
    if found is None:
        raise ConfigError(
            f"'{text}' is not a demand: write NUMBER >= BOUND [of clean] at FACTOR LEVEL, such as "
            "'AP >= 0.9 of clean at occlusion 0.4'."
        )
    number, sign, bound, clean, name, level = found.groups()
    FACTORS[name]  # an unknown one is said before anything is measured
    return Demand(text, number, sign, float(bound), clean is not None, name, float(level))
