"""Parts of another kind than ours: points and how sure they are, on strides of 3 and 6."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from lib.codecs import CODECS
from lib.codecs.base import Codec, input_to_image
from lib.models.registry import BACKBONES, HEADS


@BACKBONES.register("thirds")
class Thirds(nn.Module):
    """A convolution per stride."""

    def __init__(self, width=4):
        super().__init__()
        self.out_channels, self.out_strides = (width, 2 * width), (3, 6)
        pairs = zip(self.out_channels, self.out_strides, strict=True)
        self.layers = nn.ModuleList(nn.Conv2d(3, channels, n, n) for channels, n in pairs)

    def forward(self, images):
        return [layer(images) for layer in self.layers]


@HEADS.register("points")
class PointsHead(nn.Module):
    """A linear layer on the coarsest map; ``frame`` comes from the codec."""

    gives = "points"

    def __init__(self, in_channels, in_strides, num_joints, frame=(1, 1)):
        super().__init__()
        cells = (frame[0] // in_strides[-1]) * (frame[1] // in_strides[-1])
        self.frame, self.joints = frame, num_joints
        self.layer = nn.Linear(in_channels[-1] * cells, 3 * num_joints)

    def forward(self, maps):
        found = self.layer(maps[-1].flatten(1)).reshape(-1, self.joints, 3)
        return [found[..., :2].sigmoid(), found[..., 2]]


@CODECS.register("points")
@dataclass(frozen=True)
class PointsCodec(Codec):
    """Targets are shares of the sides."""

    reads: ClassVar[str] = "points"
    input_size: tuple

    @classmethod
    def build(cls, cfg):
        return cls(tuple(cfg.MODEL.IMAGE_SIZE))

    @classmethod
    def head_arguments(cls, model):
        return {"frame": tuple(model.IMAGE_SIZE)}

    def output_shapes(self, num_joints):
        return {"points": (num_joints, 2), "sure": (num_joints,)}

    def encode(self, keypoints, visible):
        return keypoints / keypoints.new_tensor(self.input_size), visible.float()

    def loss(self, output, targets, weights):
        apart = (output[0].float() - targets).abs().sum(-1)
        doubt = (output[1].float() + apart.detach()).square()
        return {"points": (apart * weights).mean(), "sure": (doubt * weights).mean()}

    def accuracy(self, output, targets, weights):
        return ((output[0] - targets).norm(dim=-1) < 0.1).float().mean()

    def merge_flipped(self, output, mirrored, flip_index):
        x, y = mirrored[0][:, flip_index].unbind(-1)
        back = torch.stack([1 - 1 / self.input_size[0] - x, y], dim=-1)
        return [(output[0] + back) / 2, (output[1] + mirrored[1][:, flip_index]) / 2]

    def decode_to_image(self, output, crops):
        points = output[0].float() * output[0].new_tensor(self.input_size).float()
        return input_to_image(points, crops, self.input_size), output[1].float().sigmoid()

    def maps(self, output):
        grid = torch.linspace(0, 1, 12, device=output[0].device)
        x, y = output[0].float().unbind(-1)
        apart = (x[..., None, None] - grid) ** 2 + (y[..., None, None] - grid[:, None]) ** 2
        return (-50 * apart).exp()
