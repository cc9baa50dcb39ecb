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
        if len(inputs) != 1 or len(inputs[0].shape) != 4:
            found = ", ".join(f"{node.name} {node.shape}" for node in inputs)
            raise WeightsError(
                f"{path} must have one input, images (B, 3, height, width), but has {found}."
            )
        self._input = inputs[0].name
        self.provider: str = self._session.get_providers()[0]  # the one that runs, after fallbacks
        self.runtime = f"{self.provider} of onnxruntime"
        self.on_cpu = self.provider == "CPUExecutionProvider"
        self.input_shape: list[Any] = inputs[0].shape
        self.output_shapes = [node.shape for node in self._session.get_outputs()]
        self.fixed = self.input_shape[0] if isinstance(self.input_shape[0], int) else None
        self.card = unpack_card(self._session.get_modelmeta().custom_metadata_map)

    def run(self, images: Tensor) -> list[Tensor]:
        """Compute the file; see `ExportedNetwork.run`."""
        outputs = self._session.run(None, {self._input: images.numpy()})
        return [torch.from_numpy(output) for output in outputs]

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
        reason = str(error).strip().splitlines()[0]
        raise WeightsError(f"{path} cannot be run by onnxruntime: {reason:.300}") from None
