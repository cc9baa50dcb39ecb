"""A model file of any format -> a network."""

from __future__ import annotations

from pathlib import Path

from lib.export.network import ExportedNetwork
from lib.export.onnx_network import OnnxNetwork
from lib.export.torch_network import TorchNetwork, is_torch_file


def is_onnx(path: str | Path) -> bool:
    """Return whether a weights file is an ONNX model, by its name."""
    return Path(path).suffix.lower() == ".onnx"


def is_exported(path: str | Path) -> bool:
    """Return whether a file is a whole network, and not weights for one of ours."""
    return is_onnx(path) or is_torch_file(path)


def open_network(path: str | Path, threads: int = 0) -> ExportedNetwork:
    """Return the network that a file holds.

    Args:
        path: the file.
        threads: that one forward pass may use, where the file's runtime can be told; 0 for all.

    Raises:
        WeightsError: it is missing, damaged, or cannot be a network here.
        ConfigError: the package that runs it is not installed.
    """
    return OnnxNetwork(path, threads) if is_onnx(path) else TorchNetwork(path)
