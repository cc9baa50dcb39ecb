"""EFENet: takes HRFormer's weights as they are, learns everywhere, composes with other trunks."""

import pytest
import torch
from modelcfg import model_cfg
from operations import Operations

from lib.models import build_model, complexity, load_pretrained, load_weights, to_official
from lib.models.recipes.hrformer import to_mmpose
from lib.utils.errors import ConfigError, WeightsError

TRUNK = {
    "STAGE1": {"NUM_BLOCKS": [1], "NUM_CHANNELS": [4]},
    "STAGE2": {"NUM_BLOCKS": [1] * 2, "NUM_CHANNELS": [8, 12]},
    "STAGE3": {"NUM_MODULES": 1, "NUM_BLOCKS": [1] * 3, "NUM_CHANNELS": [8, 12, 16]},
    "STAGE4": {"NUM_BLOCKS": [1] * 4, "NUM_CHANNELS": [8, 12, 16, 24]},
}


def hrformer(seed=1, joints=17, **extra):
    torch.manual_seed(seed)
    return build_model(model_cfg("pose_hrformer", joints, {**TRUNK, **extra})).eval()


def efenet(seed=2, joints=17, stride=1, image=(64, 96), **extra):
    torch.manual_seed(seed)
    efem = {"CHANNELS": [6, 8, 10, 12], "OUT_STRIDE": stride, **extra.pop("EFEM", {})}
    sizes = {"IMAGE_SIZE": list(image), "HEATMAP_SIZE": [side // stride for side in image]}
    sizes["INIT_WEIGHTS"] = extra.pop("INIT_WEIGHTS", True)
    cfg = model_cfg("pose_efenet", joints, {**TRUNK, "EFEM": efem, **extra}, **sizes)
    return build_model(cfg).eval()


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("upsampling", ["pixelshuffle", "bilinear"])
@pytest.mark.parametrize("multi_scale", [True, False])
def test_heatmaps_have_the_wanted_stride(stride, upsampling, multi_scale):
    network = efenet(stride=stride, EFEM={"UPSAMPLE": upsampling, "MULTI_SCALE": multi_scale})
    assert network(torch.randn(2, 3, 96, 64)).shape == (2, 17, 96 // stride, 64 // stride)


@pytest.mark.parametrize(
    "layout", [to_official, lambda net: net.state_dict(), lambda net: to_mmpose(net.state_dict())]
)
def test_an_hrformer_file_fills_the_whole_backbone(layout):
    source, target = hrformer(), efenet()
    report = load_pretrained(target, layout(source))
    assert not any(name.startswith("backbone.") for name in report.missing)
    assert {name.split(".")[0] for name in report.missing} == {"neck", "head"}
    heads = [name.rpartition("head.")[2] for name in report.unexpected]  # the file's own
    assert heads == ["final_layer.weight", "final_layer.bias"]
    with pytest.raises(WeightsError):
        load_weights(target, layout(source))
    images = torch.randn(1, 3, 64, 64)
    maps = source.backbone(images), target.backbone(images)
    assert all(torch.equal(a, b) for a, b in zip(*maps, strict=True))
    heat = source.head.final_layer(maps[1][0])
    assert torch.equal(heat, source(images))


def test_an_imagenet_file_fills_the_listed_layers():
    official = {k.removeprefix("backbone."): v for k, v in to_official(hrformer()).items()}
    layers = model_cfg("pose_efenet").MODEL.EXTRA.PRETRAINED_LAYERS
    target = efenet()
    report = load_pretrained(
        target, {"model": {**official, "classifier.weight": torch.ones(2)}}, layers
    )
    assert all(name.startswith("backbone.") for name in report.loaded)
    assert not any(name.startswith("backbone.") for name in report.missing)


def test_own_names_round_trip():
    source, target = efenet(seed=3), efenet(seed=4)
    official = to_official(source)
    assert {key.split(".")[0] for key in official} == {
        "conv1", "bn1", "conv2", "bn2", "layer1", "transition1", "stage2",
        "transition2", "stage3", "transition3", "stage4", "efem",
    }  # fmt: skip
    assert {key.split(".")[1] for key in official if key.startswith("efem.")} == {
        "up3", "up2", "up1", "up0", "predict"
    }  # fmt: skip
    load_weights(target, official)
    images = torch.randn(1, 3, 64, 64)
    assert torch.equal(source(images), target(images))


def test_another_number_of_joints():
    state = efenet(joints=16).state_dict()
    with pytest.raises(WeightsError, match=r"NUM_JOINTS.*\(64, 12, 3, 3\).*\(68, 12, 3, 3\)"):
        load_weights(efenet(), state)
    assert load_weights(efenet(), state, strict=False).mismatched == [
        "head.predict.weight",
        "head.predict.bias",
    ]


def test_nothing_is_interpolated_after_the_backbone():
    network = efenet()
    with torch.no_grad():
        maps = network.backbone(torch.randn(1, 3, 64, 64))
        with Operations() as operations:
            network.head(network.neck(maps))
    assert operations.interpolations() == []
    assert "pixel_shuffle.default" in operations.names


@pytest.mark.parametrize("rpe", [True, False])
def test_every_weight_learns(rpe):
    network = efenet(RPE=rpe, DROP_PATH_RATE=0.0).train()
    for parameter in network.parameters():  # the published start is too flat to tell 0 from tiny
        if parameter.ndim == 4:
            torch.nn.init.kaiming_normal_(parameter)
    target = torch.rand(4, 17, 128, 96)
    (network(torch.randn(4, 3, 128, 96)) - target).square().mean().backward()
    # Exempt: softmax does not see a constant added to all keys, batch-norm none to its input.
    zero = ("k_proj.bias", "fc1.bias", "dw3x3.bias", "fc2.bias")
    dead = [
        name
        for name, p in network.named_parameters()
        if not name.endswith(zero) and p.requires_grad and (p.grad is None or not p.grad.any())
    ]
    assert dead == []
    frozen = [name for name, p in network.named_parameters() if not p.requires_grad]
    assert all("bias_table" in name for name in frozen)
    assert bool(frozen) is not rpe


@pytest.mark.parametrize("init", [True, False])
def test_right_after_initialisation_every_2x2_block_is_constant(init):
    heat = efenet(INIT_WEIGHTS=init)(torch.randn(1, 3, 96, 64))
    blocks = heat.unflatten(3, (-1, 2)).unflatten(2, (-1, 2))
    torch.testing.assert_close(blocks, blocks[:, :, :, :1, :, :1].expand_as(blocks))


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"CHANNELS": [6, 8, 10]}, r"EFEM: give one of channels"),
        ({"OUT_STRIDE": 3}, "out_stride must divide 2"),
        ({"UPSAMPLE": "nearest"}, "got 'nearest'"),
    ],
)
def test_a_wrong_configuration_names_the_key(extra, message):
    with pytest.raises(ConfigError, match=message):
        efenet(EFEM=extra)


