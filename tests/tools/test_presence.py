"""A presence head with negatives in training: planted truth on drawn people."""

import json

import numpy as np
import pytest
import yaml
from tool_loader import load_script
from torch import Tensor, nn

from lib.api import PoseEstimator
from lib.config import load_config
from lib.datasets.negatives import with_negatives
from lib.datasets.sources import read_source
from lib.datasets.synthetic import Recipe, write_dataset
from lib.evaluation.confidence import auroc
from lib.models.registry import BACKBONES
from lib.tasks.splits import build_source
from lib.utils.errors import ConfigError

pytestmark = pytest.mark.slow


class Small(nn.Module):
    """A trunk of four convolutions, maps at strides 4 and 16."""

    def __init__(self, channels: int = 16) -> None:
        super().__init__()
        self.out_channels, self.out_strides = (channels, 2 * channels), (4, 16)
        self.fine = nn.Sequential(block(3, channels, 2), block(channels, channels, 2))
        self.coarse = nn.Sequential(
            block(channels, 2 * channels, 2), block(2 * channels, 2 * channels, 2)
        )

    def forward(self, images: Tensor) -> list[Tensor]:
        """Map images (B, 3, H, W) to two maps."""
        fine = self.fine(images)
        return [fine, self.coarse(fine)]


def block(before, after, stride):
    parts = nn.Conv2d(before, after, 3, stride, 1), nn.BatchNorm2d(after), nn.ReLU()
    return nn.Sequential(*parts)


@pytest.fixture(autouse=True)
def own_trunk(monkeypatch):
    monkeypatch.setitem(BACKBONES._entries, "small", Small)


def settings(root, folder, kind):
    head = {"dark": "heatmap", "presence": "presence"}[kind]
    return {
        "DATASET": {
            **{"DATASET": "coco", "ROOT": str(root / "coco"), "ROT_FACTOR": 0},
            "NEGATIVES": 1.0 if kind == "presence" else 0.0,
        },
        "MODEL": {
            **{"NAME": "posenet", "BACKBONE": "small", "HEAD": head, "TARGET_TYPE": kind},
            **{"IMAGE_SIZE": [64, 96], "HEATMAP_SIZE": [16, 24], "SIGMA": 1.5},
            "EXTRA": {"BACKBONE": {}, "HEAD": {}},
        },
        "TRAIN": {
            **{"OPTIMIZER": "adamw", "LR": 0.003, "BATCH_SIZE_PER_GPU": 16, "END_EPOCH": 40},
            **{"LR_STEP": [34], "EVAL_PERIOD": 0},
        },
        "TEST": {"USE_GT_BBOX": True, "FLIP_TEST": False},
        **{"WORKERS": 0, "OUTPUT_DIR": str(folder / "output"), "LOG_DIR": str(folder / "log")},
    }


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn")
    recipe = Recipe(train=60, val=30, seed=5, size=(240, 180), people=(1, 1), level="easy")
    write_dataset(folder, recipe, workers=1)
    return folder


def trained(drawn, folder, kind):
    file = folder / f"{kind}.yaml"
    file.write_text(yaml.safe_dump(settings(drawn, folder, kind)))
    load_script("tools/train.py").main(["--cfg", str(file)])
    cfg = load_config(str(file))
    weights = next((folder / "output").rglob(f"{kind}/final_state.pth"))
    return cfg, PoseEstimator.from_config(cfg, weights, "cpu")


def scores_of(cfg, estimator):
    """Return joint scores in boxes of people and in boxes of nobody, of the test split."""
    people = read_source(build_source(cfg, train=False), None).people
    both = with_negatives(people, people, 1.0, seed=9)
    found = []
    for n in range(len(both)):
        x, y, width, height = both.boxes[n].tolist()
        box = np.array([[x, y, x + width, y + height]])
        found.append(estimator.predict(both.read_image(n), box)[0].keypoint_scores)
    seen = people.visibility > 0
    scores = np.array(found)
    return scores[: len(people)][seen], scores[len(people) :].ravel()


def test_presence_tells_nobody_from_somebody(drawn, tmp_path):
    values = {}
    for kind in ("dark", "presence"):
        values[kind] = auroc(*scores_of(*trained(drawn, tmp_path, kind)))
    print(json.dumps(values))
    assert values["presence"] > 0.85
    assert values["presence"] > values["dark"] + 0.05


def test_negatives_without_presence_are_refused(drawn, tmp_path):
    content = settings(drawn, tmp_path, "dark")
    content["DATASET"]["NEGATIVES"] = 0.5
    file = tmp_path / "wrong.yaml"
    file.write_text(yaml.safe_dump(content))
    with pytest.raises(ConfigError, match="NEGATIVES"):
        load_script("tools/train.py").main(["--cfg", str(file)])
