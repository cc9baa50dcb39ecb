"""A model file of any format -> a network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lib.export.network import ExportedNetwork
from lib.export.onnx_network import OnnxNetwork
from lib.export.openvino_network import ENDING, OpenVinoNetwork
from lib.export.torch_network import TorchNetwork, is_torch_file
from lib.utils.errors import ConfigError


def is_onnx(path: str | Path) -> bool:
    """Return whether a weights file is an ONNX model, by its name."""
    return Path(path).suffix.lower() == ".onnx"


@dataclass(frozen=True)
class Runtime:
    """What computes files.

    Attributes:
        takes: whether it computes a file.
        load: a file, and the threads that one forward pass may use (0 for all) -> the network.
    """

    takes: Callable[[Path], bool]
    load: Callable[[Path, int], ExportedNetwork]


# By the names of TEST.RUNTIME; the first that takes a file opens it.
RUNTIMES = {
    "onnxruntime": Runtime(is_onnx, OnnxNetwork),
    "openvino": Runtime(lambda p: is_onnx(p) or p.suffix.lower() == ENDING, OpenVinoNetwork),
    "torch": Runtime(is_torch_file, lambda path, _: TorchNetwork(path)),
}


def is_exported(path: str | Path) -> bool:
    """Return whether a file is a whole network, and not weights for one of ours."""
    return any(runtime.takes(Path(path)) for runtime in RUNTIMES.values())


def open_network(path: str | Path, threads: int = 0, runtime: str = "") -> ExportedNetwork:
    """Return the network that a file holds.

    Args:
        path: the file.
        threads: that one forward pass may use, where the file's runtime can be told; 0 for all.
        runtime: one of ``RUNTIMES``; empty takes the first that computes such files.

    Raises:
        WeightsError: it is missing, damaged, or cannot be a network here.
        ConfigError: the package that runs it is not installed, or does not take such files.
    """
    able = [name for name, one in RUNTIMES.items() if one.takes(Path(path))]
    name = runtime or next(iter(able), "torch")  # which says what is wrong with the file
    if runtime and runtime not in able:
        raise ConfigError(
            f"TEST.RUNTIME {runtime} does not run {path}; {' and '.join(able) or 'nothing'} does."
        )
    return RUNTIMES[name].load(Path(path), threads)
