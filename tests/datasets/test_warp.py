import cv2
import numpy as np
import pytest

from lib.datasets.warp import Needs, largest_steps, rows_needed, warp_crop, warp_crops


def test_warp_writes_into_a_given_array():
    image = np.random.default_rng(1).integers(0, 256, (30, 40, 3), np.uint8)
    matrix = np.array([[1.5, 0.2, 3], [-0.1, 1.25, 2]])
    out = np.full((2, 25, 35, 3), 77, np.uint8)
    assert warp_crop(image, matrix, (35, 25), out=out[1]).base is out
    assert np.array_equal(out[1], warp_crop(image, matrix, (35, 25)))
    assert (out[0] == 77).all()


def test_warps_equal_opencv_to_the_last_bit_wherever_the_crop_lies():
    rng = np.random.default_rng(3)
    for turned in range(120):
        width, height = rng.integers(1, 300, 2)
        image = rng.integers(0, 256, (height, width, 3), np.uint8)
        size = (int(rng.integers(2, 90)), int(rng.integers(2, 120)))
        zoom, angle = np.exp(rng.uniform(-1.5, 2)), rng.uniform(-3.2, 3.2) * (turned % 3 > 0)
        cos, sin = zoom * np.cos(angle), zoom * np.sin(angle)
        linear = np.array([[cos, -sin], [sin, cos]]) * [rng.choice([-1, 1]), 1]
        centre = rng.uniform([-0.5 * width, -0.5 * height], [1.5 * width, 1.5 * height])
        matrix = np.column_stack([linear, np.array(size) / 2 - linear @ centre])
        wanted = cv2.warpAffine(image, matrix, size, flags=cv2.INTER_LINEAR)
        assert np.array_equal(warp_crop(image, matrix, size), wanted)
        four = np.concatenate([image, np.full((height, width, 1), 99, np.uint8)], axis=2)
        assert np.array_equal(warp_crop(four, matrix, size), wanted)
        rows = int(rows_needed(matrix[None], size)[0])
        assert rows >= 3
        assert np.array_equal(warp_crop(image[:rows], matrix, size), wanted)
        upper = min(rows, height)
        image[upper:] = 255 - image[upper:]  # is not looked at
        assert np.array_equal(cv2.warpAffine(image, matrix, size), wanted)


def test_maps_that_are_not_finite_give_black():
    image = np.full((30, 40, 3), 200, np.uint8)
    for wrong in (np.nan, np.inf, -np.inf):
        for place in np.ndindex(2, 3):
            matrices = np.tile(np.array([[1.5, 0.2, 3], [-0.1, 1.25, 2]]), (3, 1, 1))
            matrices[1][place] = wrong
            assert not warp_crop(image, matrices[1], (21, 25)).any()
            out = np.full((3, 25, 21, 3), 77, np.uint8)
            warp_crops(image, matrices, (21, 25), out)
            assert not out[1].any()
            for found, matrix in zip(out[::2], matrices[::2], strict=True):
                assert np.array_equal(found, cv2.warpAffine(image, matrix, (21, 25)))
    assert not warp_crop(image, np.full((2, 3), np.nan), (21, 25)).any()  # of an empty crop
    tiny = np.array([[1e-3, 0, np.inf], [0, 1e-3, 0]])  # shrinks so much that no window is sought
    assert not warp_crop(image, tiny, (21, 25)).any()


def test_crops_of_one_image_equal_opencv_near_and_far():
    rng = np.random.default_rng(4)
    size = (21, 30)
    for _ in range(40):
        image = rng.integers(0, 256, (rng.integers(1, 200), rng.integers(1, 200), 3), np.uint8)
        count = int(rng.integers(0, 6))
        zooms, shifts = np.exp(rng.uniform(-1.5, 2, count)), rng.uniform(-250, 30, (count, 2))
        matrices = np.zeros((count, 2, 3))
        matrices[:, [0, 1], [0, 1]] = zooms[:, None]
        matrices[:, :, 2] = shifts
        out = np.full((count, 30, 21, 3), 77, np.uint8)
        warp_crops(image, matrices, size, out)
        for found, matrix in zip(out, matrices, strict=True):
            assert np.array_equal(found, cv2.warpAffine(image, matrix, size))


def test_rows_needed_are_few_and_all_where_a_map_is_none():
    matrices = np.array([[[0.5, 0, 0], [0, 0.5, -10]], [[0.0, 0.5, 0], [-0.5, 0, 70]]])
    # 25 rows of output: picture rows (0 + 10) / 0.5 to (25 + 10) / 0.5; (70 - y) / 0.5 from 140 up.
    np.testing.assert_array_equal(rows_needed(matrices, (35, 25)), [70 + 3, 70 + 3])
    matrices[1] = np.nan
    matrices[0, 0, 0] = 0  # flat
    assert (rows_needed(matrices, (35, 25)) > 10**6).all()


@pytest.mark.parametrize(
    ("zoom", "step"),
    [(2, 1), (1, 1), (0.51, 1), (0.5, 2), (0.26, 2), (0.25, 4), (0.13, 4), (0.125, 8), (0.01, 8)],
)
@pytest.mark.parametrize("angle", [0.0, 0.7])
def test_reduced_images_keep_a_pixel_for_each_of_the_crop(zoom, step, angle):
    zoom -= 1e-9  # sines and cosines are rounded
    cos, sin = zoom * np.cos(angle), zoom * np.sin(angle)
    matrices = np.array([[[cos, -sin, 9], [sin, cos, 5]], [[0.01, 0, 0], [0, 0.9 * zoom, 0]]])
    assert largest_steps(matrices)[0] == step
    needs = Needs(matrices, (35, 25), reduced=True)
    assert needs.of([0]).step == needs.of([0, 1]).step == step
    assert needs.of([0, 1]).rows == max(needs.of([0]).rows, needs.of([1]).rows)
    assert Needs(matrices, (35, 25)).of([0, 1]).step == 1
    assert largest_steps(matrices * np.nan).tolist() == [1, 1]
