"""Time that a network takes per person, as it was built and in its faster forms."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from lib.benchmark.memory import peak_memory
from lib.benchmark.timing import Run, clock_name, in_turns, quartiles
from lib.engine.device import place
from lib.export.graph import largest_difference
from lib.models import complexity, fold_batch_norm

FORMS = ("plain", "channels_last", "folded", "folded_channels_last", "compiled")
Size = tuple[int, int]


def make_form(network: nn.Module, form: str, device: torch.device) -> nn.Module:
    """Return a copy of ``network``, in evaluation mode, in one of ``FORMS``.

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
        ours.compile()
    return ours


def _image_batch(form: str, batch: int, size: Size, device: torch.device) -> Tensor:
    """Return the same (batch, 3, H, W) noise for every form, in the memory order it wants."""
    noise = torch.randn((batch, 3, *size), generator=torch.Generator().manual_seed(0))
    order = torch.contiguous_format if form in ("plain", "folded") else torch.channels_last
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
        that one batch adds to the memory at its peak (None where the system does not say),
        ``params``, ``macs``, ``clock``.

    Raises:
        AssertionError: the forms disagree.
    """
    cost = complexity(network, size)
    networks = {form: make_form(network, form, device) for form in forms}
    _check_same(networks, size, device)
    rows = []
    for count in threads:
        torch.set_num_threads(count)
        for batch in batches:
            runs = {form: _runner(net, form, batch, size, device) for form, net in networks.items()}
            seconds = in_turns(runs, rounds, device)
            base = seconds[forms[0]]
            common = {"batch": batch, "threads": count, "clock": clock_name(device)}
            for form, values in seconds.items():
                middle, spread = quartiles(1e3 * values / batch)
                row = {"form": form, "milliseconds": middle, "spread": spread}
                row["speedup"] = quartiles(base / values)[0]
                row["megabytes"] = peak_memory(runs[form], device)
                rows.append({**common, **row, "params": cost.params, "macs": cost.macs})
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
