"""Checkpoint files: written whole or not at all, verified, and readable without pickled code.

``checkpoint.pth`` is the newest state of a run; ``checkpoint_<step>.pth`` are older ones, as many
as ``TRAIN.KEEP_LAST`` says. Each file holds ``state_dict`` (the network's own names) and ``meta``,
so it also serves as a weights file. Files with weights only are written as ``TRAIN.FORMAT`` says:
like that, or as safetensors with ``meta`` as their card.
"""

from __future__ import annotations

import ast
import contextlib
import io
import logging
import os
import re
import shutil
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import nn
from yacs.config import CfgNode

from lib.config.defaults import default_config
from lib.config.legacy import flatten
from lib.utils.aside import set_aside
from lib.utils.errors import ConfigError, TrainingError, WeightsError
from lib.utils.lock import FolderLock, moving_files
from lib.zoo.card import SUFFIX, is_safetensors, safetensors_bytes

logger = logging.getLogger(__name__)

Payload = dict[str, Any]

LATEST = "checkpoint.pth"
BEST = "model_best.pth"
FINAL = "final_state.pth"
_RECORDS = ("metrics.jsonl", "flight.bin", "flight.jsonl", "trace.json.gz", "trackers.json")

_OLDER = re.compile(r"checkpoint_(\d+)\.pth")
_LEARNED = ("running_mean", "running_var")
_NOT_PART_OF_A_RUN = (
    "MODEL.PRETRAINED", "MODEL.EXTRA.PRETRAINED_LAYERS", "DATASET.ROOT", "DATASET.ANNOTATION",
    "DATASET.ANNOTATION_TEST", "DATASET.DATA_FORMAT", "DATASET.IMAGES", "DATASET.IMAGES_TEST",
    "DATASET.TEST_SET", "DATASET.DATASET_TEST",
)  # fmt: skip


def save_atomically(payload: Payload, path: Path, *, check_types: bool = True) -> None:
    """Write ``payload`` so that ``path`` holds either its old content or all of the new one.

    The bytes go to a temporary file, are forced to the disk, read back and checked, and only then
    take the name.

    Args:
        payload: tensors and plain values.
        path: the file.
        check_types: besides the checksums of all tensors, check that the file loads with
            ``weights_only``; slow for thousands of tensors, and the types seldom change.

    Raises:
        TrainingError: the disk is full or fails; ``path`` is as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    try:
        if is_safetensors(path):
            _write_safetensors(payload, part)
        else:
            with part.open("wb") as file:
                torch.save(payload, file)
                file.flush()
                os.fsync(file.fileno())
            _verify(part, check_types=check_types)
        part.replace(path)
        _sync_folder(path.parent)
    except (OSError, RuntimeError, WeightsError) as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise TrainingError(
            f"Cannot write {path}: {_reason(error)}. "
            f"{'The file from before is intact' if path.exists() else 'Nothing was written'}; "
            "free some space and resume."
        ) from error


def read_verified(path: Path) -> bytes:
    """Return the bytes of a checkpoint.

    Raises:
        WeightsError: it is missing or damaged.
    """
    _verify(path, check_types=True)
    return path.read_bytes()


def load_payload(source: bytes | Path) -> Payload:
    """Return the content of a checkpoint, all tensors on the CPU; never runs pickled code."""
    stream = io.BytesIO(source) if isinstance(source, bytes) else source
    return torch.load(stream, map_location="cpu", weights_only=True)


class CheckpointStore:
    """The checkpoints of one run folder.

    Args:
        folder: the run folder.
        keep_last: older checkpoints to keep beside the newest.
        lock: asked before each writing whether the folder is still ours.
        weights_format: of files with weights only, ``pth`` or ``safetensors``.
    """

    def __init__(
        self,
        folder: Path,
        keep_last: int = 0,
        lock: FolderLock | None = None,
        *,
        weights_format: str = "pth",
    ) -> None:
        self.folder = folder
        self.weights_format = weights_format
        self.keep_last = keep_last
        self.lock = lock
        self._checked: set[bool] = set()  # kinds of files (checkpoint or not) once read back whole

    def exists(self) -> bool:
        """Return whether there is anything to resume."""
        return bool(self._candidates())

    def read(self) -> bytes | None:
        """Return the bytes of the newest checkpoint that is not damaged; None without any.

        Raises:
            WeightsError: there are checkpoints, but all are damaged.
        """
        complaints = []
        for path in self._candidates():
            try:
                return read_verified(path)
            except WeightsError as error:
                logger.warning("%s Trying the one before.", error)
                complaints.append(str(error))
        if complaints:
            raise WeightsError(
                f"No checkpoint in {self.folder} is intact: {' '.join(complaints)} Start afresh "
                "from model_best.pth with MODEL.PRETRAINED, in another OUTPUT_DIR."
            )
        return None

    def save(self, payload: Payload, step: int) -> None:
        """Make ``payload`` the newest checkpoint; the one before is kept if the store keeps some.

        Raises:
            TrainingError: it cannot be written; the checkpoints from before are intact.
        """
        latest = self.folder / LATEST
        if self.keep_last:
            # The numbered name first: a kill between the two leaves a complete file under it.
            self._write(payload, self.folder / f"checkpoint_{step}.pth")
            _alias(self.folder / f"checkpoint_{step}.pth", latest)
            self._prune()
        else:
            self._write(payload, latest)

    def save_weights(self, payload: Payload, name: str) -> None:
        """Write a file with weights only, as ``model_best.pth``, in the run's format."""
        path = self.folder / name
        target = path.with_suffix(f".{self.weights_format}")
        self._write(payload, target)
        for other in (path, path.with_suffix(SUFFIX)):
            if other != target:  # of this run, from before somebody changed the format
                other.unlink(missing_ok=True)

    def set_aside(self) -> Path | None:
        """Move the files of an earlier run to ``earlier-<n>`` and return that folder, if any.

        ``train.log`` stays: it is open already, and a log may well grow over several runs.
        """
        older = [path.name for path in self._older()]
        weights = [Path(name).with_suffix(SUFFIX).name for name in (BEST, FINAL)]
        names = [LATEST, BEST, FINAL, *weights, *_RECORDS, "results", "samples", "pred.mat", *older]
        if not any((self.folder / name).exists() for name in names):
            return None
        with moving_files(self.folder):
            return set_aside(
                self.folder, [*names, "config.yaml", "metrics.json", "report.html", "pictures"]
            )

    def _write(self, payload: Payload, path: Path) -> None:
        if self.lock is not None:
            self.lock.check()
        kind = "optimizer" in payload
        save_atomically(payload, path, check_types=kind not in self._checked)
        self._checked.add(kind)

    def _candidates(self) -> list[Path]:
        latest = self.folder / LATEST
        return [path for path in (latest, *self._older()) if path.is_file()]

    def _older(self) -> list[Path]:
        """Numbered checkpoints, newest first."""
        found = [(path, _OLDER.fullmatch(path.name)) for path in self.folder.glob("checkpoint_*")]
        numbered = [(int(match[1]), path) for path, match in found if match]
        return [path for _, path in sorted(numbered, reverse=True)]

    def _prune(self) -> None:
        for path in self._older()[self.keep_last + 1 :]:
            path.unlink(missing_ok=True)


