"""Moving grouped joints by a quarter cell, and finding the joints that grouping missed.

Cheng et al. 2020, "HigherHRNet", Sec. 3.3 and its published code. Same results as the loops over
people, joints and whole maps, to the last bit on the CPU; what is looked at is far less.

Axes and records as in ``lib.codecs.grouping``: N people, K joints, (H, W) cells, L tag values,
M missing joints.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

TILE = 16  # side of the squares into which a map is cut on the host, in cells
TILES_AT_FIRST, TILES_AT_ONCE = 8, 64  # tiles weighed in one go; 64 stay within a cache
PAIRS_AT_ONCE = 16  # missing joints whose maps are weighed in one go on a GPU


def mean_tags(tags: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Average the first ``counts[n]`` tag vectors of each person.

    People with equally many tags are averaged together: the sums then run over exactly those
    tags, in their order, and round as a sum over one person does.

    Args:
        tags: (N, K, L) float32.
        counts: (N,) int64, 1 to K.

    Returns:
        (N, L) float32.
    """
    means = np.empty((len(tags), tags.shape[2]), tags.dtype)
    for count in np.unique(counts):
        same = counts == count
        means[same] = tags[same, :count].mean(axis=1)
    return means


def quarter_shift(heatmaps: Tensor, joints: Tensor, cells: Tensor) -> Tensor:
    """Return a quarter cell towards the higher neighbour, per axis; minus where they are equal.

    Args:
        heatmaps: (K, H, W).
        joints: (M,) int64.
        cells: (M, 2) int64 ``(x, y)``.

    Returns:
        (M, 2) float32, +-0.25.
    """
    height, width = heatmaps.shape[1:]
    x, y = cells.unbind(dim=1)
    right = heatmaps[joints, y, (x + 1).clamp(max=width - 1)]
    left = heatmaps[joints, y, (x - 1).clamp(min=0)]
    below = heatmaps[joints, (y + 1).clamp(max=height - 1), x]
    above = heatmaps[joints, (y - 1).clamp(min=0), x]
    higher = torch.stack([right > left, below > above], dim=1)
    return higher.to(torch.float32) * 0.5 - 0.25


def adjust(heatmaps: Tensor, people: np.ndarray) -> np.ndarray:
    """Return ``people`` with their found joints moved to ``cell + 0.5 +- 0.25``."""
    person, joint = np.nonzero(people[:, :, 2] > 0)
    cells = people[person, joint, :2].astype(np.int64)
    moved = people.copy()
    moved[person, joint, :2] = _place(heatmaps, joint, cells)
    return moved


