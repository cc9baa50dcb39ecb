"""EffBase and EEffPose as a whole: sizes, costs, official names and outputs, experiments."""

from pathlib import Path

import pytest
import torch
from golden import golden_input
from modelcfg import model_cfg
from timm.layers.conv2d_same import Conv2dSame
from toys.eeffpose import build, config, golden

from lib.config import load_config
from lib.models import build_model, fold_batch_norm
from lib.models.cost import complexity
from lib.utils.errors import ConfigError

EXPERIMENTS = Path(__file__).parents[3] / "experiments"


COSTS = [
    ("coco/eeffpose/eeffposep0_256x192_adam_lr1e-3", 9_007_292, 4_842_583_616),
    ("coco/eeffpose/eeffposep2_384x288_adam_lr1e-3", 16_759_630, 22_526_727_424),
    ("mpii/eeffpose/eeffposep0_256x256_adam_lr1e-3", 9_007_094, 6_455_918_144),
    ("mpii/eeffpose/eeffposep2_384x384_adam_lr1e-3", 16_759_288, 30_033_293_056),
    *(
        (f"coco/eeffpose/ablation/[{bits}]eeffposep0_256x192_adam_lr1e-3", params, macs)
        for bits, params, macs in [
            ("000", 3_797_279, 1_532_879_360),
            ("001", 3_797_279, 1_532_879_360),
            ("010", 4_380_786, 2_193_242_624),
            ("011", 4_380_786, 2_193_242_624),
            ("100", 8_423_785, 4_182_220_352),
            ("101", 8_423_785, 4_182_220_352),
            ("110", 9_007_292, 4_842_583_616),
        ]
    ),
]


@pytest.mark.parametrize(("name", "params", "macs"), COSTS)
def test_every_experiment_has_its_published_size_and_cost(name, params, macs):
    cfg = load_config(EXPERIMENTS / f"{name}.yaml")
    with torch.device("meta"):
        network = build_model(cfg)
    width, height = cfg.MODEL.IMAGE_SIZE
    cost = complexity(network, (height, width))
    assert (cost.params, cost.macs) == (params, macs)
    assert [width // network.head.out_stride, height // 4] == cfg.MODEL.HEATMAP_SIZE


def test_the_experiments_are_all_there():
    files = {str(f.relative_to(EXPERIMENTS)) for f in EXPERIMENTS.glob("[cm]*/eeffpose/**/*.yaml")}
    assert files == {f"{name}.yaml" for name, *_ in COSTS}


@pytest.mark.parametrize("name", [name for name, *_ in COSTS])
def test_experiments_follow_the_published_recipe(name):
    cfg = load_config(EXPERIMENTS / f"{name}.yaml")
    train, data = cfg.TRAIN, cfg.DATASET
    assert (train.OPTIMIZER, train.LR, train.ADAM_WD) == ("adam", 0.001, 0)
    assert (train.SCHEDULER, train.LR_FACTOR, train.PATIENCE) == ("plateau", 0.3, 5)
    assert (train.BEGIN_EPOCH, train.END_EPOCH, train.WARMUP_EPOCHS) == (0, 210, 5)
    batch = 48 if "[000]" in name or "[100]" in name else 16
    half = "[100]" in name or "coco/eeffpose/eeffposep2" in name
    sigma = 3 if "p2" in name else 2
    assert (batch, half, sigma) == (train.BATCH_SIZE_PER_GPU, cfg.FP16.ENABLED, cfg.MODEL.SIGMA)
    assert ("_d2_" if "p2" in name else "_d0_") in cfg.MODEL.PRETRAINED
    augmentation = (data.ROT_FACTOR, data.SCALE_FACTOR, data.PROB_HALF_BODY)
    assert augmentation == ((30, 0.25, 0) if name.startswith("mpii") else (45, 0.35, 0.3))
    assert data.COLOR_RGB
    assert cfg.TEST.OKS_THRE == 0.99


def test_the_published_count_leaves_out_strided_convolutions_and_fusion_weights():
    network = build()
    skipped = [m.weight for m in network.modules() if isinstance(m, Conv2dSame)]
    fusion = [p for name, p in network.named_parameters() if name.endswith(".weights")]
    left_out = [sum(p.numel() for p in part) for part in (skipped, fusion)]
    assert left_out == [24_288, 4_720]
    assert round((9_007_292 - sum(left_out)) / 1e6, 4) == 8.9783


def test_initialisation_is_the_published_one():
    torch.manual_seed(0)
    started = build(device="cpu")
    for mix in (started.backbone.fuse["6"].mix[0], started.neck.layers[0].mix[0]):
        assert mix.conv_dw.weight.abs().max().item() == pytest.approx((6 / 50) ** 0.5, rel=1e-2)
        assert not mix.se.conv_expand.bias.any()
    assert started.head.layers[0][0].weight.abs().max().item() == pytest.approx(1 / 8, rel=1e-2)
    plain = build(device="cpu", INIT_WEIGHTS=False)
    assert plain.neck.layers[0].mix[0].se.conv_expand.bias.any()


@pytest.mark.parametrize("bits", ["000", "111"])
def test_every_parameter_gets_a_gradient(bits):
    torch.manual_seed(0)
    network = build(bits, size=(64, 64), device="cpu").train()
    network(torch.randn(3, 3, 64, 64)).square().sum().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"detector": "tf_efficientdet_d9_ap"}, "tf_efficientdet_d9_ap"),
        ({"FPN_TYPE": "ours"}, "MODEL.FPN_TYPE must be 'Ours' or ''"),
        ({"size": (200, 256)}, r"TFNeck needs .* multiples of 16, as \[192, 256\]"),
        ({"bits": "101", "size": (288, 384)}, r"BiFPN .* multiples of 64, as \[256, 384\]"),
        ({"bits": "000", "size": (192, 272)}, "multiples of 64"),
    ],
)
def test_a_wrong_configuration_names_the_key(model, message):
    with pytest.raises(ConfigError, match=message):
        build(**model)


