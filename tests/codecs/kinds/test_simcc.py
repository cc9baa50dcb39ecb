import math

import numpy as np
import pytest
import torch

from lib.codecs.kinds.simcc import SimccCodec
from lib.codecs.simcc import newton_kernel, outer_maps, shift_left
from lib.losses.simcc import simcc_errors
from lib.structures import load_skeleton

SETTINGS = {
    "rtm": {"input_size": (192, 256), "sigma": (4.9, 5.66), "normalize": False},
    "plain384": {"input_size": (288, 384), "sigma": (6.0, 6.0), "normalize": True},
}
RTMPOSE = {"beta": 10.0, "label_softmax": True}


@pytest.fixture(params=SETTINGS)
def case(shared, request):
    """Settings and tensors of a reference file."""
    file = shared / "golden" / "mmpose" / f"codec_simcc_{request.param}.npz"
    if not file.is_file():
        pytest.skip(f"{file.name} is not part of the reference data")
    data = {name: torch.tensor(value) for name, value in np.load(file).items()}
    return SETTINGS[request.param], data


def test_golden_labels(case):
    settings, data = case
    (x, y), weights = SimccCodec(**settings).encode(data["keypoints"], data["visible"])
    torch.testing.assert_close(x, data["label_x"], atol=1e-6, rtol=0)
    torch.testing.assert_close(y, data["label_y"], atol=1e-6, rtol=0)
    assert torch.equal(weights, data["weights"])


def test_golden_smoothed_labels(case):
    settings, data = case
    codec = SimccCodec(**settings, smoothing=0.1)
    (x, y), weights = codec.encode(data["keypoints"], data["visible"])
    peak = torch.where(x.amax(-1) > 0, x.argmax(-1), -1)
    assert torch.equal(peak, data["standard_x_at"])
    assert torch.equal(weights, data["standard_weights"])
    for name, row in (("x", x), ("y", y)):
        torch.testing.assert_close(row.amax(-1), data[f"standard_{name}_max"], atol=1e-6, rtol=0)
        torch.testing.assert_close(row.amin(-1), data[f"standard_{name}_min"], atol=1e-6, rtol=0)


def test_golden_decoding(case):
    settings, data = case
    points, scores = SimccCodec(**settings).decode([data["logit_x"], data["logit_y"]])
    torch.testing.assert_close(points, data["decoded"], atol=1e-3, rtol=0)
    torch.testing.assert_close(scores, data["scores"], atol=1e-6, rtol=0)
    seen = SimccCodec(**settings, score="visibility").decode([data["logit_x"], data["logit_y"]])[1]
    # The exponents reach hundreds: float32 keeps five digits of them.
    torch.testing.assert_close(seen, data["visibility"], atol=1e-6, rtol=1e-4)


def test_golden_newton_step(case):
    settings, data = case
    codec = SimccCodec(**settings, newton=True)
    points, scores = codec.decode([data["dark_logit_x"], data["dark_logit_y"]])
    # One peak stands next to the border, where the curvature nearly vanishes: its step is 149 px.
    torch.testing.assert_close(points, data["dark_decoded"], atol=5e-3, rtol=1e-4)
    torch.testing.assert_close(scores, data["dark_scores"], atol=1e-6, rtol=0)


def test_golden_flip_merge(case):
    settings, data = case
    codec = SimccCodec(**settings)
    index = torch.tensor(load_skeleton("coco").flip_index)
    direct = [data["logit_x"], data["logit_y"]]
    x, y = codec.merge_flipped(direct, [data["mirrored_x"], data["mirrored_y"]], index)
    torch.testing.assert_close(x, data["merged_x"], atol=1e-6, rtol=0)
    torch.testing.assert_close(y, data["merged_y"], atol=1e-6, rtol=0)
    points, scores = codec.decode([x, y])
    torch.testing.assert_close(points, data["merged_decoded"], atol=1e-3, rtol=0)
    torch.testing.assert_close(scores, data["merged_scores"], atol=1e-6, rtol=0)


def simcc_loss(logits, labels, weights, **options):
    """mmpose's scalar: summed over people, divided by K."""
    return simcc_errors(logits, labels, weights, **options).sum() / weights.shape[1]


@pytest.mark.parametrize(("name", "options"), [("b1", {}), ("b10s", RTMPOSE)])
def test_golden_loss(case, name, options):
    settings, data = case
    logits = [data[f"loss_pred_{axis}"].clone().requires_grad_() for axis in "xy"]
    labels = [data["label_x"], data["label_y"]]
    loss = simcc_loss(logits, labels, data["weights"], **options)
    assert loss.item() == pytest.approx(data[f"loss_{name}"].item(), rel=1e-6)
    double = simcc_loss([t.double() for t in logits], labels, data["weights"], **options)
    assert double.item() == pytest.approx(data[f"loss_{name}_float64"].item(), rel=1e-6)
    loss.backward()
    for axis, logit in zip("xy", logits, strict=True):
        wanted = data[f"grad_{axis}_{name}"]
        assert (logit.grad - wanted).abs().max() <= 1e-5 * wanted.abs().max()
    # In training the figure does not depend on the number of people.
    codec = SimccCodec(**settings, **options)
    trained = codec.loss(logits, labels, data["weights"])["simcc"]
    assert trained.item() == pytest.approx(loss.item() / 2, rel=1e-6)


