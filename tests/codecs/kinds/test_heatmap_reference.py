"""Codecs of heatmaps against reference numbers of mmpose: one person, 192x256 and 288x384."""

import cv2
import numpy as np
import pytest
import torch

from lib.codecs import CODECS
from lib.losses.heatmap import heatmap_mse
from lib.structures import load_skeleton

THEIRS = {"gaussian": "msra", "dark": "dark", "udp": "udp", "megvii": "megvii"}
NEGATIVE = 13  # the map without a positive value: no peak there, no peak here, other cells


@pytest.fixture(params=["a", "b"])
def case(shared, request):
    file = shared / "golden" / "mmpose" / f"codec_heatmap_{request.param}.npz"
    if not file.is_file():
        pytest.skip(f"{file.name} is not part of the reference data")
    return {name: torch.tensor(value) for name, value in np.load(file).items()}


def build(case, name, **settings):
    sizes = {key: tuple(case[key].tolist()) for key in ("input_size", "heatmap_size")}
    return CODECS[name](**sizes, sigma=case["sigma"].item(), **settings)


def compared(case, name):
    """The maps to compare: those with a peak, for UDP away from the border (another smoothing)."""
    keep = torch.arange(17) != NEGATIVE
    return keep & case["udp_inner"] if name == "udp" else keep


@pytest.mark.parametrize("name", THEIRS)
def test_targets_and_weights(case, name):
    targets, weights = build(case, name).encode(case["keypoints"], case["visible"])
    wanted = case[f"{THEIRS[name]}_target"]
    torch.testing.assert_close(targets[0], wanted, atol=1e-6 * max(1, wanted.max()), rtol=0)
    assert torch.equal(weights, case[f"{THEIRS[name]}_weights"])


@pytest.mark.parametrize("name", THEIRS)
def test_decoding_in_image_pixels(case, name):
    crop = torch.cat([case["box_centre"], case["box_scale"]]).float()[None]
    points, scores = build(case, name).decode_to_image(case["maps"][None], crop)
    keep = compared(case, name)
    wanted = case[f"{THEIRS[name]}_decoded_image_px"].float()
    torch.testing.assert_close(points[:, keep], wanted[:, keep], atol=1e-3, rtol=0)
    torch.testing.assert_close(scores, case[f"{THEIRS[name]}_scores"], atol=1e-6, rtol=0)


def test_squared_error(case):
    maps, target, weights = (case[name] for name in ("maps", "udp_target", "udp_weights"))
    # Weights of 0 and 1 are their own squares.
    loss = heatmap_mse(maps[None], target[None], weights, factor=1.0)
    assert loss.item() == pytest.approx(case["mse_loss"].item(), abs=1e-6)


def merged(case, name, align="none"):
    index = torch.tensor(load_skeleton("coco").flip_index)
    maps = case["maps"][None]
    return build(case, name, flip_align=align).merge_flipped(maps, maps, index)


def test_merged_maps_moved_by_a_cell(case):
    points, scores = build(case, "gaussian").decode(merged(case, "gaussian", "integer"))
    stride = case["input_size"] / case["heatmap_size"]
    wanted = case["msra_flip_shift_decoded_input_px"]
    torch.testing.assert_close(points * stride, wanted, atol=1e-3, rtol=0)
    torch.testing.assert_close(scores, case["msra_flip_shift_scores"], atol=1e-6, rtol=0)


def test_merged_unbiased_maps_differ_by_the_smoothing_at_the_border_alone(case):
    """There the map goes on mirrored for us (as published with UDP), with zeros in the reference.

    With zeros in our step every joint is the reference's; without them those are whose smoothed
    cells (kernel and neighbours) lie on the map.
    """
    maps = merged(case, "udp")
    sums = maps.double().sum((0, 2, 3))
    torch.testing.assert_close(sums, case["flip_noshift_merged_sum"], atol=1e-4, rtol=0)
    codec, sides = build(case, "udp"), case["heatmap_size"]
    peaks, scores = codec.locate(maps)
    torch.testing.assert_close(scores, case["udp_flip_scores"], atol=1e-6, rtol=0)
    wanted = case["udp_flip_decoded_input_px"][0] / case["input_size"] * (sides - 1)
    zeros = [
        newton_step_with_zeros(one.numpy(), peak.numpy(), codec.width)
        for one, peak in zip(maps[0], peaks[0], strict=True)
    ]
    np.testing.assert_allclose(np.array(zeros), wanted, atol=1e-3)
    reach = codec.width // 2 + 1
    inner = ((peaks[0] >= reach) & (peaks[0] < sides - reach)).all(-1)
    assert inner.any()
    assert not inner.all()
    ours = codec.decode(maps)[0][0].double()
    torch.testing.assert_close(ours[inner], wanted[inner], atol=1e-3, rtol=0)
    assert (ours - wanted)[~inner].abs().max() > 0.1  # cells: the rule is not without effect


def newton_step_with_zeros(heatmap, peak, kernel):
    """The reference's step on one map (H, W): zeros beyond the border, scaled to its maximum."""
    pad = kernel // 2
    wide = cv2.GaussianBlur(np.pad(heatmap.astype(np.float64), pad), (kernel, kernel), 0)
    smooth = wide[pad:-pad, pad:-pad]
    logs = np.log(np.clip(smooth * heatmap.max() / smooth.max(), 1e-3, 50))
    x, y = peak.astype(int)
    p = np.pad(logs, 1, mode="edge")[y : y + 3, x : x + 3]
    gradient = np.array([p[1, 2] - p[1, 0], p[2, 1] - p[0, 1]]) / 2
    mixed = (p[2, 2] + p[0, 0] + 2 * p[1, 1] - p[1, 2] - p[2, 1] - p[1, 0] - p[0, 1]) / 2
    curvature = [p[1, 2] + p[1, 0] - 2 * p[1, 1], p[2, 1] + p[0, 1] - 2 * p[1, 1]]
    hessian = np.diag(curvature) + mixed * (1 - np.eye(2))
    return peak - np.linalg.solve(hessian + np.eye(2) * np.finfo(np.float32).eps, gradient)
