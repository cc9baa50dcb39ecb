"""A pose network is a backbone, a neck and a head in a row."""

from __future__ import annotations

from torch import Tensor, nn


class PoseNet(nn.Module):
    """``head(neck(backbone(images)))``; each part is sized from what the one before declares.

    Attributes:
        input_size: ``(width, height)`` of the images; where it is missing, they may be of any size.
    """

    input_size: tuple[int, int]

    def __init__(self, backbone: nn.Module, neck: nn.Module | None, head: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.neck = neck if neck is not None else nn.Identity()  # no keys, no branch in forward
        self.head = head

    def forward(self, images: Tensor) -> Tensor | list[Tensor]:
        """Map normalised images (B, 3, H, W) to what the head gives: maps, or a list of tensors."""
        return self.head(self.neck(self.backbone(images)))
