"""HigherHRNet and its fusion: published sizes and costs, official names, reference outputs."""

import numpy as np
import pytest
import torch
from golden import golden_input, golden_state, read_keys
from modelcfg import model_cfg

from lib.models import build_model, complexity, load_weights
from lib.utils.errors import ConfigError, WeightsError

PLAIN, FUSED = "pose_higher_hrnet", "pose_higher_hrnet_davit"
W48 = {
    "STAGE2": {"NUM_CHANNELS": [48, 96]},
    "STAGE3": {"NUM_CHANNELS": [48, 96, 192]},
    "STAGE4": {"NUM_CHANNELS": [48, 96, 192, 384]},
    "DECONV": {"NUM_CHANNELS": [48]},
}
QUARTER_ONLY = {"DECONV": {"NUM_DECONVS": 0}, "WITH_AE_LOSS": [True]}
TINY = {
    "STAGE1": {"NUM_BLOCKS": [1], "NUM_CHANNELS": [8]},
    "STAGE2": {"NUM_BLOCKS": [1] * 2, "NUM_CHANNELS": [4, 8]},
    "STAGE3": {"NUM_MODULES": 1, "NUM_BLOCKS": [1] * 3, "NUM_CHANNELS": [4, 8, 12]},
    "STAGE4": {"NUM_MODULES": 1, "NUM_BLOCKS": [1] * 4, "NUM_CHANNELS": [4, 8, 12, 16]},
    "DECONV": {"NUM_CHANNELS": [6], "NUM_BASIC_BLOCKS": 1},
}
TINY_DAVIT = {"EMBED_DIMS": [8, 8, 16, 16], "DEPTHS": [1] * 4, "NUM_HEADS": [2] * 4}


def slow(*values):
    return pytest.param(*values, marks=pytest.mark.slow)


def build(name, joints=17, extra=None, device="meta", tag_per_joint=True):
    with torch.device(device):
        cfg = model_cfg(name, joints, extra, TAG_PER_JOINT=tag_per_joint)
        return build_model(cfg).eval()


@pytest.mark.parametrize(
    ("name", "joints", "extra", "side", "params", "macs", "legacy"),
    [
        (PLAIN, 17, {}, 512, 28_645_331, 46_203_404_288, 47_864_348_672),
        slow(PLAIN, 17, {}, 640, 28_645_331, 72_192_819_200, 74_788_044_800),
        slow(PLAIN, 17, W48, 640, 63_827_139, 149_468_774_400, 154_305_331_200),
        slow(PLAIN, 14, {}, 512, 28_641_962, 46_143_635_456, 47_653_584_896),
        slow(PLAIN, 14, W48, 640, 63_822_090, 149_328_691_200, 153_811_353_600),
        slow(PLAIN, 17, QUARTER_ONLY, 512, 28_536_674, 40_782_266_368, 40_782_266_368),
        (FUSED, 17, {}, 512, 35_505_043, 55_616_667_648, 330_503_124_480),
        slow(FUSED, 17, {}, 640, 35_505_043, 86_702_145_536, 761_800_390_912),
    ],
)
def test_published_sizes_and_costs(name, joints, extra, side, params, macs, legacy):
    cost = complexity(build(name, joints, extra), (side, side))
    assert (cost.params, cost.macs, cost.legacy_macs) == (params, macs, legacy)
    if name == FUSED and side == 512:  # 55.941 G with the products of the attentions
        assert cost.attention_macs == 323_926_784


@pytest.mark.parametrize("name", [PLAIN, FUSED])
def test_official_names_and_shapes(name):
    network = build(name)
    official = network.key_map.to_official(network.state_dict())
    wanted = read_keys("higher_hrnet_davit_w32")
    if name == PLAIN:  # what the fusion adds
        extra = ("davit.", "conv_", "bn1_")
        wanted = {key: shape for key, shape in wanted.items() if not key.startswith(extra)}
    assert {key: tuple(value.shape) for key, value in official.items()} == wanted
    assert len(wanted) == {PLAIN: 1810, FUSED: 2050}[name]
    assert list(network.key_map.from_official(official)) == list(network.state_dict())


@pytest.mark.parametrize("prefix", ["", "module.", "1.", "module.1."])
def test_all_kinds_of_checkpoints_load(prefix):
    network = build(FUSED, 3, {**TINY, "DAVIT": TINY_DAVIT}, device="cpu")
    official = golden_state(network.key_map.to_official(network.state_dict()))
    wrapped = {prefix + key: value for key, value in official.items()}
    content = wrapped if not prefix else {"epoch": 3, "state_dict": wrapped, "perf": 0.5}
    load_weights(network, content)
    again = network.key_map.to_official(network.state_dict())
    assert all(torch.equal(again[key], official[key]) for key in official)


