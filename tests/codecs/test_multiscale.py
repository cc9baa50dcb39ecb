import json

import numpy as np
import pytest
import torch

from lib.codecs.multiscale import merge_scales, resize, split_stages, unflip_tags, view_at_scale
from lib.structures.geometry import apply_affine, invert_affine

# (width, height), scale, smallest -> network size, centre, extent; input size 512
VIEWS = [
    ((640, 480), 1.0, 1.0, (704, 512), (320, 240), 660.0),
    ((640, 480), 0.5, 0.5, (384, 256), (320, 240), 720.0),
    ((640, 480), 2.0, 0.5, (1536, 1024), (320, 240), 720.0),
    ((480, 640), 1.0, 1.0, (512, 704), (240, 320), 480.0),
    ((640, 427), 1.0, 0.5, (768, 512), (320, 214), 640.5),
    ((500, 500), 2.0, 0.5, (1024, 1024), (250, 250), 500.0),
    ((500, 333), 1.0, 1.0, (768, 512), (250, 167), 499.5),
    ((799, 1200), 0.5, 0.5, (256, 384), (400, 600), 799.0),
]


@pytest.mark.parametrize(("image", "scale", "smallest", "size", "centre", "extent"), VIEWS)
def test_sizes(image, scale, smallest, size, centre, extent):
    view = view_at_scale(image, 512, scale, smallest)
    assert (view.size, view.centre) == (size, centre)
    assert view.extent == pytest.approx(extent)


@pytest.mark.parametrize(("scale", "smallest"), [(0.35, 0.35), (0.3, 0.1), (1.2, 0.6)])
def test_sides_are_whole_multiples_whatever_floating_point_says(scale, smallest):
    for width in range(64, 640, 64):
        view = view_at_scale((width, 64), 64, scale, smallest)
        assert all(side % 64 == 0 for side in view.size)


def test_the_centre_falls_on_the_middle_and_back():
    view = view_at_scale((640, 427), 512, 1.0, 1.0)
    matrix = view.affine_to((384, 256))
    np.testing.assert_allclose(apply_affine(matrix, np.array([[320.0, 214.0]])), [[192.0, 128.0]])
    points = np.array([[10.25, 20.5], [300.75, 200.25]])
    back = apply_affine(invert_affine(view.affine_to(view.size)), points)
    np.testing.assert_allclose(back, [[8.29833984, 17.59667969], [250.57080078, 167.50537109]])


def test_reference_geometry(shared):
    golden = json.loads((shared / "golden" / "bottomup" / "geometry.json").read_text())
    assert len(golden["multi_scale"]) == 24
    for case in golden["multi_scale"]:
        image, smallest = (case["w"], case["h"]), min(case["scale_factor"])
        view = view_at_scale(image, 512, case["s"], smallest)
        base = view_at_scale(image, 512, 1.0, smallest)
        assert list(view.size) == case["size"]
        assert list(base.size) == case["base_size"]
        np.testing.assert_allclose(view.affine_to(view.size), case["matrix"], atol=1e-9)
        back = apply_affine(invert_affine(view.affine_to(base.size)), np.array(case["pred_in"]))
        np.testing.assert_allclose(back, case["pred_out"], atol=1e-3)


def test_stages_are_averaged_at_the_last_size():
    coarse, fine = torch.zeros(2, 7, 3, 4), torch.full((2, 3, 6, 8), 2.0)
    coarse[:, :3] = 1.0
    coarse[:, 3:] = 5.0
    heat, tags = split_stages([coarse, fine], 3, (True, True), (True, False), (3, 3))
    assert heat.shape == (2, 3, 6, 8)
    assert heat.unique().tolist() == [1.5]
    assert [t.shape for t in tags] == [(2, 4, 6, 8)]
    assert tags[0].unique().tolist() == [5.0]
    only_fine, _ = split_stages([coarse, fine], 3, (False, True), (False, False), (3, 3))
    assert only_fine.unique().tolist() == [2.0]


def test_tags_of_the_mirrored_image():
    tags = torch.arange(12.0).view(1, 3, 2, 2)
    back = unflip_tags(tags, torch.tensor([0, 2, 1]))
    assert back[0, 1].tolist() == [[9.0, 8.0], [11.0, 10.0]]
    assert unflip_tags(tags[:, :1], torch.tensor([0, 2, 1])).shape == (1, 1, 2, 2)


def test_scales_are_averaged_at_the_first_or_a_given_size():
    maps = [torch.ones(1, 2, 4, 6), torch.full((1, 2, 8, 12), 4.0)]
    merged = merge_scales(maps)
    assert merged.shape == (1, 2, 4, 6)
    assert merged.unique().tolist() == [2.5]
    assert merge_scales(maps, (5, 3)).shape == (1, 2, 3, 5)


def test_resizing_does_not_align_corners():
    assert resize(torch.tensor([[[[0.0, 1.0]]]]), (4, 1)).flatten().tolist() == [0, 0.25, 0.75, 1]
