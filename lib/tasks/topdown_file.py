"""Files of top-down networks that read the joints by themselves."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from yacs.config import CfgNode

from lib.codecs.base import Codec, halves
from lib.export import FileNetwork
from lib.export.graph import Graph, difference_of_joints
from lib.structures.geometry import Size
from lib.structures.skeleton import Skeleton
from lib.utils.errors import ConfigError, ExportError


class DecodedNetwork(nn.Module):
    """A network with what its codec does behind it: crops in, joints out.

    Args:
        network: in evaluation mode.
        codec: reads its answer.
        flip_index: (K,) int64 of the skeleton: average with the mirrored crops; None does not.
    """

    def __init__(self, network: nn.Module, codec: Codec, flip_index: Tensor | None) -> None:
        super().__init__()
        self.network, self.codec = network, codec
        self.flip_index: Tensor | None
        self.register_buffer("flip_index", flip_index)
        self.frame: Tensor
        self.register_buffer("frame", input_frame(codec.input_size, unbiased=codec.unbiased))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Map crops (B, 3, H, W) to joints (B, K, 2) in their pixels and scores (B, K)."""
        if self.flip_index is None:
            answer = self.network(images)
        else:
            direct, mirrored = halves(self.network(torch.cat([images, images.flip(3)])))
            answer = self.codec.merge_flipped(direct, mirrored, self.flip_index)
        return self.codec.decode_to_image(answer, self.frame.expand(images.shape[0], 4))


def input_frame(size: Size, *, unbiased: bool) -> Tensor:
    """Return the crop (4,) by which joints come out in pixels of the network's input."""
    less = int(unbiased)
    width, height = size[0] - less, size[1] - less
    return torch.tensor([width / 2, height / 2, width, height])


def frame_to_image(points: Tensor, crops: Tensor, codec: Codec) -> Tensor:
    """Map joints (N, K, 2) in pixels of the input, as `input_frame` gives them, to the images.

    Args:
        points: joints.
        crops: (N, 4) ``centre x, centre y, width, height`` in image pixels.
        codec: knows the input.
    """
    frame = input_frame(codec.input_size, unbiased=codec.unbiased).to(points.device)
    return (points - frame[:2]) * (crops[:, None, 2:] / frame[2:]) + crops[:, None, :2]


def crop_graph(model: nn.Module, cfg: CfgNode, codec: Codec, skeleton: Skeleton | None) -> Graph:
    """Return the network, or with a skeleton what reads joints in pixels of its input, too.

    Raises:
        ExportError: joints are moved in pixels of the image, which a file of crops does not know.
    """
    if skeleton is None:
        return Graph(model, [codec.input_size], tuple(codec.output_shapes(1)))
    if cfg.TEST.BIAS:
        raise ExportError(
            f"--joints: TEST.BIAS {cfg.TEST.BIAS} is in pixels of the image, and a file knows "
            "those of its input only; set TEST.BIAS 0, or leave out --joints."
        )
    flip = torch.from_numpy(skeleton.flip_index) if cfg.TEST.FLIP_TEST else None
    outputs = {name: list(shape) for name, shape in output_shapes(skeleton.num_joints).items()}
    return Graph(
        DecodedNetwork(model, codec, flip),
        [codec.input_size],
        tuple(outputs),
        difference=difference_of_joints,
        card={"outputs": outputs, "decoded": True},
    )


def output_shapes(num_joints: int) -> dict[str, tuple[int, ...]]:
    """Return name and shape, without the batch, of what such a file gives."""
    return {"joints": (num_joints, 2), "scores": (num_joints,)}


def reads_joints(model: nn.Module) -> bool:
    """Return whether a network is a file that reads joints: of a mix, several tasks test it."""
    return isinstance(model, FileNetwork) and bool(model.card.get("decoded", False))


def is_decoded(card: dict[str, Any], *, flip: bool) -> bool:
    """Return whether a file says that it reads the joints by itself.

    Raises:
        ConfigError: it does, but its test is not mirrored as ``flip`` says.
    """
    decoded = bool(card.get("decoded", False))
    if decoded and bool(card.get("flip", flip)) != flip:
        raise ConfigError(
            f"The file was exported with TEST.FLIP_TEST {not flip}, which is a part of what it "
            f"computes; set TEST.FLIP_TEST {not flip}, or export it again."
        )
    return decoded
