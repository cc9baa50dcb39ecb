"""One run of a network, written down: the forms that torch's exporters give it.

torch has two ways to ONNX. Its ``recording`` exporter keeps what the network did in one run
(TorchScript); torch calls it old and will drop it. The ``program`` exporter translates what
``torch.export`` finds, and needs the package onnxscript. Of networks that both can write, their
files answer alike; the first takes a tenth of the time, the second knows more operators.
"""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from typing import Any

import torch
from torch import Tensor

from lib.export.graph import Graph
from lib.utils.errors import ConfigError, ExportError

# Of the operators in ONNX files. The oldest that has all of ours; the program exporter has no
# older one than its own.
OPSETS = {"recording": 17, "program": 18}
RECORDED = 2  # images in the recorded run; a dimension of one could be taken for a constant


def sample_images(graph: Graph) -> Tensor:
    """Return images to record, and put the network into evaluation mode."""
    graph.network.eval()
    width, height = graph.sizes[0]
    return torch.randn(1 if graph.one_image else RECORDED, 3, height, width)


def find_program(graph: Graph, sample: Tensor, target: str) -> Any:
    """Return what ``torch.export`` finds, for a file that a message calls ``target``.

    Raises:
        ExportError: the network decides by its input.
    """
    shapes = dict.fromkeys(_free_axes(graph, [])["images"], torch.export.Dim.AUTO)
    with recording(target):  # the comparison finds sizes that were frozen
        return torch.export.export(graph.network, (sample,), dynamic_shapes=(shapes,), strict=False)


def record_onnx(graph: Graph, sample: Tensor, names: Sequence[str]) -> Any:
    """Return the ONNX model of the older exporter.

    Args:
        graph: what the file is to compute.
        sample: images to record.
        names: of the outputs.

    Raises:
        ExportError: the network has a part that the exporter does not know.
    """
    import onnx

    buffer = io.BytesIO()
    with recording("ONNX"):
        torch.onnx.export(
            graph.network,
            (sample,),
            buffer,  # type: ignore[arg-type]  # this exporter takes files, too
            input_names=["images"],
            output_names=list(names),
            dynamic_axes=_free_axes(graph, names),
            opset_version=OPSETS["recording"],
            dynamo=False,
        )
    return onnx.load_from_string(buffer.getvalue())


def translate_onnx(graph: Graph, sample: Tensor, names: Sequence[str]) -> Any:
    """Return the ONNX model of the newer exporter; as `record_onnx`.

    Raises:
        ConfigError: onnxscript is not installed.
    """
    _require_onnxscript()
    program = find_program(graph, sample, "ONNX")
    with recording("ONNX"):
        written: Any = torch.onnx.export(
            program,
            (sample,),
            input_names=["images"],
            output_names=list(names),
            opset_version=OPSETS["program"],
            verbose=False,
            external_data=False,
            dynamo=True,
        )
    model = written.model_proto
    _name_axes(model, _free_axes(graph, names))
    return model


# In the order in which they are tried.
ONNX_EXPORTERS: dict[str, Callable[[Graph, Tensor, Sequence[str]], Any]] = {
    "recording": record_onnx,
    "program": translate_onnx,
}


@contextmanager
def recording(target: str) -> Iterator[None]:
    """Run an exporter without its warnings and prints; turn its failures into a sentence."""
    hushed = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "onnxscript")]
    levels = [log.level for log in hushed]
    with warnings.catch_warnings(), torch.no_grad(), redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")  # on constants in the recording: the comparison finds them
        try:
            for log in hushed:
                log.setLevel(logging.ERROR)
            yield
        except Exception as error:  # exporters raise RuntimeError, TypeError and their own
            raise ExportError(
                f"The network cannot be written as {target}: {_first_line(error)}"
            ) from error
        finally:
            for log, level in zip(hushed, levels, strict=True):
                log.setLevel(level)


def last_line(error: Exception) -> str:
    """Return the line of a runtime's failure that says most."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[-1][:300]


def _first_line(error: BaseException) -> str:
    """Return the same of an exporter's: hints and tables follow."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:300]


def _free_axes(graph: Graph, names: Sequence[str]) -> dict[str, dict[int, str]]:
    """Return the axes of the input and of outputs whose length may change, by name."""
    sides = {2: "height", 3: "width"} if len(graph.sizes) > 1 else {}
    if graph.one_image:
        return {"images": sides, **{name: {0: "people"} for name in names}}
    return {name: {0: "batch", **sides} for name in ("images", *names)}


def _name_axes(model: Any, axes: Mapping[str, Mapping[int, str]]) -> None:
    """Call free axes what they are, where the exporter gave them numbers (``s34``)."""
    del model.graph.value_info[:]  # shapes of what lies between, by the numbers
    for value in (*model.graph.input, *model.graph.output):
        for axis, name in axes[value.name].items():
            length = value.type.tensor_type.shape.dim
            if axis < len(length) and length[axis].dim_param:
                length[axis].dim_param = name


def _require_onnxscript() -> None:
    try:
        import onnxscript  # noqa: F401 - an optional package
    except ImportError:
        raise ConfigError(
            "torch's newer ONNX exporter takes the package onnxscript: pip install -e '.[export]'."
        ) from None
