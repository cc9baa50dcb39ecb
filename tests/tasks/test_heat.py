"""Maps are laid where their crops are."""

import numpy as np

from lib.structures.geometry import image_to_crop_affine
from lib.tasks.heat import paste, paste_maps


def test_a_peak_lands_where_its_crop_says():
    for unbiased in (False, True):
        picture = np.zeros((60, 80), np.float32)
        maps = np.zeros((2, 16, 12), np.float32)
        maps[0, 5, 7] = 1
        maps[1, 8, 2] = 0.5
        crops = np.array([[30, 25, 24, 32], [60, 40, 12, 16]], np.float32)
        paste_maps(picture, maps, crops, unbiased=unbiased)
        for n, cell in enumerate([(7, 5), (2, 8)]):
            part = picture[:, :45] if n == 0 else picture[:, 45:]
            y, x = np.unravel_index(part.argmax(), part.shape)
            to_cell = image_to_crop_affine(crops[n : n + 1], (12, 16), unbiased=unbiased)[0]
            seen = to_cell[:, :2] @ [x + 45 * n, y] + to_cell[:, 2]
            assert np.abs(seen - cell).max() <= 0.51
        assert picture.max() <= 1


def test_the_stronger_stays_and_crops_may_leave_the_picture():
    picture = np.full((20, 30), 0.4, np.float32)
    matrix = np.array([[2.0, 0, -6], [0, 2.0, 12]])
    paste(picture, np.full((8, 8), 3.0), matrix)
    assert picture.max() == 1
    np.testing.assert_allclose(picture[:10], 0.4)
    before = picture.copy()
    paste(picture, np.ones((8, 8)), np.array([[2.0, 0, 900], [0, 2.0, 12]]))
    np.testing.assert_array_equal(picture, before)
