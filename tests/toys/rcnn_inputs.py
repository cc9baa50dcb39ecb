"""Inputs of a tiny Keypoint R-CNN."""

import torch

BOX = [20.0, 10, 70, 90]


def image(height=96, width=128, seed=0):
    return torch.rand(3, height, width, generator=torch.Generator().manual_seed(seed))


def train_losses(network, images, targets):
    torch.manual_seed(0)
    return network.train()(images, targets)
