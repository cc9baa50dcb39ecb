"""Training targets of associative embedding, drawn for a whole batch on its device.

Newell et al. 2017, "Associative Embedding"; at several resolutions with the same sigma as in
Cheng et al. 2020, "HigherHRNet", Sec. 3.2. Differs from the published code where that breaks:
more than ``max_people`` people are allowed, a sigma per person works, and a sigma that is no
integer follows the formula.

Axes: B images, P people (padded with invisible ones), K joints, S cells along a side of the
square map. Cell ``i`` is centred on coordinate ``i``, but a joint belongs to the cell that
truncation gives, as published: -0.9 to cell 0, 1.9 to cell 1.
"""

from __future__ import annotations

import torch
from torch import Tensor

CELLS_PER_AUTO_SIGMA = 64  # SIGMA -1 means side / 64


def accept(keypoints: Tensor, visible: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """Say which joints are drawn, and in which cells they lie.

    Args:
        keypoints: (B, P, K, 2) float, ``(x, y)`` in cells.
        visible: (B, P, K) bool or float; 0 means "not annotated".
        side: S.

    Returns:
        accepted: (B, P, K) bool: annotated and inside the map.
        cells: (B, P, K, 2) int64; undefined but inside the map where not accepted.
    """
    cells = keypoints.trunc()
    inside = ((cells >= 0) & (cells < side)).all(dim=-1)
    accepted = inside & (visible > 0)
    return accepted, torch.where(accepted[..., None], cells, 0).long()


def gaussian_reach(sigma: float) -> int:
    """Return how many cells a Gaussian extends to each side of its centre."""
    return int(3 * sigma + 1)


def encode_heatmaps(
    keypoints: Tensor, visible: Tensor, side: int, sigma: float | Tensor, max_sigma: float = 0.0
) -> Tensor:
    """Draw one unit-peak Gaussian per joint; where people overlap, the higher value counts.

    Only the window of each Gaussian is touched, so the cost does not depend on the map's size.

    Args:
        keypoints: (B, P, K, 2) float, ``(x, y)`` in cells.
        visible: (B, P, K) bool or float; 0 means "not annotated".
        side: S.
        sigma: standard deviation in cells, for all or (B, P) for each person; a float below 0
            means S / 64.
        max_sigma: the largest of ``sigma`` if that is a tensor: asking the tensor itself would
            make the host wait for the device.

    Returns:
        (B, K, S, S) float32 in [0, 1], 0 beyond 3 sigma + 1 cells from a joint's cell.
    """
    if not isinstance(sigma, Tensor):
        sigma = max_sigma = sigma if sigma > 0 else side / CELLS_PER_AUTO_SIGMA
        sigma = torch.full(keypoints.shape[:2], sigma, device=keypoints.device)
    if max_sigma <= 0:
        raise ValueError(f"max_sigma must be > 0 cells, got {max_sigma}")
    B, _, K = visible.shape
    accepted, cells = accept(keypoints, visible, side)
    reach = gaussian_reach(max_sigma)
    offset = torch.arange(-reach, reach + 1, device=cells.device)
    along = cells[..., None] + offset  # (B, P, K, 2, window)
    inside = (along >= 0) & (along < side) & accepted[..., None, None]
    inside &= offset.abs() <= (3 * sigma + 1)[:, :, None, None, None]
    exponent = offset.float().square() / (2 * sigma.float().square())[:, :, None, None, None]
    gx, gy = (torch.exp(-exponent) * inside).unbind(dim=3)  # (B, P, K, window)
    columns, rows = along.clamp(0, side - 1).unbind(dim=3)
    flat = rows[..., :, None] * side + columns[..., None, :]  # (B, P, K, window, window)
    value = gy[..., :, None] * gx[..., None, :]
    heatmaps = value.new_zeros(B, K, side * side)
    flat, value = (part.transpose(1, 2).reshape(B, K, -1) for part in (flat, value))
    return heatmaps.scatter_reduce_(2, flat, value, "amax").view(B, K, side, side)


def encode_tag_indices(
    keypoints: Tensor,
    visible: Tensor,
    side: int,
    *,
    max_people: int = 30,
    tag_per_joint: bool = True,
) -> Tensor:
    """Say where in the flattened tag maps the tags of each person's joints are.

    Of more than ``max_people`` people those with the most joints inside the map stay, in their
    order.

    Args:
        keypoints: (B, P, K, 2) float, ``(x, y)`` in cells.
        visible: (B, P, K) bool or float; 0 means "not annotated".
        side: S.
        max_people: N.
        tag_per_joint: the tag maps are (K, S, S) if True, else (1, S, S).

    Returns:
        (B, N, K, 2) int64: per person its accepted joints, moved to the front, as ``(index, 1)``,
        then zeros; unused people are zeros.
    """
    B, P, K = visible.shape
    accepted, cells = accept(keypoints, visible, side)
    index = cells[..., 1] * side + cells[..., 0]
    if tag_per_joint:
        index = index + torch.arange(K, device=index.device) * side**2
    packed = torch.stack([index, torch.ones_like(index)], dim=-1) * accepted[..., None]
    front = torch.argsort(~accepted, dim=2, stable=True)[..., None].expand_as(packed)
    packed = packed.gather(2, front)
    if max_people < P:
        count = accepted.sum(dim=2)
        kept = torch.argsort(count, dim=1, descending=True, stable=True)[:, :max_people]
        kept = kept.sort(dim=1).values[:, :, None, None]
        return packed.gather(1, kept.expand(-1, -1, K, 2))
    padded = packed.new_zeros(B, max_people, K, 2)
    padded[:, :P] = packed
    return padded
