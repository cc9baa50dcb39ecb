"""The family's loader, one person at a time: decode, mirror, warp, to float, draw the targets.

What was drawn for a person (scale, angle, mirror, half body) is the same as ours, so that results
can be compared; everything after it is done the plain way.
"""

import cv2
import numpy as np
import torch

from lib.benchmark.textbook.affine import crop_affine, map_points
from lib.benchmark.textbook.heatmaps import draw_targets
from lib.datasets.keys import keyed_generator
from lib.datasets.transforms import (
    draw_view,
    view_crop,
)

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def read(path):
    """Decode a file; a person's image is read anew for every person in it."""
    return cv2.imread(path, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)


def to_float(pixels):
    """(3, H, W) normalised floats of (H, W, 3) bytes."""
    planes = torch.from_numpy(pixels.transpose(2, 0, 1).copy()).float().div(255)
    return (planes - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)


def cut(image, crop, rotation, size, rgb):
    """Pixels of a crop and the map that made it; the whole image changes its colour order."""
    image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB) if rgb else image
    matrix = crop_affine(crop, rotation, size)
    return cv2.warpAffine(image, matrix, size, flags=cv2.INTER_LINEAR), matrix


def train_sample(image, data, epoch, row, codec, rgb):
    """Input, targets and weights of one augmented person of ``data`` (a ``TrainCrops``)."""
    people, size = data.people, data.input_size
    joints, visible = people.keypoints[row].copy(), people.visibility[row].copy()
    augmentation = data.stages.at(epoch, row)
    view = draw_view(keyed_generator(data.seed, epoch, row), augmentation, size)
    crop = view_crop(data.crops[row], joints, visible, view, augmentation, size[0] / size[1])
    if view.flip:
        image = image[:, ::-1, :].copy()
        joints[:, 0] = image.shape[1] - 1 - joints[:, 0]
        crop[0] = image.shape[1] - 1 - crop[0]
        for left, right in data.skeleton.flip_pairs:
            joints[[left, right]] = joints[[right, left]]
            visible[[left, right]] = visible[[right, left]]
    pixels, matrix = cut(image, crop, view.rotation, size, rgb)
    for k in range(len(joints)):
        if visible[k] > 0:
            joints[k] = map_points(joints[k : k + 1], matrix)[0]
    stride = np.array(size) / np.array(codec.heatmap_size)
    maps, weights = draw_targets(joints / stride, visible > 0, codec.heatmap_size, int(codec.sigma))
    return {
        "image": to_float(pixels),
        "target": torch.from_numpy(maps),
        "weight": torch.from_numpy(weights),
        "joints": torch.from_numpy(joints),
    }
