"""SimCC: a joint as one classification over bins per axis (Li et al. 2022, arXiv 2107.03332).

Axes: N people, K joints, Wx bins along x, Wy along y; an answer is a pair of logits (N, K, Wx) and
(N, K, Wy). A bin is ``1 / ratio`` input pixels wide, bin ``i`` stands for pixel ``i / ratio``.
Deviations are in bins.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from lib.codecs.heatmap import WINDOW, first_maximum
from lib.structures.geometry import Size

Pair = tuple[Tensor, Tensor]
NEWTON_RANGE = (1e-3, 50.0)  # published limits before the logarithm
VISIBILITY_BETA = 150.0  # published sharpness of the softmax whose peak says "visible"


def encode_gaussian_bins(
    places: Tensor, visible: Tensor, bins: Size, sigma: tuple[float, float], *, unit_sum: bool
) -> tuple[Pair, Tensor]:
    """Draw one Gaussian row per axis, over all bins.

    A joint whose window (3 sigma around it) misses the bins on either axis loses both rows and its
    weight. The published test is one bin too generous at the left and top.

    Args:
        places: (N, K, 2) ``(x, y)`` in bins.
        visible: (N, K) float; below 0.5 nothing is drawn and the weight stays.
        bins: ``(Wx, Wy)``.
        sigma: deviations along ``(x, y)`` in bins.
        unit_sum: divide by ``sigma sqrt(2 pi)``, so that a row sums to about 1, else peaks are 1.

    Returns:
        rows: (N, K, Wx) and (N, K, Wy) float32.
        weights: (N, K) float32.
    """
    touches = torch.ones_like(visible, dtype=torch.bool)
    for axis in (0, 1):
        mean, reach = places[..., axis], WINDOW * sigma[axis]
        touches &= (mean - reach < bins[axis]) & (mean + reach + 1 >= 0)
    shown = visible >= 0.5
    x, y = (
        _gaussian_rows(places[..., axis], bins[axis], sigma[axis], unit_sum)
        * (shown & touches)[..., None]
        for axis in (0, 1)
    )
    return (x, y), torch.where(shown, visible * touches, visible)


def encode_smoothed_bins(
    places: Tensor, visible: Tensor, bins: Size, smoothing: float
) -> tuple[Pair, Tensor]:
    """Put ``1 - smoothing`` into the bin of each joint and spread the rest over the others.

    Joints outside the bins on either axis lose both rows and their weight. Arguments and results as
    in `encode_gaussian_bins`; ``places`` are whole numbers.
    """
    inside = torch.ones_like(visible, dtype=torch.bool)
    for axis in (0, 1):
        inside &= (places[..., axis] >= 0) & (places[..., axis] < bins[axis])
    shown = visible >= 0.5
    x, y = (
        _smoothed_rows(places[..., axis], bins[axis], smoothing) * (shown & inside)[..., None]
        for axis in (0, 1)
    )
    return (x, y), torch.where(shown, visible * inside, visible)


def read_peaks(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Return the first maximum of each axis.

    Returns:
        bins: (N, K, 2) float32 ``(x, y)``, whole numbers; (-1, -1) where the score is <= 0.
        scores: (N, K) float32, the smaller of the two maxima; no probability, may exceed 1.
    """
    (at_x, most_x), (at_y, most_y) = first_maximum(x.float()), first_maximum(y.float())
    scores = torch.minimum(most_x, most_y)
    places = torch.stack([at_x, at_y], dim=-1).float()
    return torch.where(scores[..., None] > 0, places, -1.0), scores


