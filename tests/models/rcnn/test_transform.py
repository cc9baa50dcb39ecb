"""Sizes of images for training and for testing."""

import torch

from lib.models.rcnn.transform import PoseTransform


def transform(**changes):
    options = {"min_train": [64, 80], "min_test": 48, "max_size": 200, **changes}
    return PoseTransform(**options, mean=[0.5, 0.25, 0.0], std=[0.5, 1.0, 2.0])


def test_training_draws_a_size_and_testing_has_its_own():
    image = torch.rand(3, 96, 128)
    resize = transform()
    torch.manual_seed(0)
    sizes = {resize.train()([image])[0].image_sizes[0] for _ in range(20)}
    assert sizes == {(64, 85), (80, 106)}
    assert resize.eval()([image])[0].image_sizes == [(48, 64)]


def test_the_longer_side_is_limited_and_batches_are_padded():
    batch, _ = transform().eval()([torch.rand(3, 20, 900), torch.rand(3, 97, 31)])
    assert batch.image_sizes == [(4, 200), (150, 48)]
    assert batch.tensors.shape == (2, 3, 160, 224)
    height, width = batch.image_sizes[1]
    assert not batch.tensors[1, :, height:].any()
    assert not batch.tensors[1, :, :, width:].any()


def test_normalisation_and_targets_move_with_the_image():
    image = torch.ones(3, 96, 128)
    target = {
        "boxes": torch.tensor([[10.0, 20, 128, 96]]),
        "keypoints": torch.tensor([[[64.0, 48, 2]]]),
    }
    batch, (moved,) = transform().eval()([image], [target])
    pixel = batch.tensors[0, :, 5, 5]
    assert torch.allclose(pixel, torch.tensor([1.0, 0.75, 0.5]))
    assert moved["boxes"].tolist() == [[5, 10, 64, 48]]
    assert moved["keypoints"].tolist() == [[[32, 24, 2]]]
    assert target["boxes"][0, 0] == 10
