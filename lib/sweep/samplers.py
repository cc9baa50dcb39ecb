"""The next settings to try, given those tried before.

What a sampler answers depends on its seed, the number of the trial and the trials before it alone,
so a search that was killed goes on as if it had not been.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice, product
from math import prod
from typing import Any

import numpy as np

from lib.sweep.space import Choice, Settings, Space
from lib.utils.errors import ConfigError

OPTUNA = ("tpe", "gp")
SAMPLERS = ("grid", "random", *OPTUNA)


@dataclass(frozen=True)
class Trial:
    """Settings that were tried.

    Attributes:
        number: from 0, in the order of being asked for.
        settings: text of the value by key.
        value: the score, higher is better; None if there is none yet.
        failed: whether there will be none.
    """

    number: int
    settings: Settings
    value: float | None = None
    failed: bool = False


class Sampler(ABC):
    """Chooses settings of a space.

    Args:
        space: what may vary.
        seed: of what is drawn.
    """

    def __init__(self, space: Space, seed: int) -> None:
        self.space = space
        self.seed = seed

    @property
    def most(self) -> int | None:
        """Number of trials after which everything was tried; None if there is no such number."""
        return None

    @abstractmethod
    def ask(self, number: int, earlier: Sequence[Trial]) -> Trial:
        """Return the trial of this number, below ``most``, given those before it."""


class GridSampler(Sampler):
    """All combinations, the last key changing fastest."""

    def __init__(self, space: Space, seed: int) -> None:
        """Refuse ranges.

        Raises:
            ConfigError: there is one.
        """
        super().__init__(space, seed)
        for key, part in space.items():
            if not isinstance(part, Choice):
                raise ConfigError(
                    f"A grid needs values of {key}, not a range: write {key}=A,B,C, or choose "
                    f"--sampler random or {', '.join(OPTUNA)}."
                )

    @property
    def most(self) -> int:
        """Number of combinations."""
        return prod(len(part.samples) for part in self.space.values())

    def ask(self, number: int, earlier: Sequence[Trial]) -> Trial:
        """Return combination ``number``."""
        texts = product(*(part.samples for part in self.space.values()))
        chosen = next(islice(texts, number, None))
        return Trial(number, dict(zip(self.space, chosen, strict=True)))


class RandomSampler(Sampler):
    """Each key by itself, as likely as any other value (Bergstra & Bengio 2012)."""

    def ask(self, number: int, earlier: Sequence[Trial]) -> Trial:
        """Return settings that depend on the seed and ``number`` alone."""
        draws = np.random.default_rng([self.seed, number]).random(len(self.space))
        settings = {}
        for (key, part), share in zip(self.space.items(), draws.tolist(), strict=True):
            if isinstance(part, Choice):
                settings[key] = part.texts[int(share * len(part.texts))]
            else:
                settings[key] = part.at(share)
        return Trial(number, settings)


class OptunaSampler(Sampler):
    """One of Optuna's samplers (Akiba et al. 2019), which learn from the scores so far.

    The study is built anew for each trial from those before it, with a seed of its own: nothing of
    it must outlive the process.

    Args:
        space: what may vary.
        seed: of what is drawn.
        name: ``tpe`` (Bergstra et al. 2011) or ``gp`` (a Gaussian process).

    Raises:
        ConfigError: the package is not installed.
    """

    def __init__(self, space: Space, seed: int, name: str) -> None:
        super().__init__(space, seed)
        self.name = name
        try:
            import optuna  # an optional package  # pyright: ignore[reportMissingImports]
        except ImportError:
            raise ConfigError(
                f"--sampler {name} takes Optuna: pip install -e '.[sweep]', or choose grid or "
                "random."
            ) from None
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._optuna = optuna
        self._distributions = {key: self._distribution(part) for key, part in space.items()}

    def ask(self, number: int, earlier: Sequence[Trial]) -> Trial:
        """Return what Optuna suggests after the trials that have ended."""
        study = self._optuna.create_study(direction="maximize", sampler=self._sampler(number))
        for trial in earlier:
            if trial.failed or trial.value is not None:
                study.add_trial(self._ended(trial))
        asked = study.ask(self._distributions)
        return Trial(number, {key: self._text(key, asked.params[key]) for key in self.space})

    def _sampler(self, number: int) -> Any:
        seed = int(np.random.default_rng([self.seed, number]).integers(2**31))
        samplers = self._optuna.samplers
        return (samplers.TPESampler if self.name == "tpe" else samplers.GPSampler)(seed=seed)

    def _distribution(self, part: Any) -> Any:
        kinds = self._optuna.distributions
        if isinstance(part, Choice):
            return kinds.CategoricalDistribution(part.texts)
        if part.whole:
            return kinds.IntDistribution(int(part.low), int(part.high), log=part.log)
        return kinds.FloatDistribution(part.low, part.high, log=part.log)

    def _ended(self, trial: Trial) -> Any:
        states = self._optuna.trial.TrialState
        return self._optuna.trial.create_trial(
            state=states.FAIL if trial.failed else states.COMPLETE,
            value=None if trial.failed else trial.value,
            params={key: self._value(key, text) for key, text in trial.settings.items()},
            distributions=self._distributions,
        )

    def _text(self, key: str, value: Any) -> str:
        part = self.space[key]
        return value if isinstance(part, Choice) else part.text(value)

    def _value(self, key: str, text: str) -> Any:
        part = self.space[key]
        if isinstance(part, Choice):
            return text
        return int(text) if part.whole else float(text)


def build_sampler(name: str, space: Space, seed: int) -> Sampler:
    """Return the sampler of a name; '' is a grid where there are values only, else random.

    Raises:
        ConfigError: there is none of that name, or it does not take this space.
    """
    if not name:
        name = "grid" if all(isinstance(part, Choice) for part in space.values()) else "random"
    if name not in SAMPLERS:
        raise ConfigError(f"--sampler must be one of {', '.join(SAMPLERS)}, got '{name}'.")
    if name in OPTUNA:
        return OptunaSampler(space, seed, name)
    return (GridSampler if name == "grid" else RandomSampler)(space, seed)
