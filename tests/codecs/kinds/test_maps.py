import numpy as np
import pytest
import torch

from lib.codecs import CODECS
from lib.codecs.flip import flip_back
from lib.structures import load_skeleton
from lib.structures.geometry import apply_affine, image_to_crop_affine, invert_affine
from lib.utils.errors import ConfigError

NAMES = ("gaussian", "dark", "udp", "softargmax")


def build(name="gaussian", **settings):
    settings = {"input_size": (192, 256), "heatmap_size": (48, 64), "sigma": 2} | settings
    return CODECS[name](**settings)


def spread_joints(stride, count=400):
    """(1, count, 2) input pixels whose offsets within a cell are evenly spread on both axes."""
    generator = np.random.default_rng(stride)
    steps = (np.arange(count) + 0.5) / count
    offsets = np.stack([generator.permutation(steps), generator.permutation(steps)], axis=1)
    cells = generator.integers(
        [40 // stride, 40 // stride], [152 // stride, 216 // stride], (count, 2)
    )
    return torch.tensor((cells + offsets) * stride, dtype=torch.float32)[None]


def at_stride(name, stride, **settings):
    return build(name, heatmap_size=(192 // stride, 256 // stride), sigma=8 / stride, **settings)


def round_trip(encoder, decoder):
    """Mean error per axis and largest error, in input pixels, of joints drawn and read again."""
    joints = spread_joints(round(decoder.stride[0]))
    errors = []
    for part in joints.split(100, dim=1):
        heatmaps, _ = encoder.encode(part, torch.ones(part.shape[:2]))
        cells, _ = decoder.decode(heatmaps)
        errors.append((cells * torch.tensor(decoder.stride) - part).abs())
    error = torch.cat(errors, dim=1)
    return error.mean().item(), error.max().item(), error.square().sum(-1).mean().sqrt().item()


@pytest.mark.parametrize(
    ("targets", "decoder", "stride", "mean", "rms"),
    [
        # Targets centred on cells, as the lineage draws them: what no decoder can undo.
        ("gaussian", "argmax", 4, 1.00, 1.63),
        ("gaussian", "argmax", 2, 0.50, 0.82),
        ("gaussian", "argmax", 1, 0.25, 0.41),
        # Unrounded targets: the quarter step becomes ideal.
        ("dark", "gaussian", 4, 0.50, 0.82),
        ("dark", "gaussian", 2, 0.25, 0.41),
    ],
)
def test_round_trip_error(targets, decoder, stride, mean, rms):
    post_process = decoder != "argmax"
    reader = at_stride("gaussian", stride, post_process=post_process)
    found_mean, found_max, found_rms = round_trip(at_stride(targets, stride), reader)
    assert found_mean == pytest.approx(mean, rel=0.03)
    assert found_rms == pytest.approx(rms, rel=0.03)
    assert found_max <= stride / 2 + 1e-4


@pytest.mark.parametrize("stride", [4, 2, 1])
@pytest.mark.parametrize(("name", "bound"), [("dark", 0.02), ("udp", 0.02)])
def test_unrounded_codecs_go_there_and_back(name, bound, stride):
    codec = at_stride(name, stride)
    assert round_trip(codec, codec)[0] < bound


@pytest.mark.parametrize("stride", [4, 2, 1])
def test_soft_argmax_goes_there_and_back(stride):
    rounded = at_stride("softargmax", stride)
    assert round_trip(rounded, rounded)[0] == pytest.approx(stride / 4, rel=0.03)


@pytest.mark.parametrize("name", NAMES)
def test_joints_come_back_to_the_image(name):
    crops = torch.tensor([[300.0, 200, 90, 120], [40, 70, 300, 400]])
    codec = build(name, bias=1.5)
    points = torch.rand(2, 5, 2, generator=torch.Generator().manual_seed(1)) * 100 + 50
    heatmaps, weights = codec.encode(points, torch.ones(2, 5))
    assert weights.all()
    found, scores = codec.decode_to_image(heatmaps, crops)
    matrices = image_to_crop_affine(crops.numpy(), (192, 256), unbiased=codec.unbiased)
    expected = apply_affine(invert_affine(matrices), points.numpy()) - 1.5
    bound = crops[:, 2] / 48 * (0.1 if name in ("dark", "udp") else 0.5) + 1e-3
    assert (np.abs(found.numpy() - expected).max(axis=(1, 2)) <= bound.numpy()).all()
    assert scores.min() > 0.8


def test_the_size_of_the_map_scales_the_way_back():
    crops = torch.tensor([[100.0, 100, 96, 128]])
    heatmaps = torch.zeros(1, 1, 128, 96)
    heatmaps[0, 0, 64, 49] = 1
    found, _ = build(post_process=False).decode_to_image(heatmaps, crops)
    assert found.tolist() == [[[101, 100]]]


@pytest.mark.parametrize(
    ("name", "stride"), [("gaussian", 4), ("gaussian", 2), ("gaussian", 1), ("udp", 4)]
)
def test_exact_flip_alignment_leaves_the_peak_in_place(name, stride):
    points, visible = spread_joints(stride, 17), torch.ones(1, 17)
    index = torch.tensor(load_skeleton("coco").flip_index)
    mirrored_points = points.clone()
    mirrored_points[..., 0] = 191 - points[..., 0]
    draw = at_stride("udp" if name == "udp" else "dark", stride)
    direct, _ = draw.encode(points, visible)
    mirrored, _ = draw.encode(mirrored_points[:, index], visible)
    # Newton's step reads the position of the merged peak to a hundredth of a cell.
    read = at_stride(name if name == "udp" else "dark", stride)
    places = {
        align: read.decode(
            at_stride(name, stride, flip_align=align).merge_flipped(direct, mirrored, index)
        )[0]
        * stride
        for align in ("none", "integer", "exact")
    }
    wanted = read.decode(direct)[0] * stride
    drift = {align: (found - wanted)[..., 0].mean().item() for align, found in places.items()}
    lag = 0 if name == "udp" else (stride - 1) / 2  # half of it: the direct map has no lag
    step = 0 if name == "udp" else stride / 2
    assert drift["exact"] == pytest.approx(0, abs=0.05)
    assert drift["none"] == pytest.approx(-lag, abs=0.05)
    assert drift["integer"] == pytest.approx(step - lag, abs=0.05)


def test_decoders_read_one_smooth_peak():
    column, row = torch.meshgrid(torch.arange(48.0), torch.arange(64.0), indexing="xy")
    peak = 0.8 * torch.exp(-((column - 20.3).square() + (row - 33.6).square()) / 8)
    read = {name: build(name).decode(peak[None, None])[0].flatten().tolist() for name in NAMES}
    assert read["gaussian"] == [20.25, 33.75]
    assert read["dark"] == pytest.approx([20.3, 33.6], abs=2e-3)
    assert read["udp"] == pytest.approx([20.3, 33.6], abs=2e-3)
    x, y = build("softargmax", post_process=False).decode(peak[None, None])[0][0, 0]
    assert (x, y) == (pytest.approx(20, abs=0.1), pytest.approx(34, abs=0.1))


@pytest.mark.parametrize(
    ("name", "atol"), [("gaussian", 1e-6), ("dark", 2e-6), ("softargmax", 1e-6)]
)
def test_golden_targets(shared, name, atol):
    files = ["target_s2_192x256", "target_s3_288x384", "target_s2_256x256"]
    for file in ["target_unbiased_s2_192x256"] if name == "dark" else files:
        data = dict(np.load(shared / f"golden/data/{file}.npz"))
        size = tuple(data.get("image_size", np.array([192, 256])).tolist())
        cells = tuple(data.get("heatmap_size", np.array([48, 64])).tolist())
        codec = build(name, input_size=size, heatmap_size=cells, sigma=int(data.get("sigma", 2)))
        joints, visible = torch.tensor(data["joints"]), torch.tensor(data["joints_vis"])
        heatmaps, weights = codec.encode(joints[..., :2], visible[..., 0])
        np.testing.assert_allclose(heatmaps, data["target"], atol=atol)
        np.testing.assert_array_equal(weights, data["target_weight"][..., 0])
        if "target_weight_diff" in data:  # LOSS.USE_DIFFERENT_JOINTS_WEIGHT
            skeleton = load_skeleton("coco" if joints.shape[1] == 17 else "mpii")
            weighed = weights * torch.tensor(skeleton.joint_weights)
            np.testing.assert_allclose(weighed, data["target_weight_diff"][..., 0], rtol=1e-6)


@pytest.mark.parametrize("file", ["coco_val_items", "coco_train_items"])
def test_golden_item_targets(shared, file):
    data = dict(np.load(shared / f"golden/data/{file}.npz"))
    visible = data.get("joints_vis", data.get("db_vis"))
    joints = torch.tensor(data["joints_in_crop"])
    heatmaps, weights = build().encode(joints[..., :2], torch.tensor(visible)[..., 0])
    np.testing.assert_allclose(heatmaps, data["target"], atol=1e-6)
    np.testing.assert_array_equal(weights, data["target_weight"][..., 0])


@pytest.mark.parametrize(
    ("settings", "key", "positive_only"),
    [
        ({"name": "gaussian"}, "final_preds_quarter", False),
        ({"name": "gaussian", "post_process": False}, "final_preds_raw", False),
        ({"name": "softargmax"}, "soft160_final_quarter", False),
        ({"name": "softargmax", "post_process": False}, "soft160_final_raw", False),
        # The other decoder says -1, not 0, where a maximum is not positive.
        ({"name": "gaussian", "post_process": False}, "mm_none", True),
        ({"name": "gaussian"}, "mm_default", True),
        ({"name": "dark"}, "mm_dark_k11", True),
        ({"name": "dark", "kernel": 17}, "mm_dark_k17", True),
        ({"name": "udp"}, "mm_udp_dark_k11", True),
    ],
)
def test_golden_decoding_to_the_image(shared, settings, key, positive_only):
    data = np.load(shared / "golden/data/decode.npz")
    crops = torch.tensor(np.concatenate([data["center"], data["scale"] * 200], axis=1))
    points, _ = build(**settings).decode_to_image(torch.tensor(data["heatmaps"]), crops)
    keep = (data["maxvals"][..., 0] > 0) | (not positive_only)
    np.testing.assert_allclose(points.numpy()[keep], data[key][keep], atol=2e-4)


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"name": "gaussian", "post_process": False}, "max_preds"),
        ({"name": "softargmax", "post_process": False}, "soft160_hm"),
        ({"name": "softargmax", "post_process": False, "beta": 100.0}, "soft100_hm"),
        ({"name": "dark"}, "dark_k11_hm"),
    ],
)
def test_golden_decoding_in_cells(shared, settings, key):
    data = np.load(shared / "golden/data/decode.npz")
    cells, scores = build(**settings).decode(torch.tensor(data["heatmaps"]))
    # 160 x heat rounds to 1e-5 in float32, so the published soft-argmax is no better itself.
    np.testing.assert_allclose(cells, data[key], atol=5e-5 if "soft" in key else 1e-5)
    values = data["soft160_maxvals" if "soft160" in key else "maxvals"][..., 0]
    if "soft100" not in key:
        np.testing.assert_allclose(scores, values, atol=1e-6)


