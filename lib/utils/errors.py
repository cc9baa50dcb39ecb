"""Errors that a user caused and can mend: tools print the sentence and exit with code 2."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """A user's mistake; the message says what is wrong, where, what was wanted, what to do."""


class ConfigError(UserError):
    """A YAML file or an override is wrong."""


class DataError(UserError):
    """An image, an annotation file or a detector file is wrong."""


class UnreadableImageError(DataError):
    """A picture is missing, damaged, or of another size than its annotation says."""


class WeightsError(UserError):
    """A checkpoint is missing, damaged, or belongs to another model."""


class ExportError(UserError):
    """A network cannot be written to a file, or the file computes something else."""


class BusyError(UserError):
    """Another program is writing where this one wants to."""


class TrainingError(UserError):
    """A run cannot go on: the loss is not finite, workers keep dying, the disk is full."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean X?"`` for the known name nearest to ``name``, else the known names.

    The comparison ignores case; with nothing near, up to 20 known names are listed.
    """
    names = sorted(known)
    lowered = {candidate.lower(): candidate for candidate in names}
    near = difflib.get_close_matches(name.lower(), list(lowered), n=1, cutoff=0.6)
    if near:
        return f" Did you mean {lowered[near[0]]}?"
    return f" Known: {', '.join(names[:20])}." if names else ""