def test_loss_by_hand():
    logits = [torch.tensor([[[0.3, -0.2, 0.5]]]), torch.tensor([[[1.0, 2.0]]])]
    labels = [torch.tensor([[[0.0, 1.0, 0.0]]]), torch.tensor([[[0.5, 0.5]]])]
    p = [math.exp(value) / (math.exp(0.3) + math.exp(-0.2) + math.exp(0.5)) for value in (-0.2,)]
    q = [math.exp(value) / (math.exp(1) + math.exp(2)) for value in (1, 2)]
    x = -math.log(p[0]) / 3  # a mean over bins, 0 where the label is
    y = sum(0.5 * (math.log(0.5) - math.log(value)) for value in q) / 2
    loss = simcc_loss(logits, labels, torch.tensor([[0.7]]))
    assert loss.item() == pytest.approx(0.7 * (x + y), rel=1e-6)


def test_sharpness_of_labels_by_hand():
    """softmax(10 ln 3 / 10, 0) is (3/4, 1/4); even logits give 1/2 each."""
    labels = [torch.tensor([[[0.1098612289, 0.0]]]), torch.tensor([[[0.0, 0.0, 0.0]]])]
    logits = [torch.zeros(1, 1, 2), torch.zeros(1, 1, 3)]
    loss = simcc_loss(logits, labels, torch.ones(1, 1), label_softmax=True)
    # (3/4 ln 3/4 + 1/4 ln 1/4 + ln 2) / 2 on x; y has even labels as well
    assert loss.item() == pytest.approx(0.0654060180, rel=1e-5)


def test_the_loss_is_a_mean_over_people_by_hand():
    """Even logits over 4 and 6 bins: ln 4 / 4 + ln 6 / 6 for each person, however many."""
    codec = build(input_size=(2, 3), split_ratio=2.0)
    for people in (1, 3):
        logits = [torch.zeros(people, 2, 4), torch.zeros(people, 2, 6)]
        one_hot = [torch.zeros_like(row) for row in logits]
        for row in one_hot:
            row[..., 1] = 1
        loss = codec.loss(logits, (one_hot[0], one_hot[1]), torch.ones(people, 2))["simcc"]
        assert loss.item() == pytest.approx(0.3465735903 + 0.2986265782, rel=1e-6)


def test_sharpness_of_visibility_by_hand():
    """softmax(150 sigma (ln 3 / 300, 0)) is (3/4, 1/4) for sigma 2; (9/10, 1/10) along y."""
    codec = build(input_size=(1, 2), sigma=(2.0, 3.0), score="visibility")
    x = torch.tensor([[[0.00366204096, 0.0]]])
    y = torch.tensor([[[-1.0, 0.0, 0.00488272128, -1.0]]])  # ln 9 / 450
    assert codec.decode([x, y])[1].item() == pytest.approx(0.75, rel=1e-5)
    assert codec.decode([x + torch.tensor([0.01, 0.0]), y])[1].item() == pytest.approx(
        0.9, rel=1e-5
    )


def build(**settings):
    return SimccCodec(**{"input_size": (192, 256), **settings})


@pytest.mark.parametrize(
    ("ratio", "align", "drift"),
    [
        (1.3, "exact", 0),  # 249.6 bins are 249: reversed rows lie 0.3 bins too far left
        (1.0, "exact", 0),
        (2.0, "exact", 0),
        (1.5, "exact", 0),
        (3.0, "exact", 0),
        (2.0, "integer", 0),
        (2.0, "none", 0.25),
        (3.0, "none", 1 / 3),
        (1.0, "none", 0),
    ],
)
def test_mirrored_answers_lie_on_the_direct_ones(ratio, align, drift):
    """The mean of both peaks lies half of the mirrored one's lag away, as published without align.

    Read by the mean of the rows, which unlike a peak moves by parts of a bin.
    """
    codec = build(split_ratio=ratio, whole_bins=False, flip_align=align)
    index = torch.tensor(load_skeleton("coco").flip_index)
    generator = torch.Generator().manual_seed(2)
    points = torch.rand(1, 17, 2, generator=generator) * torch.tensor([112.0, 176]) + 40
    mirrored = points.clone()
    mirrored[..., 0] = 191 - points[..., 0]
    visible = torch.ones(1, 17)
    direct, _ = codec.encode(points, visible)
    other, _ = codec.encode(mirrored[:, index], visible)
    x, y = codec.merge_flipped(direct, other, index)
    found = [(row * torch.arange(row.shape[-1])).sum(-1) / row.sum(-1) / ratio for row in (x, y)]
    assert (found[0] - points[..., 0]).mean().item() == pytest.approx(drift, abs=1e-3)
    assert (found[1] - points[..., 1]).abs().max() < 1e-3


