"""Heatmaps and tag maps at several resolutions.

Cheng et al., HigherHRNet: Scale-Aware Representation Learning for Bottom-Up Human Pose Estimation,
CVPR 2020, Section 3.2. Attribute names are those of the published checkpoints.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lib.models.heads.base import HeatmapsHead
from lib.models.heads.deconv import PADDING, doubling
from lib.models.joints import Channels, channels_of
from lib.models.layers.blocks import BasicBlock
from lib.models.registry import HEADS


@HEADS.register("higher")
class HigherHead(HeatmapsHead):
    """Predicts at the finest map, then doubles it some times and predicts again each time.

    Stage 0 reads the finest map of the backbone, stage ``i + 1`` what doubling ``i`` made of it.

    Args:
        in_channels: channels of the maps, fine to coarse; only the first map is read.
        in_strides: their strides in input pixels.
        num_joints: K.
        tag_stages: per stage, whether it predicts tags; one more entry than ``channels``.
        tag_per_joint: one tag map per joint, else one for all.
        channels: width after each doubling.
        kernels: size of each transposed convolution: 2, 3 or 4.
        blocks: residual blocks after each doubling.
        cat: per doubling, whether it also reads the prediction of the stage before.
        final_kernel: size of the predicting convolutions, 1 or 3.

    Attributes:
        out_strides: strides of the predictions in input pixels.

    Raises:
        ValueError: the lists do not fit together, or a map would become finer than the image.
    """

    recomputable = ("deconv_layers.*",)

    def __init__(
        self,
        in_channels: Sequence[int],
        in_strides: Sequence[int],
        num_joints: int,
        *,
        tag_stages: Sequence[bool] = (True, False),
        tag_per_joint: bool = True,
        channels: Sequence[int] = (32,),
        kernels: Sequence[int] = (4,),
        blocks: int = 4,
        cat: Sequence[bool] = (True,),
        final_kernel: int = 1,
    ) -> None:
        super().__init__()
        _check(in_strides[0], tag_stages, channels, kernels, cat)
        tags = num_joints if tag_per_joint else 1
        outputs = [num_joints + tags * bool(tagged) for tagged in tag_stages]
        widths = [in_channels[0], *channels]
        self.tag_stages = tuple(bool(tagged) for tagged in tag_stages)
        self.tag_per_joint = tag_per_joint
        self.cat = tuple(bool(joined) for joined in cat)
        self.final_layers = nn.ModuleList(
            nn.Conv2d(width, count, final_kernel, padding=final_kernel // 2)
            for width, count in zip(widths, outputs, strict=True)
        )
        self.deconv_layers = nn.ModuleList(
            _enlarge(widths[i] + outputs[i] * joined, width, kernel, blocks)
            for i, (width, kernel, joined) in enumerate(
                zip(channels, kernels, self.cat, strict=True)
            )
        )
        self.out_strides = tuple(in_strides[0] // 2**i for i in range(len(widths)))

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Map a list of (B, C, H, W), of which the first is read, to one prediction per stage.

        Returns:
            (B, K + tags, H 2^i, W 2^i) for stage i: heatmaps, then tag maps where it has them.
        """
        x = maps[0]
        predictions = [self.final_layers[0](x)]
        for enlarge, predict, joined in zip(
            self.deconv_layers, self.final_layers[1:], self.cat, strict=True
        ):
            x = enlarge(torch.cat([x, predictions[-1]], dim=1) if joined else x)
            predictions.append(predict(x))
        return predictions

    def joint_channels(self, joints: Sequence[str]) -> Channels:
        """Return which maps and tags of every stage, and their readers, belong to which joint.

        A doubling with ``cat`` reads the features, then the maps and tags of the stage before.
        """
        tags = [f"tag {joint}" for joint in joints] if self.tag_per_joint else ["tag"]
        found: Channels = {}
        for i, (layer, tagged) in enumerate(zip(self.final_layers, self.tag_stages, strict=True)):
            outputs = [*joints, *(tags if tagged else [])]
            found |= channels_of(layer, f"final_layers.{i}", outputs)
            if i < len(self.cat) and self.cat[i]:
                features = [f"feature {c}" for c in range(_width(layer))]
                found[f"deconv_layers.{i}.0.0.weight"] = (0, [*features, *outputs])
        return found


def _width(layer: nn.Module) -> int:
    assert isinstance(layer, nn.Conv2d)
    return layer.in_channels


def _check(
    stride: int,
    tag_stages: Sequence[bool],
    channels: Sequence[int],
    kernels: Sequence[int],
    cat: Sequence[bool],
) -> None:
    if len(tag_stages) != len(channels) + 1:
        raise ValueError(
            f"{len(channels)} doublings make {len(channels) + 1} stages, got {len(tag_stages)} "
            "entries that say which of them predict tags"
        )
    if not len(channels) == len(kernels) == len(cat):
        raise ValueError("channels, kernels and cat need one entry per doubling each")
    if not set(kernels) <= set(PADDING):
        raise ValueError(f"transposed convolutions are 2, 3 or 4 wide, got kernels {list(kernels)}")
    if stride % 2 ** len(channels):
        raise ValueError(f"stride {stride} cannot be halved {len(channels)} times")


def _enlarge(in_channels: int, width: int, kernel: int, blocks: int) -> nn.Sequential:
    """Return a doubling and residual blocks, in the nesting of the published checkpoints."""
    first = nn.Sequential(*doubling(in_channels, width, kernel))
    return nn.Sequential(first, *(nn.Sequential(BasicBlock(width, width)) for _ in range(blocks)))