def test_heatmap_size_must_follow_the_stride():
    with pytest.raises(ConfigError, match=r"IMAGE_SIZE / 1 = \[192, 256\]"):
        build_model(model_cfg("pose_efenet"))


COMPOSED = {"NECK": "efem", "HEAD": "subpixel", "HEATMAP_SIZE": [192, 256]}


def test_efem_on_hrnet_costs_as_much_as_on_hrformer():
    with torch.device("meta"):
        network = build_model(model_cfg("posenet", BACKBONE="hrnet", **COMPOSED))
    assert network(torch.empty(1, 3, 256, 192, device="meta")).shape == (1, 17, 256, 192)
    params = sum(p.numel() for part in (network.neck, network.head) for p in part.parameters())
    assert params == 98_020
    baseline = 7_645_003_776 - 17 * 32 * 64 * 48
    assert complexity(network, (256, 192)).macs - baseline == 337_004_544


@pytest.mark.parametrize(("last_stride", "joints"), [(2, 5), (1, 7)])
def test_efem_on_resnet(last_stride, joints):
    extra = {
        "BACKBONE": {"DEPTH": 18, "LAST_STRIDE": last_stride},
        "NECK": {"CHANNELS": [8, 8, 6, 4]},
        "HEAD": {"OUT_STRIDE": 2},
    }
    sizes = {**COMPOSED, "IMAGE_SIZE": [64, 96], "HEATMAP_SIZE": [32, 48]}
    network = build_model(model_cfg("posenet", joints, extra, BACKBONE="resnet", **sizes))
    assert network(torch.randn(2, 3, 96, 64)).shape == (2, joints, 48, 32)
    assert network.neck.size_multiple == 16 * last_stride