def test_parts_compose_with_other_backbones():
    extra = {"BACKBONE": {"DEPTH": 18}, "NECK": {"CHANNELS": 24, "REPEATS": 1}}
    cfg = model_cfg("posenet", 5, BACKBONE="resnet", NECK="bifpn", HEAD="fahead", extra=extra)
    with torch.device("meta"):
        network = build_model(cfg).eval()
    assert network(torch.empty(2, 3, 64, 128, device="meta")).shape == (2, 5, 16, 32)


def test_the_network_can_be_channels_last():
    network = golden(build("011", size=(64, 64), device="cpu"))
    images = golden_input(64, 64)
    with torch.inference_mode():
        wanted = network(images)
        network = network.to(memory_format=torch.channels_last)
        output = network(images.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(output, wanted, rtol=1e-5, atol=1e-6)


def test_folding_keeps_the_activations():
    network = golden(build("110", size=(64, 64), device="cpu"))
    images = golden_input(64, 64)
    with torch.inference_mode():
        wanted = network(images)
        fold_batch_norm(network)
        output = network(images)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in network.modules())
    assert (output - wanted).abs().max() <= 1e-4 * wanted.std()


@pytest.mark.slow
def test_two_images_are_learnt_in_twenty_steps():
    torch.manual_seed(0)
    network = build(size=(128, 128), device="cpu").train()
    images = torch.randn(2, 3, 128, 128)
    centres = torch.randint(4, 28, (2, 17, 2)).float()
    cells = torch.arange(32.0)
    rows = torch.exp(-((cells - centres[..., 1:]) ** 2) / 8)
    columns = torch.exp(-((cells - centres[..., :1]) ** 2) / 8)
    targets = rows[..., :, None] * columns[..., None, :]
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    for _ in range(21):
        output = network(images)
        optimizer.zero_grad()
        (0.5 * (output - targets).square().mean()).backward()
        optimizer.step()
    peaks = output.detach().flatten(2).argmax(-1)
    found = torch.stack([peaks % 32, peaks // 32], dim=-1)
    assert (found - centres).abs().max() <= 2


def test_sizes_may_be_chosen():
    small = {"TRUNK": "mobilenetv2_035", "NECK_CHANNELS": 24, "NECK_REPEATS": 1, "DROP_PATH": 0.0}
    for bits in ("000", "111"):
        with torch.device("meta"):
            network = build_model(config(bits, size=(64, 128), extra=small))
        assert set(network.neck.out_channels) == {24}
        assert network(torch.empty(1, 3, 128, 64, device="meta")).shape == (1, 17, 32, 16)
        assert sum(p.numel() for p in network.parameters()) < 1_000_000


@pytest.mark.parametrize(
    ("trunk", "complaint"),
    [("tinynet_e", "single block"), ("resnet18", "7 stages"), ("efficientnet_b99", "b99")],
)
def test_trunks_of_another_shape_are_refused(trunk, complaint):
    with pytest.raises(ConfigError, match=rf"MODEL.EXTRA.TRUNK.*{complaint}"):
        build(extra={"TRUNK": trunk})
