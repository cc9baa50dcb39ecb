"""Time that a network takes per person: as it was built, in its faster forms, in other runtimes."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn

from lib.benchmark.memory import peak_memory
from lib.benchmark.timing import Run, clock_name, in_turns, quartiles
from lib.engine.device import place
from lib.export import open_network
from lib.export.graph import Graph, largest_difference
from lib.export.writer import export_onnx
from lib.models import compile_for_prediction, complexity, fold_batch_norm

RUNTIMES = {"onnx": "onnxruntime", "openvino": "openvino"}  # forms of an ONNX file: what runs it
FORMS = ("plain", "channels_last", "folded", "folded_channels_last", "compiled", *RUNTIMES)
Size = tuple[int, int]


def make_form(network: nn.Module, form: str, device: torch.device) -> nn.Module:
    """Return a copy of ``network``, in evaluation mode, in one of the ``FORMS`` that torch runs.

    ``plain``: as built. ``channels_last``: weights in that order, as training has them. ``folded``:
    batch-norms merged into the convolutions. ``folded_channels_last``: both, what tests and
    predictions run. ``compiled``: the last one through ``torch.compile``.
    """
    ours = copy.deepcopy(network).eval().to(device)
    if form.startswith("folded") or form == "compiled":
        fold_batch_norm(ours)
    if form not in ("plain", "folded"):
        ours = place(ours, device)
    if form == "compiled":
        compile_for_prediction(ours)
    return ours


def missing_packages(form: str) -> list[str]:
    """Return the packages that a form needs and that are not installed."""
    needed = ("onnx", RUNTIMES[form]) if form in RUNTIMES else ()
    return [package for package in needed if find_spec(package) is None]


def _image_batch(form: str, batch: int, size: Size, device: torch.device) -> Tensor:
    """Return the same (batch, 3, H, W) noise for every form, in the memory order it wants."""
    noise = torch.randn((batch, 3, *size), generator=torch.Generator().manual_seed(0))
    rows = form in ("plain", "folded", *RUNTIMES)
    order = torch.contiguous_format if rows else torch.channels_last
    return noise.to(device).contiguous(memory_format=order)


@torch.no_grad()
def latency(
    network: nn.Module,
    size: Size,
    *,
    forms: Sequence[str],
    batches: Sequence[int],
    threads: Sequence[int],
    rounds: int,
    device: torch.device,
) -> list[dict[str, Any]]:
    """Time the forms of one network in turns.

    Args:
        network: a network (B, 3, H, W) -> a tensor or several.
        size: ``(height, width)`` of the images.
        forms: some of ``FORMS``; all must answer as the first.
        batches: images at once.
        threads: processor threads.
        rounds: measurements of each form.
        device: where to compute.

    Returns:
        One row per batch, thread count and form: ``milliseconds`` per image (median), ``spread``
        (its quartiles), ``speedup`` over the first form (median over the rounds), ``megabytes``
        that one batch adds to the memory at its peak (None where the system does not say, and for
        other runtimes, which keep theirs from the first batch on),
        ``params``, ``macs``, ``clock``.

    Raises:
        AssertionError: the forms disagree.
    """
    cost = complexity(network, size)
    own = {f: make_form(network, f, device) for f in forms if f not in RUNTIMES}
    rows = []
    with TemporaryDirectory() as folder:
        file = Path(folder) / "model.onnx"
        if len(own) < len(forms):
            export_onnx(Graph(copy.deepcopy(network).cpu(), [(size[1], size[0])]), file, {})
        for count in threads:
            torch.set_num_threads(count)
            networks = {
                form: own[form] if form in own else open_network(file, count, RUNTIMES[form])
                for form in forms
            }
            _check_same(networks, size, device)
            costs = {"params": cost.params, "macs": cost.macs}
            for batch in batches:
                timed = _time(networks, batch, size, rounds, device)
                rows += [{"batch": batch, "threads": count, **row, **costs} for row in timed]
    return rows


def _time(
    networks: dict[str, nn.Module], batch: int, size: Size, rounds: int, device: torch.device
) -> list[dict[str, Any]]:
    """Time all forms with one number of images; a row per form."""
    runs = {form: _runner(net, form, batch, size, device) for form, net in networks.items()}
    seconds = in_turns(runs, rounds, device)
    base, rows = next(iter(seconds.values())), []
    for form, values in seconds.items():
        middle, spread = quartiles(1e3 * values / batch)
        row = {"clock": clock_name(device), "form": form, "milliseconds": middle, "spread": spread}
        row["speedup"] = quartiles(base / values)[0]
        row["megabytes"] = None if form in RUNTIMES else peak_memory(runs[form], device)
        rows.append(row)
    return rows


def _runner(network: nn.Module, form: str, batch: int, size: Size, device: torch.device) -> Run:
    images = _image_batch(form, batch, size, device)
    network(images)  # compiles, chooses algorithms, fills caches
    return lambda: network(images)


def _check_same(networks: dict[str, nn.Module], size: Size, device: torch.device) -> None:
    """Folding and another memory order change roundings only."""
    answers = {
        form: network(_image_batch(form, 2, size, device)) for form, network in networks.items()
    }
    first = next(iter(answers))
    for form, found in answers.items():
        off = largest_difference(answers[first], found)
        assert off < 1e-3, f"{form} differs from {first} by {off:.1e} of the deviation"
