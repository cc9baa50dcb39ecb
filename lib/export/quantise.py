"""ONNX files that compute in int8: static quantisation (Jacob et al. 2018, CVPR, Sec. 3).

Weights get a scale per output channel, activations one per tensor, from the least and largest
values that calibrating images bring about. Only convolutions and products of matrices are
quantised, which is where the time goes: what reads joints behind them stays in float32. So do the
first ones, which see pixels, the last, whose answer is read to fractions of its steps, and those
of groups (depthwise): their channels differ too much for the one scale of their input.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

from torch import Tensor

from lib.utils.errors import ConfigError, ExportError
from lib.zoo.card import pack_card

Tensors = Callable[[Any], Iterable[str]]  # names of what a node takes, or gives
QUANTISED = ("Conv", "ConvTranspose", "Gemm", "MatMul")  # operators of ONNX


class _Images:
    """What onnxruntime asks calibrating images from, one batch after the other."""

    def __init__(self, name: str, batches: Iterable[Tensor]) -> None:
        self._name = name
        self._batches: Iterator[Tensor] = iter(batches)

    def get_next(self) -> dict[str, Any] | None:
        """Return the next batch by the name of the file's input; None at the end."""
        batch = next(self._batches, None)
        return None if batch is None else {self._name: batch.numpy()}


def quantise_onnx(
    source: Path, target: Path, batches: Iterable[Tensor], card: Mapping[str, Any]
) -> None:
    """Write the int8 form of an ONNX file.

    Args:
        source: the file of float32.
        target: the file to write.
        batches: of calibrating images (B, 3, H, W), normalised, float32, contiguous.
        card: is kept in the file, beside ``precision: int8``.

    Raises:
        ConfigError: onnxruntime or onnx is not installed.
        ExportError: onnxruntime cannot quantise it.
    """
    try:
        import onnx
        from onnxruntime import quantization
        from onnxruntime.quantization.shape_inference import quant_pre_process
    except ImportError as error:
        raise ConfigError(
            f"Writing int8 takes onnxruntime and onnx ({error}): pip install -e '.[export]'."
        ) from None
    model = onnx.load(str(source))
    images: Any = _Images(model.graph.input[0].name, batches)
    level = logging.getLogger().level
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(StringIO()):
        merged = Path(folder) / "merged.onnx"
        try:
            logging.getLogger().setLevel(logging.ERROR)  # it advises on its own earlier steps
            quant_pre_process(model, merged, skip_symbolic_shape=True)
            quantization.quantize_static(
                merged,
                target,
                images,
                op_types_to_quantize=list(QUANTISED),
                nodes_to_exclude=_kept_whole(onnx.load(str(merged)).graph),
                per_channel=True,
                activation_type=quantization.QuantType.QUInt8,
                weight_type=quantization.QuantType.QInt8,
                extra_options={"CalibMovingAverage": True},  # of batches: outliers count less
            )
        except (RuntimeError, ValueError, AssertionError, KeyError) as error:
            raise ExportError(f"{source} cannot be quantised: {error!s:.300}") from error
        finally:
            logging.getLogger().setLevel(level)
    written = onnx.load(str(target))
    onnx.helper.set_model_props(written, pack_card({**card, "precision": "int8"}))
    onnx.save(written, str(target))


def _kept_whole(graph: Any) -> list[str]:
    """Return the names of operators that stay in float32: first, last, and of groups."""
    nodes = list(graph.node)  # in the order in which they are computed
    first = _without(nodes, lambda node: node.input, lambda node: node.output)
    last = _without(nodes[::-1], lambda node: node.output, lambda node: node.input)
    grouped = [n.name for n in nodes if any(a.name == "group" and a.i > 1 for a in n.attribute)]
    return sorted({*first, *last, *grouped})


def _without(nodes: list[Any], before: Tensors, behind: Tensors) -> list[str]:
    """Return the first quantised operators on the way of the nodes, by name."""
    reached: set[str] = set()
    found = []
    for node in nodes:
        later = not reached.isdisjoint(before(node))
        if node.op_type in QUANTISED and not later:
            found.append(node.name)
        if later or node.op_type in QUANTISED:
            reached.update(behind(node))
    return found
