import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from tool_loader import ROOT, load_script
from toys.refusing import refused

train, score = load_script("tools/train.py"), load_script("tools/test.py")


# --- weights ----------------------------------------------------------------------------------


@pytest.fixture
def weights(command, tmp_path):
    """Train one epoch; return the weights."""
    train.main(command("TRAIN.END_EPOCH", 1, "TRAIN.LR_STEP", []))
    return tmp_path / "output/coco/pose_hrnet/tiny/final_state.pth"


class Code:
    """Runs when it is unpickled."""

    def __reduce__(self):
        return os.mkdir, ("executed",)


def test_weights_that_are_not_this_models(command, weights, tmp_path, capsys, caplog, monkeypatch):
    other = ["MODEL.EXTRA.STAGE4.NUM_CHANNELS", "[4,8,8,16]"]
    asked = ["TEST.MODEL_FILE", weights]
    sentence = refused(score, command(*asked, *other), capsys)
    assert "these are the weights of another model" in sentence
    assert "is (8, 8, 3, 3) in the file and (16, 8, 3, 3) in the model" in sentence
    fine = ["MODEL.PRETRAINED", weights, "TRAIN.END_EPOCH", 1, "TRAIN.LR_STEP", []]
    caplog.clear()
    train.main(command(*fine, *other, "MODEL.EXTRA.PRETRAINED_LAYERS", "['*']"))
    assert "other shapes, not loaded" in caplog.text
    weights.write_bytes(weights.read_bytes()[:5000])
    assert "is damaged" in refused(score, command(*asked), capsys)
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": {"a": torch.zeros(1)}, "extra": Code()}, weights)
    assert "could run code" in refused(score, command(*asked), capsys)
    assert not Path("executed").exists()


def test_weights_used_otherwise_than_trained(command, weights, caplog):
    words = ["TEST.MODEL_FILE", weights, "MODEL.TARGET_TYPE", "dark", "DATASET.COLOR_RGB", "false"]
    score.main(command(*words))
    assert "was trained with codec gaussian, and is used with dark" in caplog.text
    assert "was trained with color_rgb True, and is used with False" in caplog.text


def test_a_head_with_another_number_of_joints(command, weights, capsys):
    state = torch.load(weights, weights_only=True)
    for name, value in state["state_dict"].items():
        if name.startswith("head."):
            state["state_dict"][name] = value[:16]
    torch.save(state, weights)
    sentence = refused(score, command("TEST.MODEL_FILE", weights), capsys)
    assert "another number of outputs, see MODEL.NUM_JOINTS" in sentence
    sentence = refused(train, command("MODEL.NUM_JOINTS", 16), capsys)
    assert "MODEL.NUM_JOINTS is 16, but people in" in sentence


# --- runs -------------------------------------------------------------------------------------


def test_a_loss_that_is_not_finite_stops_the_run(command, weights, capsys):
    state = torch.load(weights, weights_only=True)
    state["state_dict"]["head.final_layer.bias"][0] = float("inf")
    bad = weights.parents[4] / "bad.pth"  # files in the run folder are moved aside
    torch.save(state, bad)
    words = ["MODEL.PRETRAINED", bad, "MODEL.EXTRA.PRETRAINED_LAYERS", "['*']"]
    sentence = refused(train, command(*words), capsys)
    assert "not finite" in sentence
    assert ".jpg" in sentence  # which batch


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)]
)
def test_a_signal_ends_the_program_resumably_with_zero(command, tmp_path, number):
    words = command("TRAIN.END_EPOCH", 10_000, "TRAIN.EVAL_PERIOD", 0, "TRAIN.CHECKPOINT_ITERS", 2)
    program = [sys.executable, "tools/train.py", *words]
    folder = tmp_path / "output/coco/pose_hrnet/tiny"
    with (tmp_path / "out.txt").open("w") as out:
        run = subprocess.Popen(program, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT)
    try:
        until = time.monotonic() + 300
        while not (folder / "checkpoint.pth").is_file():
            assert run.poll() is None, (tmp_path / "out.txt").read_text()
            assert time.monotonic() < until
            time.sleep(0.1)
        run.send_signal(number)
        assert run.wait(300) == 0, (tmp_path / "out.txt").read_text()
    finally:
        run.kill()
    assert "--resume" in (folder / "train.log").read_text()
    assert torch.load(folder / "checkpoint.pth", weights_only=True)["step"] > 0


def test_folders_that_are_files(command, tmp_path, capsys):
    (tmp_path / "taken").write_text("")
    for tool, more in ((train, []), (score, ["--untrained"])):
        sentence = refused(tool, command(*more, "OUTPUT_DIR", tmp_path / "taken"), capsys)
        assert "taken" in sentence
