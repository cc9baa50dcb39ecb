import numpy as np
import torch

from lib.structures.skeleton import load_skeleton
from lib.tasks.views import HIDDEN, paint_boxed, paint_crop, paint_masked

COCO = load_skeleton("coco")


def joints_at(x, y):
    return torch.tensor([x, y], dtype=torch.float32).expand(17, 2).clone()


def changed(picture, plain):
    """Return the rows and columns (y, x) of pixels that something was painted on."""
    return np.argwhere((picture != plain).any(axis=2))


def test_joints_of_a_crop_are_painted_where_they_are():
    image = torch.full((2, 60, 44, 3), 90, dtype=torch.uint8)
    seen = torch.ones(2, 17)
    seen[0] = 0
    batch = {
        "image": image,
        "keypoints": torch.stack([joints_at(9, 9), joints_at(30, 20)]),
        "visible": seen,
    }
    assert not len(changed(paint_crop(batch, 0, COCO), image[0].numpy()))
    places = changed(paint_crop(batch, 1, COCO), image[1].numpy())
    assert np.abs(places.mean(axis=0) - [20, 30]).max() < 1
    assert (image == 90).all()


def test_masked_parts_are_dark_and_joints_scaled_to_the_input():
    image = torch.full((1, 64, 64, 3), 100, dtype=torch.uint8)
    mask = torch.ones(1, 32, 32, dtype=torch.uint8)
    mask[:, :, :8] = 0
    batch = {
        "image": image,
        "masks": [torch.ones(1, 16, 16, dtype=torch.uint8), mask],
        "keypoints": [torch.zeros(1, 1, 18, 2), joints_at(20, 10).repeat(1, 1, 1, 1)],
        "visible": torch.ones(1, 1, 17),
    }
    picture = paint_masked(batch, 0, COCO)
    assert (picture[:, :16] == int(100 * HIDDEN)).all()
    places = changed(picture[:, 16:], image[0, :, 16:].numpy())
    assert np.abs(places.mean(axis=0) - [20, 40 - 16]).max() < 1


def test_boxes_of_whole_images_are_painted_and_joints_lose_the_half_pixel():
    image = torch.full((70, 90, 3), 90, dtype=torch.uint8)
    joints = torch.cat([joints_at(50.5, 30.5), torch.full((17, 1), 2.0)], dim=1)[None]
    target = {"keypoints": joints, "boxes": torch.tensor([[10.0, 5, 80, 60]])}
    picture = paint_boxed({"images": [image], "targets": [target]}, 0, COCO)
    assert (picture[30, 50] != 90).any()
    assert (picture[5, 20:70] != 90).any(axis=1).all()
    assert (picture[10:20, 20:40] == 90).all()
