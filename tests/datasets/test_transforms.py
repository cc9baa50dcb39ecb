import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from lib.codecs.kinds.gaussian import GaussianCodec
from lib.datasets.keys import keyed_generator
from lib.datasets.transforms import (
    Augmentation,
    View,
    draw_view,
    half_body_crop,
    show_person,
    view_crop,
)
from lib.structures import load_skeleton
from lib.structures.geometry import apply_affine, image_to_crop_affine

COCO = load_skeleton("coco")
EVERYTHING = Augmentation(
    COCO, flip=0.5, scale_factor=0.35, rotation_factor=45, half_body=0.3, cutout=True
)


def test_draws_depend_on_the_key_alone():
    views = [
        draw_view(keyed_generator(*key), EVERYTHING, (192, 256))
        for key in [(1, 2, 3), (1, 2, 3), (1, 3, 3), (1, 3, 2), (2, 2, 3)]
    ]
    assert views[0] == views[1]
    assert len(set(views)) == 4
    keyed_generator(-5, 0, 0)


@pytest.mark.parametrize(
    ("key", "scale", "rotation", "halves"),
    [
        ((1337, 0, 0), 1.35, 0.0, (False, False)),
        ((1337, 3, 5), 0.65, 2.2713215318371267, (False, True)),
        ((5, 209, 118000), 1.2857118858522056, -6.8585372733881185, (True, True)),
    ],
)
def test_keyed_draws_never_change(key, scale, rotation, halves):
    """Runs of earlier versions go on with the samples that they would have seen."""
    view = draw_view(keyed_generator(*key), EVERYTHING, (192, 256))
    assert (view.scale, view.rotation) == (scale, rotation)
    assert (view.half_body, view.prefer_upper) == halves
    assert view.flip
    moved = draw_view(keyed_generator(*key), replace(EVERYTHING, shift=0.2), (192, 256))
    assert replace(moved, shift=(0.0, 0.0)) == view


def test_truncated_draws():
    wild = replace(EVERYTHING, truncated=True, shift=0.16, shift_probability=0.3)
    views = [draw_view(keyed_generator(0, 0, i), wild, (192, 256)) for i in range(4000)]
    scales = np.array([view.scale for view in views])
    turns = np.array([view.rotation for view in views])
    shifts = np.array([view.shift for view in views])
    assert 1.348 < scales.max() < 1.35  # no heap at the ends
    # a normal number between -1 and 1 has the deviation 0.5396
    assert (scales - 1).std() / 0.35 == pytest.approx(0.5396, abs=0.01)
    assert 44.8 < np.abs(turns).max() < 45
    assert np.mean(turns == 0) == pytest.approx(0.4, abs=0.03)
    moved = shifts[(shifts != 0).all(axis=1)]
    assert len(moved) / len(views) == pytest.approx(0.3, abs=0.03)
    assert moved.std() / 0.16 == pytest.approx(0.5396, abs=0.02)
    assert np.corrcoef(moved.T)[0, 1] == pytest.approx(0, abs=0.08)


def test_a_shift_moves_the_crop_by_shares_of_its_side():
    crop = np.array([50.0, 70, 30, 40])
    view = View(scale=2.0, shift=(0.1, -0.25))
    found = view_crop(crop, np.zeros((17, 2)), np.zeros(17), view, EVERYTHING, 0.75)
    np.testing.assert_allclose(found, [53, 60, 60, 80])


def test_distributions():
    views = [draw_view(keyed_generator(0, 0, i), EVERYTHING, (192, 256)) for i in range(4000)]
    scales = np.array([view.scale for view in views])
    turns = np.array([view.rotation for view in views])
    assert (scales.min(), scales.max()) == pytest.approx((0.65, 1.35))
    assert np.mean(scales == scales.max()) == pytest.approx(0.159, abs=0.02)
    assert np.abs(turns).max() == 90
    assert np.mean(turns == 0) == pytest.approx(0.4, abs=0.03)
    assert np.mean(np.abs(turns[turns != 0]) < 45) == pytest.approx(0.683, abs=0.03)
    for name, share in (("flip", 0.5), ("half_body", 0.3), ("prefer_upper", 0.6915)):
        assert np.mean([getattr(view, name) for view in views]) == pytest.approx(share, abs=0.03)
    assert np.mean([bool(view.squares) for view in views]) == pytest.approx(0.5, abs=0.03)
    sides = np.array([square for view in views for square in view.squares])
    assert (sides[:, 2].min(), sides[:, 2].max()) == (20, 80)


def test_nothing_is_drawn_with_all_settings_off():
    off = Augmentation(COCO, flip=0)
    views = [draw_view(keyed_generator(0, 0, i), off, (192, 256)) for i in range(50)]
    for view in views:
        assert (view.scale, view.rotation, view.flip, view.half_body) == (1, 0, False, False)


def test_half_body_by_hand():
    points = np.array([[0.0, 0], [10, 0], [5, 10], [100, 100], [100, 120], [100, 160]])
    upper = (0, 1, 2)
    everyone = np.ones(6)
    # Upper: box 10 x 10 at aspect 0.5 is 10 x 20, padded by 1.5, centred on the mean.
    crop = half_body_crop(points, everyone, upper, True, 0.5)
    np.testing.assert_allclose(crop, [5, 10 / 3, 15, 30], rtol=1e-6)
    crop = half_body_crop(points, everyone, upper, False, 0.5)
    np.testing.assert_allclose(crop, [100, 380 / 3, 45, 90], rtol=1e-6)
    few_upper = np.array([1, 1, 0, 1, 1, 1])
    np.testing.assert_allclose(half_body_crop(points, few_upper, upper, True, 0.5), crop)
    few_lower = np.array([1, 1, 1, 1, 1, 0])
    upper_crop = half_body_crop(points, everyone, upper, True, 0.5)
    np.testing.assert_allclose(half_body_crop(points, few_lower, upper, False, 0.5), upper_crop)
    one_each = np.array([1, 0, 0, 1, 1, 0])
    assert half_body_crop(points, one_each, upper, False, 0.5) is None


