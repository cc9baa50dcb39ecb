import cv2
import numpy as np
import pytest
import torch

from lib.benchmark.textbook import heatmaps as textbook
from lib.codecs.dark import dark_kernel, refine_dark, refine_udp
from lib.codecs.heatmap import encode_dark, find_peaks

SIZE = (27, 23)


def test_kernel_of_the_published_sigmas():
    assert [dark_kernel(sigma) for sigma in (2, 3, 8, 0.5)] == [11, 17, 51, 3]
    assert dark_kernel(2.0) % 2 == 1


def people(sigma, seed=0, margin=0.0):
    """Ideal maps of 2 x 40 joints at known cells, with a little noise."""
    generator = np.random.default_rng(seed)
    span = np.array(SIZE) - 1 - 2 * margin
    centres = torch.tensor(generator.random((2, 40, 2)) * span + margin, dtype=torch.float32)
    heatmaps, _ = encode_dark(centres, torch.ones(2, 40), SIZE, sigma)
    return centres, heatmaps


@pytest.mark.parametrize("kernel", [11, 17])
def test_dark_equals_whole_map_smoothing(kernel):
    _, heatmaps = people(2)
    heatmaps = heatmaps * torch.linspace(0.1, 1.2, 40)[:, None, None] + 1e-3
    # A second, lower peak nearby turns the main axes away from the grid.
    heatmaps += 0.5 * heatmaps.roll((3, 2), dims=(2, 3))
    heatmaps[0, 0] = 0.3
    heatmaps[0, 1] = -1
    cells, scores = find_peaks(heatmaps)
    refined = refine_dark(heatmaps, cells, scores, kernel)
    expected = textbook.dark(heatmaps.numpy(), cells.numpy(), scores.numpy(), kernel)
    np.testing.assert_allclose(refined, expected, atol=2e-4)


@pytest.mark.parametrize("refine", [refine_dark, refine_udp])
def test_newton_step_finds_the_centre(refine):
    centres, heatmaps = people(2, margin=8)
    cells, scores = find_peaks(heatmaps)
    refined = refine(heatmaps, cells, scores, 11)
    assert (refined - centres).abs().max() < 0.01
    assert (cells - centres).abs().max() > 0.4


@pytest.mark.parametrize("refine", [refine_dark, refine_udp])
def test_maps_without_a_peak_stay(refine):
    heatmaps = torch.stack([torch.full((9, 7), value) for value in (0.0, -0.1, 0.3)])[None]
    cells, scores = find_peaks(heatmaps)
    assert torch.equal(refine(heatmaps, cells, scores, 5), torch.zeros(1, 3, 2))


def test_dark_leaves_the_border_alone():
    centres = torch.tensor([[[1.3, 10], [10, 1.3], [25.2, 10], [10, 21.3], [2.3, 10.2]]])
    heatmaps, _ = encode_dark(centres, torch.ones(1, 5), SIZE, 2)
    cells, scores = find_peaks(heatmaps)
    refined = refine_dark(heatmaps, cells, scores, 11)
    assert torch.equal(refined[0, :4], cells[0, :4])
    assert not torch.equal(refined[0, 4], cells[0, 4])


def test_udp_smooths_with_a_mirrored_border():
    heatmap = np.random.default_rng(0).random((9, 8)).astype(np.float32) * 0.01
    heatmap[0, 7] = 1  # in a corner: the border rules decide
    smooth = np.log(np.clip(cv2.GaussianBlur(heatmap, (11, 11), 0), 1e-3, 50))
    p = np.pad(smooth, 1, mode="edge")[0:3, 7:10].astype(np.float64)
    gradient = np.array([p[1, 2] - p[1, 0], p[2, 1] - p[0, 1]]) / 2
    dxx, dyy = p[1, 2] - 2 * p[1, 1] + p[1, 0], p[2, 1] - 2 * p[1, 1] + p[0, 1]
    dxy = (p[2, 2] - p[1, 2] - p[2, 1] + 2 * p[1, 1] - p[1, 0] - p[0, 1] + p[0, 0]) / 2
    step = -np.linalg.solve(np.array([[dxx, dxy], [dxy, dyy]]), gradient)
    maps = torch.tensor(heatmap)[None, None]
    cells, scores = find_peaks(maps)
    np.testing.assert_allclose(
        refine_udp(maps, cells, scores, 11)[0, 0], np.array([7, 0]) + step, atol=1e-3
    )
