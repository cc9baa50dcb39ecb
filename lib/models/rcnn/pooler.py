"""RoIAlign over pyramid levels of known strides, with true zeros outside the image.

He et al. 2017, Mask R-CNN, section 3; levels by Lin et al. 2017, FPN, equation 1. Differs from
``torchvision.ops.MultiScaleRoIAlign``, which guesses the strides from the first batch it sees (and
is wrong for ever after a tiny one) and cannot sample on half-pixel centres.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import roi_align

CANONICAL_SIZE = 224.0  # side in pixels of a box that belongs to level 4 (stride 16)
CANONICAL_LEVEL = 4
EPSILON = 1e-6  # a 224-pixel box must not fall below its level by rounding


class FixedStridePooler(nn.Module):
    """Pool every box to S x S cells from the pyramid level that fits its area.

    Args:
        levels: names of the feature maps to choose from, ``"0"`` has stride 4, ``"1"`` 8, ...;
            with one name every box is pooled from that map.
        output_size: S.
        sampling_ratio: samples per cell and axis; 0 takes one per feature cell covered.
        aligned: sample on half-pixel centres (False is what torchvision's weights expect).
        zero_pad: features outside the map count as zero; otherwise the outermost cell reaches one
            cell further out. Exact: one cell of zeros on each side changes nothing else.
    """

    def __init__(
        self,
        levels: Sequence[str],
        output_size: int,
        *,
        sampling_ratio: int = 0,
        aligned: bool = True,
        zero_pad: bool = False,
    ) -> None:
        super().__init__()
        self.levels = tuple(levels)
        self.output_size = output_size
        self.sampling_ratio = sampling_ratio
        self.aligned = aligned
        self.zero_pad = zero_pad

    def forward(self, features: Mapping[str, Tensor], boxes: Sequence[Tensor]) -> Tensor:
        """Pool ``boxes`` (one (N_i, 4) xyxy tensor per image, pixels of the batch tensor).

        ``features`` are maps (B, C, H, W) by level name. Returns (sum N_i, C, S, S) in the type of
        the boxes: corners in half precision would be pixels off.
        """
        rois = torch.cat(
            [torch.cat((torch.full_like(b[:, :1], i), b), dim=1) for i, b in enumerate(boxes)]
        )
        if len(self.levels) == 1:
            return self._pool(features[self.levels[0]], rois, int(self.levels[0]))
        finest, coarsest = int(self.levels[0]), int(self.levels[-1])
        level = box_levels(rois[:, 1:], finest, coarsest)
        channels = features[self.levels[0]].shape[1]
        # shape, not len(): a recording of this (ONNX) takes any number of boxes.
        pooled = rois.new_zeros(rois.shape[0], channels, self.output_size, self.output_size)
        for name in self.levels:
            chosen = torch.where(level == int(name))[0]
            pooled[chosen] = self._pool(features[name], rois[chosen], int(name))
        return pooled

    def _pool(self, feature: Tensor, rois: Tensor, level: int) -> Tensor:
        stride = 4 * 2**level
        if self.zero_pad:
            feature = F.pad(feature, (1, 1, 1, 1))
            rois = torch.cat((rois[:, :1], rois[:, 1:] + stride), dim=1)
        return roi_align(
            feature.to(rois.dtype),
            rois,
            self.output_size,
            1 / stride,
            self.sampling_ratio,
            self.aligned,
        )


def box_levels(boxes: Tensor, finest: int, coarsest: int) -> Tensor:
    """Return (N,) int64, the map each box (N, 4) xyxy belongs to; 0 is the map of stride 4.

    Maps are counted from level 2 of the pyramid; the result is clamped to
    ``finest .. coarsest``.
    """
    sides = (boxes[:, 2:] - boxes[:, :2]).clamp(min=0)
    size = sides.prod(dim=1).sqrt()
    level = (CANONICAL_LEVEL + torch.log2(size / CANONICAL_SIZE) + EPSILON).floor()
    return (level.clamp(finest + 2, coarsest + 2) - 2).long()
