"""Digests: short numbers that differ where two samples, or two sets of weights, do."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

# Of a sample of a batch: its index in the training set, what was drawn for it, its pixels.
SAMPLE = np.dtype([("index", "<u4"), ("view", "<u2"), ("pixels", "<u2")])

_COLUMNS = 1024  # words that are told apart by their place
_FACTORS = np.random.default_rng(7).integers(1, 2**63, _COLUMNS, dtype=np.uint64) | np.uint64(1)
_PRIME = np.uint64(1_099_511_628_211)
_INTEGERS = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


def sample_digests(samples: Sequence[int], batch: dict[str, Any]) -> np.ndarray:
    """Return (N,) `SAMPLE` rows of a batch on the host.

    Args:
        samples: N indices in the training set.
        batch: values by name. Pictures (uint8, or named ``image...``) count as pixels; all else,
            joints in the crop above all, says which view was drawn.
    """
    count = len(samples)
    sums = {kind: np.zeros(count, np.uint64) for kind in ("view", "pixels")}
    for name, value in batch.items():
        for leaf in _leaves(value):
            shown = name.startswith("image") or getattr(leaf, "dtype", None) == torch.uint8
            kind = "pixels" if shown else "view"
            sums[kind] = sums[kind] * _PRIME + _rows(leaf, count)
    result = np.zeros(count, SAMPLE)
    result["index"] = samples
    for kind, words in sums.items():
        result[kind] = (
            words ^ words >> np.uint64(16) ^ words >> np.uint64(32) ^ words >> np.uint64(48)
        )
    return result


def weights_digest(network: nn.Module) -> int:
    """Return a number below 2^64 of every bit of a network's parameters and buffers."""
    words = np.array(list(tensor_digests(network).values()), np.uint64)
    return int.from_bytes(blake2b(words.tobytes(), digest_size=8).digest(), "little")


def tensor_digests(network: nn.Module) -> dict[str, int]:
    """Return a number below 2^64 of every bit of each parameter and buffer, by name.

    It is summed on their device; only the sums come to the host.
    """
    sums = {}
    for name, tensor in network.state_dict().items():
        if isinstance(tensor, Tensor) and tensor.numel():
            whole = tensor.detach()
            if whole.is_complex() or whole.element_size() not in _INTEGERS:
                continue
            bits = whole.flatten().view(_INTEGERS[whole.element_size()])
            sums[name] = bits.sum(dtype=torch.int64)
    if not sums:
        return {}
    words = torch.stack(list(sums.values())).cpu().numpy().view(np.uint64)
    return dict(zip(sums, words.tolist(), strict=True))


def _leaves(value: Any) -> Iterator[Any]:
    """Yield the arrays of a value, however it is nested, but lists of one per sample whole."""
    if isinstance(value, dict):
        for item in value.values():
            yield from _leaves(item)
    else:
        yield value


def _rows(value: Any, count: int) -> np.ndarray:
    """Return (N,) words, one per sample where ``value`` has a row for each, else N the same."""
    if isinstance(value, Tensor):
        value = value.detach().numpy() if value.dtype != torch.bfloat16 else value.float().numpy()
    if isinstance(value, np.ndarray) and value.dtype != object:
        whole = not value.ndim or len(value) != count
        words = _words(value[None] if whole else value)
        return np.repeat(words, count) if whole else words
    if isinstance(value, (list, tuple)):
        parts = np.array([_one(item) for item in value], np.uint64)
        if len(parts) == count:
            return parts
        value = parts.tobytes()
    return np.full(count, zlib.crc32(repr(value).encode()), np.uint64)


def _one(item: Any) -> int:
    """Return the word of anything that belongs to one sample."""
    if isinstance(item, dict):
        item = list(item.items())
    if isinstance(item, (list, tuple)):
        return zlib.crc32(repr([_one(part) for part in item]).encode())
    return int(_rows(item, 1)[0]) if not isinstance(item, str) else zlib.crc32(item.encode())


def _words(rows: np.ndarray) -> np.ndarray:
    """Return (N,) sums of (N, ...) values that depend on every bit and, to 8 KiB, on its place."""
    if not rows.size:
        return np.full(len(rows), rows.ndim, np.uint64)
    data = np.ascontiguousarray(rows).reshape(len(rows), -1).view(np.uint8)
    if spare := -data.shape[1] % 8:
        data = np.pad(data, ((0, 0), (0, spare)))
    words = data.view(np.uint64)
    whole = words.shape[1] // _COLUMNS * _COLUMNS
    sums = words[:, :whole].reshape(len(rows), -1, _COLUMNS).sum(axis=1, dtype=np.uint64)
    rest = words[:, whole:]
    sums[:, : rest.shape[1]] += rest * _PRIME
    return (sums * _FACTORS).sum(axis=1, dtype=np.uint64) * _PRIME
