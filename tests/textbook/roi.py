"""RoI keypoint maps, one joint at a time."""

import math

import torch
from torch.nn import functional as F


def encode(keypoint, box, size):
    """Joint (x, y, v) in a box (x1, y1, x2, y2) -> (cell, valid)."""
    x, y, v = (float(value) for value in keypoint)
    x1, y1, x2, y2 = (float(value) for value in box)
    column = size - 1 if x == x2 else math.floor((x - x1) * size / (x2 - x1))
    row = size - 1 if y == y2 else math.floor((y - y1) * size / (y2 - y1))
    valid = v > 0 and 0 <= column < size and 0 <= row < size
    return (row * size + column if valid else 0), valid


def decode(maps, box):
    """Maps (K, S, S) of a box -> list of (x, y, probability, peak)."""
    x1, y1, x2, y2 = (float(value) for value in box)
    width, height = max(x2 - x1, 1), max(y2 - y1, 1)
    size = (math.ceil(height), math.ceil(width))
    enlarged = F.interpolate(maps[None], size=size, mode="bicubic", align_corners=False)[0]
    joints = []
    for small, large in zip(maps, enlarged, strict=True):
        index = int(large.argmax())
        row, column = divmod(index, size[1])
        peak = float(large.max())
        probability = min(1.0, math.exp(peak - float(torch.logsumexp(small.flatten(), 0))))
        x = x1 + (column + 0.5) * width / size[1]
        y = y1 + (row + 0.5) * height / size[0]
        joints.append((x, y, probability, peak))
    return joints
