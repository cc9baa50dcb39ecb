"""An ONNX file as a network: same call, same answer, computed by onnxruntime."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lib.export.network import ExportedNetwork, Shape
from lib.utils.errors import ConfigError, WeightsError
from lib.utils.files import fault_in
from lib.zoo.card import unpack_card

FLOATS = {
    "tensor(float)": torch.float32,
    "tensor(float16)": torch.float16,
    "tensor(double)": torch.float64,
}


class OnnxNetwork(ExportedNetwork):
    """An ONNX file; see `ExportedNetwork`.

    Raises:
        WeightsError: the file is missing, damaged, or has other than one image input.
        ConfigError: onnxruntime is not installed.
    """

    def __init__(self, path: str | Path, threads: int = 0) -> None:
        """Open the file.

        Args:
            path: the model.
            threads: that one forward pass may use; 0 leaves it to onnxruntime.
        """
        super().__init__()
        self._session = _open(Path(path), threads)
        # Optional weights may be listed as inputs, too; the images are what has no value yet.
        given = {node.name for node in self._session.get_overridable_initializers()}
        inputs = [node for node in self._session.get_inputs() if node.name not in given]
        if len(inputs) != 1 or not _takes_images(inputs[0]):
            found = ", ".join(f"{node.name} {node.shape} of {node.type}" for node in inputs)
            raise WeightsError(
                f"{path} must have one input, images (B, 3, height, width) of floating-point "
                f"numbers, but has {found or 'none'}."
            )
        self._path = path
        self._input, self._type = inputs[0].name, FLOATS[inputs[0].type]
        self.provider: str = self._session.get_providers()[0]  # the one that runs, after fallbacks
        self.runtime = f"{self.provider} of onnxruntime"
        self.on_cpu = self.provider == "CPUExecutionProvider"
        self.input_shape: list[Any] = inputs[0].shape
        self.output_shapes = [node.shape for node in self._session.get_outputs()]
        self.fixed = self.input_shape[0] if isinstance(self.input_shape[0], int) else None
        self.card = unpack_card(self._session.get_modelmeta().custom_metadata_map)

    def run(self, images: Tensor) -> list[Tensor]:
        """Compute the file; see `ExportedNetwork.run`. Files of half precision answer in float32.

        Raises:
            WeightsError: it cannot be computed for images of this size.
        """
        try:
            outputs = self._session.run(None, {self._input: images.to(self._type).numpy()})
        except Exception as error:  # onnxruntime has an exception class for every stage
            size = tuple(images.shape)
            raise WeightsError(
                f"{self._path} cannot be computed for images {size}: {_first_line(error)}"
            ) from None
        answers = (torch.from_numpy(output) for output in outputs)
        return [a.float() if a.dtype in FLOATS.values() else a for a in answers]

    def shapes(self, input_size: Sequence[int]) -> tuple[Shape, list[Shape]]:
        """Return the shapes that the file declares."""
        return self.input_shape, self.output_shapes


def _open(path: Path, threads: int) -> Any:
    if not path.is_file():
        raise WeightsError(f"No weight file {path}{fault_in(path)}.")
    try:
        import onnxruntime  # an optional package
    except ImportError:
        raise ConfigError(
            "Running an ONNX file takes onnxruntime: pip install -e '.[export]'."
        ) from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3  # files of old exporters bring a warning per weight
    wanted = ("CUDAExecutionProvider", "CPUExecutionProvider")
    providers = [name for name in wanted if name in onnxruntime.get_available_providers()]
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=providers)
    except Exception as error:  # onnxruntime has an exception class for every stage
        raise WeightsError(f"{path} cannot be run by onnxruntime: {_first_line(error)}") from None


def _takes_images(node: Any) -> bool:
    channels = node.shape[1] if len(node.shape) == 4 else 0
    return node.type in FLOATS and (channels == 3 or channels is None or isinstance(channels, str))


def _first_line(error: Exception) -> str:
    return f"{(str(error).strip() or type(error).__name__).splitlines()[0]:.300}"
