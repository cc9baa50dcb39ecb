"""What a program wrote before makes room for what it writes now, and is never lost."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


def set_aside(folder: Path, names: Iterable[str]) -> Path | None:
    """Move files and folders of an earlier run to ``folder/earlier-<n>``, numbered from 1.

    Args:
        folder: where they lie.
        names: their names; those that are not there are passed over.

    Returns:
        The new folder; None if there was nothing to move.
    """
    found = [folder / name for name in names if (folder / name).exists()]
    if not found:
        return None
    taken = [path.name.rpartition("-")[2] for path in folder.glob("earlier-*")]
    number = 1 + max((int(name) for name in taken if name.isdigit()), default=0)
    target = folder / f"earlier-{number}"
    target.mkdir()
    for path in found:
        path.rename(target / path.name)
    return target
