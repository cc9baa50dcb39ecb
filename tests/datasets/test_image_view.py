import json

import cv2
import numpy as np
import pytest

from lib.datasets.image_view import ImageAugmentation, ImageView, draw_image_view, image_view
from lib.datasets.keys import keyed_generator
from lib.datasets.warp import warp_crop
from lib.structures.geometry import apply_affine

COCO = ImageAugmentation(
    min_scale=0.75, max_scale=1.5, rotation=30.0, translate=40.0, flip=0.5, fill_long=False
)


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("side", [96, 192])
def test_a_painted_pixel_lands_where_its_joint_lands(flip, side):
    image = np.zeros((61, 83, 3), np.uint8)
    cv2.circle(image, (30, 22), 2, (255, 255, 255), -1)
    view = ImageView((40.0, 31.0), 70.0, rotation=25.0, flip=flip)
    matrix = view.affine_to(side)
    pixels = warp_crop(image, matrix, (side, side))[..., 0].astype(float)
    yy, xx = np.mgrid[:side, :side]
    landed = [(xx * pixels).sum() / pixels.sum(), (yy * pixels).sum() / pixels.sum()]
    np.testing.assert_allclose(apply_affine(matrix, np.array([[30.0, 22.0]]))[0], landed, atol=0.1)


def test_a_mirror_reverses_columns():
    view = ImageView((40.0, 31.0), 70.0, rotation=25.0)
    mirrored = ImageView((40.0, 31.0), 70.0, rotation=25.0, flip=True)
    points = np.array([[30.0, 22.0], [5.0, 60.0]])
    for side in (48, 96):
        direct = apply_affine(view.affine_to(side), points)
        other = apply_affine(mirrored.affine_to(side), points)
        np.testing.assert_allclose(other[:, 0], side - direct[:, 0] - 1)
        np.testing.assert_allclose(other[:, 1], direct[:, 1])


def test_the_chosen_side_fills_the_square():
    kept = {"factor": 1.0, "rotation": 0.0, "shift": (0.5, 0.5), "flip": False}
    assert image_view((80, 60), ImageAugmentation(), **kept).extent == 60
    assert image_view((80, 60), ImageAugmentation(fill_long=True), **kept).extent == 80


def test_shifts_are_whole_pixels_below_the_bound():
    seen = set()
    for seed in range(300):
        view = draw_image_view(np.random.default_rng(seed), COCO, (640, 480))
        dx, dy = view.centre[0] - 320, view.centre[1] - 240
        bound = int(40 * view.extent / 200)
        assert dx == int(dx)
        assert -bound <= dx < bound
        assert -bound <= dy < bound
        assert 0.75 * 480 <= view.extent < 1.5 * 480
        assert abs(view.rotation) <= 30
        seen.add(view.flip)
    assert seen == {True, False}


def test_views_depend_on_their_key_only():
    def draw(*key):
        return draw_image_view(keyed_generator(*key), COCO, (640, 480))

    assert draw(1, 2, 3) == draw(1, 2, 3)
    assert len({draw(1, 2, 3), draw(1, 2, 4), draw(1, 3, 3), draw(2, 2, 3)}) == 4


def test_matrix_by_hand():
    """480 pixels of a 640x480 image onto 128 cells."""
    matrix = ImageView((320.0, 240.0), 480.0).affine_to(128)
    np.testing.assert_allclose(matrix, [[4 / 15, 0, -64 / 3], [0, 4 / 15, 0]], atol=1e-12)


def test_reference_matrices_and_pipeline(shared):
    folder = shared / "golden" / "bottomup"
    for case in json.loads((folder / "geometry.json").read_text())["train_matrices"]:
        view = ImageView(tuple(case["center"]), 200 * case["scale"], rotation=case["rot"])
        np.testing.assert_allclose(view.affine_to(case["res"]), case["matrix"][:2], atol=1e-9)
    run = np.load(folder / "affine_pipeline.npz")
    zoom, turn, dx, dy = run["draws"]
    view = ImageView((160 + dx, 120 + dy), 240 * (0.75 + zoom * 0.75), rotation=(2 * turn - 1) * 30)
    for number, side in enumerate((128, 256)):
        matrix = view.affine_to(side)
        points = apply_affine(matrix[None], run["joints_in"][..., :2])
        np.testing.assert_allclose(points, run[f"joints{number}"][..., :2], atol=1e-3)
        mask = warp_crop(run["mask_in"] * np.uint8(255), matrix, (side, side)) > 127
        assert (mask != run[f"mask{number}"].astype(bool)).mean() < 1e-4
