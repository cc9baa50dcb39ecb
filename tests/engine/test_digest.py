import numpy as np
import pytest
import torch
from torch import nn

from lib.engine.digest import sample_digests, weights_digest


def batch(images=None, nested=0.0):
    generator = torch.Generator().manual_seed(3)
    pixels = torch.randint(0, 256, (4, 70, 50, 3), generator=generator, dtype=torch.uint8)
    return {
        "image": pixels if images is None else images,
        "keypoints": torch.rand(4, 5, 2, generator=generator),
        "boxes": [{"box": np.full((n, 4), n + (n == 2) * nested)} for n in range(4)],
        "size": (50, 70),
    }


def differing(one, two, field):
    first, second = (sample_digests([7, 8, 9, 2], b) for b in (one, two))
    return np.flatnonzero(first[field] != second[field]).tolist()


@pytest.mark.parametrize("place", [(2, 0, 0, 0), (2, 69, 49, 2), (2, 33, 12, 1)])
def test_every_pixel_counts_in_its_sample_alone(place):
    changed = batch()["image"].clone()
    changed[place] ^= 1
    assert differing(batch(), batch(changed), "pixels") == [2]
    assert differing(batch(), batch(changed), "view") == []


def test_pixels_count_where_they_are():
    changed = batch()["image"].clone()
    changed[1] = changed[1].flip(1)
    assert differing(batch(), batch(changed), "pixels") == [1]


def test_joints_and_what_is_nested_say_the_view():
    moved = batch()
    moved["keypoints"][3, 4, 1] += 1e-6
    assert differing(batch(), moved, "view") == [3]
    assert differing(batch(), batch(nested=0.5), "view") == [2]
    assert differing(batch(), batch() | {"size": (51, 70)}, "view") == [0, 1, 2, 3]


def test_indices_are_kept():
    assert sample_digests([7, 8, 9, 2], batch())["index"].tolist() == [7, 8, 9, 2]


def test_every_weight_and_statistic_counts():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    before = weights_digest(network)
    assert before == weights_digest(network)
    network[1].running_var[2] += 1e-6
    after = weights_digest(network)
    assert after != before
    network[0].weight.data[1, 2, 0, 0] *= 1 + 1e-6
    assert weights_digest(network) not in (before, after)
