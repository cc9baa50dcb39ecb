"""Sizes that a network can halve and double again without a remainder."""

from __future__ import annotations

from torch import Tensor


def require_multiple(x: Tensor, stride: int, multiple: int, part: str) -> None:
    """Check that the images behind a map fit a part of the network.

    Args:
        x: (B, C, H, W) map or images.
        stride: of ``x``, in input pixels; 1 for images.
        multiple: what both sides of the images must be multiples of, in pixels.
        part: name of the part, for the message.

    Raises:
        ValueError: they are not.
    """
    height, width = (side * stride for side in x.shape[-2:])
    if height % multiple or width % multiple:
        raise ValueError(
            f"{part} needs images whose sides are multiples of {multiple} pixels, "
            f"got {width} x {height}"
        )
