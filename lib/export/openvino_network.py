"""OpenVINO's files, and ONNX files, as networks that OpenVINO computes on the processor."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lib.export.exporters import last_line
from lib.export.network import ExportedNetwork, Shape
from lib.utils.errors import ConfigError, WeightsError
from lib.utils.files import fault_in
from lib.utils.signal_stack import kept_signal_stack
from lib.zoo.card import read_card

ENDING = ".xml"
FLOATS = {"float16": torch.float16, "float32": torch.float32, "float64": torch.float64}


class OpenVinoNetwork(ExportedNetwork):
    """A file that OpenVINO computes, in float32 if the file is; see `ExportedNetwork`.

    Raises:
        WeightsError: the file is missing, damaged, or has other than one image input.
        ConfigError: openvino is not installed.
    """

    def __init__(self, path: str | Path, threads: int = 0) -> None:
        """Open the file.

        Args:
            path: the model; ``.xml`` has its weights beside it, in ``.bin``.
            threads: that one forward pass may use; 0 leaves it to OpenVINO.
        """
        super().__init__()
        path = Path(path)
        self._compiled = (_open(path, threads),)  # a tuple: not a part to be moved or copied
        inputs = self._compiled[0].inputs
        found = ", ".join(
            f"{one.partial_shape} of {one.element_type.to_string()}" for one in inputs
        )
        shape = _shape(inputs[0]) if len(inputs) == 1 else []
        kind = inputs[0].element_type.to_dtype().name if inputs else ""
        if len(shape) != 4 or shape[1] not in (3, None) or kind not in FLOATS:
            raise WeightsError(
                f"{path} must have one input, images (B, 3, height, width) of floating-point "
                f"numbers, but has {found or 'none'}."
            )
        self._path, self._type, self._input = path, FLOATS[kind], shape
        self._outputs: list[Shape] = [_shape(one) for one in self._compiled[0].outputs]
        self.runtime = "OpenVINO"
        self.fixed = shape[0]
        self.card = read_card(path)

    def run(self, images: Tensor) -> list[Tensor]:
        """Compute the file; see `ExportedNetwork.run`. Files of half precision answer in float32.

        Raises:
            WeightsError: it cannot be computed for images of this size.
        """
        try:
            outputs = self._compiled[0]([images.to(self._type).numpy()]).to_tuple()
        except RuntimeError as error:
            size = tuple(images.shape)
            raise WeightsError(
                f"{self._path} cannot be computed for images {size}: {last_line(error)}"
            ) from None
        answers = [torch.from_numpy(output) for output in outputs]
        return [a.float() if a.dtype in FLOATS.values() else a for a in answers]

    def shapes(self, input_size: Sequence[int]) -> tuple[Shape, list[Shape]]:
        """Return the shapes that the file declares."""
        return self._input, self._outputs


def _open(path: Path, threads: int) -> Any:
    weights = path.with_suffix(".bin") if path.suffix.lower() == ENDING else path
    for file in (path, weights):
        if not file.is_file():
            raise WeightsError(f"No weight file {file}{fault_in(file)}.")
    try:
        openvino: Any = import_module("openvino")  # an optional package
    except ImportError:
        raise ConfigError(
            f"Running {path} by OpenVINO takes openvino: pip install -e '.[openvino]'."
        ) from None
    # Some processors would compute in bfloat16 unless told.
    options: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    if threads:
        options["INFERENCE_NUM_THREADS"] = threads
    try:
        with kept_signal_stack():
            return openvino.Core().compile_model(str(path), "CPU", options)
    except RuntimeError as error:
        raise WeightsError(f"{path} cannot be run by OpenVINO: {last_line(error)}") from None


def _shape(node: Any) -> list[int | None]:
    """Return the lengths of an input's or output's axes; None where they are free."""
    shape = node.partial_shape
    if not shape.rank.is_static:
        return []
    return [length.get_length() if length.is_static else None for length in shape]
