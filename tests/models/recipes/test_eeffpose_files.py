import numpy as np
import pytest
import torch
from golden import golden_input, golden_state, read_keys
from toys.eeffpose import D0, D2, build, golden

from lib.config import load_config
from lib.models import build_model, load_pretrained, load_weights, to_official


def test_an_official_file_with_its_own_spelling_loads(tmp_path):
    file = tmp_path / "official.yaml"
    file.write_text("""
MODEL: {NAME: pose_effpnet, BACKBONE: tf_efficientdet_d0_ap, BACKBONE_TYPE: Ours, FPN_TYPE: Ours,
        FIINAL_TYPE: Ours, IMAGE_SIZE: [192, 256], HEATMAP_SIZE: [48, 64],
        EXTRA: {PRETRAINED_LAYERS: [backbone]}}
TRAIN: {WARMUP_EPOCHES: 5, ACCUMULATION_STEPS: 1, GAMMA1: 0.99, GAMMA2: 0.0}
""")
    with torch.device("meta"):
        network = build_model(load_config(file))
    assert sum(p.numel() for p in network.parameters()) == 9_007_292


@pytest.mark.parametrize("bits", ["000", "100", "111"])
def test_state_has_the_official_names_and_shapes(bits):
    official = to_official(build(bits))
    shapes = {key: tuple(value.shape) for key, value in official.items()}
    assert shapes == read_keys(f"eeffpose_p0_{bits}")


@pytest.mark.parametrize(
    ("bits", "detector", "joints", "entries"),
    [
        ("000", D0, 17, 640),
        ("001", D0, 17, 640),
        ("010", D0, 17, 649),
        ("011", D0, 17, 649),
        ("100", D0, 17, 1318),
        ("101", D0, 17, 1318),
        ("110", D0, 17, 1327),
        ("111", D0, 17, 1327),
        ("111", D0, 16, 1327),
        ("111", D2, 17, 1745),
        ("111", D2, 16, 1745),
    ],
)
def test_names_go_there_and_back(bits, detector, joints, entries):
    network = build(bits, detector, joints=joints)
    official = to_official(network)
    assert len(official) == entries
    assert list(network.key_map.from_official(official)) == list(network.state_dict())
    assert not any(key.startswith(("backbone.", "neck.", "head.")) for key in official)


# Mean and standard deviation of the published network's output, reference weights, 128x128 input.
STATISTICS = [
    ("000", D0, 17, 0.00645, 0.1098),
    ("001", D0, 17, 0.03136, 0.00174),
    ("010", D0, 17, -0.02734, 0.1861),
    ("011", D0, 17, 0.12328, 0.01142),
    ("100", D0, 17, 0.00766, 0.1101),
    ("101", D0, 17, 0.03137, 0.00174),
    ("110", D0, 17, -0.03759, 0.1869),
    ("111", D0, 17, 0.12256, 0.01166),
    ("111", D0, 16, 0.12253, 0.01070),
    ("111", D2, 16, 0.12810, 0.01641),
    ("111", D2, 17, 0.12737, 0.01833),
]


@pytest.mark.parametrize(("bits", "detector", "joints", "mean", "std"), STATISTICS)
def test_output_statistics_are_the_published_networks(bits, detector, joints, mean, std):
    network = golden(build(bits, detector, (128, 128), joints, device="cpu"))
    with torch.inference_mode():
        output = network(golden_input(128, 128))
    assert output.shape == (1, joints, 32, 32)
    assert output.mean().item() == pytest.approx(mean, abs=6e-6)
    assert output.std().item() == pytest.approx(std, abs=6e-6 if std < 0.05 else 6e-5)
    assert bits[2] == "0" or 0 < output.min() < output.max() < 1


# (joint, row, column) -> value, in float64.
VALUES = {
    (0, 0, 0): 0.11780218653340203,
    (3, 17, 5): 0.14327131017040157,
    (8, 31, 47): 0.10302387169783572,
    (11, 63, 20): 0.11704935700460486,
    (16, 40, 33): 0.11032973733524036,
}


def test_output_values_are_the_published_networks():
    network = golden(build(device="cpu")).double()
    with torch.inference_mode():
        output = network(golden_input(256, 192).double())[0]
    for place, value in VALUES.items():
        assert output[place].item() == pytest.approx(value, abs=1e-10)


def test_whole_outputs_are_the_published_networks(shared):
    network = golden(build(device="cpu"))
    folder = shared / "golden" / "eeffpose"
    wanted = np.load(folder / "p0_coco_111_256x192_modeB.npz")
    images = golden_input(256, 192)
    with torch.inference_mode():
        taps = network.backbone(images)
        necks = network.neck(taps)
        parts = {"output": network.head(necks)}
        parts.update({f"backbone{i}": x for i, x in enumerate(taps)})
        parts.update({f"neck{i}": x for i, x in enumerate(necks)})
        for name, output in parts.items():
            assert np.abs(output.numpy() - wanted[name]).max() <= 5e-6, name
        output = network.double()(images.double()).numpy()
    wanted = np.load(folder / "p0_coco_111_256x192_modeB_float64.npz")["output"]
    assert np.abs(output - wanted).max() <= 1e-10


def test_a_checkpoint_of_a_wrapped_run_loads():
    network = build("000", device="cpu")
    official = golden_state(to_official(network))
    report = load_weights(network, {f"1.module.{key}": value for key, value in official.items()})
    assert [report.missing, report.unexpected, report.mismatched] == [[], [], []]


@pytest.mark.parametrize("bits", ["000", "111"])
def test_own_weights_load_again(bits):
    network = build(bits, device="cpu")
    report = load_weights(network, network.state_dict())
    assert [report.missing, report.unexpected, report.mismatched] == [[], [], []]


@pytest.mark.parametrize("prefix", ["", "backbone."])
def test_a_trunk_file_also_fills_the_branches(prefix):
    plain = build("000", device="cpu").backbone
    for parameter in plain.parameters():
        parameter.data.normal_()
    file = {f"{prefix}{key}": value for key, value in plain.state_dict().items()}
    file[f"{prefix}conv_head.weight"] = torch.zeros(1280, 320, 1, 1)
    network = build("111", device="cpu")
    report = load_pretrained(network, file, ["backbone"])
    assert not report.mismatched
    backbone = network.backbone
    assert torch.equal(backbone.blocks[6][0].conv_pw.weight, plain.blocks[6][0].conv_pw.weight)
    for stage, branch, tap in [("3", 0, 2), ("4", 0, 2), ("5", 0, 2), ("5", 1, 4), ("6", 1, 4)]:
        for block in backbone.extra[stage][branch]:
            assert torch.equal(block.conv_pw.weight, plain.blocks[tap][-1].conv_pw.weight)
    assert all(name.startswith(("backbone.fuse", "neck", "head")) for name in report.missing)


def test_a_trunk_file_is_all_that_a_plain_trunk_accounts_for():
    network = build("000", device="cpu")
    file = {key: value + 1 for key, value in network.backbone.state_dict().items()}
    report = load_pretrained(network, file, ["backbone"])
    assert report.unexpected == []  # no copies for branches that it does not have
    assert len(report.loaded) == len(file)
