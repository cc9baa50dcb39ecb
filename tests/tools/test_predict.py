"""Pictures and videos in; JSON, pictures, videos, COCO results out."""

import json

import cv2
import numpy as np
import pytest
import torch
from tool_loader import load_script

from lib.api import PoseEstimator
from lib.config import load_config
from lib.utils.errors import DataError

predict = load_script("tools/predict.py")


@pytest.fixture
def run(tiny_config, tmp_path):
    torch.manual_seed(0)
    network = PoseEstimator.from_config(
        load_config(tiny_config, ["TEST.FOLD_BN=false"]), device="cpu"
    ).network
    torch.save(network.state_dict(), tmp_path / "weights.pth")

    def call(source, *words):
        flags = ["--cfg", str(tiny_config), "--out", str(tmp_path / "out"), "--min-score", "-9"]
        model = ["TEST.MODEL_FILE", str(tmp_path / "weights.pth")]
        file = predict.main([str(source), *flags, *words, *model])
        return json.loads(file.read_text())

    return call


def test_folder_with_a_box_file(run, synthpose, tmp_path):
    images = synthpose / "coco/images/val2017"
    boxes = next((synthpose / "coco/person_detection_results").iterdir())
    rows = [row for row in json.loads(boxes.read_text()) if row["score"] >= 0.3]
    found = run(images, "--boxes", str(boxes), "--coco", "--outline")
    assert (found["format"], found["version"]) == ("efepose-predictions", 1)
    assert found["skeleton"]["joints"] == found["model"]["joints"]
    assert sum(len(frame["people"]) for frame in found["frames"]) == len(rows)
    person = next(frame for frame in found["frames"] if frame["people"])["people"][0]
    assert np.shape(person["keypoints"]) == (17, 3)
    assert {"score", "box", "box_score"} <= person.keys()
    coco = json.loads((tmp_path / "out/coco_results.json").read_text())
    assert len(coco) == len(rows)
    assert {row["image_id"] for row in coco} == {row["image_id"] for row in rows}
    assert len(list((tmp_path / "out/pictures").iterdir())) == len(found["frames"]) == 4


def test_batches_of_frames_change_nothing(run, synthpose):
    images = synthpose / "coco/images/val2017"
    boxes = str(next((synthpose / "coco/person_detection_results").iterdir()))
    words = ["--boxes", boxes, "--no-pictures"]
    together = run(images, *words, "--frames", "3", "TEST.BATCH_SIZE_PER_GPU", "2")
    alone = run(images, *words, "--frames", "1")
    for one, other in zip(together["frames"], alone["frames"], strict=True):
        assert len(one["people"]) == len(other["people"])
        for a, b in zip(one["people"], other["people"], strict=True):
            assert a["box"] == b["box"]
            np.testing.assert_allclose(a["keypoints"], b["keypoints"], atol=0.02)


def test_video_with_tracks(run, synthpose, tmp_path):
    picture = cv2.imread(str(next((synthpose / "coco/images/val2017").iterdir())))
    height, width = picture.shape[:2]
    file = tmp_path / "walk.mp4"
    writer = cv2.VideoWriter(str(file), cv2.VideoWriter.fourcc(*"mp4v"), 10.0, (width, height))
    for _ in range(5):
        writer.write(picture)
    writer.release()
    found = run(file, "--smooth", "--frames", "2")
    assert [frame["people"][0]["track"] for frame in found["frames"]] == [1] * 5
    video = cv2.VideoCapture(str(tmp_path / "out/walk.mp4"))
    assert int(video.get(cv2.CAP_PROP_FRAME_COUNT)) == 5
    assert video.get(cv2.CAP_PROP_FPS) == 10


def test_nothing_readable(run, tmp_path):
    (tmp_path / "bad.jpg").write_bytes(b"broken")
    with pytest.raises(DataError, match="No frame"):
        run(tmp_path / "bad.jpg")
