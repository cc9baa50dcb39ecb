"""The model card: what one must know to use a model file rightly, kept inside the file.

ONNX and safetensors files keep it as metadata, one JSON text per key, TorchScript and torch.export
files as an extra file, our ``.pth`` files as ``meta``. The keys are those of ``Task.describe`` and,
as far as a file has them:

* ``model`` (``MODEL.NAME``), ``config`` (the resolved YAML as text, its skeleton inside),
  ``skeleton``;
* top-down: ``outputs``, names and shapes of what the network gives without the batch, and what its
  codec says, for instance ``heatmap_size`` (``[width, height]``);
* ``mean`` and ``std`` (of pixels in [0, 1], in the order the network wants its channels),
  ``input_size`` (``[width, height]``);
* ``scores`` (``metrics``, ``dataset``, ``boxes``), ``data`` (``file`` and ``sha256`` of training
  annotations), ``licence``, ``version`` of this package;
* ``calibration``: maps of scores (``lib.evaluation.calibration``), if they were fitted.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib.utils.errors import WeightsError
from lib.utils.files import fault_in
from lib.zoo.metadata import archived_card, onnx_metadata, openvino_metadata

if TYPE_CHECKING:
    from torch import Tensor

SUFFIX = ".safetensors"
METADATA = {".onnx": onnx_metadata, ".xml": openvino_metadata}  # readers of files that have such
OURS = {"model", "task", "codec"}  # keys that tell our cards from others' meta data


def pack_card(card: Mapping[str, Any]) -> dict[str, str]:
    """Return the card as texts by key, as metadata wants it."""
    return {key: json.dumps(_plain(value)) for key, value in card.items()}


def unpack_card(texts: Mapping[str, str]) -> dict[str, Any]:
    """Return the card in metadata; texts that are not JSON (other exporters') stay texts."""
    return {key: _value(text) for key, text in texts.items()}


def is_safetensors(path: str | Path) -> bool:
    """Return whether a weights file is a safetensors file, by its name."""
    return Path(path).suffix.lower() == SUFFIX


def read_safetensors(path: Path, *, tensors: bool = True) -> tuple[dict[str, Tensor], dict]:
    """Return the tensors by name, on the CPU, and the card of a safetensors file.

    Raises:
        WeightsError: it is damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            names = file.keys() if tensors else ()
            state = {name: file.get_tensor(name) for name in names}
            return state, unpack_card(file.metadata() or {})
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsError(f"{path} is damaged or not a safetensors file ({error}).") from None


def safetensors_bytes(state: Mapping[str, Tensor], card: Mapping[str, Any]) -> bytes:
    """Return a safetensors file; tensors that share memory are written each for itself."""
    from safetensors.torch import save

    tensors = {name: value.detach().cpu().contiguous() for name, value in state.items()}
    starts = {value.untyped_storage().data_ptr() for value in tensors.values() if value.numel()}
    if len(starts) < sum(value.numel() > 0 for value in tensors.values()):
        tensors = {name: value.clone() for name, value in tensors.items()}
    return save(tensors, {**pack_card(card), "format": "pt"})


def read_card(path: str | Path) -> dict[str, Any]:
    """Return what a weight file, or an exported model, says about itself; ``{}`` if nothing.

    Raises:
        WeightsError: the file is missing or, as safetensors, damaged.
    """
    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"No weight file {path}{fault_in(path)}.")
    if is_safetensors(path):
        card = read_safetensors(path, tensors=False)[1]
        card.pop("format", None)
        return card
    metadata = METADATA.get(path.suffix.lower())
    if metadata is not None:
        return unpack_card(metadata(path))
    exported = archived_card(path)
    if exported is not None:
        return exported
    import pickle
    import zipfile

    import torch

    if not zipfile.is_zipfile(path):  # nothing of ours has another format
        return {}
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (pickle.UnpicklingError, RuntimeError, ValueError):
        return {}
    meta = content.get("meta") if isinstance(content, dict) else None
    return dict(meta) if isinstance(meta, dict) and own_config(meta) else {}


def own_config(card: Mapping[str, Any]) -> str:
    """Return the configuration in a card of ours; '' in others' (mmpose's is Python text)."""
    config = card.get("config")
    return config if isinstance(config, str) and OURS & card.keys() else ""


def _plain(value: Any) -> Any:
    """Return ``value`` without what JSON cannot say: NaN becomes null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