def test_golden_flip_merge(shared):
    data = {
        name: torch.tensor(value)
        for name, value in np.load(shared / "golden/data/flip.npz").items()
    }
    index = torch.tensor(load_skeleton("coco").flip_index)
    for align, key in (("none", "flip_merge_noshift"), ("integer", "flip_merge_shift")):
        codec = build(input_size=(48, 64), heatmap_size=(12, 16), flip_align=align)
        merged = codec.merge_flipped(data["heatmaps_orig"], data["heatmaps_coco"], index)
        assert torch.equal(merged, data[key])


@pytest.mark.parametrize("name", ["coco", "mpii"])
def test_golden_mirror(shared, name):
    data = dict(np.load(shared / "golden/data/flip.npz"))
    index = load_skeleton(name).flip_index
    heatmaps = torch.tensor(data[f"heatmaps_{name}"])
    found = flip_back(heatmaps, torch.tensor(index))
    np.testing.assert_array_equal(found, data[f"flip_back_{name}"])
    if name == "coco":
        joints = data["joints"][index]
        joints[:, 0] = data["width"] - 1 - joints[:, 0]
        shown = data["joints_vis"][index]
        np.testing.assert_array_equal(shown, data["joints_vis_flipped"])
        np.testing.assert_allclose((joints * shown)[:, :2], data["joints_flipped"][:, :2])


