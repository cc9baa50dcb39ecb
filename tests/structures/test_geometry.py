import cv2
import numpy as np
import pytest

from lib.benchmark.textbook import affine as textbook
from lib.structures.geometry import (
    apply_affine,
    box_to_crop,
    image_to_crop_affine,
    invert_affine,
    xywh_to_xyxy,
    xyxy_to_xywh,
)

CROPS = np.array([[120.0, 80.0, 60.0, 80.0], [31.5, 200.25, 300.0, 400.0], [7, 9, 33, 44]])
POINTS = np.array([[[100.0, 60.0], [120, 80], [0, 0], [7.5, 311]]] * 3)


def test_boxes_there_and_back():
    boxes = np.array([[3.0, 5.0, 10.0, 20.0], [0, 0, 1, 2]])
    assert (xywh_to_xyxy(boxes) == [[3, 5, 13, 25], [0, 0, 1, 2]]).all()
    assert (xyxy_to_xywh(xywh_to_xyxy(boxes)) == boxes).all()


def test_box_grows_to_the_aspect_ratio_and_by_the_padding():
    crops = box_to_crop(np.array([[10.0, 20, 40, 30], [0, 0, 10, 100]]), 192 / 256)
    np.testing.assert_allclose(crops, [[30, 35, 50, 66.666664], [5, 50, 93.75, 125]], rtol=1e-6)
    assert crops.dtype == np.float32


@pytest.mark.parametrize("unbiased", [False, True])
@pytest.mark.parametrize("flip", [False, True])
def test_affine_there_and_back(flip, unbiased):
    arguments = (CROPS, (19, 26), np.array([0.0, 33, -120]))
    forward = image_to_crop_affine(*arguments, flip=flip, unbiased=unbiased)
    back = invert_affine(forward)
    np.testing.assert_allclose(apply_affine(back, apply_affine(forward, POINTS)), POINTS, atol=1e-6)
    np.testing.assert_allclose(invert_affine(back), forward, atol=1e-9)
    single = apply_affine(forward[1], POINTS[1])
    np.testing.assert_allclose(single, apply_affine(forward, POINTS)[1])


def test_affine_by_hand():
    matrix = image_to_crop_affine(CROPS[:1], (30, 40))
    np.testing.assert_allclose(matrix, [[[0.5, 0, -45], [0, 0.5, -20]]], atol=1e-9)
    moved = image_to_crop_affine(CROPS[:1], (30, 40), shift=(0.5, -0.25))  # by (30, -20) pixels
    np.testing.assert_allclose(moved, [[[0.5, 0, -60], [0, 0.5, -10]]], atol=1e-9)
    turned = image_to_crop_affine(CROPS[:1], (30, 40), 90.0)
    # The crop frame turned clockwise: what lay to its right is now on top.
    np.testing.assert_allclose(apply_affine(turned, np.array([[[140.0, 80.0]]])), [[[15, 10]]])
    unbiased = image_to_crop_affine(CROPS[:1], (31, 41), unbiased=True)
    np.testing.assert_allclose(unbiased, [[[0.5, 0, -45], [0, 0.5, -20]]], atol=1e-9)


def test_affine_equals_the_three_point_construction():
    generator = np.random.default_rng(4)
    crops = (generator.random((20, 4)) * [600, 400, 300, 400] + [0, 0, 20, 20]).astype(np.float32)
    turns = generator.random(20) * 180 - 90
    for size in ((192, 256), (48, 64), (51, 37)):
        forward = image_to_crop_affine(crops, size, turns)
        back = invert_affine(forward)
        for i in range(20):
            expected = textbook.crop_affine(crops[i], turns[i], size)
            np.testing.assert_allclose(forward[i], expected, atol=1e-9)
            expected = textbook.crop_affine(crops[i], turns[i], size, inverse=True)
            np.testing.assert_allclose(back[i], expected, atol=1e-9)
            mapped = apply_affine(forward[i], POINTS[0])
            expected = textbook.map_points(POINTS[0], forward[i])
            np.testing.assert_allclose(mapped, expected, atol=1e-9)


def test_only_the_crop_width_sets_the_lineage_zoom():
    wide = np.array([[50.0, 50, 40, 999]])
    assert image_to_crop_affine(wide, (20, 10))[0, 1, 1] == pytest.approx(0.5)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("width", [0.0, -0.0, np.nan, np.inf])
