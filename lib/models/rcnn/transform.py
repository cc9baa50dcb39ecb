"""Normalisation, resizing and batching of images of any size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from torch import Tensor
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.transform import GeneralizedRCNNTransform


class PoseTransform(GeneralizedRCNNTransform):
    """``GeneralizedRCNNTransform`` whose size for testing is not one of those for training.

    Args:
        min_train: lengths of the shorter side in pixels; training draws one per image.
        min_test: the length for testing.
        max_size: limit of the longer side.
        mean, std: three values for red, green, blue in [0, 1].
    """

    def __init__(
        self,
        min_train: Sequence[int],
        min_test: int,
        max_size: int,
        *,
        mean: Sequence[float],
        std: Sequence[float],
    ) -> None:
        self.min_train, self.min_test = tuple(min_train), (min_test,)
        super().__init__(min_test, max_size, list(mean), list(std))
        self.min_size = self.min_train

    def train(self, mode: bool = True) -> PoseTransform:
        """Switch between the sizes for training and for testing."""
        super().train(mode)
        self.min_size = self.min_train if mode else self.min_test
        return self

    def alike(self, images: Sequence[Tensor]) -> Iterator[tuple[list[int], ImageList]]:
        """Yield the places of images that share a batch, and the batch, resized and normalised.

        They are those that end at one size when each is padded for itself: no image is padded for
        the sake of another, so nothing that is found depends on the neighbours.

        Args:
            images: each (3, H, W) float in [0, 1].
        """
        shown: list[Tensor] = [self.resize(self.normalize(image), None)[0] for image in images]
        places: dict[tuple[int, ...], list[int]] = {}
        for place, image in enumerate(shown):
            padded = tuple(-(-side // self.size_divisible) for side in image.shape[1:])
            places.setdefault(padded, []).append(place)
        for rows in places.values():
            own = [shown[place] for place in rows]
            sizes: Any = [(image.shape[1], image.shape[2]) for image in own]
            yield rows, ImageList(self.batch_images(own, self.size_divisible), sizes)