def test_settings_are_checked():
    with pytest.raises(ConfigError, match=r"No MODEL.TARGET_TYPE 'gausian'. Did you mean gaussian"):
        build("gausian")
    with pytest.raises(ValueError, match="odd"):
        build("dark", kernel=4)


@pytest.mark.parametrize("name", NAMES)
def test_no_value_is_read_on_the_host(name):
    """Meta tensors have no values: a host sync anywhere would raise."""
    codec = build(name, flip_align="exact")
    heatmaps, weights = codec.encode(
        torch.empty(2, 5, 2, device="meta"), torch.empty(2, 5, device="meta")
    )
    assert (heatmaps.shape, weights.shape) == ((2, 5, 64, 48), (2, 5))
    index = torch.empty(5, dtype=torch.int64, device="meta")
    merged = codec.merge_flipped(heatmaps, heatmaps, index)
    points, scores = codec.decode_to_image(merged, torch.empty(2, 4, device="meta"))
    assert (points.shape, scores.shape) == ((2, 5, 2), (2, 5))


@pytest.mark.parametrize("name", NAMES)
def test_autocast_costs_no_digits(name):
    codec = build(name)
    points = torch.rand(2, 5, 2, generator=torch.Generator().manual_seed(1)) * 100 + 40
    heatmaps, _ = codec.encode(points, torch.ones(2, 5))
    crops = torch.tensor([[300.0, 200, 90, 120], [40, 70, 300, 400]])
    expected, _ = codec.decode_to_image(heatmaps, crops)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        again, _ = codec.encode(points, torch.ones(2, 5))
        assert torch.equal(again, heatmaps)
        found, scores = codec.decode_to_image(heatmaps, crops)
    assert torch.equal(found, expected)
    _, scores = codec.decode_to_image(heatmaps.bfloat16(), crops)
    assert scores.dtype == torch.float32
