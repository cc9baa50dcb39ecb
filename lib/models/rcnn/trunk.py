"""A ResNet or any trunk of timm's with a feature pyramid, under torchvision's names.

He et al. 2016, ResNet; Lin et al. 2017, FPN.
"""

from __future__ import annotations

from functools import partial

from torch import Tensor, nn
from torchvision.models import resnet
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.ops import FrozenBatchNorm2d
from torchvision.ops.feature_pyramid_network import FeaturePyramidNetwork, LastLevelMaxPool

from lib.models.backbones.timm_trunk import TimmTrunk, pretrained_config

DEPTHS = {
    18: resnet.resnet18,
    34: resnet.resnet34,
    50: resnet.resnet50,
    101: resnet.resnet101,
    152: resnet.resnet152,
}
NORMS = {"FrozenBN": FrozenBatchNorm2d, "BN": nn.BatchNorm2d}
STRIDES = (4, 8, 16, 32)  # of the pyramid's maps
STAGES = ("layer4", "layer3", "layer2", "layer1", "conv1", "bn1")  # in the order of thawing


def resnet_fpn(
    depth: int,
    *,
    norm: str = "FrozenBN",
    norm_eps: float = 1e-5,
    trainable_layers: int = 3,
    stride_in_1x1: bool = False,
    out_channels: int = 256,
) -> BackboneWithFPN:
    """Build the trunk without weights; it maps (B, 3, H, W) to maps ``"0"`` .. ``"3"``, ``"pool"``.

    Args:
        depth: 18, 34, 50, 101 or 152.
        norm: ``FrozenBN`` (with pretrained weights) or ``BN`` (training from nothing).
        norm_eps: epsilon of the norms; torchvision's COCO checkpoint was trained with 0.
        trainable_layers: stages that train, counted from the last; 5 trains everything, 3 freezes
            the stem and ``layer1``.
        stride_in_1x1: stages halve the map in their first 1x1 convolution (original MSRA layout),
            not in the 3x3.
        out_channels: of every pyramid map.

    Raises:
        ValueError: ``trainable_layers`` is not 0..5.
    """
    if not 0 <= trainable_layers <= 5:
        raise ValueError(f"trainable_layers must be 0..5, got {trainable_layers}")
    body = DEPTHS[depth](weights=None, norm_layer=partial(NORMS[norm], eps=norm_eps))
    if stride_in_1x1:
        _stride_first(body)
    trainable = STAGES if trainable_layers == 5 else STAGES[:trainable_layers]
    for name, parameter in body.named_parameters():
        parameter.requires_grad_(name.split(".")[0] in trainable)
    channels = [body.inplanes // 2**i for i in (3, 2, 1, 0)]
    levels = {f"layer{i + 1}": str(i) for i in range(4)}
    return BackboneWithFPN(body, levels, channels, out_channels)


def _stride_first(body: resnet.ResNet) -> None:
    """Move the stride of bottlenecks from the 3x3 to the first 1x1 convolution."""
    for block in body.modules():
        if isinstance(block, resnet.Bottleneck):
            block.conv1.stride, block.conv2.stride = block.conv2.stride, (1, 1)


class TimmPyramid(nn.Module):
    """A trunk of timm's with a feature pyramid; it answers as ``resnet_fpn`` does.

    Args:
        name: timm's, of a network with maps of strides 4, 8, 16 and 32 for images of any size.
        freeze_bn: keep batch-norms as they were loaded.
        out_channels: of every pyramid map.

    Raises:
        ValueError: timm has no such network, or it has other maps, or takes one image size only.
    """

    def __init__(self, name: str, *, freeze_bn: bool = False, out_channels: int = 256) -> None:
        super().__init__()
        if pretrained_config(name).fixed_input_size:
            raise ValueError(f"timm's {name} takes images of one size only, and these differ")
        strides = TimmTrunk(name).out_strides
        if not set(STRIDES) <= set(strides):
            raise ValueError(f"timm's {name} has maps of strides {strides}; needed are {STRIDES}")
        places = [strides.index(stride) for stride in STRIDES]
        self.body = TimmTrunk(name, out_indices=places, freeze_bn=freeze_bn)
        self.fpn = FeaturePyramidNetwork(
            list(self.body.out_channels), out_channels, LastLevelMaxPool()
        )
        self.out_channels = out_channels

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Map images (B, 3, H, W) to maps ``"0"`` .. ``"3"`` and ``"pool"``."""
        return self.fpn({str(level): x for level, x in enumerate(self.body(images))})
