import numpy as np
import pytest
import torch
from toys.same import total

from lib.codecs.integral import share_around
from lib.codecs.kinds.integral import IntegralCodec
from lib.structures import load_skeleton
from lib.structures.geometry import apply_affine, image_to_crop_affine, invert_affine


def build(**settings):
    return IntegralCodec(**{"input_size": (48, 64), "heatmap_size": (12, 16), **settings})


def random_points(*shape, generator=None):
    generator = generator or torch.Generator().manual_seed(3)
    return torch.rand(*shape, 2, generator=generator) * torch.tensor([20.0, 34.0]) + 14


def test_a_cell_stands_for_the_middle_of_its_pixels():
    points = torch.tensor([[[1.5, 1.5], [46.5, 62.5], [1.4, 20], [20, 62.6], [30, 30]]])
    visible = torch.tensor([[1.0, 0.7, 1, 1, 0]])
    cells, weights = IntegralCodec((48, 64), (12, 16)).encode(points, visible)
    torch.testing.assert_close(cells[0, :2], torch.tensor([[0.0, 0.0], [11.25, 15.25]]))
    assert weights.tolist()[0] == pytest.approx([1, 0, 0, 0, 0])  # a mean cannot lie out there
    inside = torch.tensor([[[45.5, 61.5]]])
    assert build().encode(inside, torch.ones(1, 1))[1].item() == 1


def test_decoding_is_the_mean_of_the_softmax_in_float64():
    logits = torch.randn(2, 3, 16, 12, generator=torch.Generator().manual_seed(0)) * 3
    points, scores = build(beta=1.5, sigma=0.9).decode(logits)
    share = (logits.double() * 1.5).flatten(2).softmax(-1).view(2, 3, 16, 12).numpy()
    x = (share.sum(2) * np.arange(12)).sum(-1)
    y = (share.sum(3) * np.arange(16)).sum(-1)
    np.testing.assert_allclose(points, np.stack([x * 4 + 1.5, y * 4 + 1.5], -1), atol=1e-4)
    near_x = np.abs(np.arange(12) - x[..., None]) <= 2.7
    near_y = np.abs(np.arange(16) - y[..., None]) <= 2.7
    wanted = (share * near_y[..., :, None] * near_x[..., None, :]).sum((2, 3))
    np.testing.assert_allclose(scores, wanted, atol=1e-5)


def test_scores_of_a_sharp_and_of_a_flat_map():
    codec = build()
    cells, _ = codec.encode(random_points(1, 4), torch.ones(1, 4))
    assert codec.decode(codec.ideal(cells))[1].min() > 0.98
    flat = torch.zeros(1, 1, 16, 12)
    assert codec.decode(flat)[1].item() == pytest.approx(6 * 6 / (16 * 12))
    assert share_around(flat, 1.0, torch.tensor([[[0.0, 0.0]]]), 0.5).item() == pytest.approx(
        1 / 192
    )


@pytest.mark.parametrize("beta", [1.0, 3.0])
def test_mirrored_answers_lie_on_the_direct_ones(beta):
    codec = build(beta=beta)
    index = torch.tensor(load_skeleton("coco").flip_index)
    points = random_points(2, 17)
    mirrored = points.clone()
    mirrored[..., 0] = 47 - points[..., 0]
    visible = torch.ones(2, 17)
    direct = codec.ideal(codec.encode(points, visible)[0])
    other = codec.ideal(codec.encode(mirrored[:, index], visible)[0])
    merged = codec.merge_flipped(direct, other, index)
    torch.testing.assert_close(codec.decode(merged)[0], points, atol=0.05, rtol=0)
    torch.testing.assert_close(merged, merged.clamp(max=0))  # logarithms of shares


def test_the_merged_mean_is_the_mean_of_both():
    codec = build(beta=0.7)
    index = torch.tensor(load_skeleton("coco").flip_index)
    generator = torch.Generator().manual_seed(5)
    direct, other = torch.randn(2, 2, 17, 16, 12, generator=generator) * 4
    a, b = codec.decode(direct)[0], codec.decode(other)[0][:, index]
    b[..., 0] = 47 - b[..., 0]
    found = codec.decode(codec.merge_flipped(direct, other, index))[0]
    torch.testing.assert_close(found, (a + b) / 2, atol=1e-4, rtol=1e-5)


def test_the_way_back_is_that_of_the_crop():
    crops = torch.tensor([[300.0, 200, 90, 120], [40, 70, 300, 400]])
    codec = build(bias=1.5)
    points = random_points(2, 5)
    answer = codec.ideal(codec.encode(points, torch.ones(2, 5))[0])
    found, _ = codec.decode_to_image(answer, crops)
    matrices = invert_affine(image_to_crop_affine(crops.numpy(), (48, 64)))
    expected = apply_affine(matrices, points.numpy()) - 1.5
    np.testing.assert_allclose(found, expected, atol=0.3)


def test_loss_is_learned_from():
    """Maps started at nothing find the joints by the gradient alone."""
    codec = build(beta=4.0)
    points = random_points(1, 3)
    targets, weights = codec.encode(points, torch.tensor([[1.0, 1, 0]]))
    logits = torch.zeros(1, 3, 16, 12, requires_grad=True)
    optimizer = torch.optim.Adam([logits], 0.1)
    for _ in range(150):
        optimizer.zero_grad()
        total(codec.loss(logits, targets, weights)).backward()
        optimizer.step()
    found, scores = codec.decode(logits.detach())
    assert (found - points)[:, :2].abs().max() < 0.3
    assert scores[0, :2].min() > 0.9
    assert logits[0, 2].abs().max() == 0  # without a weight, without a gradient
    assert codec.accuracy(logits, targets, weights).item() == 1


def test_losses_follow_the_settings():
    targets = torch.tensor([[[4.0, 5.0]]])
    logits, weights = torch.zeros(1, 1, 16, 12), torch.tensor([[0.5]])
    offsets = (1.5 * 2 / 12, 2.5 * 2 / 16)  # from the middle, (5.5, 7.5)
    dsnt = build().loss(logits, targets, weights)
    assert dsnt["position"].item() == pytest.approx(np.hypot(*offsets), rel=1e-5)
    double = build(regulariser=2.0).loss(logits, targets, weights)
    assert double["divergence"].item() == pytest.approx(2 * dsnt["divergence"].item())
    ipr = build(distance="l1", regulariser=0.0).loss(logits, targets, weights)
    assert [name for name in ipr if name[0] != "_"] == ["position"]
    assert ipr["position"].item() == pytest.approx(sum(offsets), rel=1e-5)
    none = build(use_weights=False).loss(logits, targets, 0 * weights)
    assert sum(none.values()).item() == 0  # nobody there, whatever the weights


def test_maps_peak_at_1():
    codec = build(sigma=1.5)
    maps = codec.maps(codec.ideal(torch.tensor([[[6.0, 8.0]]])))
    assert maps.shape == (1, 1, 16, 12)
    assert maps[0, 0, 8, 6].item() == pytest.approx(1, abs=1e-3)
    assert codec.describe() == {"heatmap_size": [12, 16], "softmax_beta": 1.0}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"distance": "l3"}, "DISTANCE must be l2 or l1, got 'l3'"),
        ({"regulariser": -1.0}, "REGULARISER must be 0 or more"),
        ({"regulariser": float("nan")}, "REGULARISER must be 0 or more"),
        ({"beta": 0.0}, "BETA must be above 0"),
    ],
)
def test_settings_are_checked(settings, message):
    with pytest.raises(ValueError, match=message):
        build(**settings)