def test_shift_repeats_the_last_bin():
    row = torch.tensor([1.0, 2, 4, 8])
    assert shift_left(row, 0).tolist() == [1, 2, 4, 8]
    assert shift_left(row, 1).tolist() == [2, 4, 8, 8]
    assert shift_left(row, 2.5).tolist() == [6, 8, 8, 8]
    assert shift_left(row, -0.5).tolist() == [1, 1.5, 3, 6]


def test_rows_of_zeros_have_a_place_all_the_same():
    points, scores = build(newton=True).decode([torch.zeros(1, 1, 384), torch.zeros(1, 1, 512)])
    assert points.tolist() == [[[-0.5, -0.5]]]
    assert scores.tolist() == [[0]]


def test_bins_are_rounded_half_to_even_unless_wanted_where_the_joint_is():
    points, visible = torch.tensor([[[12.25, 13.75], [40.3, 7.1]]]), torch.ones(1, 2)
    (x, y), _ = build().encode(points, visible)
    assert x.argmax(-1).tolist() == [[24, 81]]  # 24.5 -> 24
    assert y.argmax(-1).tolist() == [[28, 14]]  # 27.5 -> 28
    (x, _), _ = build(whole_bins=False).encode(points, visible)
    assert x[0, 0, 24] == x[0, 0, 25]


def test_a_joint_outside_on_one_axis_loses_both_rows():
    points = torch.tensor([[[60.0, 100], [60, 300], [-40, 100], [60, 100]]])
    visible = torch.tensor([[1.0, 1, 1, 0.25]])
    (x, y), weights = build().encode(points, visible)
    assert weights.tolist() == [[1, 0, 0, 0.25]]
    assert (x.amax(-1) > 0).tolist() == (y.amax(-1) > 0).tolist() == [[True, False, False, False]]


def test_scores():
    x, y = torch.full((1, 3, 384), -1.0), torch.full((1, 3, 512), -1.0)
    x[0, :, 30], y[0, :, 50] = torch.tensor([4.0, 4.0, 0.5]), torch.tensor([3.0, -0.5, 9.0])
    points, scores = build().decode([x, y])
    assert points.tolist() == [[[15, 25], [-0.5, -0.5], [15, 25]]]
    assert scores.tolist() == [[3, -0.5, 0.5]]
    points, scores = build(score="probability").decode([x, y])
    assert points.tolist() == [[[15, 25]] * 3]
    wanted = [min(row[0, k].softmax(0).max().item() for row in (x, y)) for k in range(3)]
    assert scores[0].tolist() == pytest.approx(wanted, rel=1e-5)


def test_accuracy_measures_x_in_heights_and_y_in_widths_as_published():
    codec = build()
    points, visible = torch.full((1, 4, 2), 90.0), torch.tensor([[1.0, 1, 1, 0]])
    targets, weights = codec.encode(points, visible)
    moved = points + torch.tensor([[[12.0, 0], [13.0, 0], [0, 9.5], [50, 50]]])  # 256/20, 192/20
    answer, _ = codec.encode(moved, torch.ones(1, 4))
    assert codec.accuracy(answer, targets, weights).item() == pytest.approx(2 / 3)
    assert codec.accuracy(answer, targets, 0 * weights).item() == 0


def test_maps_are_products_of_rows():
    rows = [torch.tensor([[[0.5, 2.0, -1.0]]]), torch.tensor([[[0.25, 0.5]]])]
    wanted = [[0.0625, 0.25, 0.0], [0.125, 0.5, 0.0]]
    torch.testing.assert_close(outer_maps(rows), torch.tensor([[wanted]]))
    codec = build()
    targets, _ = codec.encode(torch.tensor([[[60.0, 100]]]), torch.ones(1, 1))
    maps = codec.maps(codec.ideal(targets))
    assert maps.shape == (1, 1, 512, 384)
    assert maps.amax().item() == pytest.approx(1, rel=1e-5)
    assert maps[0, 0, 200, 120] == maps.amax()


def test_kernels_of_the_published_deviations():
    assert [newton_kernel(sigma) for sigma in (4.9, 5.66, 6)] == [29, 35, 37]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"split_ratio": 0.5}, "SPLIT_RATIO must be at least 1"),
        ({"sigma": (0.0, 5.0)}, "SIGMA must be above 0"),
        ({"smoothing": 1.0}, "SMOOTHING must be below 1"),
        ({"smoothing": 0.1, "whole_bins": False}, "set ROUND true"),
        ({"beta": 0.0}, "BETA must be above 0"),
        ({"score": "peaks"}, "SCORE must be one of peak, probability, visibility, got 'peaks'"),
    ],
)
def test_settings_are_checked(settings, message):
    with pytest.raises(ValueError, match=message):
        build(**settings)
