"""A weight file of a run -> one to give away: safetensors, in its card no path of this machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import yaml

from lib.utils.errors import WeightsError
from lib.zoo.card import is_safetensors, own_config, read_card, read_safetensors, safetensors_bytes


def pack(path: Path, facts: Mapping[str, Any], *, half: bool = False) -> bytes:
    """Return a file to give away.

    Args:
        path: a ``.safetensors`` or ``.pth`` file with a model card.
        facts: what its card shall say instead of, or beside, what it says; empty values are left
            out.
        half: keep floating-point tensors as float16; a network reads them back as float32. Scores
            of the card are dropped then unless ``facts`` has new ones: they were another file's.

    Raises:
        WeightsError: the file has no card, or a value is too large for float16.
    """
    card = read_card(path)
    if not own_config(card):
        raise WeightsError(f"{path} has no model card, so nobody could use it; take files of runs.")
    state = _tensors(path)
    if half:
        lossy = any(
            value.is_floating_point() and value.element_size() > 2 for value in state.values()
        )
        state = {name: _halved(name, value) for name, value in state.items()}
        if lossy:
            card.pop("scores", None)
    card |= {name: value for name, value in facts.items() if value}
    card["config"] = without_paths(card["config"])
    return safetensors_bytes(state, card)


def without_paths(config: str) -> str:
    """Return a resolved YAML whose absolute paths, of the machine it ran on, are last names."""
    return yaml.safe_dump(_shortened(yaml.safe_load(config)), sort_keys=False, allow_unicode=True)


def _shortened(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _shortened(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_shortened(item) for item in value]
    if isinstance(value, str):
        for kind in (PurePosixPath, PureWindowsPath):
            if kind(value).is_absolute():
                return kind(value).name
    return value


def _tensors(path: Path) -> dict[str, Any]:
    if is_safetensors(path):
        return read_safetensors(path)[0]
    import torch

    return torch.load(path, map_location="cpu", weights_only=True)["state_dict"]


def _halved(name: str, value: Any) -> Any:
    if not value.is_floating_point():
        return value
    halved = value.half()
    if not halved.isfinite().all() and value.isfinite().all():
        raise WeightsError(
            f"{name} holds values beyond 65504, which float16 cannot hold: leave out --half."
        )
    return halved
