"""Claims through the real tools: train, test, certify, check, tamper."""

import json
import shutil

import pytest
import torch
from tool_loader import load_script

from lib.utils.errors import ConfigError, DataError, WeightsError

train, score = load_script("tools/train.py"), load_script("tools/test.py")
certify = load_script("tools/analyse/certify.py")
pytestmark = pytest.mark.slow


@pytest.fixture
def run(tiny_config, tmp_path, capsys):
    train.main(["--cfg", str(tiny_config)])
    score.main(["--cfg", str(tiny_config)])
    capsys.readouterr()
    return tmp_path / "output/coco/pose_hrnet/tiny"


def outcome(*words):
    """Return exit code and verdict of a check."""
    try:
        return 0, certify.main(["check", *map(str, words), "--seed", "3"])
    except SystemExit as end:
        return end.code, None


def tampered(file, change):
    """Write a copy of a claim with something done to it."""
    claim = json.loads(file.read_text())
    change(claim)
    copy = file.with_name("tampered.json")
    copy.write_text(json.dumps(claim))
    return copy


def test_a_claim_is_written_holds_and_fails_when_touched(run, tmp_path, capsys):
    claim = certify.main([str(run)])
    out = capsys.readouterr().out
    assert "doubt of seeds: unknown" in out
    assert "doubt of annotators: unknown" in out
    file = run / "claim.json"
    report = json.loads((run / "metrics.json").read_text())
    assert claim["scores"]["AP"] == pytest.approx(report["metrics"]["AP"], abs=1e-3)
    assert len(claim["data"]["pictures"]) == 4

    code, found = outcome(file, "--json", tmp_path / "verdict.json")
    assert code == 0
    assert (found.drawn, found.total) == (3, 4)  # nobody is in the fourth
    assert found.rate == 1
    assert "HOLDS" in capsys.readouterr().out
    assert json.loads((tmp_path / "verdict.json").read_text())["holds"] is True

    for change, word in (
        (lambda c: c["scores"].update(AP=c["scores"]["AP"] + 0.003), "AP is told to be"),
        (lambda c: c["weights"].update(sha256="0" * 64), "weight file"),
        (lambda c: c["data"]["annotation"].update(sha256="0" * 64), "annotation file"),
        (lambda c: c["data"].update(boxes={"file": "x", "sha256": "0" * 64}), "detector file"),
        (lambda c: c["data"].update(pictures=dict.fromkeys(c["data"]["pictures"], "0")), "picture"),
    ):
        assert outcome(tampered(file, change))[0] == 1
        assert word in capsys.readouterr().out

    def move(claim):
        claim["predictions"][0]["keypoints"][0] += 0.5

    assert outcome(tampered(file, move))[0] == 1
    assert "are others" in capsys.readouterr().out or "is told" in capsys.readouterr().out
    other = tampered(file, lambda c: c.update(code="0", versions={**c["versions"], "numpy": "0"}))
    assert outcome(other)[0] == 0  # told, and no reason to refuse
    assert "note: numpy is" in capsys.readouterr().out


def test_other_weights_are_seen_by_hash_and_by_prediction(run, tmp_path, capsys):
    certify.main([str(run)])
    state = torch.load(run / "model_best.pth", weights_only=True)
    weights = state["state_dict"]
    last = next(name for name in reversed(weights) if name.endswith("weight"))
    weights[last] += 0.05 * torch.randn_like(weights[last])
    torch.save(state, tmp_path / "other.pth")
    words = (run / "claim.json", "--weights", tmp_path / "other.pth")
    assert outcome(*words)[0] == 1
    assert "weight file" in capsys.readouterr().out
    from lib.certify.files import named_hash

    forged = tampered(
        run / "claim.json", lambda c: c.update(weights=named_hash(tmp_path / "other.pth"))
    )
    assert outcome(forged)[0] == 1
    assert "are others" in capsys.readouterr().out


def test_detector_boxes_belong_to_the_claim(tiny_config, synthpose, tmp_path, capsys):
    boxes = next((synthpose / "coco/person_detection_results").glob("*.json"))
    copy = tmp_path / "boxes.json"
    shutil.copy(boxes, copy)
    words = ["TEST.USE_GT_BBOX", "false", "TEST.COCO_BBOX_FILE", str(copy)]
    train.main(["--cfg", str(tiny_config), *words])
    score.main(["--cfg", str(tiny_config), *words])
    run = tmp_path / "output/coco/pose_hrnet/tiny"
    certify.main([str(run)])
    assert outcome(run / "claim.json")[0] == 0
    rows = json.loads(copy.read_text())
    rows[0]["bbox"][2] += 1
    copy.write_text(json.dumps(rows))
    assert outcome(run / "claim.json")[0] == 1
    assert "detector file" in capsys.readouterr().out


def test_a_test_that_config_does_not_tell_is_not_certified(run, tiny_config):
    score.main(["--cfg", str(tiny_config), "TEST.FLIP_TEST", "false"])
    with pytest.raises(ConfigError, match="tested with flip False"):
        certify.main([str(run)])
    certify.main([str(run), "--set", "TEST.FLIP_TEST=false"])
    score.main(["--cfg", str(tiny_config), "MODEL.TARGET_TYPE", "dark"])
    with pytest.raises(ConfigError, match="codec"):
        certify.main([str(run)])
    score.main(["--cfg", str(tiny_config), "TEST.OKS_THRE", "0.01"])  # its report does not tell
    with pytest.raises(DataError, match="command line"):
        certify.main([str(run)])


def test_three_doubts(run, tiny_config, synthpose, tmp_path, capsys):
    elsewhere = ["OUTPUT_DIR", str(tmp_path / "second"), "SEED", "5"]
    train.main(["--cfg", str(tiny_config), *elsewhere])
    score.main(["--cfg", str(tiny_config), *elsewhere])
    second = tmp_path / "second/coco/pose_hrnet/tiny"
    truth = json.loads((synthpose / "coco/annotations/person_keypoints_val2017.json").read_text())
    for row in truth["annotations"]:
        row["keypoints"] = [v + (n % 3 < 2) for n, v in enumerate(row["keypoints"])]
    (tmp_path / "again.json").write_text(json.dumps(truth))
    words = [str(run), "--beside", str(second), "--annotators", str(tmp_path / "again.json")]
    doubt = certify.main(words)["doubt"]
    assert set(doubt["seeds"]["values"]) == {"1337", "5"}
    assert "minus first" in doubt["annotators"]
    assert "unknown" not in capsys.readouterr().out
    with pytest.raises(ConfigError, match="name runs with different ones"):
        certify.main([str(run), "--beside", str(run)])


def test_mistakes_are_named(run, tmp_path):
    with pytest.raises(DataError, match="No report file"):
        certify.main([str(tmp_path)])
    (tmp_path / "no.json").write_text("{}")
    with pytest.raises(DataError, match="is not a claim"):
        certify.main(["check", str(tmp_path / "no.json")])
    with pytest.raises(ConfigError, match="between 0 and 100 points, got 0"):
        certify.main(["check", str(tmp_path / "no.json"), "--inflation", "0"])
    certify.main([str(run)])
    shutil.move(run / "model_best.pth", tmp_path / "moved.pth")
    with pytest.raises(WeightsError, match="No weight file"):
        certify.main(["check", str(run / "claim.json")])
    assert outcome(run / "claim.json", "--weights", tmp_path / "moved.pth")[0] == 0
