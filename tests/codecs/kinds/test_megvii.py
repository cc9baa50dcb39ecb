"""Maps of CPN and MSPN, against OpenCV's smoothing."""

import cv2
import numpy as np
import pytest
import torch

from lib.codecs import CODECS

WIDTH, HEIGHT, KERNEL = 24, 33, 11


def build(**settings):
    sizes = {"input_size": (4 * WIDTH, 4 * HEIGHT), "heatmap_size": (WIDTH, HEIGHT)}
    return CODECS["megvii"](**sizes, sigma=2.0, kernel=KERNEL, **settings)


def drawn_by_opencv(x, y):
    impulse = np.zeros((HEIGHT, WIDTH), np.float32)
    impulse[y, x] = 1
    smooth = cv2.GaussianBlur(impulse, (KERNEL, KERNEL), 0)
    return smooth / smooth[y, x] * 255


@pytest.mark.parametrize("cell", [(11, 20), (0, 0), (WIDTH - 1, 3), (2, HEIGHT - 2), (1, 32)])
def test_targets_are_smoothed_impulses_at_borders_too(cell):
    joints = torch.tensor([[[4.0 * cell[0] + 3.9, 4.0 * cell[1] + 0.1]]])
    targets, weights = build().encode(joints, torch.ones(1, 1))
    assert weights.item() == 1
    np.testing.assert_allclose(targets[0, 0].numpy(), drawn_by_opencv(*cell), atol=1e-3)


def test_what_lies_outside_or_is_not_labelled_has_no_target():
    joints = torch.tensor([[[-4.1, 20.0], [-3.9, 20.0], [96.0, 20.0], [20.0, 132.5], [20.0, 20.0]]])
    targets, weights = build().encode(joints, torch.tensor([[1.0, 1, 1, 1, 0]]))
    assert weights.tolist() == [[0, 1, 0, 0, 0]]
    assert (targets.amax((2, 3)) > 0).tolist() == [[False, True, False, False, False]]


def read_by_opencv(heatmap):
    pad = KERNEL // 2
    wide = cv2.GaussianBlur(np.pad(heatmap, pad), (KERNEL, KERNEL), 0)
    smooth = wide[pad:-pad, pad:-pad]
    smooth = smooth * heatmap.max() / smooth.max()
    y, x = np.unravel_index(smooth.argmax(), smooth.shape)
    cell = np.array([x, y], float)
    if 1 < x < WIDTH - 1 and 1 < y < HEIGHT - 1:
        slope = [smooth[y, x + 1] - smooth[y, x - 1], smooth[y + 1, x] - smooth[y - 1, x]]
        cell += np.sign(slope) / 4 + 0.5
    return cell, smooth[y, x] / 255 + 0.5


def test_reading_is_that_of_opencv():
    maps = torch.rand(3, 7, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(1)) * 90
    maps[2, 5, 0, 0], maps[2, 6, HEIGHT - 1, WIDTH - 1] = 9e3, 9e3  # peaks in corners
    cells, scores = build().decode(maps)
    wanted = [read_by_opencv(one.numpy()) for one in maps.flatten(0, 1)]
    np.testing.assert_allclose(cells.flatten(0, 1), [cell for cell, _ in wanted], atol=1e-6)
    np.testing.assert_allclose(scores.flatten(), [score for _, score in wanted], rtol=1e-5)
    assert cells[2, 5:].tolist() == [[0, 0], [WIDTH - 1, HEIGHT - 1]]
    whole, _ = build(post_process=False).decode(maps)
    assert torch.equal(whole, whole.round())


@pytest.mark.parametrize("kernel", [4, 1, 25])
def test_kernels_that_make_no_sense_are_refused(kernel):
    with pytest.raises(ValueError, match="KERNEL must be odd, from 3 to 24"):
        CODECS["megvii"]((96, 132), (WIDTH, HEIGHT), 2.0, kernel=kernel)
