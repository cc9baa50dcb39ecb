"""An ONNX file as a network: same call, same answer, computed by onnxruntime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lib.utils.errors import ConfigError, WeightsError
from lib.utils.files import fault_in
from lib.zoo.card import unpack_card


def is_onnx(path: str | Path) -> bool:
    """Return whether a weights file is an ONNX model, by its name."""
    return Path(path).suffix.lower() == ".onnx"


class OnnxNetwork(nn.Module):
    """A model file with one input, images (B, 3, H, W), that answers as a network of ours.

    A file made for a fixed number of images is called as often as it takes.

    Attributes:
        card: what the file says about itself; empty for most files of others.

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
        self.input_shape: list[Any] = inputs[0].shape
        self.output_shapes = [node.shape for node in self._session.get_outputs()]
        self.card = unpack_card(self._session.get_modelmeta().custom_metadata_map)
        # Tasks ask a network's first parameter where it wants its input.
        self._place = nn.Parameter(torch.zeros(0), requires_grad=False)

    def forward(self, images: Tensor) -> Tensor | list[Tensor]:
        """Map normalised images (B, 3, H, W) to the file's output, or a list of several."""
        pixels = np.ascontiguousarray(images.detach().float().cpu().numpy())
        fixed = self.input_shape[0]
        if isinstance(fixed, int) and fixed != len(pixels):
            parts = [self._run(part) for part in _chunks(pixels, fixed)]
            outputs = [np.concatenate(maps)[: len(pixels)] for maps in zip(*parts, strict=True)]
        else:
            outputs = self._run(pixels)
        maps = [torch.from_numpy(output).to(images.device) for output in outputs]
        return maps[0] if len(maps) == 1 else maps

    def check_sizes(self, input_size: list[int], outputs: Mapping[str, Sequence[int]]) -> None:
        """Compare the file with what a top-down configuration says.

        Args:
            input_size: MODEL.IMAGE_SIZE, ``[width, height]``.
            outputs: shape, without the batch, of each output by name; in the file's order, its
                names may be others.

        Raises:
            WeightsError: with both sizes; sizes that the file leaves open fit everything.
        """
        if len(self.output_shapes) != len(outputs):
            raise WeightsError(
                f"The model file gives {len(self.output_shapes)} outputs, the configuration wants "
                f"{len(outputs)}, {' and '.join(outputs)}; set MODEL.TARGET_TYPE as it was trained."
            )
        shapes = [self.input_shape, *self.output_shapes]
        wanted = {"images": [3, input_size[1], input_size[0]], **outputs}
        for (name, size), shape in zip(wanted.items(), shapes, strict=True):
            if len(shape[1:]) != len(size) or not all(map(_fits, shape[1:], size)):
                raise WeightsError(
                    f"The model file has {name} {shape[1:]} (channels or joints first), the "
                    f"configuration {list(size)}; set MODEL.IMAGE_SIZE, HEATMAP_SIZE or CODEC, and "
                    "NUM_JOINTS."
                )

    def _run(self, pixels: np.ndarray) -> list[np.ndarray]:
        return self._session.run(None, {self._input: pixels})


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


def _chunks(pixels: np.ndarray, size: int) -> list[np.ndarray]:
    """Cut (B, ...) into parts of exactly ``size``; the last repeats its last image."""
    missing = -len(pixels) % size
    if missing:
        pixels = np.concatenate([pixels, np.repeat(pixels[-1:], missing, axis=0)])
    return list(pixels.reshape(-1, size, *pixels.shape[1:]))


def _fits(declared: Any, size: int) -> bool:
    return not isinstance(declared, int) or declared == size
