import math

import pytest
import torch

from lib.losses.integral import (
    divergences,
    gaussian_logits,
    position_errors,
    weighted_mean,
    weighted_means,
)


def test_position_errors_by_hand():
    found = torch.tensor([[[3.0, 1.0], [2.0, 2.0], [0.0, 0.0]]])
    wanted = torch.tensor([[[1.0, 4.0], [2.0, 2.0], [9.0, 9.0]]])
    weights = torch.tensor([[0.5, 1.5, 0.0]])
    x, y = 2 * 2 / 8, 3 * 2 / 6  # half sides of a map of 8 x 6 cells
    for norm, distance in ((2, math.hypot(x, y)), (1, x + y)):
        loss = weighted_mean(position_errors(found, wanted, (8, 6), norm), weights)
        assert loss.item() == pytest.approx(0.5 * distance / 2)


def test_divergence_by_hand():
    logits = torch.tensor([[[[0.3, -0.2, 1.0], [0.0, 0.5, -1.0]]]], dtype=torch.float64)
    p = [math.exp(v) for v in logits.flatten().tolist()]
    q = [
        math.exp(-((x - 0.5) ** 2 + (y - 1) ** 2) / (2 * 0.8**2)) for y in (0, 1) for x in range(3)
    ]
    p, q = [v / sum(p) for v in p], [v / sum(q) for v in q]
    pairs = [(a, b, (a + b) / 2) for a, b in zip(p, q, strict=True)]
    wanted = sum(a * math.log(a / m) + b * math.log(b / m) for a, b, m in pairs) / 2
    loss = divergences(logits, torch.tensor([[[0.5, 1.0]]]), 0.8)
    assert loss.item() == pytest.approx(wanted, rel=1e-5)


def test_divergence_lies_between_nothing_and_log_2_and_keeps_gradients_finite():
    centres = torch.tensor([[[3.2, 5.1], [20.0, 2.0]]])
    same = gaussian_logits(centres, (24, 16), 1.5)
    assert divergences(same, centres, 1.5).mean().item() == pytest.approx(0, abs=1e-6)
    # A single sharp cell far away: probabilities of exactly 0 on either side.
    sharp = torch.zeros(1, 2, 16, 24)
    sharp[:, :, 15, 12] = 500
    sharp.requires_grad_()
    loss = divergences(sharp, centres, 1.5).mean()
    assert loss.item() == pytest.approx(math.log(2), rel=1e-5)
    loss.backward()
    assert sharp.grad.isfinite().all()


def test_nobody_costs_nothing():
    values = torch.rand(2, 3, requires_grad=True)
    mean = weighted_mean(values, torch.zeros(2, 3))
    mean.backward()
    assert mean.item() == 0
    assert values.grad.abs().sum() == 0


def test_means_of_rows_are_those_of_each_row_alone():
    values, weights = torch.rand(3, 5), torch.rand(3, 5) * torch.tensor([[1.0], [0.0], [2.0]])
    alone = [weighted_mean(values[n : n + 1], weights[n : n + 1]) for n in range(3)]
    torch.testing.assert_close(weighted_means(values, weights), torch.stack(alone))
    assert alone[1] == 0
