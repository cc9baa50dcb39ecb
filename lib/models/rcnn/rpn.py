"""Region proposals as published, on torchvision's network.

Ren et al. 2015, Faster R-CNN; Lin et al. 2017, FPN.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.rpn import RegionProposalNetwork, RPNHead

from lib.models.rcnn.losses import (
    objectness_loss,
    proposal_losses_by_image,
    regression_loss,
)

ANCHOR_SIZES = (32, 64, 128, 256, 512)  # side in pixels, one per pyramid level
ANCHOR_RATIOS = (0.5, 1.0, 2.0)  # height / width


class PyramidAnchors(AnchorGenerator):
    """Anchors of ``ANCHOR_SIZES`` and ``ANCHOR_RATIOS``, always float32, also under autocast.

    torchvision rounds their corners to pixels, and derives a stride by integer division of the
    image by the map, which gives 61 instead of 64 for the topmost of 13 rows over 800 pixels.

    Args:
        rounded: do as torchvision does, for its weights; otherwise anchors are exact, as in the
            upstream framework: not rounded, at the true strides 4, 8, ... 64.
    """

    def __init__(self, *, rounded: bool = False) -> None:
        self.rounded = rounded
        super().__init__(
            tuple((size,) for size in ANCHOR_SIZES), (ANCHOR_RATIOS,) * len(ANCHOR_SIZES)
        )

    def generate_anchors(
        self,
        scales: Any,
        aspect_ratios: Any,
        dtype: torch.dtype = torch.float32,
        device: torch.device | None = None,
    ) -> Tensor:
        """Return the anchors of one cell (len(scales) * len(ratios), 4) about the origin."""
        device = device or torch.device("cpu")  # not the default one: that may be the meta device
        sizes = torch.as_tensor(scales, dtype=dtype, device=device)
        roots = torch.as_tensor(aspect_ratios, dtype=dtype, device=device).sqrt()
        widths = (sizes / roots[:, None]).flatten()
        heights = (sizes * roots[:, None]).flatten()
        anchors = torch.stack((-widths, -heights, widths, heights), dim=1) / 2
        return anchors.round() if self.rounded else anchors

    def set_cell_anchors(self, dtype: torch.dtype, device: torch.device) -> None:
        """Move the anchors of one cell; ``dtype``, that of the features, is not for coordinates."""
        super().set_cell_anchors(torch.float32, device)

    def grid_anchors(self, grid_sizes: list[list[int]], strides: Any) -> list[Tensor]:
        """Repeat the anchors over maps of ``grid_sizes``; ``strides`` are guesses."""
        if not self.rounded:
            strides = [[4 * 2**level] * 2 for level in range(len(grid_sizes))]
        return super().grid_anchors(grid_sizes, strides)


class KeypointRPNHead(RPNHead):
    """``RPNHead`` whose outputs are float32 also under autocast: boxes are decoded from them."""

    def forward(self, x: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Map pyramid levels (B, C, H, W) to objectness (B, A, H, W) and deltas (B, 4A, H, W)."""
        logits, deltas = super().forward(x)
        return [level.float() for level in logits], [level.float() for level in deltas]


class KeypointRPN(RegionProposalNetwork):
    """``RegionProposalNetwork`` with the published losses.

    Args:
        args, kwargs: as for ``RegionProposalNetwork``.
        smooth_l1_beta: of the box loss; 0 (plain L1) is published.
    """

    def __init__(self, *args: Any, smooth_l1_beta: float = 0.0, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.smooth_l1_beta = smooth_l1_beta
        self.image_losses: Tensor | None = None  # (B,) of the last training batch, detached

    @property
    def proposals_in_testing(self) -> int:
        """The most boxes per image that are kept in eval mode."""
        return self._post_nms_top_n["testing"]

    def compute_loss(
        self,
        objectness: Tensor,
        pred_bbox_deltas: Tensor,
        labels: list[Tensor],
        regression_targets: list[Tensor],
    ) -> tuple[Tensor, Tensor]:
        """Return the objectness and box losses of sampled anchors.

        Both are sums over the batch divided by the number of anchors that were to be sampled, also
        where fewer were found.

        Args:
            objectness: (A, 1) logits of all anchors of the batch, in the order of the labels.
            pred_bbox_deltas: (A, 4).
            labels: per image (A_i,) with 1 person, 0 background, -1 neither.
            regression_targets: per image (A_i, 4).
        """
        masks = self.fg_bg_sampler(labels)
        positive, negative = (torch.where(torch.cat(part))[0] for part in masks)
        sampled = torch.cat((positive, negative))
        per_image = self.fg_bg_sampler.batch_size_per_image
        normaliser = per_image * len(labels)
        wanted = torch.cat(labels)[sampled]
        targets = torch.cat(regression_targets)[positive]
        self.image_losses = proposal_losses_by_image(
            objectness.flatten(),
            pred_bbox_deltas,
            labels,
            regression_targets,
            [(one + other) > 0 for one, other in zip(*masks, strict=True)],
            beta=self.smooth_l1_beta,
            normaliser=per_image,
        )
        return (
            objectness_loss(objectness.flatten()[sampled], wanted, normaliser),
            regression_loss(pred_bbox_deltas[positive], targets, self.smooth_l1_beta, normaliser),
        )
