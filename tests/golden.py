"""Weights and input that depend on key names only, so that two implementations can be compared."""

import json
import zlib
from pathlib import Path

import numpy as np
import torch


def golden_state(official, std=None):
    """Fill ``official`` (name -> tensor): every tensor is drawn from a generator keyed by its name.

    This is recipe "fan" of the reference outputs (mode B of EEffPose's): matrices N(0, 1 / fan-in),
    one-dimensional weights, fusion weights and running variances in [0.5, 1.5], biases and running
    means N(0, 0.02). The bottom-up outputs have matrices N(0, ``std`` = 0.02).
    """
    return {key: _draw(key, tensor, std) for key, tensor in sorted(official.items())}


def _draw(key, like, std):
    if not like.is_floating_point():
        return torch.zeros_like(like) if key.endswith("num_batches_tracked") else like.clone()
    generator = torch.Generator().manual_seed(zlib.crc32(key.encode()))
    shape = tuple(like.shape)
    if like.ndim == 5 or key.endswith("edge_weights"):  # weights of a fusion: positive
        return torch.rand(shape, generator=generator) + 0.5
    if like.ndim > 1:
        fan = max(1, like[0].numel())
        return torch.randn(shape, generator=generator) * (std or (1.0 / fan) ** 0.5)
    if key.endswith(("running_var", ".weight")):
        return torch.rand(shape, generator=generator) + 0.5
    return torch.randn(shape, generator=generator) * 0.02


def golden_input(height, width):
    """Return the input (1, 3, height, width) of the reference outputs."""
    return torch.randn((1, 3, height, width), generator=torch.Generator().manual_seed(0))


def read_keys(name):
    """Return the official ``{key: shape}`` in ``tests/data/keys/<name>.txt``.

    A line is ``key 32,64,3,3``; ``prefix bn 32`` stands for the five entries of a batch-norm.
    """
    shapes = {}
    file = Path(__file__).parent / "data" / "keys" / f"{name}.txt"
    for line in file.read_text().splitlines():
        key, *kind, size = line.split()
        if kind:
            width = (int(size),)
            for entry in ("weight", "bias", "running_mean", "running_var"):
                shapes[f"{key}.{entry}"] = width
            shapes[f"{key}.num_batches_tracked"] = ()
        else:
            shapes[key] = tuple(int(n) for n in size.split(","))
    return shapes


def plus_state(shapes):
    """Fill ``{key: shape}`` by recipe "fan+": "fan", with tables and gates of attention larger."""
    return {key: _draw_plus(key, tuple(shape)) for key, shape in sorted(shapes.items())}


def _draw_plus(key, shape):
    leaf = key.rpartition(".")[2]
    generator = torch.Generator().manual_seed(zlib.crc32(key.encode()))
    if leaf in ("gamma", "beta"):
        return torch.randn(shape, generator=generator)
    if leaf == "pos_embed":
        return torch.randn(shape, generator=generator) * 0.5
    if leaf in ("g", "scale"):
        return torch.rand(shape, generator=generator) + 0.5
    kind = torch.long if leaf == "num_batches_tracked" else torch.float32
    return _draw(key, torch.empty(shape, dtype=kind), None)


def mmpose_golden(shared, name):
    """Return the shapes by name and the outputs of a reference in ``golden/mmpose``."""
    folder = shared / "golden" / "mmpose"
    shapes = json.loads((folder / f"{name}.keys.json").read_text())
    outputs = np.load(folder / f"{name}.npz")
    return shapes, {key: torch.from_numpy(outputs[key]) for key in outputs}
