"""Views of an image -> one map per joint: scales, mirror images, centres."""

import json

import numpy as np
import pytest
import torch
import yaml
from golden import golden_state
from toys.two_stages import STAGES

from lib.config import load_config
from lib.models import load_weights
from lib.tasks import build_task
from lib.tasks.bottomup_maps import MapMerger


def test_network_sizes_grid_and_the_scale_of_the_tags(make):
    task = make("TEST.SCALE_FACTOR=[0.5,1,2]")
    seen = []

    def network(images):
        seen.append(tuple(images.shape))
        height, width = images.shape[2:]
        coarse = torch.full((len(images), 34, height // 4, width // 4), float(width))
        return [coarse, torch.zeros(len(images), 17, height // 2, width // 2)]

    sizes = [(256, 512), (128, 256), (64, 128)]
    images = [torch.zeros(1, *size, 3, dtype=torch.uint8) for size in sizes]
    merger = MapMerger(task.cfg, task.skeleton, task.pixels)
    heat, tags = (maps[0] for maps in merger.maps(network, images, (160, 120)))
    assert seen == [(2, 3, *size) for size in sizes]
    assert heat.shape == (17, 128, 256)  # the input at scale 1
    assert heat.mean().item() == pytest.approx(
        (512 + 256 + 128) / 3 / 2
    )  # all scales count, both stages
    assert tags.shape == (17, 128, 256, 2)
    assert tags.unique().tolist() == [256]  # those of scale 1 only


@pytest.mark.parametrize("tag_per_joint", [True, False])
def test_tags_are_mirrored_back_and_the_centre_dropped(make, tag_per_joint):
    task = make("DATASET.WITH_CENTER=true", f"MODEL.TAG_PER_JOINT={tag_per_joint}")
    planes = 17 if tag_per_joint else 1

    def network(images):
        height, width = images.shape[2:]
        heat = torch.zeros(2, 18, height // 4, width // 4)
        tags = torch.zeros(2, planes + tag_per_joint, height // 4, width // 4)
        heat[:, 17] = 9  # the centre, which nobody asks for
        tags[:, planes:] = 9
        tags[1, 1 % planes, :, 0] = 5  # left eye, at the left of the mirror image
        return [torch.cat([heat, tags], dim=1), torch.zeros(2, 18, height // 2, width // 2)]

    pixels = torch.zeros(1, 128, 192, 3, dtype=torch.uint8)
    merger = MapMerger(task.cfg, task.skeleton, task.pixels)
    heat, tags = (maps[0] for maps in merger.maps(network, [pixels], (160, 120)))
    assert len(heat) == 17
    assert heat.max() == 0
    assert len(tags) == planes
    assert tags[..., 0].max() == 0
    joints, _, columns = tags[..., 1].nonzero(as_tuple=True)
    assert joints.unique().tolist() == [2 % planes]  # right eye, at the right
    assert columns.min() > 150


def test_heat_of_a_joint_lies_where_its_cell_is_in_the_image(make):
    task = make("TEST.FLIP_TEST=false")

    class Network(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.place = torch.nn.Parameter(torch.zeros(1))

        def forward(self, images):
            height, width = images.shape[2:]
            heat = torch.zeros(1, 17, height // 2, width // 2)
            heat[0, 4, 20:24, 60:64] = 3.0
            heat[0, 5, 40:44, 10:14] = 0.5
            coarse = torch.nn.functional.avg_pool2d(heat, 2)
            return [torch.cat([coarse, coarse * 0], dim=1), heat]

    image = np.zeros((120, 160, 3), np.uint8)
    heat = task.heat(Network(), image)
    assert heat.shape == (120, 160)
    assert heat.max() == 1
    y, x = np.argwhere(heat > 0.99).mean(axis=0)
    # Cell (61.5, 21.5) of maps of half of 192 x 128 pixels, about the centre of the image.
    assert (x, y) == pytest.approx((80 + 28 / 128 * 120, 60 - 20 / 128 * 120), abs=1)
    only = task.heat(Network(), image, joints=[5])
    assert only.max() == pytest.approx(0.5)
    assert only[:60].max() < 0.01


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "overrides"),
    [
        ("ss", ()),
        ("ms", ("TEST.SCALE_FACTOR=[0.5,1,2]",)),
        ("ss_noflip", ("TEST.FLIP_TEST=false",)),
        ("ss_noproj", ("TEST.PROJECT2IMAGE=false",)),
    ],
)
def test_reference_maps(shared, tmp_path, mode, overrides):
    folder = shared / "golden" / "bottomup"
    golden = np.load(folder / "inference.npz")
    stride = json.loads((folder / "inference.json").read_text())[mode]["stored_stride"]
    path = tmp_path / "w32.yaml"
    data = {"INPUT_SIZE": 128, "OUTPUT_SIZE": [32, 64], "SKELETON": "coco"}
    path.write_text(
        yaml.safe_dump({**STAGES, "MODEL": {"NAME": "pose_higher_hrnet"}, "DATASET": data})
    )
    task = build_task(load_config(path, list(overrides)))
    model = task.build_model().eval()
    official = model.key_map.to_official(model.state_dict())
    load_weights(model, golden_state(official, std=0.02))
    images = [torch.from_numpy(shown(golden, scale))[None].flip(3) for scale in task.scales]
    with torch.no_grad():
        heat, tags = (maps[0] for maps in task._merger.maps(model, images, (200, 130)))
    np.testing.assert_allclose(heat[:, ::stride, ::stride], golden[f"{mode}_heat"][0], atol=1e-4)
    np.testing.assert_allclose(tags[:, ::stride, ::stride], golden[f"{mode}_tags"][0], atol=1e-4)


def shown(golden, scale):
    """RGB network input as stored; the largest is stored in part and made again."""
    if scale != 2:
        return golden[f"input_s{float(scale)}"]
    from lib.codecs.multiscale import view_at_scale
    from lib.datasets.warp import warp_crop

    view = view_at_scale((200, 130), 128, 2.0, 0.5)
    pixels = warp_crop(golden["image"], view.affine_to(view.size), view.size)
    difference = pixels[::4, ::4].astype(int) - golden["input_s2.0"]
    assert np.abs(difference).max() <= 1
    return pixels
