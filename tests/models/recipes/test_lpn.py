"""LPN and the small HRNets: sizes, costs, official names and outputs, initialisation."""

from pathlib import Path

import numpy as np
import pytest
import torch
from golden import golden_input, golden_state, read_keys
from modelcfg import model_cfg
from torch import nn

from lib.config import load_config
from lib.models import build_model, load_weights, to_official
from lib.models.cost import complexity
from lib.utils.errors import ConfigError

EXPERIMENTS = Path(__file__).parents[3] / "experiments"


def build(depth=50, width=1, attention="GC", device="meta", extra=None, **model):
    chosen = {"NUM_LAYERS": depth, "GROUP_WIDTH": width, "ATTENTION": attention, **(extra or {})}
    with torch.device(device):
        return build_model(model_cfg("lpn", extra=chosen, **model)).eval()


# Parameters, multiply-accumulates, those of the family's counter / 2^30, those of attention.
COSTS = [
    ("coco/lpn/lpn18_256x192_gd256x2_gc", 473_913, 440_004_608, 0.4230),
    ("coco/lpn/lpn18h_256x192_gd256x2_gc", 508_473, 455_929_856, 0.4378),
    ("coco/lpn/lpn34_256x192_gd256x2_gc", 594_673, 453_154_816, 0.4352),
    ("coco/lpn/lpn34h_256x192_gd256x2_gc", 662_641, 481_466_368, 0.4616),
    ("coco/lpn/lpn50_256x192_gd256x2_gc", 2_911_153, 1_068_144_640, 1.0080),
    ("coco/lpn/lpn100_256x192_gd256x2_gc", 6_710_914, 1_919_494_144, 1.8009),
    ("coco/lpn/lpn101_256x192_gd256x2_gc", 5_353_458, 1_504_458_752, 1.4143),
    ("coco/lpn/lpn152_256x192_gd256x2_gc", 7_377_459, 1_942_722_560, 1.8225),
    ("mpii/lpn/lpn50_256x256_gd256x2_gc", 2_910_896, 1_423_087_616, 1.3429),
    ("coco/hrnet/w18_small_v1_256x192_adam_lr1e-3", 1_338_337, 731_136_000, 0.6809),
    ("coco/hrnet/w18_small_v2_256x192_adam_lr1e-3", 3_757_475, 1_962_825_984, 1.8280),
]


@pytest.mark.parametrize(("name", "params", "macs", "legacy"), COSTS)
def test_every_experiment_has_its_published_size_and_cost(name, params, macs, legacy):
    cfg = load_config(EXPERIMENTS / f"{name}.yaml")
    with torch.device("meta"):
        network = build_model(cfg)
    cost = complexity(network, tuple(cfg.MODEL.IMAGE_SIZE[::-1]))
    assert (cost.params, cost.macs) == (params, macs)
    assert round(cost.legacy_macs / 2**30, 4) == legacy


@pytest.mark.parametrize(
    ("attention", "params", "macs", "legacy"),
    [("", 2_732_689, 1.0664, 1.0063), ("SE", 2_902_673, 1.0666, 1.0065)],
)
def test_other_attention_has_its_published_cost(attention, params, macs, legacy):
    cost = complexity(build(attention=attention), (256, 192))
    assert cost.params == params
    assert (round(cost.macs / 1e9, 4), round(cost.legacy_macs / 2**30, 4)) == (macs, legacy)
    assert cost.attention_macs == 0


def test_pooling_of_global_context_is_counted_apart():
    assert complexity(build(18), (256, 192)).attention_macs == 884_736


@pytest.mark.parametrize(
    ("depth", "width", "layers"),
    [
        (18, 1, (7_266, 22_882, 62_050, 222_402)),
        (18, 2, (9_570, 27_490, 71_266, 240_834)),
        (34, 1, (10_899, 37_316, 119_590, 267_555)),
        (34, 2, (14_355, 46_532, 147_238, 295_203)),
        (50, 1, (34_131, 156_612, 862_502, 1_698_595)),
        (100, 1, (34_131, 508_413, 4_310_462, 1_698_595)),
        (152, 1, (34_131, 312_968, 5_172_452, 1_698_595)),
    ],
)
def test_each_part_has_its_published_size(depth, width, layers):
    network = build(depth, width)
    parts = [getattr(network.backbone, f"layer{n}") for n in (1, 2, 3, 4)]
    counts = [sum(p.numel() for p in part.parameters()) for part in parts]
    assert counts == list(layers)
    assert sum(p.numel() for p in network.head.deconv_layers.parameters()) == 145_408
    assert sum(p.numel() for p in network.head.final_layer.parameters()) == 4_369


@pytest.mark.parametrize(("name", "depth", "width"), [("lpn_18h", 18, 2), ("lpn_50", 50, 1)])
def test_state_has_the_official_names_and_shapes(name, depth, width):
    network = build(depth, width)
    official = to_official(network)
    assert {key: tuple(value.shape) for key, value in official.items()} == read_keys(name)
    assert list(network.key_map.from_official(official)) == list(network.state_dict())


@pytest.mark.parametrize(
    ("depth", "width", "entries"), [(18, 1, 210), (34, 1, 370), (34, 2, 370), (100, 1, 1324)]
)
def test_number_of_entries(depth, width, entries):
    assert len(build(depth, width).state_dict()) == entries


def golden_output(depth, width):
    network = build(depth, width, device="cpu")
    load_weights(network, golden_state(to_official(network)))
    with torch.inference_mode():
        return network(golden_input(256, 192))[0].numpy()


