"""Normalisation, resizing and batching of images of any size."""

from __future__ import annotations

from collections.abc import Sequence

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
