"""Compositions of trunks, necks and heads by YAML alone: each is built, and trains a step."""

from pathlib import Path

import pytest
import torch
from tool_loader import load_script

from lib.config import load_config
from lib.models import read_checkpoint

train = load_script("tools/train.py")
MIXES = sorted(Path("experiments/coco/posenet").glob("*.yaml"))


def test_there_are_mixes_of_the_newer_trunks():
    names = " ".join(file.stem for file in MIXES)
    for trunk, part in (("convnext", "efem"), ("vit", "efem"), ("mobilenet", "lpn")):
        assert any(trunk in name and part in name for name in names.split())


@pytest.mark.slow
@pytest.mark.parametrize("file", MIXES, ids=lambda file: file.stem)
def test_a_mix_trains_a_step(file, synthpose, tmp_path):
    words = ["--cfg", str(file), f"DATASET.ROOT={synthpose / 'coco'}", "WORKERS=0"]
    words += [f"OUTPUT_DIR={tmp_path / 'output'}", f"LOG_DIR={tmp_path / 'log'}"]
    cells = [side // 2 for side in load_config(file).MODEL.HEATMAP_SIZE]  # at half the size
    words += ["MODEL.IMAGE_SIZE=[96,128]", f"MODEL.HEATMAP_SIZE={cells}", "MODEL.PRETRAINED=''"]
    words += ["TRAIN.MAX_ITER=1", "TRAIN.LR_STEP=[1]", "TRAIN.BATCH_SIZE_PER_GPU=2"]
    words += ["TRAIN.WARMUP_EPOCHS=0", "TRAIN.EVAL_PERIOD=9"]
    words += ["TEST.USE_GT_BBOX=true", "SEED=3"]
    assert train.main(words).finished
    (weights,) = (tmp_path / "output").rglob("final_state.pth")
    state, _ = read_checkpoint(weights)
    assert all(value.isfinite().all() for value in state.values() if value.is_floating_point())
    assert any(torch.count_nonzero(v) for k, v in state.items() if k.startswith("head."))