def test_half_body_needs_enough_joints():
    points, visible = np.random.default_rng(0).random((17, 2)) * 90, np.ones(17)
    crop = np.array([50.0, 50, 60, 80])
    visible[9:] = 0
    arguments = (View(half_body=True, scale=1.25), Augmentation(COCO), 0.75)
    visible[8] = 0
    np.testing.assert_allclose(view_crop(crop, points, visible, *arguments), [50, 50, 75, 100])
    visible[8] = 1
    assert not np.allclose(view_crop(crop, points, visible, *arguments)[:2], 50)


@pytest.mark.parametrize("unbiased", [False, True])
def test_painted_joints_land_where_their_pixels_land(unbiased):
    generator = np.random.default_rng(5)
    points = np.stack([generator.integers(90, 210, 17), generator.integers(100, 260, 17)], 1)
    crop = np.array([150.0, 180, 180, 240])
    view = View(rotation=20, flip=True, scale=1.0)
    for joint in range(17):
        image = np.zeros((400, 330, 3), np.uint8)
        cv2.circle(image, points[joint].tolist(), 3, (255, 255, 255), -1)
        pixels, moved, visible = show_person(
            image,
            crop,
            points.astype(np.float32),
            np.arange(17),
            view,
            COCO.flip_index,
            input_size=(192, 256),
            unbiased=unbiased,
        )
        row, column = np.nonzero(pixels[..., 0])
        place = int(np.flatnonzero(visible == joint)[0])
        assert place == COCO.flip_index[joint]
        assert np.abs(moved[place] - [column.mean(), row.mean()]).max() < 0.5


def test_squares_are_covered():
    image = np.random.default_rng(1).integers(0, 256, (200, 300, 3), np.uint8)
    points = np.random.default_rng(2).random((17, 2)).astype(np.float32) * 200
    crop = np.array([150.0, 100, 120, 160], np.float32)
    view = View(squares=((10, 20, 30),))
    pixels, moved, visible = show_person(
        image, crop, points, np.ones(17), view, COCO.flip_index, input_size=(96, 128)
    )
    assert pixels.shape == (128, 96, 3)
    assert (moved.shape, moved.dtype) == ((17, 2), np.float32)
    assert visible.shape == (17,)
    assert (pixels[20:50, 10:40] == 128).all()


def test_golden_half_body(shared):
    data = np.load(shared / "golden/data/half_body.npz")
    people = np.load(shared / "golden/data/coco_val_items.npz")
    for i, (seed, row) in enumerate(zip(data["seed"], data["db_index"], strict=True)):
        prefer_upper = np.random.RandomState(seed).randn() < 0.5
        crop = half_body_crop(
            people["db_joints"][row, :, :2],
            people["db_vis"][row, :, 0],
            COCO.upper_body,
            prefer_upper,
            192 / 256,
        )
        expected = np.concatenate([data["center"][i], data["scale"][i] * 200])
        if crop is None:
            assert np.isnan(expected).all()
        else:
            np.testing.assert_allclose(crop, expected, rtol=1e-6)


def test_golden_training_items(shared):
    data = np.load(shared / "golden/data/coco_train_items.npz")
    people = np.load(shared / "golden/data/coco_val_items.npz")
    annotations = json.loads((shared / "data/units/example_coco_val.json").read_text())
    widths = {image["id"]: image["width"] for image in annotations["images"]}
    codec = GaussianCodec((192, 256), (48, 64), 2)
    for i, row in enumerate(data["db_index"]):
        flip = bool(data["flipped"][i])
        crop = np.concatenate([data["center"][i], data["scale"][i] * 200])
        if flip:  # recorded in the mirrored image
            crop[0] = widths[int(people["image_id"][row])] - 1 - crop[0]
        view = View(rotation=data["rotation"][i], flip=flip)
        _, points, visible = show_person(
            np.zeros((8, 9, 3), np.uint8),
            crop,
            people["db_joints"][row, :, :2],
            people["db_vis"][row, :, 0].astype(np.float32),
            view,
            COCO.flip_index,
            input_size=(192, 256),
        )
        seen = visible > 0
        np.testing.assert_array_equal(visible, data["joints_vis"][i, :, 0])
        np.testing.assert_allclose(points[seen], data["joints_in_crop"][i, seen, :2], atol=2e-4)
        target, weight = codec.encode(torch.tensor(points[None]), torch.tensor(visible[None]))
        np.testing.assert_allclose(target[0], data["target"][i], atol=1e-6)
        np.testing.assert_array_equal(weight[0], data["target_weight"][i, :, 0])


def test_golden_test_items(shared):
    people = np.load(shared / "golden/data/coco_val_items.npz")
    crops = np.concatenate([people["db_center"], people["db_scale"] * 200], axis=1)
    points = apply_affine(image_to_crop_affine(crops, (192, 256)), people["db_joints"][..., :2])
    seen = people["db_vis"][..., 0] > 0
    np.testing.assert_allclose(points[seen], people["joints_in_crop"][seen, :2], atol=2e-4)
