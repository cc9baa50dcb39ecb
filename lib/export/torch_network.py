"""TorchScript and ``torch.export`` files as networks, computed by torch on the processor."""

from __future__ import annotations

import io
import json
import logging
import pickle
import warnings
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lib.export.network import ExportedNetwork, Shape
from lib.utils.errors import WeightsError
from lib.utils.files import fault_in
from lib.zoo.metadata import archived_card

PROGRAM_ENDING = ".pt2"
CODE = ("custom_obj", "aotinductor", ".so")  # entries of archives that are, or may run, code


def is_torch_file(path: str | Path) -> bool:
    """Return whether a file is a network of its own, not weights: by name, else by what is in it.

    Checkpoints have the endings of TorchScript files, too; only those bring code along.
    """
    path = Path(path)
    if path.suffix.lower() == PROGRAM_ENDING:
        return True
    if path.suffix.lower() not in (".pt", ".pth", ".ts", ".torchscript"):
        return False
    return path.is_file() and _is_script(path)


def _is_script(path: Path) -> bool:
    """Return whether a file is TorchScript, which has a folder of code."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.partition("/")[2].startswith("code/") for name in archive.namelist())
    except zipfile.BadZipFile:  # weights of before PyTorch 1.6, safetensors, or damaged
        return False


class TorchNetwork(ExportedNetwork):
    """A TorchScript or ``torch.export`` file; see `ExportedNetwork`.

    Raises:
        WeightsError: the file is missing, damaged, or wants to run code of its own while loading.
    """

    def __init__(self, path: str | Path) -> None:
        super().__init__()
        path = Path(path)
        if not path.is_file():
            raise WeightsError(f"No weight file {path}{fault_in(path)}.")
        script = _is_script(path)
        try:
            # _held is a tuple: a module's own modules would be moved to other devices and formats.
            self.card = archived_card(path) or {}
            if self.card.get("task") == "rcnn":
                import torchvision  # noqa: F401 - has operators that the file names
            self._held = ((_load_script if script else _load_program)(path),)
        except WeightsError:
            raise
        except Exception as error:  # torch has an exception class for every kind of damage
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise WeightsError(f"{path} cannot be run by torch: {reason:.300}") from None
        self._path = path
        self.runtime = "TorchScript" if script else "torch.export"

    def run(self, images: Tensor) -> list[Tensor]:
        """Compute the file; see `ExportedNetwork.run`."""
        with torch.no_grad():
            found = self._held[0](images)
        return [found] if isinstance(found, Tensor) else list(found)

    def shapes(self, input_size: Sequence[int]) -> tuple[Shape, list[Shape]]:
        """Try the file on an image, as it declares nothing."""
        image = torch.zeros(1, 3, input_size[1], input_size[0])
        try:
            return image.shape, [tuple(output.shape) for output in self.run(image)]
        except Exception as error:  # whatever the recorded operators raise
            reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
            raise WeightsError(
                f"{self._path} cannot take images of {input_size[0]} x {input_size[1]}; set "
                f"MODEL.IMAGE_SIZE as it was exported ({reason:.200})."
            ) from None


def _load_script(path: Path) -> Callable[[Tensor], Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that newer torch prefers its other format
        return torch.jit.load(str(path), map_location="cpu").eval()


def _load_program(path: Path) -> Callable[[Tensor], Any]:
    _refuse_code(path)
    log = logging.getLogger("torch.export")
    level = log.level
    log.setLevel(logging.ERROR)  # what is wrong is told by whoever called, in one sentence
    try:
        return torch.export.load(str(path)).module()
    finally:
        log.setLevel(level)


def _refuse_code(path: Path) -> None:
    """Refuse a file whose loading would unpickle more than tensors.

    Raises:
        WeightsError: it would.
    """
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            content = archive.read(name) if name.endswith((".pt", "_config.json")) else b""
            if any(part in name for part in CODE) or not _is_plain(name, content):
                raise WeightsError(f"{path} is refused: {name} in it may run code when loaded.")


def _is_plain(name: str, content: bytes) -> bool:
    """Say whether an entry of an archive holds tensors and plain values only."""
    if name.endswith("_config.json"):
        entries = json.loads(content).get("config", {}).values()
        return not any(entry.get("use_pickle") for entry in entries)
    if content:
        try:
            torch.load(io.BytesIO(content), weights_only=True)
        except pickle.UnpicklingError:
            return False
    return True
