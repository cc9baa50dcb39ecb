"""Pictures -> training and validation, or folds; a group of pictures is never on two sides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lib.datasets.formats.labels import LabelSet
from lib.datasets.start.groups import Groups
from lib.utils.errors import ConfigError

SHARE = 0.2  # of the pictures that validate
NEAR = 1.25  # times the share that validation may have


@dataclass(frozen=True)
class Split:
    """Which pictures train, validate and are kept for a last test.

    Attributes:
        name: ``''``, or ``fold0`` ...
        sides: I names, ``train``, ``val`` or ``test``.
        notes: what a user should know.
    """

    name: str
    sides: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def places(self, side: str) -> list[int]:
        """Return the pictures of a side."""
        return [n for n, own in enumerate(self.sides) if own == side]


def choose_split(labels: LabelSet, groups: Groups, *, share: float = SHARE, seed: int = 0) -> Split:
    """Return the split that the data set has, or one that keeps groups together.

    Args:
        labels: the data set; its own training and validation are kept.
        groups: pictures that belong together.
        share: of the pictures that validate, roughly.
        seed: of the draw.

    Raises:
        ConfigError: there is only one picture.
    """
    own = [image.get("split", "") for image in labels.images]
    if {"train", "val"} <= set(own):
        return Split("", tuple(side or "train" for side in own), _crossing(own, groups))
    free = np.array([side != "test" for side in own])
    if free.sum() < 2:
        raise ConfigError(
            f"{labels.path} has {free.sum()} pictures to train on: at least 2 needed."
        )
    chosen, notes = _draw(groups, free, share, seed)
    if not chosen.any():
        chosen, notes = _last_in_time(free, share)
    sides = np.where(chosen, "val", np.where(free, "train", "test")).tolist()
    return Split("", tuple(sides), notes)


def choose_folds(groups: Groups, count: int, *, seed: int = 0) -> list[Split]:
    """Return splits in which every picture validates once.

    Raises:
        ConfigError: there are fewer groups than folds.
    """
    sizes = groups.sizes
    if not 2 <= count <= len(sizes):
        raise ConfigError(
            f"{count} folds need as many groups of pictures that belong together, and at least 2; "
            f"there are {len(sizes)}."
        )
    order = np.random.default_rng(seed).permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]
    loads, fold_of = np.zeros(count), np.zeros(len(sizes), np.int64)
    for group in order:  # the largest first, each into the emptiest fold
        fold_of[group] = loads.argmin()
        loads[fold_of[group]] += sizes[group]
    fold = fold_of[groups.of]
    return [
        Split(f"fold{k}", tuple(np.where(fold == k, "val", "train").tolist())) for k in range(count)
    ]


def _draw(
    groups: Groups, free: np.ndarray, share: float, seed: int
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return (I,) bool of whole groups drawn to about ``share``; none if there is one group."""
    sizes = np.bincount(groups.of[free], minlength=len(groups.sizes))
    present = np.flatnonzero(sizes)
    if len(present) < 2:
        return np.zeros(len(free), bool), ()
    wanted, taken, total = share * free.sum(), [], 0
    for group in np.random.default_rng(seed).permutation(present):
        if total + sizes[group] <= NEAR * wanted:
            taken.append(group)
            total += sizes[group]
        if total >= wanted:
            break
    if not taken:
        taken = [present[sizes[present].argmin()]]
        total = sizes[taken[0]]
    chosen = np.isin(groups.of, taken) & free
    part = total / free.sum()
    if abs(part - share) > share / 2:
        return chosen, (f"groups are large: {part:.0%} of the pictures validate, not {share:.0%}",)
    return chosen, ()


def _last_in_time(free: np.ndarray, share: float) -> tuple[np.ndarray, tuple[str, ...]]:
    places = np.flatnonzero(free)
    count = max(1, round(share * len(places)))
    chosen = np.zeros(len(free), bool)
    chosen[places[-count:]] = True
    return chosen, (
        "all pictures seem to be of one video or person: the last ones validate, and scores will "
        "be better than on anybody else",
    )


def _crossing(own: list[str], groups: Groups) -> tuple[str, ...]:
    """Say how many groups are on two sides of the data set's own split."""
    sides: dict[int, set[str]] = {}
    for side, group in zip(own, groups.of.tolist(), strict=True):
        sides.setdefault(group, set()).add(side)
    crossing = sum(len(found) > 1 for found in sides.values())
    if not crossing:
        return ()
    return (
        f"the split is the data set's own, and has {crossing} groups of pictures that belong "
        "together on two sides: scores will be too good (--resplit makes another)",
    )
