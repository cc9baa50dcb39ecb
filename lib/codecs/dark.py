"""Distribution-aware decoding: one Newton step on the logarithm of the smoothed map.

`refine_dark` is Zhang et al. 2020, "Distribution-Aware Coordinate Representation for Human Pose
Estimation", Sec. 3.2; `refine_udp` is the variant published with UDP (Huang et al. 2020). Only the
patch that a step reads is smoothed, not the whole map: scaling a map before the logarithm moves no
maximum. (Published DARK clips at 1e-10 after scaling to the maximum of the whole smoothed map; here
the maximum is the patch's. The results differ only where a peak has non-positive neighbours.)
"""

from __future__ import annotations

import torch
from torch import Tensor

UDP_RANGE = (1e-3, 50.0)  # published limits before the logarithm
LOG_FLOOR = 1e-10


def dark_kernel(sigma: float) -> int:
    """Return the odd smoothing width that goes with targets of ``sigma`` cells (2: 11, 3: 17).

    It is the width for which OpenCV's automatic deviation, 0.3 (width - 3) / 2 + 0.5 + 0.3, is the
    nearest to ``sigma``; at least 3.
    """
    return max(3, 2 * round((sigma - 0.8) / 0.3 + 1) + 1)


def smoothing_weights(kernel: int, device: torch.device) -> Tensor:
    """Return the (kernel,) Gaussian that OpenCV takes for a width alone (above 9 cells)."""
    reach = kernel // 2
    deviation = 0.3 * (reach - 1) + 0.8
    offsets = torch.arange(-reach, reach + 1, dtype=torch.float32, device=device)
    weights = torch.exp(-offsets.square() / (2 * deviation**2))
    return weights / weights.sum()


def refine_dark(heatmaps: Tensor, cells: Tensor, scores: Tensor, kernel: int) -> Tensor:
    """Move whole-cell peaks to the maximum of the Gaussian that fits around them.

    First differences have step 1, second ones step 2; the map is 0 beyond its border. Points within
    two cells of the border, with a singular Hessian, or with a score <= 0 stay.

    Args:
        heatmaps: (N, K, H, W) floating point.
        cells: (N, K, 2) peaks ``(x, y)``, whole numbers.
        scores: (N, K) values at the peaks.
        kernel: odd smoothing width in cells.

    Returns:
        (N, K, 2) float32 points in cells.
    """
    height, width = heatmaps.shape[-2:]
    x, y = cells.long().unbind(-1)
    patch = _blur(_patches(heatmaps, x, y, kernel // 2 + 2, reflect=False), kernel)
    peak = patch.amax(dim=(-2, -1)).clamp_min(LOG_FLOOR)
    p = (patch * (scores / peak)[..., None, None]).clamp_min(LOG_FLOOR).log()  # (N, K, 5, 5)
    dx = 0.5 * (p[..., 2, 3] - p[..., 2, 1])
    dy = 0.5 * (p[..., 3, 2] - p[..., 1, 2])
    dxx = 0.25 * (p[..., 2, 4] - 2 * p[..., 2, 2] + p[..., 2, 0])
    dyy = 0.25 * (p[..., 4, 2] - 2 * p[..., 2, 2] + p[..., 0, 2])
    dxy = 0.25 * (p[..., 3, 3] - p[..., 1, 3] - p[..., 3, 1] + p[..., 1, 1])
    inside = (x > 1) & (x < width - 2) & (y > 1) & (y < height - 2) & (scores > 0)
    return cells + _newton_step(dx, dy, dxx, dyy, dxy, inside)


def refine_udp(heatmaps: Tensor, cells: Tensor, scores: Tensor, kernel: int) -> Tensor:
    """Do the Newton step as published with UDP: all differences of step 1, borders included.

    The smoothing mirrors the map at its border; neighbours beyond it repeat the border cell. Points
    with a score <= 0 stay. Arguments and result as in `refine_dark`.
    """
    height, width = heatmaps.shape[-2:]
    x, y = cells.long().unbind(-1)
    patch = _blur(_patches(heatmaps, x, y, kernel // 2 + 1, reflect=True), kernel)
    step = torch.arange(-1, 2, device=x.device)
    rows = (y[..., None] + step).clamp(0, height - 1) - y[..., None] + 1
    columns = (x[..., None] + step).clamp(0, width - 1) - x[..., None] + 1
    index = (rows[..., :, None] * 3 + columns[..., None, :]).flatten(2)
    p = patch.flatten(2).gather(2, index).clamp(*UDP_RANGE).log().unflatten(2, (3, 3))
    dx = 0.5 * (p[..., 1, 2] - p[..., 1, 0])
    dy = 0.5 * (p[..., 2, 1] - p[..., 0, 1])
    dxx = p[..., 1, 2] - 2 * p[..., 1, 1] + p[..., 1, 0]
    dyy = p[..., 2, 1] - 2 * p[..., 1, 1] + p[..., 0, 1]
    diagonal = p[..., 2, 2] + p[..., 0, 0] + 2 * p[..., 1, 1]
    dxy = 0.5 * (diagonal - p[..., 1, 2] - p[..., 2, 1] - p[..., 1, 0] - p[..., 0, 1])
    epsilon = torch.finfo(torch.float32).eps  # keeps a flat map solvable
    return cells + _newton_step(dx, dy, dxx + epsilon, dyy + epsilon, dxy, scores > 0)


def _newton_step(
    dx: Tensor, dy: Tensor, dxx: Tensor, dyy: Tensor, dxy: Tensor, allowed: Tensor
) -> Tensor:
    """Return (N, K, 2) ``-H^-1 g``; 0 where not ``allowed`` or where H is singular."""
    determinant = dxx * dyy - dxy * dxy
    allowed = allowed & (determinant != 0)
    scale = -1 / torch.where(allowed, determinant, 1)
    step = torch.stack([dyy * dx - dxy * dy, dxx * dy - dxy * dx], dim=-1) * scale[..., None]
    return torch.where(allowed[..., None], step, 0)


def _patches(heatmaps: Tensor, x: Tensor, y: Tensor, reach: int, reflect: bool) -> Tensor:
    """Cut (N, K, P, P) float32 windows, P = 2 reach + 1, around cells ``x``, ``y`` (N, K) int64.

    Beyond the border the map is mirrored (without repeating the border cell), or 0.
    """
    height, width = heatmaps.shape[-2:]
    step = torch.arange(-reach, reach + 1, device=x.device)
    rows, columns = y[..., None] + step, x[..., None] + step
    if reflect:
        rows = (height - 1 - (height - 1 - rows.abs()).abs()).clamp_min(0)
        columns = (width - 1 - (width - 1 - columns.abs()).abs()).clamp_min(0)
    inner_rows, inner_columns = rows.clamp(0, height - 1), columns.clamp(0, width - 1)
    index = inner_rows[..., :, None] * width + inner_columns[..., None, :]
    patches = heatmaps.flatten(2).gather(2, index.flatten(2)).view(index.shape).float()
    if reflect:
        return patches
    valid = (rows == inner_rows)[..., :, None] & (columns == inner_columns)[..., None, :]
    return patches * valid


def _blur(patches: Tensor, kernel: int) -> Tensor:
    """Smooth (N, K, P, P) windows to (N, K, Q, Q), Q = P - kernel + 1, by a separable Gaussian."""
    weights = smoothing_weights(kernel, patches.device)
    # Products and sums, not a matrix product: autocast or TF32 would cost digits that count here.
    for axis in (3, 2):
        patches = (patches.unfold(axis, kernel, 1) * weights).sum(-1)
    return patches