def test_fused_weights_in_the_plain_network_name_the_remedy():
    fused = build(FUSED, 3, {**TINY, "DAVIT": TINY_DAVIT}, device="cpu")
    state = fused.key_map.to_official(fused.state_dict())
    with pytest.raises(WeightsError, match=r"MODEL\.NAME pose_higher_hrnet_davit"):
        load_weights(build(PLAIN, 3, TINY, device="cpu"), state)


@pytest.mark.parametrize("name", [PLAIN, FUSED])
def test_predictions_per_stage(name):
    images = torch.empty(2, 3, 96, 160, device="meta")
    coarse, fine = build(name, 5, TINY)(images)
    assert coarse.shape == (2, 10, 24, 40)
    assert fine.shape == (2, 5, 48, 80)
    assert build(name, 5, TINY, tag_per_joint=False)(images)[0].shape == (2, 6, 24, 40)
    both = build(name, 5, {**TINY, "WITH_AE_LOSS": [True, True]})
    assert [p.shape[1] for p in both(images)] == [10, 10]


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ({"WITH_AE_LOSS": [True]}, r"LOSS\.WITH_AE_LOSS has 1 entries .*NUM_DECONVS 1"),
        ({"DECONV": {"NUM_DECONVS": 2}}, r"DECONV\.NUM_CHANNELS has 1 entries"),
        ({"DECONV": {"KERNEL_SIZE": [5]}}, "2, 3 or 4 wide"),
        ({"DAVIT": {"DEPTHS": [1, 1]}}, "one entry per level"),
        ({"DAVIT": {"NUM_HEADS": [4, 8, 12, 15]}}, "cannot be shared by 15 heads"),
        ({"DAVIT": {"PATCH_SIZE": 8}}, "strides"),
        ({"DAVIT": {"INIT": "zeros"}}, "init must be one of"),
    ],
)
def test_contradictions_in_extra(extra, words):
    with pytest.raises(ConfigError, match=words):
        build(FUSED, extra=extra)


def test_initialisation():
    plain = {**TINY, "DAVIT": TINY_DAVIT}
    torch.manual_seed(3)
    network = build(FUSED, 3, plain, device="cpu")
    davit = network.backbone.davit
    assert davit.patch_embeds[0].proj.weight.std().item() == pytest.approx(0.001, rel=0.1)
    assert davit.main_blocks[0][0][0].cpe[0].proj.bias.abs().max() == 0
    fc1 = davit.main_blocks[3][0][1].mlp.fc1
    assert fc1.weight.abs().max() <= fc1.in_features**-0.5
    assert fc1.bias.abs().max() > 0
    trunc = build(FUSED, 3, {**TINY, "DAVIT": {**TINY_DAVIT, "INIT": "trunc_normal"}}, "cpu")
    fc1 = trunc.backbone.davit.main_blocks[3][0][1].mlp.fc1
    assert fc1.weight.std().item() == pytest.approx(0.02, rel=0.1)
    assert fc1.bias.abs().max() == 0


@pytest.mark.parametrize("name", [PLAIN, FUSED])
def test_every_parameter_learns(name):
    torch.manual_seed(0)
    network = build(name, 3, {**TINY, **({"DAVIT": TINY_DAVIT} if name == FUSED else {})}, "cpu")
    outputs = network.train()(torch.rand(2, 3, 64, 96))
    sum(out.square().sum() for out in outputs).backward()
    assert all(p.grad is not None for p in network.parameters())


@pytest.mark.parametrize(
    ("name", "fixture"), [(PLAIN, "higher_hrnet_w32"), (FUSED, "higher_hrnet_davit_w32")]
)
def test_reference_outputs(shared, name, fixture):
    golden = np.load(shared / "golden" / "bottomup" / f"{fixture}_golden.npz")
    network = build(name, device="cpu")
    official = network.key_map.to_official(network.state_dict())
    load_weights(network, golden_state(official, std=0.02))
    got = {}
    watch(network.backbone, got, lambda maps: {"stage4_branch0": maps[0]})
    watch(network.backbone.layer1, got, lambda x: {"layer1": x})
    if name == FUSED:
        levels = [f"davit{level}" for level in range(4)]
        watch(network.backbone.davit, got, lambda maps: dict(zip(levels, maps, strict=True)))
        watch(network.backbone.bn1_128, got, lambda x: {"fuse128": x})
    with torch.no_grad():
        got["out0"], got["out1"] = network(golden_input(128, 128))
    for key in golden:
        np.testing.assert_allclose(got[key], golden[key], rtol=0, atol=1e-4 * golden[key].std())


def watch(module, got, name):
    module.register_forward_hook(lambda module, inputs, output: got.update(name(output)))
