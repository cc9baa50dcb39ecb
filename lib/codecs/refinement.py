"""Moving grouped joints by a quarter cell, and finding the joints that grouping missed.

Cheng et al. 2020, "HigherHRNet", Sec. 3.3 and its published code. Same results as the loops over
people, joints and whole maps, to the last bit on the CPU; what is looked at is far less.

Axes and records as in ``lib.codecs.grouping``: N people, K joints, (H, W) cells, L tag values,
M missing joints.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

TILE = 16
ROUNDS = 4, 16, 64  # tiles weighed per missing joint after each round; in the last all that may do
TILES_AT_ONCE = 128  # weighed in one go; a cache holds them
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
    heat, tag = heatmaps.numpy(), np.moveaxis(tags.numpy(), 3, 1)
    flat = np.zeros(len(joints), np.int64)
    for joint in np.unique(joints):  # for all people at once
        rows = joints == joint
        tiles = _Tiles(heat[joint], tag[joint if len(tag) > 1 else 0])
        flat[rows] = tiles.best_cells(wanted[rows])
    return flat, heat.reshape(len(heat), -1)[joints, flat]


class _Tiles:
    """One joint's maps (H, W) and (L, H, W) seen as square tiles, to search the promising ones.

    A cell is worth its heat minus the rounded distance of its tag from the wanted one. The
    hottest cell of a tile and the box around its tags bound what its cells can be worth; floating
    point rounds monotonically, so the bound holds to the last bit.
    """

    def __init__(self, heat: np.ndarray, tag: np.ndarray) -> None:
        self.shape = heat.shape
        self.heat = _cut(heat, -np.inf)  # (R, TILE, C, TILE)
        self.tag = _cut(tag, 0.0)  # (L, R, TILE, C, TILE)
        self.hottest = _of_tiles(np.maximum, self.heat)  # (R * C,)
        ranges = [[_of_tiles(e, plane) for e in (np.minimum, np.maximum)] for plane in self.tag]
        self.lowest_tag, self.highest_tag = np.stack(ranges, axis=1)  # (L, R * C) each

    def best_cells(self, wanted: np.ndarray) -> np.ndarray:
        """Return the flat cells (P,) worth most for wanted tags (P, L); the first among equals.

        Tiles are weighed in a few rounds, the most promising first; what one round finds rules out
        most of the next.
        """
        promise = self._upper_bounds(wanted)
        count = promise.shape[1]
        ends = [end for end in ROUNDS if end < count]
        order = np.argpartition(-promise, ends or 0, axis=1)
        best = np.full(len(wanted), -np.inf, np.float32)
        weighed = []
        for begin, end in pairwise([0, *ends, count]):
            tiles = order[:, begin:end]
            likely = np.take_along_axis(promise, tiles, axis=1) >= best[:, None]
            pair, tile = likely.nonzero()[0], tiles[likely]
            highest = self._highest(tile, wanted[pair])
            np.fmax.at(best, pair, highest)
            weighed.append((pair, tile, highest))
        pair, tile, highest = (np.concatenate(parts) for parts in zip(*weighed, strict=True))
        won = highest == best[pair]
        return self._first_cells(pair[won], tile[won], best, wanted)

    def _first_cells(
        self, pair: np.ndarray, tile: np.ndarray, best: np.ndarray, wanted: np.ndarray
    ) -> np.ndarray:
        """Return the first flat cell (P,) worth ``best`` (P,) in tiles (E,) of pairs (E,)."""
        hit = self._worth(tile, wanted[pair]) == best[pair, None]
        y, x = np.divmod(hit.argmax(axis=1), TILE)
        row, column = np.divmod(tile, self.heat.shape[2])
        height, width = self.shape
        flat = np.full(len(wanted), height * width)
        np.minimum.at(flat, pair, (row * TILE + y) * width + column * TILE + x)
        return flat % (height * width)  # 0 where no cell is a number

    def _upper_bounds(self, wanted: np.ndarray) -> np.ndarray:
        """Return (P, R * C) what a cell of each tile is worth at most, for wanted tags (P, L)."""
        target = wanted[:, :, None]
        outside = np.maximum(self.lowest_tag - target, target - self.highest_tag)
        return self.hottest - _penalty(np.maximum(outside, 0, out=outside))

    def _highest(self, tiles: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        """Return what the best cell of each tile (E,) is worth for its wanted tag (E, L)."""
        parts = [slice(i, i + TILES_AT_ONCE) for i in range(0, len(tiles), TILES_AT_ONCE)]
        highest = [self._worth(tiles[part], wanted[part]).max(axis=1) for part in parts]
        return np.concatenate(highest) if highest else np.zeros(0, np.float32)

    def _worth(self, tiles: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        """Return (E, TILE * TILE) what the cells of tiles (E,) are worth for wanted tags (E, L)."""
        row, column = np.divmod(tiles, self.heat.shape[2])
        difference = self.tag[:, row, :, column]  # (E, L, TILE, TILE)
        difference -= wanted[:, :, None, None]
        return (self.heat[row, :, column] - _penalty(difference)).reshape(-1, TILE * TILE)


def _cut(plane: np.ndarray, outside: float) -> np.ndarray:
    """See (..., H, W) as (..., R, TILE, C, TILE); cells beyond the map are ``outside``."""
    *rest, height, width = plane.shape
    rows, columns = -(-height // TILE), -(-width // TILE)
    if (height, width) != (rows * TILE, columns * TILE):
        padded = np.full((*rest, rows * TILE, columns * TILE), outside, plane.dtype)
        padded[..., :height, :width] = plane
        plane = padded
    return plane.reshape(*rest, rows, TILE, columns, TILE)


def _of_tiles(extreme: np.ufunc, tiles: np.ndarray) -> np.ndarray:
    """Reduce (R, TILE, C, TILE) to (R * C,); long rows first, which is fast."""
    rows, _, columns, _ = tiles.shape
    by_row = extreme.reduce(tiles.reshape(rows, TILE, -1), axis=1)
    turned = np.ascontiguousarray(by_row.reshape(rows * columns, TILE).T)
    return extreme.reduce(turned, axis=0)


def _penalty(difference: np.ndarray) -> np.ndarray:
    """Return the rounded length of tag differences (E, L, ...), summed in the order of the tags."""
    squared = np.square(difference, out=difference)
    total = squared[:, 0]
    for number in range(1, squared.shape[1]):
        total += squared[:, number]
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
