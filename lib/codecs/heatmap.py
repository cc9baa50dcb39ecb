"""Gaussian heatmaps: targets, peak reading, the quarter-cell step (Xiao et al. 2018, Sec. 2).

Everything is batched and stays on the tensors' device. Axes: N people, K joints, (H, W) cells.
Cell ``i`` is centred on coordinate ``i``. Points are ``(x, y)``; sizes are ``(width, height)``.

Three targets, one window rule: a joint whose window (3 sigma around it) misses the map gets weight
0. As published, the test is one cell too generous at the left and top border, so a window that
ends exactly there leaves an empty map with its weight kept.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lib.structures.geometry import Size

WINDOW = 3  # reach of a target, in sigmas


def encode_gaussian(
    keypoints: Tensor, visible: Tensor, size: Size, sigma: float
) -> tuple[Tensor, Tensor]:
    """Draw one unit-peak Gaussian per joint, centred on the nearest cell, cut at 3 sigma.

    Args:
        keypoints: (N, K, 2) float, in heatmap cells.
        visible: (N, K) float or bool; 0 means not annotated (never "occluded"). Up to 0.5 nothing
            is drawn.
        size: ``(width, height)`` of the maps, in cells.
        sigma: standard deviation in cells; 2 for 48x64 maps, 3 for 72x96, 8 for 192x256.

    Returns:
        heatmaps: (N, K, H, W) float32 in [0, 1].
        weights: (N, K) float32, ``visible`` where the window touches the map, else 0.

    Raises:
        ValueError: ``keypoints`` is not (N, K, 2), ``visible`` not (N, K), or sigma not positive.
    """
    _check(keypoints, visible, sigma)
    # Rounding half up, but toward zero below zero: int(x + 0.5), as published.
    centre = (keypoints.float() + 0.5).trunc()
    weights = _window_weights(centre, visible, size, sigma)
    return _draw(centre, centre, weights, size, sigma), weights


def encode_dark(
    keypoints: Tensor, visible: Tensor, size: Size, sigma: float
) -> tuple[Tensor, Tensor]:
    """Draw whole-map Gaussians at unrounded centres (Zhang et al. 2020, DARK, Sec. 3.3).

    Arguments, results and errors as in `encode_gaussian`.
    """
    _check(keypoints, visible, sigma)
    centre = keypoints.float()
    weights = _window_weights(centre, visible, size, sigma)
    return _draw(centre, None, weights, size, sigma), weights


def encode_udp(
    keypoints: Tensor, visible: Tensor, size: Size, sigma: float
) -> tuple[Tensor, Tensor]:
    """Draw unrounded Gaussians cut at 3 sigma around the nearest cell (Huang et al. 2020, UDP).

    Only the paper's Gaussian form; its classification-and-offset form is not here. Arguments,
    results and errors as in `encode_gaussian`; the caller divides pixels by the unbiased stride.
    """
    _check(keypoints, visible, sigma)
    centre = keypoints.float()
    nearest = (centre + 0.5).trunc()
    weights = _window_weights(nearest, visible, size, sigma)
    return _draw(centre, nearest, weights, size, sigma), weights


def find_peaks(heatmaps: Tensor) -> tuple[Tensor, Tensor]:
    """Return the first maximum of each map.

    Args:
        heatmaps: (N, K, H, W) floating point.

    Returns:
        cells: (N, K, 2) float32 ``(x, y)``, whole numbers; (0, 0) where the maximum is <= 0.
        scores: (N, K) float32 maxima.
    """
    index, scores = first_maximum(heatmaps.float().flatten(2))
    width = heatmaps.shape[-1]
    cells = torch.stack([index % width, index // width], dim=-1).float()
    return cells * (scores > 0)[..., None], scores


def quarter_offset(heatmaps: Tensor, cells: Tensor) -> Tensor:
    """Move each point a quarter cell toward its higher neighbour, per axis.

    The neighbours are those of the nearest cell (half up); points within one cell of the border
    stay where they are, as do axes with equal neighbours.

    Args:
        heatmaps: (N, K, H, W).
        cells: (N, K, 2) float ``(x, y)``.

    Returns:
        (N, K, 2) moved points.
    """
    height, width = heatmaps.shape[-2:]
    nearest = (cells + 0.5).floor().long()
    x, y = nearest.unbind(-1)
    inside = (x > 1) & (x < width - 1) & (y > 1) & (y < height - 1)
    # Neighbours right, left, below, above; the clamp only serves points that are not inside.
    index = torch.stack([y * width + x + step for step in (1, -1, width, -width)], dim=-1)
    around = heatmaps.flatten(2).gather(2, index.clamp(0, height * width - 1))
    slope = around[..., 0::2] - around[..., 1::2]
    return cells + 0.25 * slope.sign().to(cells.dtype) * inside[..., None]


def cells_to_image(cells: Tensor, crops: Tensor, size: Size, unbiased: bool = False) -> Tensor:
    """Map heatmap cells to image pixels by the upright crop they cover.

    As published the zoom of the lineage's map is crop width / map width on both axes, and comes
    from the actual map size, not from the network's input.

    Args:
        cells: (N, K, 2) ``(x, y)`` in cells.
        crops: (N, 4) ``centre x, centre y, width, height`` in image pixels.
        size: ``(width, height)`` of the maps, in cells.
        unbiased: lengths are measured between pixel centres (Huang et al. 2020).
    """
    less = int(unbiased)
    across = crops[:, 2:3] / (size[0] - less)
    down = crops[:, 3:4] / (size[1] - less) if unbiased else across
    x = (cells[..., 0] - (size[0] - less) / 2) * across + crops[:, 0:1]
    y = (cells[..., 1] - (size[1] - less) / 2) * down + crops[:, 1:2]
    return torch.stack([x, y], dim=-1)


def _check(keypoints: Tensor, visible: Tensor, sigma: float) -> None:
    if keypoints.ndim != 3 or keypoints.shape[-1] != 2:
        raise ValueError(f"keypoints must be (N, K, 2), got {tuple(keypoints.shape)}")
    if visible.shape != keypoints.shape[:2]:
        raise ValueError(f"visible must be {tuple(keypoints.shape[:2])}, got {visible.shape}")
    if sigma <= 0:
        raise ValueError(f"sigma must be > 0 cells, got {sigma}")


def _window_weights(centre: Tensor, visible: Tensor, size: Size, sigma: float) -> Tensor:
    """Return (N, K) float32: ``visible`` where the window around ``centre`` touches the map."""
    reach = WINDOW * sigma
    touches = (centre + reach + 1 >= 0).all(dim=-1)
    for axis in (0, 1):  # numbers, not a tensor of them: that would wait for the device
        touches &= centre[..., axis] - reach < size[axis]
    return visible.float() * touches


def _draw(
    centre: Tensor, window: Tensor | None, weights: Tensor, size: Size, sigma: float
) -> Tensor:
    """Multiply a row and a column profile per joint; zero where ``weights`` is at most 0.5."""
    columns, rows = (
        _profile(
            centre[..., axis, None],
            None if window is None else window[..., axis, None],
            size[axis],
            sigma,
        )
        for axis in (0, 1)
    )
    rows = rows * (weights > 0.5)[..., None]
    return rows[..., :, None] * columns[..., None, :]


def _profile(centre: Tensor, window: Tensor | None, length: int, sigma: float) -> Tensor:
    """Return (N, K, length) of exp(-d^2 / 2 sigma^2), cut 3 sigma away from ``window`` if given."""
    cells = torch.arange(length, dtype=torch.float32, device=centre.device)
    values = torch.exp(-(cells - centre).square() / (2 * sigma**2))
    if window is None:
        return values
    return values * ((cells - window).abs() <= WINDOW * sigma)


def first_maximum(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Return index (int64) and value of the first maximum along the last axis of (N, K, P)."""
    # NumPy's answer would be a constant in a recording.
    recorded = torch.jit.is_tracing() or torch.compiler.is_compiling()  # type: ignore[attr-defined]
    if maps.device.type == "cpu" and not recorded:
        # NumPy's argmax is vectorised; torch's is about six times slower on the CPU.
        index = torch.from_numpy(maps.detach().numpy().argmax(-1))
        return index, maps.gather(-1, index[..., None])[..., 0]
    scores, index = maps.max(dim=-1)
    return index, scores
