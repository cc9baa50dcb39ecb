"""What all exported files are to a task: a network with the same call and the same answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from lib.utils.errors import WeightsError
from lib.utils.precision import without_autocast

Shape = Sequence[Any]  # numbers, or something else for a side that is free


class FileNetwork(nn.Module):
    """A network that another runtime computes.

    Attributes:
        card: what the file says about itself; empty for most files of others.
        runtime: what computes it, in words.
        on_cpu: whether that is the processor.
    """

    card: dict[str, Any]
    runtime: str
    on_cpu: bool = True

    def __init__(self) -> None:
        super().__init__()
        # Tasks ask a network's first parameter where it wants its input.
        self._place = nn.Parameter(torch.zeros(0), requires_grad=False)


class ExportedNetwork(FileNetwork, ABC):
    """A model file with one input, images (B, 3, H, W), that answers as a network of ours.

    Attributes:
        fixed: number of images that the file takes at a time; None if any. It is called as often
            as it takes.
    """

    fixed: int | None = None

    @abstractmethod
    def run(self, images: Tensor) -> list[Tensor]:
        """Compute the file: images (B, 3, H, W) float32 on the CPU -> its outputs there."""

    @abstractmethod
    def shapes(self, input_size: Sequence[int]) -> tuple[Shape, list[Shape]]:
        """Return the shapes of input and outputs, given images of ``[width, height]``.

        Raises:
            WeightsError: it cannot take such images.
        """

    def forward(self, images: Tensor) -> Tensor | list[Tensor]:
        """Map normalised images (B, 3, H, W) to the file's output, or a list of several."""
        pixels = images.detach().float().cpu().contiguous()
        with without_autocast(pixels.device):
            if self.fixed is None or self.fixed == len(pixels):
                outputs = self.run(pixels)
            else:
                parts = [self.run(part) for part in _chunks(pixels, self.fixed)]
                outputs = [torch.cat(maps)[: len(pixels)] for maps in zip(*parts, strict=True)]
        maps = [output.to(images.device) for output in outputs]
        return maps[0] if len(maps) == 1 else maps

    def check_sizes(self, input_size: list[int], outputs: Mapping[str, Sequence[int]]) -> None:
        """Compare the file with what a top-down configuration says.

        Args:
            input_size: MODEL.IMAGE_SIZE, ``[width, height]``.
            outputs: shape, without the batch, of each output by name; in the file's order, its
                names may be others.

        Raises:
            WeightsError: with both sizes; sizes that the file leaves open fit everything.
        """
        images, answers = self.shapes(input_size)
        if len(answers) != len(outputs):
            raise WeightsError(
                f"The model file gives {len(answers)} outputs, the configuration needs "
                f"{len(outputs)}, {' and '.join(outputs)}; set MODEL.TARGET_TYPE as it was trained."
            )
        wanted = {"images": [3, input_size[1], input_size[0]], **outputs}
        for (name, size), shape in zip(wanted.items(), [images, *answers], strict=True):
            if len(shape[1:]) != len(size) or not all(map(_fits, shape[1:], size)):
                raise WeightsError(
                    f"The model file has {name} {list(shape[1:])} (channels or joints first), the "
                    f"configuration {list(size)}; set MODEL.IMAGE_SIZE, HEATMAP_SIZE or CODEC, and "
                    "NUM_JOINTS."
                )


def _chunks(pixels: Tensor, size: int) -> list[Tensor]:
    """Cut (B, ...) into parts of exactly ``size``; the last repeats its last image."""
    missing = -len(pixels) % size
    return list(torch.cat([pixels, *[pixels[-1:]] * missing]).split(size))


def _fits(declared: Any, size: int) -> bool:
    return not isinstance(declared, int) or declared == size
