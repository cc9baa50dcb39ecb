import time

import numpy as np
import pytest
import torch

from lib.benchmark.textbook import heatmaps as textbook
from lib.codecs.heatmap import (
    cells_to_image,
    encode_dark,
    encode_gaussian,
    encode_udp,
    find_peaks,
    quarter_offset,
)

SIZE = (13, 17)


def joints(count, seed=0, margin=9.0):
    generator = np.random.default_rng(seed)
    span = np.array(SIZE) + 2 * margin
    points = generator.random((2, count, 2)) * span - margin
    return points.astype(np.float32), (generator.random((2, count)) < 0.8).astype(np.float32)


def maps(seed=0, shape=(3, 5, 17, 13)):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("sigma", [1, 2])
def test_targets_equal_the_loop(sigma):
    points, visible = joints(300)
    heatmaps, weights = encode_gaussian(torch.tensor(points), torch.tensor(visible), SIZE, sigma)
    for i in range(2):
        expected, expected_weights = textbook.draw_targets(points[i], visible[i], SIZE, sigma)
        np.testing.assert_allclose(heatmaps[i], expected, atol=2e-7)
        np.testing.assert_array_equal(weights[i], expected_weights)


def test_border_quirks():
    points = torch.tensor([[[-1.2, 5], [-7.6, 5], [-7.4, 5], [19.4, 5], [18.4, 5], [5, 23.4]]])
    heatmaps, weights = encode_gaussian(points, torch.ones(1, 6), SIZE, 2)
    # Rounding goes toward zero: -1.2 draws at 0. A window that ends at 0 keeps its weight.
    assert heatmaps[0, 0].argmax() == 5 * SIZE[0]
    assert weights.tolist() == [[1, 1, 1, 0, 1, 0]]
    assert heatmaps[0, 1].max() == 0
    assert heatmaps[0, 4].max() > 0


def test_unannotated_joints_are_not_drawn():
    visible = torch.tensor([[1.0, 0.0, 0.5, 0.6]])
    heatmaps, weights = encode_gaussian(torch.full((1, 4, 2), 6.0), visible, SIZE, 1)
    assert heatmaps.amax(dim=(2, 3)).tolist() == [[1, 0, 0, 1]]
    torch.testing.assert_close(weights, visible)


def test_unrounded_targets_by_hand():
    points, visible = torch.tensor([[[4.25, 6.5]]]), torch.ones(1, 1)
    row, column = torch.meshgrid(torch.arange(17.0), torch.arange(13.0), indexing="ij")
    expected = torch.exp(-((column - 4.25) ** 2 + (row - 6.5) ** 2) / 2)
    whole, _ = encode_dark(points, visible, SIZE, 1)
    torch.testing.assert_close(whole[0, 0], expected)
    cut, _ = encode_udp(points, visible, SIZE, 1)
    window = ((column - 4).abs() <= 3) & ((row - 7).abs() <= 3)
    torch.testing.assert_close(cut[0, 0], expected * window)


@pytest.mark.parametrize(
    ("keypoints", "visible", "sigma", "message"),
    [
        (torch.zeros(2, 3, 3), torch.ones(2, 3), 2, "keypoints must be"),
        (torch.zeros(2, 3, 2), torch.ones(2, 4), 2, "visible must be"),
        (torch.zeros(2, 3, 2), torch.ones(2, 3), 0, "sigma must be"),
    ],
)
def test_wrong_arguments(keypoints, visible, sigma, message):
    with pytest.raises(ValueError, match=message):
        encode_gaussian(keypoints, visible, SIZE, sigma)


def test_peaks_equal_the_loop():
    heatmaps = maps()
    heatmaps[0, 0] = -0.5 - np.abs(heatmaps[0, 0])  # nothing positive: (0, 0)
    heatmaps[0, 1] = 0.25  # all equal: the first cell
    heatmaps[0, 2, 4, 5] = heatmaps[0, 2, 4, 6] = 9  # a tie: the first of the two
    for tensor in (torch.tensor(heatmaps), torch.tensor(heatmaps).to(torch.float64)):
        cells, scores = find_peaks(tensor.to(memory_format=torch.channels_last))
        expected, values = textbook.peaks(heatmaps)
        np.testing.assert_array_equal(cells, expected)
        np.testing.assert_array_equal(scores, values)
    assert cells[0, 2].tolist() == [5, 4]
    assert cells[0, 0].tolist() == [0, 0]


def test_peaks_do_not_need_a_detached_map():
    heatmaps = torch.tensor(maps(), requires_grad=True)
    assert find_peaks(heatmaps * 2)[0].shape == (3, 5, 2)


@pytest.mark.parametrize("shape", [(3, 50, 17, 13), (2, 7, 3, 4), (2, 3, 2, 2)])
def test_quarter_step_equals_the_loop(shape):
    heatmaps = maps(1, shape)
    heatmaps[0, 0] = 1
    generator = np.random.default_rng(3)
    for cells in (
        textbook.peaks(heatmaps)[0],
        (generator.random((*shape[:2], 2)) * [shape[3] - 1, shape[2] - 1]).astype(np.float32),
    ):
        moved = quarter_offset(torch.tensor(heatmaps), torch.tensor(cells))
        np.testing.assert_array_equal(moved, textbook.quarter(heatmaps, cells))


def test_quarter_step_looks_at_the_nearest_cell_halves_up():
    heatmaps = torch.zeros(1, 1, 6, 7)
    heatmaps[0, 0, 3, 4] = 1  # right of (3, 3), and not a neighbour of (2, 2)
    cells = torch.tensor([[[2.5, 2.5]]])  # a soft-argmax between four cells
    assert quarter_offset(heatmaps, cells).tolist() == [[[2.75, 2.5]]]


def test_cells_to_image_equals_the_affine():
    generator = np.random.default_rng(2)
    cells = generator.random((3, 5, 2)).astype(np.float32) * 13
    crops = np.array([[300, 200, 90, 120], [41.5, 7, 33, 44], [0, 9, 500, 700]], np.float32)
    mapped = cells_to_image(torch.tensor(cells), torch.tensor(crops), SIZE)
    np.testing.assert_allclose(mapped, textbook.to_image(cells, crops, SIZE), atol=2e-4)


def test_unbiased_corners_are_the_corners_of_the_crop():
    corners = torch.tensor([[[0.0, 0.0], [12.0, 16.0]]])
    mapped = cells_to_image(corners, torch.tensor([[50.0, 60, 20, 40]]), SIZE, unbiased=True)
    torch.testing.assert_close(mapped, torch.tensor([[[40.0, 40], [60, 80]]]))


@pytest.mark.slow
def test_decoding_is_five_times_faster_than_the_loop():
    heatmaps = np.random.default_rng(0).random((64, 17, 64, 48), np.float32)
    crops = np.tile(np.array([[300, 200, 90, 120]], np.float32), (64, 1))
    tensors = torch.tensor(heatmaps), torch.tensor(crops)

    def ours():
        cells, _ = find_peaks(tensors[0])
        return cells_to_image(quarter_offset(tensors[0], cells), tensors[1], (48, 64))

    def loop():
        return textbook.lineage_decode(heatmaps, crops)[0]

    np.testing.assert_allclose(ours(), loop(), atol=1e-4)
    ratio = best_time(loop, 3) / best_time(ours, 10)
    print(f"textbook / ours: {ratio:.1f}")
    assert ratio > 5


def best_time(function, repeats):
    times = []
    for _ in range(repeats):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return min(times)
