import numpy as np
import pytest
import torch

from lib.losses.heatmap import HeatmapLoss, heatmap_mse, heatmap_ohkm
from lib.utils.errors import ConfigError


def case():
    generator = torch.Generator().manual_seed(3)
    heatmaps, targets = (torch.randn(2, 3, 5, 7, generator=generator) for _ in range(2))
    return heatmaps, targets, torch.tensor([[1.0, 0, 1.5], [1, 1, 0]])


def test_mse_is_the_loop_over_joints():
    heatmaps, targets, weights = case()
    expected = (
        sum(
            0.5 * ((heatmaps[:, k] - targets[:, k]) * weights[:, k, None, None]).square().mean()
            for k in range(3)
        )
        / 3
    )
    torch.testing.assert_close(heatmap_mse(heatmaps, targets, weights), expected)
    torch.testing.assert_close(heatmap_mse(heatmaps, targets, weights, 1.0), 2 * expected)


def test_ohkm_by_hand_also_for_one_person():
    heatmaps = torch.tensor([1.0, 3.0, 2.0]).view(1, 3, 1, 1)
    targets = torch.zeros(1, 3, 1, 1)
    assert heatmap_ohkm(heatmaps, targets, top_k=2).item() == 0.5 * (9 + 4) / 2
    assert heatmap_ohkm(heatmaps, targets, top_k=8).item() == pytest.approx(0.5 * 14 / 3)
    assert heatmap_mse(heatmaps, targets).item() == pytest.approx(0.5 * 14 / 3)


def test_several_outputs_are_summed():
    heatmaps, targets, weights = case()
    loss = HeatmapLoss()
    both = loss([heatmaps, 2 * heatmaps], targets, weights)
    parts = loss(heatmaps, targets, weights), loss(2 * heatmaps, targets, weights)
    for whole, *each in zip(both, *parts, strict=True):
        torch.testing.assert_close(whole, sum(each))


def test_unweighted_loss_ignores_the_weights():
    heatmaps, targets, weights = case()
    loss = HeatmapLoss(use_weights=False)
    assert loss(heatmaps, targets, 0 * weights)[0] == heatmap_mse(heatmaps, targets)


@pytest.mark.parametrize("top_k", [0, 2])
def test_people_add_nothing_to_the_bits_of_loss_and_gradient(top_k):
    """The formulas are those of before people had losses of their own."""
    heatmaps, targets, weights = case()
    ours, theirs = heatmaps.clone().requires_grad_(), heatmaps.clone().requires_grad_()
    loss, people = HeatmapLoss(top_k=top_k)([ours, 2 * ours], targets, weights)
    loss.backward()
    parts = []
    for output in (theirs, 2 * theirs):
        errors = (output.float() - targets).square().mean(dim=(2, 3)) * weights.square()
        if top_k:
            parts.append((0.5 * errors).topk(top_k, dim=1).values.mean())
        else:
            parts.append(0.5 * errors.mean())
    before = torch.stack(parts).sum()
    before.backward()
    assert torch.equal(loss, before)
    assert torch.equal(ours.grad, theirs.grad)
    assert not people.requires_grad
    torch.testing.assert_close(people.mean(), before.detach())


def test_shapes_must_agree():
    heatmaps, targets, weights = case()
    with pytest.raises(
        ConfigError, match=r"answers \(2, 3, 5, 7\), the codec draws \(2, 3, 5, 6\)"
    ):
        heatmap_mse(heatmaps, targets[..., 1:], weights)


@pytest.mark.parametrize("use_weights", [True, False])
@pytest.mark.parametrize(("name", "top_k"), [("mse", 0), ("ohkm8", 8)])
def test_golden(shared, name, top_k, use_weights):
    data = np.load(shared / "golden/data/loss_acc.npz")
    output = torch.tensor(data["output"], requires_grad=True)
    weights = torch.tensor(data["target_weight"])[..., 0]
    criterion = HeatmapLoss(use_weights, top_k=top_k)
    loss, _ = criterion(output, torch.tensor(data["target"]), weights)
    loss.backward()
    assert loss.item() == pytest.approx(float(data[f"{name}_{use_weights}"]), rel=1e-6)
    np.testing.assert_allclose(output.grad, data[f"{name}_grad_{use_weights}"], atol=1e-9)