# (joint, row, column) -> value of the published network with the reference weights.
VALUES = {
    "lpn_18h": (
        0.410660,
        {
            (0, 0, 0): 0.08992001,
            (3, 17, 5): 0.28269660,
            (8, 31, 47): -0.24265017,
            (11, 63, 20): 0.03930072,
            (16, 40, 33): 0.41126990,
        },
    ),
    "lpn_50": (
        1.375403,
        {
            (0, 0, 0): 0.21702240,
            (3, 17, 5): 1.51843774,
            (8, 31, 47): 0.01125795,
            (11, 63, 20): 0.17824608,
            (16, 40, 33): 1.68954921,
        },
    ),
}


@pytest.mark.parametrize(("name", "depth", "width"), [("lpn_18h", 18, 2), ("lpn_50", 50, 1)])
def test_output_values_are_the_published_networks(name, depth, width):
    output = golden_output(depth, width)
    std, values = VALUES[name]
    for place, value in values.items():
        assert output[place] == pytest.approx(value, abs=1e-4 * std)


@pytest.mark.parametrize(("name", "depth", "width"), [("lpn_18h", 18, 2), ("lpn_50", 50, 1)])
def test_whole_outputs_are_the_published_networks(shared, name, depth, width):
    wanted = np.load(shared / "golden" / "models" / f"{name}.npz")["output_fan"][0]
    assert np.abs(golden_output(depth, width) - wanted).max() <= 1e-4 * wanted.std()


def test_the_start_from_nothing_draws_all_convolutions_and_keeps_biases():
    torch.manual_seed(0)
    network = build(18, device="cpu")
    kinds = (nn.Conv2d, nn.ConvTranspose2d)
    weights = [m.weight.flatten() for m in network.modules() if isinstance(m, kinds)]
    assert torch.cat(weights).std().item() == pytest.approx(0.001, rel=0.01)
    attention = network.backbone.layer1[0].att
    assert attention.channel_add_conv[3].weight.std().item() == pytest.approx(0.001, rel=0.1)
    assert not attention.channel_add_conv[3].bias.any()
    assert not attention.conv_mask.bias.any()
    assert attention.channel_add_conv[0].bias.any()
    assert network.head.final_layer.bias.any()


def test_the_start_from_a_weight_file_draws_the_head_only():
    torch.manual_seed(0)
    network = build(18, device="cpu", PRETRAINED="file.pth")
    layers = network.head.deconv_layers
    assert network.backbone.conv1.weight.std() > 0.02
    assert layers[0].weight.std().item() == pytest.approx(0.001, rel=0.1)
    assert layers[3].weight.std() > 0.02
    assert not network.head.final_layer.bias.any()
    assert network.head.final_layer.weight.std().item() == pytest.approx(0.001, rel=0.1)


def test_without_initialisation_global_context_is_the_identity():
    network = build(18, device="cpu", INIT_WEIGHTS=False)
    assert network.backbone.conv1.weight.std() > 0.02
    assert not network.backbone.layer4[1].att.channel_add_conv[3].weight.any()


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"NUM_LAYERS": 51}, "NUM_LAYERS"),
        ({"ATTENTION": "CBAM"}, "ATTENTION.*CBAM"),
        ({"GROUP_WIDTH": 3}, "GROUP_WIDTH"),
        ({"NUM_DECONV_FILTERS": [256]}, "NUM_DECONV_FILTERS"),
    ],
)
def test_a_wrong_configuration_names_the_key(extra, message):
    with pytest.raises(ConfigError, match=message):
        build(extra=extra)


@pytest.mark.parametrize("kernel", [2, 3, 4])
def test_the_head_takes_other_kernels(kernel):
    extra = {"NUM_DECONV_KERNELS": [kernel] * 2, "FINAL_CONV_KERNEL": 3}
    images = torch.empty(2, 3, 64, 96, device="meta")
    assert build(18, extra=extra)(images).shape == (2, 17, 16, 24)


def test_experiments_follow_the_published_recipes():
    for name, *_ in COSTS:
        cfg = load_config(EXPERIMENTS / f"{name}.yaml")
        is_lpn = "/lpn/" in name
        schedule = (cfg.TRAIN.LR_STEP, cfg.TRAIN.END_EPOCH)
        assert schedule == (([90, 120], 150) if is_lpn else ([170, 200], 210))
        assert (cfg.TRAIN.OPTIMIZER, cfg.TRAIN.LR, cfg.TRAIN.ADAM_WD) == ("adam", 0.001, 0)
        assert (cfg.TRAIN.BATCH_SIZE_PER_GPU, cfg.TRAIN.LR_FACTOR) == (32, 0.1)
        spread = (cfg.DATASET.ROT_FACTOR, cfg.DATASET.SCALE_FACTOR, cfg.DATASET.PROB_HALF_BODY)
        if name.startswith("mpii"):
            assert spread == (30, 0.25, 0)
        elif "101" in name or "152" in name:
            assert spread == (40, 0.3, 0)
        else:
            assert spread == (45, 0.35, 0.3)
        assert cfg.DATASET.COLOR_RGB
        assert is_lpn == cfg.TEST.SOFT_ARGMAX
        assert cfg.TEST.SOFT_ARGMAX_BETA == 160
        bias = cfg.TEST.BIAS
        assert bias == (1.0 if name.startswith("mpii") else 0.0)


def test_the_soft_argmax_experiment_differs_by_one_key():
    plain, soft = (
        load_config(EXPERIMENTS / "coco" / "hrnet" / f"w18_small_v2_256x192_adam_lr1e-3{end}.yaml")
        for end in ("", "_softargmax")
    )
    soft.defrost()
    assert soft.TEST.SOFT_ARGMAX
    soft.TEST.SOFT_ARGMAX = False
    assert soft == plain
