import json

import numpy as np
import pytest
import torch
from golden import golden_input
from modelcfg import model_cfg

from lib.models import build_model, complexity, load_weights, to_official
from lib.utils.errors import ConfigError

PLAIN = {"NUM_DECONV_LAYERS": 0, "NUM_DECONV_FILTERS": [], "NUM_DECONV_KERNELS": []}
SMALL = {"IMAGE_SIZE": [64, 96], "HEATMAP_SIZE": [16, 24]}


def build(name="simcc_resnet", device="meta", **settings):
    settings = {"TARGET_TYPE": "simcc", **settings}
    with torch.device(device):
        return build_model(model_cfg(name, **settings))


@pytest.mark.parametrize(
    ("settings", "size", "parameters", "head", "macs", "entries"),
    [
        ({}, (192, 256), 36_753_105, 13_245_073, 5_473_173_504, 342),
        ({}, (288, 384), 43_290_769, 19_782_737, 12_367_282_176, 342),
        ({"extra": PLAIN, "joints": 16}, (256, 256), 23_607_376, 99_344, 5_341_446_144, 324),
    ],
)
def test_published_sizes(settings, size, parameters, head, macs, entries):
    sizes = {"IMAGE_SIZE": list(size), "HEATMAP_SIZE": [side // 4 for side in size]}
    network = build(**sizes, **settings)
    assert sum(p.numel() for p in network.parameters()) == parameters
    assert sum(p.numel() for p in network.head.parameters()) == head
    assert sum(p.numel() for p in network.backbone.parameters()) == 23_508_032
    assert len(network.state_dict()) == entries
    assert complexity(network, (size[1], size[0])).macs == macs
    joints = settings.get("joints", 17)
    x, y = network(torch.empty(2, 3, size[1], size[0], device="meta"))
    assert (x.shape, y.shape) == ((2, joints, 2 * size[0]), (2, joints, 2 * size[1]))


def test_golden_output(shared, tmp_path):
    folder = shared / "golden" / "mmpose"
    shapes = json.loads((folder / "simcc_res50.keys.json").read_text())
    network = build(device="cpu").eval()
    official = to_official(network)
    assert {key: list(value.shape) for key, value in official.items()} == shapes
    state = {key: _drawn(key, tuple(shape)) for key, shape in shapes.items()}
    load_weights(network, {"state_dict": state})
    with torch.no_grad():
        found = network(golden_input(256, 192))
    wanted = np.load(folder / "simcc_res50.npz")
    for axis, rows in zip("xy", found, strict=True):
        reference = wanted[f"simcc_{axis}"]
        assert np.abs(rows.numpy() - reference).max() <= 1e-4 * reference.std()


def _drawn(key, shape):
    """Draw a tensor of the reference by the recipe "fan+"; here equal to "fan"."""
    from golden import golden_state

    dtype = torch.long if key.endswith("num_batches_tracked") else torch.float32
    return golden_state({key: torch.empty(shape, dtype=dtype)})[key]


@pytest.mark.parametrize("name", ["simcc_resnet", "simcc_hrnet"])
@pytest.mark.parametrize("extra", [{}, PLAIN])
def test_files_of_mmpose_and_of_the_first_code_fill_every_tensor(name, extra):
    if name == "simcc_hrnet" and extra:
        pytest.skip("HRNet has no transposed convolutions")
    network = build(name, extra=extra, **SMALL)
    official = to_official(network)
    doubling = name == "simcc_resnet" and not extra
    final = "head.deconv_head.final_layer.weight" if doubling else "head.final_layer.weight"
    assert {final, "head.mlp_head_x.bias", "backbone.conv1.weight"} < set(official)
    assert not [key for key in official if "maps" in key]
    first = {
        key.replace("head.deconv_head.", "").replace("head.", "").replace("backbone.", ""): value
        for key, value in official.items()
    }
    assert {"final_layer.weight", "mlp_head_y.weight", "conv1.weight"} < set(first)
    for state in (official, first):
        assert set(network.key_map.from_official(state)) == set(network.state_dict())


def test_initialisation():
    torch.manual_seed(0)
    head = build(device="cpu", extra={"NUM_LAYERS": 18}, **SMALL).head
    assert head.mlp_head_x.weight.std().item() == pytest.approx(0.01, rel=0.02)
    assert head.maps.deconv_layers[0].weight.std().item() == pytest.approx(0.001, rel=0.02)
    assert not head.mlp_head_y.bias.any()


def test_bins_follow_the_split_ratio_also_in_a_composition():
    codec = {"SPLIT_RATIO": 1.5}
    network = build(extra={"NUM_LAYERS": 18}, codec=codec, **SMALL)
    assert network.head.bins == (96, 144)
    parts = {"BACKBONE": "hrnet", "HEAD": "simcc"}
    extra = {"BACKBONE": {"WIDTH": 32}, "HEAD": {"FILTERS": [32], "KERNELS": [4]}}
    composed = build("posenet", codec=codec, extra=extra, **parts, **SMALL)
    x, y = composed(torch.empty(2, 3, 96, 64, device="meta"))
    assert (x.shape, y.shape) == ((2, 17, 96), (2, 17, 144))
    assert composed.head.out_stride == 16


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("simcc_resnet", {"TARGET_TYPE": "udp"}, "'udp' reads heatmaps, but the head of simcc_re"),
        ("pose_resnet", {}, "'simcc' reads simcc, but the head of pose_resnet .DeconvHead. gives"),
        (
            "posenet",
            {"BACKBONE": "resnet", "HEAD": "simcc", "extra": {"HEAD": {"BINS": [64, 96]}}},
            r"bins \[64, 96\].* reads \[128, 192\] at MODEL.IMAGE_SIZE \[64, 96\]",
        ),
        ("simcc_resnet", {"extra": {"NUM_DECONV_LAYERS": 0}}, "NUM_DECONV_FILTERS has 3 entries"),
    ],
)
def test_what_does_not_fit_is_named(name, settings, message):
    with pytest.raises(ConfigError, match=message):
        build(name, **SMALL, **settings)
