"""Weight files -> plain ``{name: tensor}``; nothing in a file is ever executed.

``torch.load`` runs with ``weights_only=True``. Published files hold a few harmless objects besides
tensors (NumPy scalars and arrays of numbers, a configuration node); exactly those are let through.
"""

from __future__ import annotations

import pickle
import re
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.serialization import safe_globals

from lib.models.registry import StateDict
from lib.utils.errors import WeightsError
from lib.zoo import resolve_weights
from lib.zoo.card import is_safetensors, read_safetensors

Payload = dict[str, Any]
WRAPPERS = ("_orig_mod.", "module.", "1.")  # torch.compile; (D)DP; half-precision wrapper of old
NESTED = ("state_dict", "model", "best_state_dict")


PASSENGERS = ("data_preprocessor.",)  # tensors in published files that are no weights


def _numpy_makers() -> tuple[Any, Any]:
    """Return what pickles of NumPy scalars and arrays name (their module moved in NumPy 2)."""
    return np.float64(0).__reduce__()[0], np.zeros(1).__reduce__()[0]


_SCALAR, _ARRAY = _numpy_makers()
ALLOWED: list[Any] = [
    (OrderedDict, "yacs.config.CfgNode"),
    *((_SCALAR, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
    *((_ARRAY, f"numpy.{core}.multiarray._reconstruct") for core in ("core", "_core")),
    bytes,  # of an array without entries
    np.ndarray,
    np.dtype,
    *{type(np.dtype(code)) for code in np.typecodes["AllInteger"] + np.typecodes["Float"] + "?USM"},
]


def read_checkpoint(path: str | Path) -> tuple[StateDict, Payload]:
    """Read a weight file of ours or of any published project, onto the CPU.

    Args:
        path: the file, or whatever else ``resolve_weights`` takes.

    Returns:
        The network's tensors by name, wrapper prefixes stripped; and the whole file where it holds
        more than the tensors (``meta``, ``epoch``, ``optimizer`` ...), else ``{}``.

    Raises:
        WeightsError: the file is missing or damaged, holds objects other than tensors and plain
            values, or no tensors at all.
    """
    path = resolve_weights(path)
    if is_safetensors(path):
        state, card = read_safetensors(path)
        return unwrap({"state_dict": state, **({"meta": card} if card else {})}, str(path))
    try:
        with safe_globals(ALLOWED):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"{path} is damaged or holds objects that are not weights{_object(error)}, which could "
            "run code, so it is not read. Save its state_dict alone, where you trust it."
        ) from None
    except Exception as error:  # damaged bytes make the unpickler raise anything
        raise WeightsError(
            f"{path} is damaged or not a PyTorch file{_reason(error)}; copy or download it again."
        ) from None
    return unwrap(content, str(path))


def unwrap(content: Any, where: str = "the weights") -> tuple[StateDict, Payload]:
    """Find the network's tensors in what a file held; see ``read_checkpoint``.

    Raises:
        WeightsError: there are no tensors by name in it.
    """
    if not isinstance(content, dict):
        raise WeightsError(f"{where} must hold tensors by name, got a {type(content).__name__}.")
    nested = next((key for key in NESTED if isinstance(content.get(key), dict)), None)
    state = content if nested is None else content[nested]
    tensors = {
        str(key): value
        for key, value in state.items()
        if isinstance(value, Tensor) and not str(key).startswith(PASSENGERS)
    }
    if not tensors:
        raise WeightsError(f"{where} holds no tensors by name.")
    return strip_wrappers(tensors), {} if nested is None else dict(content)


def strip_wrappers(state: StateDict) -> StateDict:
    """Remove the prefixes that wrappers put before every name."""
    prefix = next((prefix for prefix in WRAPPERS if _all_start(state, prefix)), None)
    if prefix is None:
        return state
    return strip_wrappers({key[len(prefix) :]: value for key, value in state.items()})


def _all_start(names: Iterable[str], prefix: str) -> bool:
    return all(name.startswith(prefix) for name in names)


def _reason(error: Exception) -> str:
    """Return the words of PyTorch's own file reader; those of a lost unpickler say nothing."""
    words = str(error).strip().partition("\n")[0].rstrip(".")
    return f" ({words})" if isinstance(error, RuntimeError) and words else ""


def _object(error: Exception) -> str:
    """Return the name of the refused object in brackets, if the error gives it."""
    found = re.search(r"GLOBAL ([\w.]+)", str(error))
    return f" ({found[1]})" if found else ""