def _place(heatmaps: Tensor, joints: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Return (M, 2) float32 ``cell + 0.5 +- 0.25``."""
    device = heatmaps.device
    joints_there = torch.from_numpy(joints).to(device)
    shift = quarter_shift(heatmaps, joints_there, torch.from_numpy(cells).to(device))
    return cells.astype(np.float32) + shift.cpu().numpy() + np.float32(0.5)


def refine(heatmaps: Tensor, tags: Tensor, people: np.ndarray) -> np.ndarray:
    """Return ``people`` with their missing joints put where heat minus tag distance is highest.

    The distance is to the person's mean tag and rounded, so it acts as a penalty; a place with
    positive heat is accepted, however small. Found joints stay as they are.
    """
    found = people[:, :, 2] > 0
    person, joint = np.nonzero(people[:, :, 2] == 0)
    if not len(person):
        return people
    front = np.argsort(~found, axis=1, kind="stable")  # found joints first, in joint order
    ordered = np.take_along_axis(people[:, :, 3:], front[:, :, None], axis=1)
    wanted = mean_tags(ordered, found.sum(axis=1))[person]  # (M, L)
    search = _search_on_host if heatmaps.device.type == "cpu" else _search_on_device
    flat, heat = search(heatmaps, tags, joint, wanted)
    accepted = heat > 0
    person, joint, flat = person[accepted], joint[accepted], flat[accepted]
    width = heatmaps.shape[2]
    refined = people.copy()
    refined[person, joint, :2] = _place(
        heatmaps, joint, np.stack([flat % width, flat // width], axis=1)
    )
    refined[person, joint, 2] = heat[accepted]
    return refined


def _search_on_host(
    heatmaps: Tensor, tags: Tensor, joints: np.ndarray, wanted: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the best cell (M,) and its heat (M,) for each joint with its wanted tag (M, L)."""
    heat, tag = heatmaps.numpy(), tags.numpy()
    flat = np.zeros(len(joints), np.int64)
    cell = _cut(np.arange(heat[0].size).reshape(heat[0].shape), 0)
    for joint in np.unique(joints):  # for all people at once
        rows = joints == joint
        tiles = _Tiles(heat[joint], tag[joint if len(tag) > 1 else 0], cell)
        bounds = tiles.upper_bounds(wanted[rows])
        flat[rows] = [tiles.best_cell(*pair) for pair in zip(wanted[rows], bounds, strict=True)]
    return flat, heat.reshape(len(heat), -1)[joints, flat]


class _Tiles:
    """One joint's maps (H, W) and (H, W, L) cut into square tiles, to search the promising ones.

    A cell is worth its heat minus the rounded distance of its tag from the wanted one. The
    hottest cell of a tile and the box around its tags bound what its cells can be worth; floating
    point rounds monotonically, so the bound holds to the last bit. ``cell`` (tiles, cells) is the
    flat number of every cell, the same for all joints.
    """

    def __init__(self, heat: np.ndarray, tag: np.ndarray, cell: np.ndarray) -> None:
        self.heat = _cut(heat, -np.inf)  # (tiles, cells)
        self.tag = np.stack([_cut(plane, 0.0) for plane in np.moveaxis(tag, 2, 0)])  # (L, ...)
        self.cell = cell
        self.hottest = self.heat.max(axis=1)
        self.lowest_tag, self.highest_tag = self.tag.min(axis=2), self.tag.max(axis=2)

    def upper_bounds(self, wanted: np.ndarray) -> np.ndarray:
        """Return (P, tiles) what a cell of each tile is worth at most, for wanted tags (P, L)."""
        target = wanted.T[:, :, None]  # (L, P, 1)
        below, above = self.lowest_tag[:, None] - target, target - self.highest_tag[:, None]
        return self.hottest - _penalty(np.maximum(np.maximum(below, above), 0))

    def best_cell(self, wanted: np.ndarray, bounds: np.ndarray) -> int:
        """Return the flat cell that is worth most; the first in raster order among equals."""
        order = np.argsort(-bounds)
        best, cell = -np.inf, 0
        begin, count = 0, TILES_AT_FIRST
        while begin < len(order) and not bounds[order[begin]] < best:
            part = order[begin : begin + count]
            worth = self.heat[part] - _penalty(self.tag[:, part] - wanted[:, None, None])
            highest = worth.max()
            if highest >= best:
                first = self.cell[part][worth == highest].min(initial=self.heat.size)
                cell = min(first, cell) if highest == best else first
                best = highest
            begin, count = begin + count, min(2 * count, TILES_AT_ONCE)
        return int(cell)


def _cut(plane: np.ndarray, outside: float) -> np.ndarray:
    """Cut (H, W) into (tiles, TILE * TILE); cells beyond the map have the value ``outside``."""
    height, width = plane.shape
    rows, columns = -(-height // TILE), -(-width // TILE)
    padded = plane
    if plane.shape != (rows * TILE, columns * TILE):
        padded = np.full((rows * TILE, columns * TILE), outside, plane.dtype)
        padded[:height, :width] = plane
    return padded.reshape(rows, TILE, columns, TILE).swapaxes(1, 2).reshape(-1, TILE * TILE)


def _penalty(difference: np.ndarray) -> np.ndarray:
    """Return the rounded length of tag differences (L, ...), summed in the order of the tags."""
    squared = np.square(difference, out=difference)
    total = squared[0]
    for other in squared[1:]:
        total += other
    return np.rint(np.sqrt(total, out=total), out=total)


def _search_on_device(
    heatmaps: Tensor, tags: Tensor, joints: np.ndarray, wanted: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the best cell (M,) and its heat (M,) for each joint with its wanted tag (M, L)."""
    heat, tag = heatmaps.flatten(1), tags.flatten(1, 2)
    rows = torch.from_numpy(joints).to(heat.device)
    target = torch.from_numpy(wanted).to(heat.device)
    best = []
    for begin in range(0, len(rows), PAIRS_AT_ONCE):
        row = rows[begin : begin + PAIRS_AT_ONCE]
        difference = tag[row if len(tag) > 1 else row * 0]  # (P, HW, L), a copy
        difference -= target[begin : begin + PAIRS_AT_ONCE, None]
        best.append((heat[row] - difference.square_().sum(dim=2).sqrt_().round_()).argmax(dim=1))
    flat = torch.cat(best)
    return flat.cpu().numpy(), heat[rows, flat].cpu().numpy()
