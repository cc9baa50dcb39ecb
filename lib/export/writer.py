"""Networks -> files of several formats, each compared with the network before it is kept.

All formats record one run of the network. What a network decides in Python during that run (by
the number of images, say) would be frozen into the file; the comparison therefore takes other
numbers of images than the recording.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lib.export.exporters import (
    ONNX_EXPORTERS,
    find_program,
    last_line,
    recording,
    sample_images,
)
from lib.export.graph import Graph
from lib.export.onnx_network import OnnxNetwork
from lib.export.torch_network import TorchNetwork
from lib.utils.errors import ConfigError, ExportError
from lib.zoo.card import pack_card
from lib.zoo.metadata import CARD_FILE

logger = logging.getLogger(__name__)

TOLERANCE = 1e-4  # of the spread of the network's own output
COMPARED = (1, 3)  # images in the runs that are compared
Forward = Callable[[Tensor], Tensor | list[Tensor]]


def export_onnx(
    graph: Graph,
    path: Path,
    card: Mapping[str, Any],
    tolerance: float = TOLERANCE,
    exporters: Sequence[str] = tuple(ONNX_EXPORTERS),
) -> float:
    """Write an ONNX file for any number of images; return how far it is from the network.

    Args:
        graph: what the file is to compute; its network is put into evaluation mode.
        path: the file; whatever was there stays unless the new one passes.
        card: is kept in the file, see ``lib.zoo.card``.
        tolerance: largest accepted difference, see `Graph`.
        exporters: of torch, to be tried one after the other; see ``lib.export.exporters``.

    Raises:
        ExportError: the network has a part that none of them can express, or the file computes
            something else.
        ConfigError: a package of the extra ``export`` is missing.
    """
    _import_onnx()
    faults: list[str] = []
    for name in exporters:
        try:
            found = _write_onnx(graph, path, card, tolerance, name)
        except (ExportError, ConfigError) as error:
            faults.append(f"{name}: {error}")
            if len(exporters) == 1:
                raise
            continue
        because = "".join(f" ({fault})" for fault in faults)
        logger.info("%s: written by torch's %s exporter.%s", path, name, because)
        return found
    raise ExportError(" ".join(faults))


def _write_onnx(
    graph: Graph, path: Path, card: Mapping[str, Any], tolerance: float, exporter: str
) -> float:
    import onnx

    sample = sample_images(graph)
    with torch.no_grad():
        names = list(graph.names) or _output_names(graph.network(sample))
    with graph.recording():
        model = ONNX_EXPORTERS[exporter](graph, sample, names)
    onnx.helper.set_model_props(model, pack_card({**card, "exporter": exporter}))
    with kept_if_right(path) as draft:
        with graph.recording() as own:
            onnx.save(model, str(draft))
            found = compare(graph, OnnxNetwork(draft, threads=1), tolerance)
        if not own:
            return found
        for value in model.graph.initializer:
            if value.name in own:
                value.CopyFrom(onnx.numpy_helper.from_array(own[value.name].numpy(), value.name))
        onnx.save(model, str(draft))
        return max(found, compare(graph, OnnxNetwork(draft, threads=1), tolerance))


def export_torchscript(
    graph: Graph, path: Path, card: Mapping[str, Any], tolerance: float = TOLERANCE
) -> float:
    """Write a TorchScript file; as `export_onnx`, with the card as extra file ``card.json``."""
    sample = sample_images(graph)
    with recording("TorchScript"), graph.recording():
        script: Any = torch.jit.trace(graph.network, sample, check_trace=False, strict=False)
    with graph.recording() as own:
        found = compare(graph, script, tolerance) if own else 0.0
    script.load_state_dict(own, strict=False)
    text = json.dumps(dict(card))
    with kept_if_right(path) as draft:
        torch.jit.save(script, str(draft), _extra_files={CARD_FILE: text.encode()})
        return max(found, compare(graph, TorchNetwork(draft), tolerance))


def export_program(
    graph: Graph, path: Path, card: Mapping[str, Any], tolerance: float = TOLERANCE
) -> float:
    """Write a ``torch.export`` file (.pt2); as `export_torchscript`."""
    if graph.one_image:
        raise ExportError(
            "A torch.export file cannot hold this network: how many people come out depends on the "
            "image. Use --format onnx or torchscript."
        )
    program = find_program(graph, sample_images(graph), "a torch.export file")
    with kept_if_right(path) as draft:
        with recording("a torch.export file"):
            torch.export.save(program, str(draft), extra_files={CARD_FILE: json.dumps(dict(card))})
        return compare(graph, TorchNetwork(draft), tolerance)


def compare(graph: Graph, exported: Forward, tolerance: float) -> float:
    """Return the largest difference over several numbers and sizes of random images.

    Raises:
        ExportError: it is above ``tolerance``, or the exported model cannot take such images.
    """
    generator = torch.Generator().manual_seed(0)
    worst = 0.0
    for width, height in graph.sizes:
        for count in (1,) if graph.one_image else COMPARED:
            images = torch.randn(count, 3, height, width, generator=generator)
            where = f"{count} images of {width} x {height}"
            with torch.no_grad():
                try:
                    found = exported(images)
                except Exception as error:  # the runtimes have many exception classes
                    raise ExportError(
                        f"The exported model cannot take {where}: {last_line(error)}"
                    ) from None
                difference = graph.difference(graph.network(images), found)
            worst = max(worst, difference)
            if not difference <= tolerance:  # NaN, too
                raise ExportError(
                    f"The exported model differs from the network by {difference:.2g} of its "
                    f"output's spread for {where}, more than {tolerance:.2g}; no file was written."
                )
    return worst


def _output_names(output: Tensor | Sequence[Tensor]) -> list[str]:
    if isinstance(output, Tensor):
        return ["heatmaps"]
    return [f"maps_{stage}" for stage in range(len(output))]


@contextmanager
def kept_if_right(path: Path) -> Iterator[Path]:
    """Give a draft's path; it becomes ``path`` if the block succeeds, and vanishes otherwise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"draft-{os.getpid()}-{path.name}")
    try:
        yield draft
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _import_onnx() -> None:
    try:
        import onnx.helper  # an optional package
        import onnx.numpy_helper  # noqa: F401
    except ImportError:
        raise ConfigError(
            "Writing ONNX takes the package onnx: pip install -e '.[export]'."
        ) from None
