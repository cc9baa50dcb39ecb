"""Networks from configuration: sizes, shapes, official names and outputs, composition."""

import numpy as np
import pytest
import torch
from golden import golden_input, golden_state, read_keys
from modelcfg import model_cfg

from lib.models import build_model
from lib.utils.errors import ConfigError

W18_V1 = {
    "STAGE1": {"NUM_CHANNELS": [32]},
    "STAGE2": {"NUM_MODULES": 1, "NUM_BLOCKS": [2] * 2, "NUM_CHANNELS": [16, 32]},
    "STAGE3": {"NUM_MODULES": 1, "NUM_BLOCKS": [2] * 3, "NUM_CHANNELS": [16, 32, 64]},
    "STAGE4": {"NUM_MODULES": 1, "NUM_BLOCKS": [2] * 4, "NUM_CHANNELS": [16, 32, 64, 128]},
}


def build(name, joints=17, extra=None, device="meta", **model):
    with torch.device(device):
        return build_model(model_cfg(name, joints, extra, **model)).eval()


def test_published_parameter_count_of_a_light_network():
    assert sum(p.numel() for p in build("pose_hrnet", extra=W18_V1).parameters()) == 1_338_337


@pytest.mark.parametrize("name", ["pose_resnet", "pose_hrnet"])
@pytest.mark.parametrize(("height", "width"), [(256, 192), (384, 288), (256, 256)])
def test_heatmaps_have_a_quarter_of_the_size(name, height, width):
    images = torch.empty(2, 3, height, width, device="meta")
    assert build(name)(images).shape == (2, 17, height // 4, width // 4)


@pytest.mark.parametrize(
    ("keys", "name"), [("pose_resnet50", "pose_resnet"), ("pose_hrnet_w32", "pose_hrnet")]
)
def test_state_has_the_official_names_and_shapes(keys, name):
    network = build(name)
    official = network.key_map.to_official(network.state_dict())
    assert {key: tuple(value.shape) for key, value in official.items()} == read_keys(keys)
    ours = network.key_map.from_official(official)
    assert list(ours) == list(network.state_dict())


@pytest.mark.parametrize(
    ("fixture", "name", "extra"),
    [
        ("pose_resnet50", "pose_resnet", {}),
        ("pose_hrnet_w32", "pose_hrnet", {}),
        ("pose_hrnet_w18_v1", "pose_hrnet", W18_V1),
    ],
)
def test_outputs_equal_the_published_networks(shared, fixture, name, extra):
    network = build(name, extra=extra, device="cpu")
    official = golden_state(network.key_map.to_official(network.state_dict()))
    network.load_state_dict(network.key_map.from_official(official))
    with torch.inference_mode():
        output = network(golden_input(256, 192)).numpy()
    wanted = np.load(shared / "golden" / "models" / f"{fixture}.npz")["output_fan"]
    assert np.abs(output - wanted).max() <= 1e-4 * wanted.std()


def test_initialisation_is_the_familys():
    torch.manual_seed(0)
    network = build("pose_hrnet", extra=W18_V1, device="cpu")
    weights = torch.cat(
        [m.weight.flatten() for m in network.modules() if hasattr(m, "kernel_size")]
    )
    assert weights.std().item() == pytest.approx(0.001, rel=0.01)
    assert not network.head.final_layer.bias.any()
    plain = build("pose_hrnet", extra=W18_V1, device="cpu", INIT_WEIGHTS=False)
    assert plain.backbone.conv1.weight.std() > 0.05


def test_a_composition_equals_the_recipe_of_the_same_parts():
    composed = build("posenet", BACKBONE="hrnet", HEAD="heatmap", extra={"BACKBONE": {"WIDTH": 32}})
    recipe = build("pose_hrnet")
    shapes = [
        {key: tuple(value.shape) for key, value in network.state_dict().items()}
        for network in (composed, recipe)
    ]
    assert shapes[0] == shapes[1]


def test_heads_size_themselves_from_the_backbone():
    extra = {
        "BACKBONE": {"DEPTH": 18, "LAST_STRIDE": 1},
        "HEAD": {"FILTERS": [32, 24], "KERNELS": [3, 2]},
    }
    network = build("posenet", joints=5, BACKBONE="resnet", HEAD="deconv", extra=extra)
    assert network.head.out_stride == 4
    assert network(torch.empty(2, 3, 64, 96, device="meta")).shape == (2, 5, 16, 24)


@pytest.mark.parametrize(
    ("name", "model", "extra", "message"),
    [
        ("posenet", {"BACKBONE": "hrnett", "HEAD": "heatmap"}, {}, "Did you mean hrnet"),
        (
            "posenet",
            {"BACKBONE": "hrnet", "HEAD": "heatmap"},
            {"BACKBONE": {"WIDHT": 3}},
            "Did you mean WIDTH",
        ),
        ("posenet", {"BACKBONE": "resnet", "HEAD": "deconv"}, {"HEAD": {"KERNELS": [4]}}, "HEAD"),
        ("posenet", {"BACKBONE": "resnet", "HEAD": "heatmap"}, {"BACKBONE": {"DEPTH": 7}}, "depth"),
        ("pose_resnet", {}, {"NUM_LAYERS": 51}, "NUM_LAYERS"),
        ("pose_resnet", {}, {"NUM_DECONV_FILTERS": [256]}, "NUM_DECONV_FILTERS"),
        ("pose_resnet", {}, {"NUM_DECONV_KERNELS": [4, 5, 4]}, "kernels"),
        ("pose_hrnet", {"HEATMAP_SIZE": [48, 60]}, {}, r"IMAGE_SIZE / 4 = \[48, 64\]"),
        ("pose_hrnet", {"IMAGE_SIZE": [180, 240]}, {}, "multiples of 32"),
        ("pose_resnet", {"IMAGE_SIZE": [16, 16], "HEATMAP_SIZE": [4, 4]}, {}, "multiples of 32"),
        ("pose_resnet", {"IMAGE_SIZE": [180, 240]}, {}, "multiples of 32"),
        ("lpn", {"IMAGE_SIZE": [24, 40], "HEATMAP_SIZE": [6, 10]}, {}, "multiples of 16"),
        (
            "posenet",
            {"BACKBONE": "hrnet", "HEAD": "heatmap"},
            {"HEAD": {"LEVEL": 7}},
            "one of 4 maps, got 7",
        ),
        (
            "posenet",
            {"BACKBONE": "effnet", "NECK": "bifpn", "HEAD": "sumhead"},
            {"BACKBONE": {"VARIANT": "b99"}},
            "MODEL.EXTRA.BACKBONE: .*b99",
        ),
        ("pose_hrnet", {}, {"STAGE3": {"NUM_BLOCKS": [4, 4]}}, "STAGE3.NUM_BLOCKS"),
        ("pose_hrnet", {}, {"STAGE2": {"FUSE_METHOD": "CAT"}}, "FUSE_METHOD"),
        ("pose_hrnet", {}, {"STAGE4": {"BLOCK": "BASICS"}}, "Did you mean BASIC"),
    ],
)
def test_a_wrong_configuration_names_the_key(name, model, extra, message):
    with pytest.raises(ConfigError, match=message):
        build(name, extra=extra, **model)
