import math

import numpy as np
import pytest
import torch

from lib.benchmark.textbook import heatmaps as textbook
from lib.codecs.integral import soft_argmax


def test_equals_the_loop():
    heatmaps = np.random.default_rng(0).random((2, 3, 7, 5)).astype(np.float32)
    cells, scores = soft_argmax(torch.tensor(heatmaps), 20.0)
    expected, values = textbook.soft_argmax(heatmaps, 20.0)
    np.testing.assert_allclose(cells, expected, atol=1e-5)
    np.testing.assert_allclose(scores, values)


def test_known_behaviour():
    heatmaps = torch.zeros(1, 3, 7, 5)
    heatmaps[0, 1, 2, 1] = heatmaps[0, 1, 2, 3] = 1
    heatmaps[0, 2, 6, 4] = 0.9
    cells, scores = soft_argmax(heatmaps, 160.0)
    # All equal: the centre. Two equal peaks: between them, with a low score.
    torch.testing.assert_close(cells, torch.tensor([[[2.0, 3], [2, 2], [4, 6]]]))
    torch.testing.assert_close(scores, torch.tensor([[0.0, 0, 0.9]]))


def test_halves_round_to_even():
    heatmaps = torch.zeros(1, 1, 3, 6)
    heatmaps[0, 0, 1] = torch.tensor([0, 1, 0.25, 0.125, 1, 0])
    cells, scores = soft_argmax(heatmaps, 160.0)
    assert cells.tolist() == [[[2.5, 1]]]
    assert scores.item() == 0.25


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_maps_that_are_not_finite_spoil_no_other(value):
    heatmaps = torch.rand(1, 3, 8, 6)
    wanted = soft_argmax(heatmaps, 160.0)
    heatmaps[0, 1, 2, 2] = value  # an overflow in half precision
    cells, scores = soft_argmax(heatmaps, 160.0)
    assert cells[0, 1].isnan().all()
    for found, expected in zip((cells, scores), wanted, strict=True):
        assert torch.equal(found[:, ::2], expected[:, ::2])


def test_gradient_flows():
    heatmaps = torch.rand(1, 2, 4, 3, requires_grad=True)
    soft_argmax(heatmaps, 5.0)[0].sum().backward()
    assert heatmaps.grad is not None
    assert heatmaps.grad.abs().sum() > 0
