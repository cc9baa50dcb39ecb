"""Keypoints of a person <-> the square map of logits that an RoI keypoint head predicts.

He et al. 2017, Mask R-CNN, section 5: every joint is one classification over the S x S cells of its
RoI. All coordinates here are continuous (Heckbert 1990: pixel ``i`` covers ``[i, i + 1)``), boxes
are ``x1, y1, x2, y2``. A cell is converted back through its centre. Differs from the published
code: the probability of a joint never exceeds 1 (the bicubic peak may overshoot every cell).
"""

from __future__ import annotations

import torch
from torch import Tensor

from lib.utils.precision import without_autocast

CUBIC_A = -0.75  # the bicubic kernel of torch.nn.functional.interpolate
# Enlarged cells of one joint held at once: what fits a CPU's cache (2x faster), what fills a GPU.
CHUNK_CELLS = {"cpu": 60_000, "cuda": 4_000_000}


def enlarge_boxes(boxes: Tensor, ratio: float) -> Tensor:
    """Scale boxes (N, 4) xyxy about their centres by ``ratio``; a new tensor, never clipped."""
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    halves = (boxes[:, 2:] - boxes[:, :2]) * (ratio / 2)
    return torch.cat((centres - halves, centres + halves), dim=1)


def encode_roi_cells(keypoints: Tensor, boxes: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Return the cell of every joint and whether it is to be learnt.

    A joint exactly on the right or bottom edge of its box belongs to the last cell.

    Args:
        keypoints: (N, K, 3) float ``(x, y, visibility)`` in the frame of the boxes.
        boxes: (N, 4) float xyxy, enlarged already.
        size: S, cells along a side of the map.

    Returns:
        cells: (N, K) int64, ``row * S + column``; 0 where not valid.
        valid: (N, K) bool, labelled (visibility > 0) and inside the box.
    """
    corner, extent = boxes[:, None, :2], (boxes[:, 2:] - boxes[:, :2])[:, None]
    position = (keypoints[..., :2] - corner) * (size / extent)
    cell = position.floor().long()
    cell = torch.where(keypoints[..., :2] == boxes[:, None, 2:], size - 1, cell)
    valid = ((cell >= 0) & (cell < size)).all(dim=-1) & (keypoints[..., 2] > 0)
    return torch.where(valid, cell[..., 1] * size + cell[..., 0], 0), valid


def decode_bicubic(logits: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
    """Find each joint on its map enlarged bicubically to one cell per image pixel, as published.

    The two 1-D interpolations are matrix products, many RoIs at a time.

    Args:
        logits: (N, K, S, S) float.
        boxes: (N, 4) float xyxy of the regions the maps cover; sides below 1 count as 1.

    Returns:
        keypoints: (N, K, 3) float32 ``(x, y, probability)``; the probability is
            ``exp(peak - logsumexp(map))``, at most 1.
        peaks: (N, K) float32, the logit at the joint.
    """
    logits = logits.float()
    extent = (boxes[:, 2:] - boxes[:, :2]).float().clamp(min=1)
    columns = logits.new_zeros(logits.shape[:2], dtype=torch.long)
    rows, peaks = columns.clone(), logits.new_zeros(logits.shape[:2])
    for chunk, width, height in _chunks(extent):
        found = _peaks_of_chunk(logits[chunk], extent[chunk].ceil().long(), width, height)
        columns[chunk], rows[chunk], peaks[chunk] = found
    offset = (torch.stack((columns, rows), dim=-1) + 0.5) * (extent / extent.ceil())[:, None]
    return _assemble(boxes[:, None, :2] + offset, logits, peaks), peaks


def decode_fast(logits: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
    """Find each joint at the largest cell, moved by one Newton step per axis on the logits.

    Exact where the logits are quadratic. The step is at most one cell; a peak on the border of the
    map is not moved. Arguments and results as for ``decode_bicubic``.
    """
    logits = logits.float()
    size = logits.shape[-1]
    peaks, index = logits.flatten(2).max(dim=2)
    cell = torch.stack((index % size, index // size), dim=-1)  # (N, K, 2) columns, rows
    step = torch.stack([_newton_step(logits, index, s) for s in (1, size)], dim=-1)
    inner = ((cell > 0) & (cell < size - 1)).all(dim=-1, keepdim=True)
    position = cell + 0.5 + torch.where(inner, step, 0)
    extent = (boxes[:, 2:] - boxes[:, :2]).float().clamp(min=1)
    return _assemble(boxes[:, None, :2] + position * (extent / size)[:, None], logits, peaks), peaks


def bicubic_matrix(lengths: Tensor, longest: int, size: int) -> Tensor:
    """Return (N, longest, S) weights that enlarge S cells to ``lengths[n]`` samples each.

    Rows beyond ``lengths[n]`` are not meaningful. Keys 1981, a = -0.75; cells beyond the border
    repeat the border.
    """
    scale = size / lengths.float()
    centre = (torch.arange(longest, device=lengths.device) + 0.5) * scale[:, None] - 0.5
    base = centre.floor()
    t = centre - base
    matrix = scale.new_zeros(len(lengths), longest, size)
    for tap in (-1, 0, 1, 2):
        weight = _cubic((t - tap).abs())
        cell = (base + tap).long().clamp(0, size - 1)
        matrix.scatter_add_(2, cell[..., None], weight[..., None])
    return matrix


def _cubic(x: Tensor) -> Tensor:
    near = ((CUBIC_A + 2) * x - (CUBIC_A + 3)) * x * x + 1
    far = ((CUBIC_A * x - 5 * CUBIC_A) * x + 8 * CUBIC_A) * x - 4 * CUBIC_A
    return torch.where(x <= 1, near, far)


def _chunks(extent: Tensor) -> list[tuple[Tensor, int, int]]:
    """Split N regions into groups of like size that fit in memory: (indices, width, height)."""
    order = extent.prod(dim=1).argsort()
    sizes = extent[order].ceil().long().tolist()  # the one host sync of the decoder
    limit = CHUNK_CELLS.get(extent.device.type, CHUNK_CELLS["cpu"])
    chunks, start, width, height = [], 0, 0, 0
    for stop, (w, h) in enumerate(sizes):
        wider, higher = max(width, w), max(height, h)
        if stop > start and (stop - start + 1) * wider * higher > limit:
            chunks.append((order[start:stop], width, height))
            start, wider, higher = stop, w, h
        width, height = wider, higher
    if sizes:
        chunks.append((order[start:], width, height))
    return chunks


def _peaks_of_chunk(
    logits: Tensor, sizes: Tensor, width: int, height: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Return column, row and value of the peaks (N, K) of maps enlarged to ``sizes`` (w, h)."""
    side = logits.shape[-1]
    across = bicubic_matrix(sizes[:, 0], width, side)  # (N, W, S)
    down = bicubic_matrix(sizes[:, 1], height, side)  # (N, H, S)
    with without_autocast(logits.device):
        enlarged = down[:, None] @ logits @ across[:, None].transpose(2, 3)  # (N, K, H, W)
    cells = torch.arange(max(width, height), device=logits.device)
    enlarged.masked_fill_((cells[:width] >= sizes[:, :1])[:, None, None, :], -torch.inf)
    enlarged.masked_fill_((cells[:height] >= sizes[:, 1:])[:, None, :, None], -torch.inf)
    peaks, index = enlarged.flatten(2).max(dim=2)
    return index % width, index // width, peaks


def _newton_step(logits: Tensor, index: Tensor, stride: int) -> Tensor:
    """Return the step (N, K) in cells to the peak of the parabola through three cells of a line."""
    flat = logits.flatten(2)
    last = flat.shape[-1] - 1
    before, here, after = (
        flat.gather(2, (index + shift).clamp(0, last)[..., None])[..., 0]
        for shift in (-stride, 0, stride)
    )
    slope, curvature = (after - before) / 2, after - 2 * here + before
    step = -slope / torch.where(curvature < 0, curvature, -1.0)
    return torch.where(curvature < 0, step, 0).clamp(-1, 1)


def _assemble(points: Tensor, logits: Tensor, peaks: Tensor) -> Tensor:
    """Join points (N, K, 2) with the probability of their cell."""
    probability = (peaks - logits.flatten(2).logsumexp(dim=2)).exp().clamp(max=1)
    return torch.cat((points.float(), probability[..., None]), dim=-1)
