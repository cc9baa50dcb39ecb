"""Parts outside the package through the real tools: ``experiments/own_parts``."""

import shutil
from pathlib import Path

import pytest
from tool_loader import load_script

from lib.api import PoseEstimator
from lib.config import ConfigError, load_config
from lib.export.onnx_network import OnnxNetwork
from lib.models import read_checkpoint

train, score = load_script("tools/train.py"), load_script("tools/test.py")
export = load_script("tools/export.py")
EXAMPLE = Path("experiments/own_parts")


@pytest.fixture
def words(synthpose, tmp_path):
    """Return the words of a command that uses the example in a few steps."""
    settings = {
        "DATASET.ROOT": str(synthpose / "coco"),
        "OUTPUT_DIR": str(tmp_path / "output"),
        "LOG_DIR": str(tmp_path / "log"),
        "TRAIN.MAX_ITER": "2",
        "TRAIN.LR_STEP": "[1]",
        "TRAIN.BATCH_SIZE_PER_GPU": "5",
        "WORKERS": "1",
    }
    return [
        "--cfg",
        str(EXAMPLE / "own_parts.yaml"),
        *(w for pair in settings.items() for w in pair),
    ]


def test_train_test_and_export(words, tmp_path):
    pytest.importorskip("onnxruntime")
    assert train.main(words).finished
    folder = tmp_path / "output/coco/posenet/own_parts"
    wanted = score.main(words)
    export.main(words)
    file = folder / "model.onnx"
    assert OnnxNetwork(file).card["mean"] == [0.5] * 3
    assert OnnxNetwork(file).card["codec"] == "narrow"
    assert score.main([*words, "TEST.MODEL_FILE", str(file)]) == pytest.approx(wanted, nan_ok=True)
    # The run folder's own YAML finds the file from wherever it is read.
    assert [str((EXAMPLE / "own_parts.py").resolve())] == load_config(
        folder / "config.yaml"
    ).IMPORTS
    _, payload = read_checkpoint(folder / "final_state.pth")
    assert "own_parts.py" in payload["meta"]["config"]


def test_a_codec_has_settings_of_its_own(words):
    cfg = load_config(words[1], [*words[2:], "MODEL.CODEC.POWER", "3"])
    assert cfg.MODEL.CODEC.POWER == 3
    with pytest.raises(ConfigError, match=r"unknown key MODEL.CODEC.POWR"):
        load_config(words[1], ["MODEL.CODEC.POWR", "3"])


def test_a_part_that_is_not_there(words):
    with pytest.raises(ConfigError, match=r"No neck 'add_upp'. Did you mean add_up"):
        PoseEstimator.from_config(load_config(words[1], [*words[2:], "MODEL.NECK", "add_upp"]))


def test_a_weights_file_alone_asks_before_it_runs_code(words, tmp_path):
    train.main(words)
    file = tmp_path / "output/coco/posenet/own_parts/final_state.pth"
    alone = shutil.copy(file, tmp_path / "alone.pth")
    with pytest.raises(ConfigError, match="asks for code of its own, IMPORTS"):
        PoseEstimator.from_pretrained(str(alone))
    given = ["IMPORTS", f"[{(EXAMPLE / 'own_parts.py').resolve()}]"]
    assert PoseEstimator.from_pretrained(str(alone), overrides=given).network is not None