def peak_probabilities(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Return (N, K, 2) first maxima and (N, K) the smaller of the two peaks of a softmax."""
    bins = torch.stack([first_maximum(row.float())[0] for row in (x, y)], dim=-1).float()
    peak_x, peak_y = (row.float().softmax(-1).amax(-1) for row in (x, y))
    return bins, torch.minimum(peak_x, peak_y)


def visibility(x: Tensor, y: Tensor, sigma: tuple[float, float]) -> Tensor:
    """Return (N, K): the smaller peak of ``softmax(150 sigma logits)``, as mmpose has it."""
    peaks = [
        (row.float() * (VISIBILITY_BETA * deviation)).softmax(-1).amax(-1)
        for row, deviation in zip((x, y), sigma, strict=True)
    ]
    return torch.minimum(*peaks)


def newton_kernel(sigma: float) -> int:
    """Return the published smoothing width of `newton_bins`, odd (4.9: 29, 5.66: 35, 6: 37)."""
    kernel = int((sigma * 20 - 7) // 3)
    return kernel - int(kernel % 2 == 0)


def newton_bins(places: Tensor, row: Tensor, kernel: int) -> Tensor:
    """Move whole bins to the maximum of the Gaussian that fits around them (as DARK on maps).

    The row is smoothed with a border of 0 and brought back to its maximum; first differences have
    step 1, second ones step 2, and bins beyond the border repeat it.

    Args:
        places: (N, K) bins, whole numbers, -1 for none.
        row: (N, K, W) logits.
        kernel: odd smoothing width in bins.

    Returns:
        (N, K) float32.
    """
    row = row.float()
    smooth = _smooth(row, kernel)
    # A row of zeros alone has no maximum to bring it back to.
    smooth = smooth * (row.amax(-1) / smooth.amax(-1).clamp_min(1e-12))[..., None]
    logs = smooth.clamp(*NEWTON_RANGE).log()
    step = torch.arange(-2, 3, device=row.device)
    # The published index is that of the padded row, of a place half up.
    index = ((places + 0.5).long()[..., None] + step).clamp(0, row.shape[-1] - 1)  # toward zero
    f = logs.gather(-1, index)
    slope = (f[..., 3] - f[..., 1]) / 2
    curvature = 1e-9 + (f[..., 4] - 2 * f[..., 2] + f[..., 0]) / 4
    return places - slope / curvature


def flip_back_bins(x: Tensor, y: Tensor, flip_index: Tensor) -> Pair:
    """Mirror the logits of a mirrored picture back: x reversed, left and right swapped on both."""
    return x.flip(-1).index_select(1, flip_index), y.index_select(1, flip_index)


def shift_left(row: Tensor, places: float) -> Tensor:
    """Move (..., W) left by ``places``, linearly between bins; that at the border is repeated."""
    if places < 0:
        return shift_left(row.flip(-1), -places).flip(-1)
    whole, part = int(places), places - int(places)
    for _ in range(whole):
        row = torch.cat([row[..., 1:], row[..., -1:]], dim=-1)
    if part:
        moved = torch.lerp(row[..., :-1], row[..., 1:], part)
        row = torch.cat([moved, row[..., -1:]], dim=-1)
    return row


def outer_maps(rows: Sequence[Tensor]) -> Tensor:
    """Return (N, K, Wy, Wx) maps in [0, 1]: the product of both rows, each at most 1."""
    x, y = (
        row.clamp_min(0) / row.amax(-1, keepdim=True).clamp_min(1) for row in (rows[0], rows[1])
    )
    return y[..., :, None] * x[..., None, :]


def _gaussian_rows(mean: Tensor, length: int, sigma: float, unit_sum: bool) -> Tensor:
    bins = torch.arange(length, dtype=torch.float32, device=mean.device)
    rows = torch.exp(-(bins - mean[..., None]).square() / (2 * sigma**2))
    return rows / (sigma * math.sqrt(2 * math.pi)) if unit_sum else rows


def _smoothed_rows(place: Tensor, length: int, smoothing: float) -> Tensor:
    bins = torch.arange(length, dtype=torch.float32, device=place.device)
    rest = smoothing / (length - 1)
    return torch.where(bins == place[..., None], 1 - smoothing, rest)


def _smooth(row: Tensor, kernel: int) -> Tensor:
    """Smooth (..., W) by the Gaussian that OpenCV takes for this width; 0 beyond the border."""
    reach = kernel // 2
    deviation = 0.3 * (reach - 1) + 0.8
    weights = [math.exp(-(i**2) / (2 * deviation**2)) for i in range(-reach, reach + 1)]
    padded = torch.nn.functional.pad(row, (reach, reach))
    total = sum(weights)
    # Shifted sums, not a convolution: autocast or TF32 would cost digits that count here.
    smooth = torch.zeros_like(row)
    for offset, weight in enumerate(weights):
        smooth += padded[..., offset : offset + row.shape[-1]] * (weight / total)
    return smooth
