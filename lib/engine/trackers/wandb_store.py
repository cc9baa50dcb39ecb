"""Weights & Biases; offline it leaves files in the run folder, which ``wandb sync`` sends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar
from uuid import uuid4

from lib.engine.trackers.base import TRACKERS, Place, Tracker

_HEADER, _PART, _BLOCK = 7, 7, 32768  # bytes of an offline file, see log_entries


@TRACKERS.register("wandb")
class WandbRun(Tracker):
    """One run; each process that goes on with it adds a folder of the same id."""

    package: ClassVar[str] = "wandb"

    def __init__(self, place: Place) -> None:
        import wandb  # pyright: ignore[reportMissingImports]

        self.identity = place.identity or uuid4().hex[:12]
        files = sorted((place.folder / "wandb").glob(f"offline-run-*/run-{self.identity}.wandb"))
        self._kept = max(map(_last_step, files), default=None) if place.offline else None
        self._run = wandb.init(
            project=place.project,
            name=place.name,
            id=self.identity,
            resume=None if place.offline else "allow",
            dir=str(place.folder),
            mode="offline" if place.offline else "online",
            config=dict(place.config),
            settings=wandb.Settings(console="off", silent=True, disable_git=True, save_code=False),
        )

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Take numbers by name."""
        self._run.log(dict(values), step=step)

    def picture(self, name: str, path: Path, step: int) -> None:
        """Take a picture; its file is copied."""
        import wandb  # pyright: ignore[reportMissingImports]

        self._run.log({name: wandb.Image(str(path))}, step=step)

    def kept_until(self) -> int | None:
        """Return the last step in the files of earlier processes, which are written in blocks."""
        return self._kept

    def close(self) -> None:
        """End this process's part."""
        self._run.finish()


def _last_step(file: Path) -> int:
    """Return the last step in an offline file, 0 if there is none."""
    from wandb.proto.wandb_internal_pb2 import Record  # pyright: ignore[reportMissingImports]

    last = 0
    for entry in log_entries(file.read_bytes()):
        for item in Record.FromString(entry).history.item:
            if "_step" in (item.key, *item.nested_key):
                last = max(last, int(item.value_json))
    return last


def log_entries(data: bytes) -> Iterator[bytes]:
    """Yield the entries of an offline file; one that a kill cut off is left out.

    It is a LevelDB log behind a header: blocks of 32 KiB, filled with parts of entries. A part has
    a checksum (4 bytes), its length (2), and whether it is a whole entry (1), or the first (2), a
    middle (3) or the last part (4) of one.
    """
    place, entry = _HEADER, b""
    while place + _PART <= len(data):
        start, kind = place + _PART, data[place + 6]
        end = start + int.from_bytes(data[place + 4 : place + 6], "little")
        if end > len(data):
            return
        entry += data[start:end]
        if kind in (1, 4):
            yield entry
            entry = b""
        rest = -end % _BLOCK
        place = end + rest if not kind or rest < _PART else end
