"""Every family, as small as it gets, computes the same from a file; what cannot says so."""

import pytest
import torch
from modelcfg import model_cfg
from tool_loader import load_script

from lib.export.graph import Graph
from lib.export.writer import TOLERANCE, export_onnx, export_program, export_torchscript
from lib.models import build_model
from lib.models.recipes import RECIPES

pytest.importorskip("onnxruntime")

BRANCHES = {
    "STAGE1": {"NUM_BLOCKS": [1], "NUM_CHANNELS": [4]},
    "STAGE2": {"NUM_MODULES": 1, "NUM_BLOCKS": [1] * 2, "NUM_CHANNELS": [8, 12]},
    "STAGE3": {"NUM_MODULES": 1, "NUM_BLOCKS": [1] * 3, "NUM_CHANNELS": [8, 12, 16]},
    "STAGE4": {"NUM_MODULES": 1, "NUM_BLOCKS": [1] * 4, "NUM_CHANNELS": [8, 12, 16, 24]},
}
HIGHER = {**BRANCHES, "DECONV": {"NUM_CHANNELS": [6], "NUM_BASIC_BLOCKS": 1}}
DAVIT = {"EMBED_DIMS": [8, 8, 16, 16], "DEPTHS": [1] * 4, "NUM_HEADS": [2] * 4}
EFEM = {"CHANNELS": [6, 8, 10, 12]}
SMALL = {"IMAGE_SIZE": [64, 96], "HEATMAP_SIZE": [16, 24]}
FULL = {"IMAGE_SIZE": [64, 96], "HEATMAP_SIZE": [64, 96]}
LONG = {"IMAGE_SIZE": [64, 128], "HEATMAP_SIZE": [16, 32]}
DETECTOR = "tf_efficientdet_d0_ap"
PARTS = ("BACKBONE_TYPE", "FPN_TYPE", "FINAL_TYPE")
NECK_AND_HEAD = {"NECK": {"CHANNELS": 24, "REPEATS": 1}}
FILTERS = {"NUM_DECONV_FILTERS": [8, 8]}
BINS = {"TARGET_TYPE": "simcc"}
CHOICES = {
    "pose_resnet": ("pose_resnet", {"NUM_LAYERS": 18}, SMALL),
    "pose_hrnet": ("pose_hrnet", BRANCHES, SMALL),
    "pose_hrformer": ("pose_hrformer", BRANCHES, SMALL),
    "pose_efenet": ("pose_efenet", {**BRANCHES, "EFEM": EFEM}, FULL),
    "lpn": ("lpn", {"NUM_LAYERS": 18, "ATTENTION": "GC"}, SMALL),
    "EffBase": ("pose_effpnet", {}, LONG | {"BACKBONE": DETECTOR} | dict.fromkeys(PARTS, "")),
    "EEffPose": ("pose_effpnet", {}, LONG | {"BACKBONE": DETECTOR} | dict.fromkeys(PARTS, "Ours")),
    "posenet": (
        "posenet",
        {"BACKBONE": {"DEPTH": 18}, **NECK_AND_HEAD},
        LONG | {"BACKBONE": "resnet", "NECK": "bifpn", "HEAD": "fahead"},
    ),
    "vitpose": ("vitpose", {"EMBED_DIM": 24, "DEPTH": 2, "NUM_HEADS": 4, **FILTERS}, SMALL),
    "vitpose_simple": (
        "vitpose",
        {"EMBED_DIM": 24, "DEPTH": 2, "NUM_HEADS": 4, "DECODER": "simple"},
        SMALL,
    ),
    "simcc_resnet": ("simcc_resnet", {"NUM_LAYERS": 18}, SMALL | BINS),
    "simcc_hrnet": ("simcc_hrnet", BRANCHES, SMALL | BINS),
    "rtmpose": ("rtmpose", {"DEEPEN_FACTOR": 0.167, "WIDEN_FACTOR": 0.25}, SMALL | BINS),
    "pose_higher_hrnet": ("pose_higher_hrnet", HIGHER, {"TAG_PER_JOINT": True}),
    "pose_higher_hrnet_davit": (
        "pose_higher_hrnet_davit",
        {**HIGHER, "DAVIT": DAVIT},
        {"TAG_PER_JOINT": True},
    ),
}
FAST = (
    "pose_resnet",
    "pose_hrnet",
    "pose_efenet",
    "vitpose",
    "rtmpose",
    "vitpose_simple",
    "pose_higher_hrnet",
)
NETWORKS = [
    pytest.param(name, marks=[] if name in FAST else [pytest.mark.slow]) for name in CHOICES
]
MINUTES = ("pose_higher_hrnet_davit",)  # take the newer exporter minutes, for want of fixed sizes
shake = load_script("tests/scripts/export_table.py").shake


def test_no_family_is_forgotten():
    exported = {name for name in RECIPES if RECIPES[name].task != "rcnn"}
    assert {name for name, _, _ in CHOICES.values()} == exported


@pytest.mark.parametrize("network", NETWORKS)
def test_files_compute_what_the_network_computes(network, tmp_path):
    graph = shaken(network)
    for write, ending in (
        (export_onnx, ".onnx"),
        (export_torchscript, ".pt"),
        (export_program, ".pt2"),
    ):
        path = tmp_path / f"model{ending}"
        assert write(graph, path, {"name": network}) <= TOLERANCE
        assert path.is_file()


@pytest.mark.slow
@pytest.mark.parametrize("network", [name for name in CHOICES if name not in MINUTES])
def test_the_newer_exporter_writes_all_of_them(network, tmp_path):
    pytest.importorskip("onnxscript")
    graph = shaken(network)
    assert export_onnx(graph, tmp_path / "m.onnx", {}, exporters=["program"]) <= TOLERANCE


def shaken(network):
    """Return what a file of a family is to compute, with weights that all matter."""
    name, extra, model = CHOICES[network]
    torch.manual_seed(0)
    built = build_model(model_cfg(name, 5, extra, **model))
    shake(built)
    sizes = [tuple(model["IMAGE_SIZE"])] if "IMAGE_SIZE" in model else [(64, 64), (128, 64)]
    return Graph(built, sizes)
