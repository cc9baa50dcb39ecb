import numpy as np
import pytest
import torch

from lib.codecs import HeatmapCodec
from lib.structures import load_skeleton

NAMES = ("gaussian", "dark", "udp", "softargmax")


def build(name="gaussian", **settings):
    settings = {"input_size": (192, 256), "heatmap_size": (48, 64), "sigma": 2} | settings
    return HeatmapCodec(name, **settings)


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
    np.testing.assert_allclose(cells, data[key], atol=1e-5)
    values = data["soft160_maxvals" if "soft160" in key else "maxvals"][..., 0]
    if "soft100" not in key:
        np.testing.assert_allclose(scores, values, atol=1e-6)


def test_golden_flip_merge(shared):
    data = {
        name: torch.tensor(value)
        for name, value in np.load(shared / "golden/data/flip.npz").items()
    }
    index = torch.tensor(load_skeleton("coco").flip_index)
    codec = build(input_size=(48, 64), heatmap_size=(12, 16))
    for align, key in (("none", "flip_merge_noshift"), ("integer", "flip_merge_shift")):
        merged = codec.merge_flipped(data["heatmaps_orig"], data["heatmaps_coco"], index, align)
        assert torch.equal(merged, data[key])


def test_settings_are_checked():
    with pytest.raises(ValueError, match="codec must be one of"):
        build("heat")
    with pytest.raises(ValueError, match="odd"):
        build("dark", kernel=4)
