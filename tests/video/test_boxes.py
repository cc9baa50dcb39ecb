"""Boxes by name, by number, and from detectors."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torchvision.models import detection

from lib.utils.errors import DataError, WeightsError
from lib.video.boxes import FileBoxes, LookAgain, TorchvisionDetector, WholeFrame
from lib.video.sources import Frame

FRAMES = [
    Frame(np.zeros((30, 40, 3), np.uint8), name, n)
    for n, name in enumerate(["000000000139.jpg", "walk_000001", "none.jpg"])
]


def write(path, content):
    path.write_text(json.dumps(content))
    return path


def test_coco_detections(tmp_path):
    rows = [
        {"image_id": 139, "category_id": 1, "bbox": [1, 2, 10, 20], "score": 0.9},
        {"image_id": 139, "category_id": 1, "bbox": [1, 2, 10, 20], "score": 0.2},
        {"image_id": 139, "category_id": 3, "bbox": [1, 2, 10, 20], "score": 0.9},
        {"image_id": 1, "category_id": 1, "bbox": [0, 0, 5, 5], "score": 0.4},
    ]
    found = FileBoxes(write(tmp_path / "b.json", rows), 0.3).find(FRAMES)
    np.testing.assert_allclose(found[0], [[1, 2, 11, 22, 0.9]])
    np.testing.assert_allclose(found[1], [[0, 0, 5, 5, 0.4]])
    assert found[2].shape == (0, 5)


def test_names(tmp_path):
    content = {"none.jpg": [[1, 2, 3, 4], [5, 6, 7, 8, 0.5]]}
    found = FileBoxes(write(tmp_path / "b.json", content), 0.3).find(FRAMES)
    np.testing.assert_allclose(found[2], [[1, 2, 3, 4, 1], [5, 6, 7, 8, 0.5]])


def test_annotations(tmp_path):
    content = {
        "images": [{"id": 7, "file_name": "walk_000001"}, {"id": 8, "file_name": "none.jpg"}],
        "annotations": [
            {"image_id": 7, "category_id": 5, "bbox": [1, 2, 10, 20], "keypoints": [1, 2, 2]},
            {"image_id": 7, "category_id": 9, "bbox": [0, 0, 9, 9]},  # no person: nobody's joints
            {"image_id": 7, "bbox": [3, 3, 9, 9], "keypoints": [0, 0, 0], "iscrowd": 1},
            {"image_id": 8, "category_id": 5, "bbox": [4, 5, 6, 7], "keypoints": [0, 0, 0]},
        ],
    }
    found = FileBoxes(write(tmp_path / "b.json", content), 0.3).find(FRAMES)
    assert [boxes.tolist() for boxes in found] == [[], [[1, 2, 11, 22, 1]], [[4, 5, 10, 12, 1]]]
    for row in content["annotations"]:
        row.pop("keypoints", None)
    found = FileBoxes(write(tmp_path / "b.json", content), 0.3).find(FRAMES)
    assert [len(boxes) for boxes in found] == [0, 2, 1]


@pytest.mark.parametrize(
    "content",
    [
        [{"image_id": 1}],
        {"a.jpg": [[1, 2]]},
        {"a.jpg": 3},
        5,
        {"a": [[1, 2, 3, float("nan")]]},
        {"images": [], "annotations": [{"image_id": 1, "bbox": [1, 2, 3, 4]}]},
    ],
)
def test_other_files_are_refused(tmp_path, content):
    with pytest.raises(DataError, match="must be a COCO detector or annotation file"):
        FileBoxes(write(tmp_path / "b.json", content), 0.3)


def test_missing_and_damaged_files(tmp_path):
    with pytest.raises(DataError, match="No box file"):
        FileBoxes(tmp_path / "none.json", 0.3)
    (tmp_path / "b.json").write_text("{")
    with pytest.raises(DataError, match="not JSON"):
        FileBoxes(tmp_path / "b.json", 0.3)


def test_whole_frame():
    np.testing.assert_array_equal(WholeFrame().find(FRAMES)[0], [[0, 0, 40, 30, 1]])


def test_torchvision(tmp_path):
    name, cpu = "ssdlite320_mobilenet_v3_large", torch.device("cpu")
    torch.manual_seed(0)
    network = getattr(detection, name)(weights=None, weights_backbone=None)
    torch.save(network.state_dict(), tmp_path / "w.pth")
    detector = TorchvisionDetector(tmp_path / "w.pth", name, cpu, 0.0)
    found = detector.find(FRAMES[:2])
    assert len(found) == 2
    assert found[0].shape[1] == 5
    with pytest.raises(WeightsError, match="--detector-name"):
        TorchvisionDetector(tmp_path / "w.pth", "fcos_resnet50_fpn", cpu, 0.0)
    with pytest.raises(WeightsError, match="No weight file"):
        TorchvisionDetector(tmp_path / "none.pth", name, cpu, 0.0)
    torch.save({"model": network.state_dict()}, tmp_path / "w.pth")  # a training's own file
    again = TorchvisionDetector(tmp_path / "w.pth", name, cpu, 0.0).find(FRAMES[:1])
    np.testing.assert_array_equal(again[0], found[0])


@pytest.mark.parametrize("content", [b"", b"broken" * 1000, b"version https://git-lfs.github.com"])
def test_damaged_detectors_are_one_sentence(tmp_path, content):
    (tmp_path / "w.pth").write_bytes(content)
    with pytest.raises(WeightsError, match=r"w\.pth is damaged") as error:
        TorchvisionDetector(
            tmp_path / "w.pth", "ssdlite320_mobilenet_v3_large", torch.device("cpu"), 0.0
        )
    assert "weights_only" not in str(error.value)  # torch's advice to turn it off


class Seer:
    """Sees the joints of a person at (300, 200)-(360, 320), the better the closer it looks."""

    def __init__(self, seen=3):
        self.asked = []
        self.seen = seen

    def predict_batch(self, images, boxes=None):
        self.asked.append([table.copy() for table in boxes])
        keypoints = np.array([[300, 200], [360, 320], [330, 260], [5, 5]], np.float32)
        scores = np.array([0.9] * self.seen + [0.05] * (4 - self.seen), np.float32)
        return [[SimpleNamespace(keypoints=keypoints, keypoint_scores=scores)] for _ in images]


def test_a_model_looks_again_where_it_saw_joints():
    frame = Frame(np.zeros((321, 500, 3), np.uint8), "a", 1)
    seer = Seer()
    (box,) = LookAgain(seer).find([frame])
    assert seer.asked[0][0].tolist() == [[0, 0, 500, 321]]
    margin = 0.1 * 120 + 1
    wanted = [300 - margin, 200 - margin, 360 + margin, 321, 1]  # cut at the lower border
    assert box.tolist() == [pytest.approx(wanted)]
    assert seer.asked[1][0].tolist() == [pytest.approx(wanted[:4])]


def test_a_model_that_sees_too_little_keeps_the_frame():
    frame = Frame(np.zeros((321, 500, 3), np.uint8), "a", 1)
    assert LookAgain(Seer(seen=2)).find([frame])[0].tolist() == [[0, 0, 500, 321, 1]]