def test_crops_without_a_map_are_silent_and_alone(width):
    crops = np.array([[50.0, 50, width, 40], [50.0, 50, 40, 40]])
    for unbiased in (True, False):
        found = image_to_crop_affine(crops, (20, 10), shift=(0.1, 0), unbiased=unbiased)
        alone = image_to_crop_affine(crops[1:], (20, 10), shift=(0.1, 0), unbiased=unbiased)
        np.testing.assert_array_equal(found[1:], alone)
        assert not np.isfinite(found[0]).all()
    if width == 0:
        assert image_to_crop_affine(crops, (20, 10), unbiased=True)[0, 0, 0] == np.inf


@pytest.mark.parametrize("degrees", [0.0, 30.0])
def test_flip_equals_mirroring_the_image_first(degrees):
    width = 331
    forward = image_to_crop_affine(CROPS, (48, 64), degrees, flip=True)
    mirrored_crops = CROPS.copy()
    mirrored_crops[:, 0] = width - 1 - CROPS[:, 0]
    mirrored_points = POINTS.copy()
    mirrored_points[..., 0] = width - 1 - POINTS[..., 0]
    expected = apply_affine(
        image_to_crop_affine(mirrored_crops, (48, 64), degrees), mirrored_points
    )
    np.testing.assert_allclose(apply_affine(forward, POINTS), expected, atol=1e-3)


def test_unbiased_flip_is_an_exact_mirror_of_the_output():
    direct = apply_affine(image_to_crop_affine(CROPS, (48, 64), unbiased=True), POINTS)
    flipped = apply_affine(image_to_crop_affine(CROPS, (48, 64), flip=True, unbiased=True), POINTS)
    np.testing.assert_allclose(flipped[..., 0], 47 - direct[..., 0], atol=1e-9)
    np.testing.assert_allclose(flipped[..., 1], direct[..., 1], atol=1e-9)


def test_painted_pixel_lands_where_its_joint_lands():
    image = np.zeros((260, 230), np.uint8)
    joint = np.array([[101.0, 87.0]])
    image[87, 101] = 255
    matrix = image_to_crop_affine(np.array([[110, 90, 60, 80]]), (120, 160), 25.0, flip=True)[0]
    warped = cv2.warpAffine(image, matrix, (120, 160), flags=cv2.INTER_LINEAR)
    row, column = np.unravel_index(warped.argmax(), warped.shape)
    assert np.abs(apply_affine(matrix, joint) - [column, row]).max() < 1


def test_golden_affine(shared):
    data = np.load(shared / "golden/data/affine.npz")
    for i in range(len(data["rot"])):
        crop = np.concatenate([data["center"][i], data["scale"][i] * 200])[None]
        size = tuple(data["output_size"][i].tolist())
        arguments = (crop, size, data["rot"][i])
        shift = tuple(data["shift"][i].tolist())
        forward = image_to_crop_affine(*arguments, shift=shift)
        # Shifted crops differ: the published sum runs in another order in float32.
        atol = 1e-5 if any(shift) else 1e-9
        np.testing.assert_allclose(forward[0], data["trans_fwd"][i], atol=atol)
        back = invert_affine(forward)
        np.testing.assert_allclose(back[0], data["trans_inv"][i], atol=atol * 10)
        points = apply_affine(forward[0], data["points"][i])
        np.testing.assert_allclose(points, data["points_fwd"][i], atol=atol * 10)
        upright = invert_affine(image_to_crop_affine(crop, size))
        mapped = apply_affine(upright[0], data["coords_hm"][i])
        np.testing.assert_allclose(mapped, data["coords_img"][i], atol=1e-4)


def test_golden_boxes(shared):
    data = np.load(shared / "golden/data/box2cs.npz")
    for i, (width, height) in enumerate(data["image_sizes"]):
        crops = box_to_crop(data["boxes"], width / height)
        np.testing.assert_array_equal(crops[:, :2], data["center"][i])
        np.testing.assert_allclose(crops[:, 2:], data["scale"][i] * 200, rtol=2e-7)


def test_golden_crops(shared):
    data = np.load(shared / "golden/data/crop_synth.npz")
    crops = np.concatenate([data["center"], data["scale"] * 200], axis=1)
    matrices = image_to_crop_affine(crops, (192, 256), data["rot"])
    np.testing.assert_allclose(matrices, data["trans"], atol=1e-8)
    for kind in ("smooth", "rough"):
        for matrix, expected in zip(matrices, data[f"crop_{kind}"], strict=True):
            crop = cv2.warpAffine(data[f"image_{kind}"], matrix, (192, 256), flags=cv2.INTER_LINEAR)
            difference = np.abs(crop.astype(int) - expected)
            assert difference.mean() <= 1
            assert difference.max() <= 8
