"""How time and memory grow with the work: one quantity at a time, everything else fixed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from lib.benchmark.inputs import blob_maps, many_poses, random_crops
from lib.benchmark.memory import peak_memory
from lib.benchmark.textbook.scenes import scene
from lib.benchmark.timing import Run, in_turns, quartiles
from lib.codecs.grouping import GroupingOptions, group
from lib.codecs.kinds.gaussian import GaussianCodec
from lib.datasets.topdown import cut_crops
from lib.evaluation import nms_by_image
from lib.structures.skeleton import load_skeleton

COCO = load_skeleton("coco")
SIZE = (192, 256)  # width, height
JOINTS, CELLS, PEOPLE = 17, 128, 32


def sweeps(network: nn.Module | None, device: torch.device) -> dict[str, Callable[[int], Run]]:
    """Return what can be swept, by name: a function that prepares one run of a given amount.

    ``people: ...``: people in an image. ``images: ...``: images with ten poses each. ``joints:
    ...``: joints of 32 people. ``side: ...``: height of the network's input (width 3/4 of it).

    Args:
        network: takes (B, 3, H, W); None leaves out its sweep.
        device: where decoding, grouping and the network run.
    """
    found = {
        "people: crops": _crops,
        "people: grouping": lambda people: _grouping(people, device),
        "images: suppression": _suppression,
        "joints: decoding": lambda joints: _decoding(joints, 256, device),
        "side: decoding": lambda side: _decoding(JOINTS, side, device),
    }
    if network is not None:
        found["side: network"] = lambda side: _forward(network, side, device)
    return found


def _crops(people: int) -> Run:
    """Cut ``people`` crops out of one decoded image."""
    image = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    crops = random_crops(people)
    return lambda: cut_crops(image, crops, SIZE, unbiased=False)


def _grouping(people: int, device: torch.device) -> Run:
    heat, tags = scene(0, people=people, size=(CELLS, CELLS))
    there, options = (heat.to(device), tags.to(device)), GroupingOptions(COCO.grouping_order)
    return lambda: group(*there, options)


def _suppression(images: int) -> Run:
    poses = (*many_poses(images, COCO.num_joints), np.asarray(COCO.sigmas), 0.9)
    return lambda: nms_by_image(*poses)


def _decoding(joints: int, height: int, device: torch.device) -> Run:
    size = (3 * height // 4, height)
    maps = (size[0] // 4, size[1] // 4)
    codec = GaussianCodec(input_size=size, heatmap_size=maps, sigma=2)
    heatmaps = torch.from_numpy(blob_maps(PEOPLE, joints, maps)).to(device)
    crops = torch.from_numpy(random_crops(PEOPLE)).to(device)
    return lambda: [part.cpu() for part in codec.decode_to_image(heatmaps, crops)]


def _forward(network: nn.Module, height: int, device: torch.device) -> Run:
    images = torch.zeros(1, 3, height, 3 * height // 4, device=device)
    images = images.contiguous(memory_format=torch.channels_last)
    return torch.no_grad()(lambda: network(images))


def sweep(
    prepare: Callable[[int], Run], amounts: Sequence[int], rounds: int, device: torch.device
) -> list[dict[str, Any]]:
    """Time every amount in turns, then take its peak memory.

    Returns:
        One row per amount: ``amount``, ``seconds`` (median), ``spread`` (quartiles) and
        ``megabytes``, how much more memory one run takes at its peak than the process had before it
        (None where the system does not say).
    """
    runs = {str(amount): prepare(amount) for amount in amounts}
    for run in runs.values():
        run()
    seconds = in_turns(runs, rounds, device)
    rows = []
    for amount, (name, run) in zip(amounts, runs.items(), strict=True):
        middle, spread = quartiles(seconds[name])
        row = {"amount": amount, "seconds": middle, "spread": spread}
        rows.append({**row, "megabytes": peak_memory(run, device)})
    return rows


def exponent(rows: list[dict[str, Any]]) -> float:
    """Return p of the best fit ``seconds = c * amount ** p``: 1 is linear, 2 quadratic."""
    amounts = np.log([row["amount"] for row in rows])
    return float(np.polyfit(amounts, np.log([row["seconds"] for row in rows]), 1)[0])
