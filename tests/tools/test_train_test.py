"""The main job through the real tools: train, resume, test, plot."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from tool_loader import ROOT, draw, load_script

from lib.utils.cli import run_tool
from lib.utils.lock import FolderLock

train, score = load_script("tools/train.py"), load_script("tools/test.py")


def run_folder(tmp_path):
    return tmp_path / "output/coco/pose_hrnet/tiny"


def test_train_test_plot(tiny_config, synthpose, tmp_path, capsys):
    result = train.main(["--cfg", str(tiny_config)])
    assert result.finished
    folder = run_folder(tmp_path)
    for name in ("checkpoint.pth", "model_best.pth", "final_state.pth", "config.yaml", "train.log"):
        assert (folder / name).is_file(), name
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert {record["kind"] for record in records} == {"train", "worst", "val", "pictures"}
    assert list((tmp_path / "log").rglob("events*"))

    metrics = score.main(["--cfg", str(tiny_config), "--per-joint"])
    assert "boxes: annotated" in capsys.readouterr().out
    report = json.loads((folder / "metrics.json").read_text())
    assert report["metrics"]["AP"] == pytest.approx(metrics["AP"])
    assert report["boxes"] == "annotated"
    assert report["flip"] is True
    assert [row["joint"] for row in report["per_joint"]] == report["joints"]
    rows = json.loads((folder / "results/keypoints_val2017_results_0.json").read_text())
    assert len(rows[0]["keypoints"]) == 51
    assert {"image_id", "category_id", "score", "center", "scale"} <= rows[0].keys()

    results = folder / "results/keypoints_val2017_results_0.json"
    truth = synthpose / "coco/annotations/person_keypoints_val2017.json"
    images = synthpose / "coco/images/val2017"
    assert draw("coco", results, truth, images, tmp_path / "pictures", "--score-threshold", 0)


def test_an_earlier_test_with_other_settings_is_kept(tiny_config, tmp_path, caplog):
    words = ["--cfg", str(tiny_config), "--untrained", "SEED", "3"]
    folder = run_folder(tmp_path) / "untrained"
    kept = ("metrics.json", "results/keypoints_val2017_results_0.json", "config.yaml")

    def content(base):
        return [(base / name).read_text() for name in kept]

    torch.manual_seed(0)
    score.main([*words, "TEST.FLIP_TEST", "true"])
    first = content(folder)
    torch.manual_seed(0)
    score.main([*words, "TEST.FLIP_TEST", "true", "--per-joint"])  # the same once more
    assert not list(folder.glob("earlier-*"))
    torch.manual_seed(0)
    score.main([*words, "TEST.FLIP_TEST", "false"])
    earlier = folder / "earlier-1"
    assert "different test" in caplog.text
    assert content(earlier)[1:] == first[1:]
    assert json.loads(content(earlier)[0])["flip"] is True
    assert json.loads(content(folder)[0])["flip"] is False
    assert "FLIP_TEST: false" in content(folder)[2]
    assert not list(folder.glob("testing-*"))

    (folder / "metrics.json").write_text("[")  # damaged: still kept
    torch.manual_seed(0)
    score.main(words)
    assert (folder / "earlier-2/metrics.json").read_text() == "["
    compare = load_script("visualization/compare.py")
    compare.main([str(earlier), str(folder), "--resamples", "20"])  # both are run folders


def test_a_run_can_be_tested_while_it_trains_and_nobody_moves_files_meanwhile(
    tiny_config, tmp_path, monkeypatch
):
    folder = run_folder(tmp_path) / "untrained"
    seen = []
    move = score.keep_earlier

    def look(place, report):
        seen.append(sorted(path.name for path in place.glob("*.lock")))
        return move(place, report)

    monkeypatch.setattr(score, "keep_earlier", look)
    with FolderLock(folder, "training"):
        score.main(["--cfg", str(tiny_config), "--untrained"])
    assert seen == [["moving.lock", "running.lock"]]
    assert (folder / "metrics.json").is_file()
    assert not list(folder.glob("*.lock"))


def test_the_resolved_file_of_a_run_tests_that_run(tiny_config, tmp_path):
    train.main(["--cfg", str(tiny_config), "TRAIN.END_EPOCH", "1", "TRAIN.LR_STEP", "[]"])
    config = run_folder(tmp_path) / "config.yaml"
    score.main(["--cfg", str(config)])
    assert (run_folder(tmp_path) / "metrics.json").is_file()


def test_resumed_run_equals_the_whole_one(tiny_config, tmp_path):
    train.main(["--cfg", str(tiny_config)])
    whole = torch.load(run_folder(tmp_path) / "final_state.pth", weights_only=True)
    elsewhere = ["OUTPUT_DIR", str(tmp_path / "second")]
    train.main(["--cfg", str(tiny_config), *elsewhere, "TRAIN.END_EPOCH", "1"])
    train.main(["--cfg", str(tiny_config), *elsewhere, "--resume"])
    folder = tmp_path / "second/coco/pose_hrnet/tiny"
    resumed = torch.load(folder / "final_state.pth", weights_only=True)
    for name, value in whole["state_dict"].items():
        assert torch.equal(value, resumed["state_dict"][name]), name


def test_images_in_an_archive_as_coco_publishes_it(tiny_config, synthpose, tmp_path):
    plain = score.main(["--cfg", str(tiny_config), "--untrained"])
    shutil.copytree(synthpose / "coco/annotations", tmp_path / "coco/annotations")
    (tmp_path / "coco/images").mkdir()
    shutil.make_archive(  # members lie in val2017/
        str(tmp_path / "coco/images/val2017"), "zip", synthpose / "coco/images", "val2017"
    )
    words = ["DATASET.ROOT", str(tmp_path / "coco"), "DATASET.DATA_FORMAT", "zip", "WORKERS", "2"]
    assert score.main(["--cfg", str(tiny_config), "--untrained", *words]) == pytest.approx(
        plain, nan_ok=True
    )


def test_detector_boxes(tiny_config, synthpose, tmp_path):
    boxes = synthpose / "coco/person_detection_results"
    file = next(boxes.iterdir()).name
    words = ["TEST.USE_GT_BBOX", "false", "TEST.COCO_BBOX_FILE", file, "TEST.IMAGE_THRE", "0"]
    score.main(["--cfg", str(tiny_config), "--untrained", *words])
    report = json.loads((run_folder(tmp_path) / "untrained/metrics.json").read_text())
    assert report["boxes"] == f"detector {file}"
    assert (run_folder(tmp_path) / "untrained/config.yaml").is_file()
    assert report["people"] == len(json.loads((boxes / file).read_text()))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["TEST.MODEL_FILE", "nothing.pth"], "No weight file nothing.pth"),
        ([], "No weights"),
        (["DATASET.ROOT", "nowhere"], "No annotation file nowhere"),
        (["MODEL.NUM_JOINTS", "16"], "MODEL.NUM_JOINTS is 16"),
        (["TEST.USE_GT_BBOX", "0"], "TEST.COCO_BBOX_FILE is empty"),
        (["MODEL.HEATMAP_SIZE", "[24,32]"], "MODEL.HEATMAP_SIZE"),
        (["OUTPUT_DIR", __file__], "Not a directory"),
        (["DATASET.TEST_SET", "test-dev2017"], "No annotation file"),
    ],
)
def test_mistakes_leave_with_two_and_a_sentence(tiny_config, capsys, words, message):
    untrained = [] if "weight" in message.lower() else ["--untrained"]
    with pytest.raises(SystemExit) as left:
        run_tool(lambda: score.main(["--cfg", str(tiny_config), *untrained, *words]))
    assert left.value.code == 2
    assert message in capsys.readouterr().err


def test_a_tool_is_a_program_of_its_own(tmp_path):
    command = [sys.executable, "tools/test.py", "--cfg", str(tmp_path / "nothing.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: No configuration file")


def test_predictions_of_the_api_equal_those_of_the_test(tiny_config):
    from lib.api import PoseEstimator
    from lib.config import load_config
    from lib.utils.images import read_image

    torch.manual_seed(0)
    estimator = PoseEstimator.from_config(load_config(tiny_config), device="cpu")
    batch = next(iter(estimator.task.build_test_loader()))
    with torch.no_grad():
        poses = estimator.task.predict_step(estimator.network, batch)()
    first = poses.image_ids == poses.image_ids[0]
    people = estimator.task.people
    image = read_image(people.image_path(0))
    alone = estimator.predict(image, poses.boxes[first])
    # Other batch sizes take other convolution kernels, hence the tolerance.
    for pose, wanted in zip(alone, poses.keypoints[first], strict=True):
        np.testing.assert_allclose(pose.keypoints, wanted, atol=0.01)
    assert estimator.predict(image, np.zeros((0, 4))) == []
    assert len(estimator.predict(image)) == 1
    with pytest.raises(ValueError, match="uint8"):
        estimator.predict(image.astype(float))
