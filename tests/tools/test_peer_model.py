"""Somebody else's exported model through the test tool scores what its own project's files say."""

import pytest
from tool_loader import load_script

pytest.importorskip("onnxruntime")
score = load_script("tools/test.py")


@pytest.mark.slow
@pytest.mark.parametrize(("flip", "wanted"), [(False, 0.534), (True, 0.546)])
def test_simplepose_on_annotated_boxes(shared, tmp_path, flip, wanted):
    data = shared / "data"
    if not (data / "coco/images/val2017").is_dir():
        pytest.skip(f"no real images in {data}")
    found = score.main(
        [
            "--cfg", "experiments/coco/hrnet/w32_256x192_adam_lr1e-3.yaml",
            "TEST.MODEL_FILE", str(data / "peers/ultralight_nano_simplepose_256x192.onnx"),
            "DATASET.ROOT", str(data / "coco"), "TEST.USE_GT_BBOX", "true", "GPUS", "()",
            "TEST.FLIP_TEST", str(flip), "WORKERS", "0", "OUTPUT_DIR", str(tmp_path),
        ]
    )  # fmt: skip
    assert found["AP"] == pytest.approx(wanted, abs=0.003)
