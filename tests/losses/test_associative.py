import numpy as np
import pytest
import torch
from textbook import associative as textbook

from lib.losses.associative import masked_heatmap_loss, tag_loss


def random_indices(rng, people, joints, cells):
    """(N, K, 2): some people without joints, joints packed to the front."""
    indices = np.zeros((people, joints, 2), np.int64)
    for n in range(people):
        used = int(rng.integers(0, joints + 1))
        indices[n, :used, 0] = rng.integers(0, cells, used)
        indices[n, :used, 1] = 1
    return indices


@pytest.mark.parametrize("kind", ["exp", "max"])
@pytest.mark.parametrize("people", [0, 1, 2, 7])
def test_tag_loss_equals_the_textbook(kind, people):
    rng = np.random.default_rng(people)
    tags = torch.from_numpy(rng.normal(0, 1, (3, 5, 4, 6)).astype(np.float32))
    indices = np.zeros((3, 7, 5, 2), np.int64)
    for image in indices:
        image[:people] = random_indices(rng, people, 5, 5 * 4 * 6)
    push, pull = tag_loss(tags, torch.from_numpy(indices), kind)
    for b in range(3):
        wanted = textbook.tag_loss(tags[b].flatten().numpy(), indices[b], kind)
        assert push[b].item() == pytest.approx(wanted[0], rel=1e-5, abs=1e-7)
        assert pull[b].item() == pytest.approx(wanted[1], rel=1e-5, abs=1e-7)


def test_hand_computed():
    tags = torch.zeros(1, 2, 2, 2)
    tags[0].view(-1)[:4] = torch.tensor([1.0, 3.0, 2.5, 9.0])
    indices = torch.tensor([[[[0, 1], [1, 1]], [[2, 1], [0, 0]], [[0, 0], [0, 0]]]])
    push, pull = tag_loss(tags, indices, "exp")  # means 2 and 2.5, variances 1 and 0
    assert pull.item() == pytest.approx(0.5)
    assert push.item() == pytest.approx(0.5 * np.exp(-0.25))
    assert tag_loss(tags, indices, "max")[0].item() == pytest.approx(0.5 * 0.5)


@pytest.mark.parametrize("kind", ["exp", "max"])
def test_gradients(kind):
    rng = np.random.default_rng(3)
    indices = torch.from_numpy(random_indices(rng, 4, 3, 18))[None]
    tags = torch.randn(1, 3, 2, 3, generator=torch.Generator().manual_seed(1)).requires_grad_()
    step = 1e-2
    loss = sum(tag_loss(tags, indices, kind))
    loss.backward()
    moved = tags.detach().clone()
    numeric = torch.zeros_like(moved)
    for cell in range(18):
        values = []
        for sign in (1, -1):
            moved.view(-1)[cell] += sign * step
            values.append(sum(tag_loss(moved, indices, kind)).item())
            moved.view(-1)[cell] -= sign * step
        numeric.view(-1)[cell] = (values[0] - values[1]) / (2 * step)
    torch.testing.assert_close(tags.grad, numeric, atol=2e-3, rtol=1e-2)


def test_half_precision_tags_are_weighed_in_float32():
    tags = torch.full((1, 1, 2, 2), 300.0, dtype=torch.bfloat16)
    indices = torch.tensor([[[[0, 1]], [[3, 1]]]])
    push, pull = tag_loss(tags, indices)
    assert push.dtype == pull.dtype == torch.float32


def test_unknown_kind():
    with pytest.raises(ValueError, match="one of"):
        tag_loss(torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 1, 2, dtype=torch.int64), "square")


def test_masked_cells_are_free_but_counted():
    prediction = torch.ones(2, 3, 4, 5)
    target = torch.zeros(2, 3, 4, 5)
    mask = torch.ones(2, 4, 5)
    mask[1, :, :2] = 0
    torch.testing.assert_close(
        masked_heatmap_loss(prediction, target, mask), torch.tensor([1.0, 0.6])
    )


@pytest.mark.parametrize("kind", ["exp", "max"])
def test_reference_losses(shared, kind):
    golden = np.load(shared / "golden" / "bottomup" / "loss.npz")
    outputs = [torch.from_numpy(golden[f"out{s}"]).requires_grad_() for s in (0, 1)]
    total = torch.zeros(())
    for s in (0, 1):
        target = torch.from_numpy(golden[f"heat{s}"]).expand(3, -1, -1, -1)
        mask = torch.from_numpy(golden[f"mask{s}"]).float()
        heat = masked_heatmap_loss(outputs[s][:, :17], target, mask)
        np.testing.assert_allclose(heat.detach(), golden[f"{kind}_heat{s}"], rtol=1e-5)
        total = total + heat.mean()
    indices = torch.from_numpy(golden["tagidx0"]).long()
    for name, value in zip(
        ("push", "pull"), tag_loss(outputs[0][:, 17:], indices, kind), strict=True
    ):
        np.testing.assert_allclose(0.001 * value.detach(), golden[f"{kind}_{name}0"], rtol=1e-5)
        total = total + 0.001 * value.mean()
    np.testing.assert_allclose(total.item(), golden[f"{kind}_total"], rtol=1e-5)
    if kind == "exp":
        total.backward()
        grads = [out.grad for out in outputs]
        np.testing.assert_allclose(
            grads[0][:, 17:].sum((2, 3)), golden["exp_grad0_tags_sum"], atol=1e-9
        )
        for s in (0, 1):
            size = grads[s].abs().sum((1, 2, 3))
            np.testing.assert_allclose(size, golden[f"exp_grad{s}_abs"], rtol=1e-5)
