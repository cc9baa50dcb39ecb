import json

import pytest
import torch
from textbook.random_coco import random_coco
from tool_loader import load_script

from lib.evaluation import evaluate_coco
from lib.evaluation.calibration import read_calibration
from lib.structures.skeleton import load_skeleton
from lib.utils.errors import ConfigError, WeightsError
from lib.zoo.card import read_safetensors, safetensors_bytes


@pytest.fixture
def files(tmp_path):
    content, rows = random_coco(1, images=60)
    content["categories"][0]["keypoints"] = list(load_skeleton("coco").joints)
    (tmp_path / "gt.json").write_text(json.dumps(content))
    (tmp_path / "pred.json").write_text(json.dumps(rows))
    state = {"weight": torch.arange(6.0)}
    (tmp_path / "w.safetensors").write_bytes(safetensors_bytes(state, {"model": "pose_hrnet"}))
    return tmp_path, content


def test_maps_go_into_the_card_and_the_results(files, capsys):
    folder, content = files
    tool = load_script("tools/analyse/calibrate.py")
    judged = tool.main(
        [
            *(str(folder / "gt.json"), str(folder / "pred.json")),
            *("--out", str(folder / "maps.json"), "--apply", str(folder / "mapped.json")),
            *("--weights", str(folder / "w.safetensors")),
            *("--weights-out", str(folder / "new/w.safetensors")),
        ]
    )
    assert judged.joint[1] < judged.joint[0]
    assert "left_ankle" in capsys.readouterr().out
    state, card = read_safetensors(folder / "new/w.safetensors")
    assert state["weight"].tolist() == [0, 1, 2, 3, 4, 5]
    assert card["model"] == "pose_hrnet"
    assert card["calibration"] == json.loads((folder / "maps.json").read_text())
    assert len(read_calibration(card["calibration"], "card").joints) == 17
    before, after = (evaluate_coco(content, folder / f) for f in ("pred.json", "mapped.json"))
    assert before == after


def test_wishes_that_do_not_go_together(files):
    folder, _ = files
    tool = load_script("tools/analyse/calibrate.py")
    names = [str(folder / "gt.json"), str(folder / "pred.json")]
    weights = str(folder / "w.safetensors")
    for extra, message in (
        (["--weights", weights], "go together"),
        (["--weights", "w.pth", "--weights-out", "v.safetensors"], "must be .safetensors"),
        (["--weights", weights, "--weights-out", weights], "is there already"),
    ):
        with pytest.raises(ConfigError, match=message):
            tool.main([*names, *extra])
    gone = [
        "--weights",
        str(folder / "x.safetensors"),
        "--weights-out",
        str(folder / "y.safetensors"),
    ]
    with pytest.raises(WeightsError, match="No weight file"):
        tool.main([*names, *gone])
