"""What the numbers in an image tensor mean to a network: scale, offset and order of the colours."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

# ImageNet statistics of the red, green and blue channel. Networks that want blue-green-red pixels
# were trained with these constants in this order all the same.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Pixels:
    """The pixels a trunk was trained on; its weights are of use with no others.

    A network sees ``(value / 255 - mean) / std``, channel by channel, in the order of ``rgb``.

    Attributes:
        mean: of values in [0, 1], one per channel in the network's order.
        std: of the same.
        rgb: whether the channels are red, green, blue (else blue, green, red); None where the trunk
            does not care, so that ``DATASET.COLOR_RGB`` decides.

    Raises:
        ValueError: there are not three of each, or a ``std`` is not above 0.
    """

    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    rgb: bool | None = None

    def __post_init__(self) -> None:
        if len(self.mean) != 3 or len(self.std) != 3:
            raise ValueError(
                f"mean and std must have three entries, one per colour, got {list(self.mean)} and "
                f"{list(self.std)}"
            )
        if not min(self.std) > 0:
            raise ValueError(f"std must be above 0, got {list(self.std)}")

    def in_order(self, rgb: bool) -> Pixels:
        """Return these pixels with an order of colours: the trunk's own, else ``rgb``."""
        return replace(self, rgb=rgb if self.rgb is None else self.rgb)

    def describe(self) -> dict[str, Any]:
        """Return ``color_rgb``, ``mean`` and ``std`` as plain values, for cards of models."""
        return {"color_rgb": self.rgb, "mean": list(self.mean), "std": list(self.std)}