def fingerprint(cfg: CfgNode) -> dict[str, str]:
    """Return what a run folder is about: every key of MODEL and DATASET, without file locations."""
    flat: dict[str, str] = {}
    for section in ("MODEL", "DATASET"):
        _flatten(cfg[section], f"{section}.", flat)
    return {key: value for key, value in flat.items() if key not in _NOT_PART_OF_A_RUN}


def check_fingerprint(stored: dict[str, str], current: dict[str, str], folder: Path) -> None:
    """Refuse to continue a run with another model or other data.

    Raises:
        ConfigError: naming the keys that differ.
    """
    defaults = fingerprint(default_config())  # of keys that came after the run began
    stored, current = _spread({**defaults, **stored}), _spread({**defaults, **current})
    differing = [
        f"{key} was {stored.get(key, 'absent')}, is {current.get(key, 'absent')}"
        for key in sorted({*stored, *current})
        if stored.get(key) != current.get(key)
    ]
    if differing:
        shown = "; ".join(differing[:5]) + ("; ..." if len(differing) > 5 else "")
        raise ConfigError(
            f"{folder} holds a run of another configuration ({shown}). Restore these keys to "
            "resume it, or choose another OUTPUT_DIR or YAML name for a new run."
        )


def _spread(flat: dict[str, str]) -> dict[str, str]:
    """Return a fingerprint with a key for each key of each set of a mix, without its files."""
    flat = {key: value for key, value in flat.items() if key not in _NOT_PART_OF_A_RUN}
    entries = ast.literal_eval(flat.pop("DATASET.MIX", "[]"))
    for entry in entries:
        for key, value in flatten(entry).items():
            if f"DATASET.{key}" not in _NOT_PART_OF_A_RUN:
                flat[f"DATASET.MIX.{entry['NAME']}.{key}"] = repr(value)
    return flat


def all_finite(network: nn.Module) -> bool:
    """Return whether no parameter or batch statistic holds NaN or infinity.

    Other buffers may: attention masks hold minus infinity.
    """
    statistics = [b for name, b in network.named_buffers() if name.rpartition(".")[2] in _LEARNED]
    flags = [tensor.isfinite().all() for tensor in (*network.parameters(), *statistics)]
    return not flags or bool(torch.stack(flags).all())  # asks the device once, not per tensor


def _flatten(node: CfgNode, prefix: str, flat: dict[str, str]) -> None:
    for key, value in node.items():
        if isinstance(value, CfgNode):
            _flatten(value, f"{prefix}{key}.", flat)
        else:
            flat[f"{prefix}{key}"] = repr(list(value) if isinstance(value, tuple) else value)


def _write_safetensors(payload: Payload, path: Path) -> None:
    """Write, force to the disk and read back a file with weights only."""
    content = safetensors_bytes(payload["state_dict"], payload["meta"])
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    if path.read_bytes() != content:
        raise WeightsError(f"{path} is damaged (what is read back differs from what was written).")


def _verify(path: Path, *, check_types: bool) -> None:
    """Read the whole file against its checksums, and perhaps load it as a user would."""
    if not path.is_file():
        raise WeightsError(f"There is no checkpoint {path}.")
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        if damaged is None and check_types:
            torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # torch raises many kinds for broken files
        reason = " ".join(str(error).split())
        raise WeightsError(f"{path} is damaged ({reason}).") from error
    if damaged is not None:
        raise WeightsError(f"{path} is damaged (checksum of {damaged}).")


def _reason(error: BaseException) -> str:
    """Return why a file was not written: torch hides a full disk behind an error of its own."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError):
            return cause.strerror or str(cause)
        cause = cause.__cause__ or cause.__context__
    return " ".join(str(error).split())


def _alias(source: Path, target: Path) -> None:
    """Give ``source`` the second name ``target``; a copy where the disk has no hard links."""
    part = target.with_name(target.name + ".part")
    part.unlink(missing_ok=True)
    try:
        os.link(source, part)
    except OSError:
        shutil.copyfile(source, part)
    part.replace(target)


def _sync_folder(folder: Path) -> None:
    """Force the renaming to the disk as well, where folders can be opened (not on Windows)."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
