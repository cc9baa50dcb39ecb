"""Detectors of others: every layout of outputs, every kind of pixels, and a real file."""

import logging

import numpy as np
import pytest
import torch
from torch import nn

from lib.utils.errors import WeightsError
from lib.video import onnx_detector
from lib.video.onnx_detector import OnnxDetector, fit, read_outputs
from lib.video.sources import Frame, ImageSource

SIZE = (96, 64)  # width, height: 12 x 8, 6 x 4 and 3 x 2 cells
CELLS = 96 + 24 + 6


def yolox(boxes, classes=3, decoded=False):
    """Return (1, N, 5 + classes) that says ``boxes`` (cell, x1, y1, x2, y2, object, person)."""
    table = np.zeros((CELLS, 5 + classes), np.float32)
    table[:, :4] = [0.5, 0.5, 0.1, -0.1]
    for cell, x1, y1, x2, y2, thing, person in boxes:
        centre, sides = np.array([x1 + x2, y1 + y2]) / 2, np.array([x2 - x1, y2 - y1])
        stride, first, wide = (8, 0, 12) if cell < 96 else (16, 96, 6)
        corner = np.array([(cell - first) % wide, (cell - first) // wide])
        table[cell, :2] = centre / stride - corner
        table[cell, 2:4] = np.log(sides / stride)
        table[cell, 4:6] = thing, person
        table[cell, 6:] = 1 - person
    if decoded:
        for first, stride, wide, count in ((0, 8, 12, 96), (96, 16, 6, 24), (120, 32, 3, 6)):
            rows = table[first : first + count]
            cells = np.arange(count)
            corners = np.stack([cells % wide, cells // wide], 1)
            rows[:, :2] = (rows[:, :2] + corners) * stride
            rows[:, 2:4] = np.exp(rows[:, 2:4]) * stride
    return table[None]


@pytest.mark.parametrize("decoded", [False, True])
@pytest.mark.parametrize("classes", [1, 3])
def test_yolox_is_decoded_unless_the_file_did(decoded, classes):
    boxes = [(30, 41, 3, 61, 35, 0.9, 0.8), (110, 10, 20, 40, 60, 0.5, 1.0)]
    found = read_outputs([yolox(boxes, classes, decoded)], SIZE)
    np.testing.assert_allclose(
        found, [[41, 3, 61, 35, 0.72], [10, 20, 40, 60, 0.5]], rtol=1e-5, atol=1e-4
    )


def test_of_two_boxes_on_one_person_the_surer_stays():
    boxes = [(30, 40, 3, 60, 35, 0.5, 0.8), (31, 41, 3, 61, 35, 0.9, 0.8), (5, 0, 0, 9, 30, 0.3, 1)]
    found = read_outputs([yolox(boxes)], SIZE)
    np.testing.assert_allclose(found[:, 4], [0.72, 0.3], rtol=1e-5)


DETS = np.array([[1, 2, 30, 40, 0.9], [5, 6, 17, 28, 0.8], [9, 9, 10, 10, 0.7]], np.float32)


@pytest.mark.parametrize(
    "tables",
    [
        [DETS[None], np.array([[0, 2, 0]])],  # RTMDet
        [np.array([[0, 2, 0]], np.int32), DETS[None]],
        [np.concatenate([DETS, [[0], [2], [0]]], 1)[None].astype(np.float32)],
        [DETS[:, :4], np.array([1, 3, 1]), DETS[:, 4]],  # torchvision
    ],
)
def test_detectors_that_end_with_boxes(tables):
    np.testing.assert_array_equal(read_outputs(tables, SIZE), DETS[[0, 2]])


@pytest.mark.parametrize(
    "shapes", [[(1, 17, 24, 16)], [(1, 100, 4)], [(1, 50, 7)], [(1, 3, 5)], [(3, 4), (3,)], []]
)
def test_other_outputs_are_nothing(shapes):
    assert read_outputs([np.zeros(shape, np.float32) for shape in shapes], SIZE) is None


def test_a_picture_fills_the_corner():
    canvas, ratio = fit(np.full((100, 50, 3), 7, np.uint8), SIZE)
    assert ratio == pytest.approx(0.64)
    assert canvas.shape == (64, 96, 3)
    assert (canvas[:, :32] == 7).all()
    assert (canvas[:, 32:] == onnx_detector.GREY).all()


class Scripted(nn.Module):
    """In the place of a file: sure of a person if the top left pixel is as wanted."""

    def __init__(self, wanted):
        super().__init__()
        self.wanted, self.input_shape, self.calls = wanted, [1, 3, 64, 96], 0

    def forward(self, images):
        self.calls += 1
        score = 0.9 if np.allclose(images[0, :, 0, 0], self.wanted, atol=1e-3) else 0.2
        return [torch.tensor([[[3.0, 6.0, 12.0, 60.0, score]]]), torch.tensor([[0]])]


def scripted(monkeypatch, wanted):
    network = Scripted(wanted)
    monkeypatch.setattr(onnx_detector, "OnnxNetwork", lambda *_, **__: network)
    return network, OnnxDetector("x.onnx", 0.3)


@pytest.mark.parametrize(
    "wanted",
    [
        (30, 60, 90),
        ((30 - 103.53) / 57.375, (60 - 116.28) / 57.12, (90 - 123.675) / 58.395),
        (90 / 255, 60 / 255, 30 / 255),
        ((90 - 123.675) / 58.395, (60 - 116.28) / 57.12, (30 - 103.53) / 57.375),
    ],
)
def test_the_kind_of_pixels_is_found_once(monkeypatch, wanted, caplog):
    network, detector = scripted(monkeypatch, wanted)
    image = np.full((128, 100, 3), (30, 60, 90), np.uint8)
    with caplog.at_level(logging.INFO):
        first, second = detector.find([Frame(image, "a", 0), Frame(image, "b", 1)])
    np.testing.assert_allclose(first, [[6, 12, 24, 120, 0.9]], rtol=1e-6)
    np.testing.assert_array_equal(first, second)
    assert network.calls == len(onnx_detector.PIXELS) + 1
    assert "pixels are" in caplog.text


def test_pictures_without_people_settle_nothing(monkeypatch):
    network, detector = scripted(monkeypatch, (1, 2, 3))
    image = np.zeros((64, 96, 3), np.uint8)
    found = detector.find([Frame(image, "a", 0), Frame(image, "b", 1)])
    assert [table.shape for table in found] == [(0, 5), (0, 5)]
    assert network.calls == 2 * len(onnx_detector.PIXELS)


def test_boxes_stay_inside_the_picture(monkeypatch):
    _, detector = scripted(monkeypatch, (0, 0, 0))
    (found,) = detector.find([Frame(np.zeros((50, 75, 3), np.uint8), "a", 0)])
    assert found[0, 3] == pytest.approx(46.875)
    (found,) = detector.find([Frame(np.zeros((40, 96, 3), np.uint8), "a", 0)])
    assert found[0, 3] == 40


def test_a_pose_model_is_no_detector(monkeypatch):
    network, detector = scripted(monkeypatch, (0, 0, 0))
    network.forward = lambda images: torch.zeros(1, 17, 16, 12)
    with pytest.raises(WeightsError, match=r"gives \(1, 17, 16, 12\), which is not a known layout"):
        detector.find([Frame(np.zeros((50, 75, 3), np.uint8), "a", 0)])


@pytest.mark.slow
def test_a_real_file_finds_the_people_of_photographs(shared):
    pytest.importorskip("onnxruntime")
    data = shared / "data"
    images = data / "coco/images/val2017"
    if not images.is_dir():
        pytest.skip(f"no real images in {data}")
    detector = OnnxDetector(data / "peers/yolox_nano_416.onnx", 0.05)
    rows = [
        {
            "image_id": int(frame.name.partition(".")[0]),
            "category_id": 1,
            "bbox": [float(n) for n in (x1, y1, x2 - x1, y2 - y1)],
            "score": float(score),
        }
        for frame in ImageSource(map(str, sorted(images.glob("*.jpg"))))
        for x1, y1, x2, y2, score in detector.find([frame])[0]
    ]
    truth = data / "coco/annotations/person_keypoints_val2017.json"
    assert box_ap(truth, rows) >= 0.50


def box_ap(truth, rows):
    coco = pytest.importorskip("pycocotools.coco")
    from pycocotools.cocoeval import COCOeval

    dataset = coco.COCO(str(truth))
    scored = COCOeval(dataset, dataset.loadRes(rows), "bbox")
    scored.params.catIds = [1]
    scored.evaluate()
    scored.accumulate()
    scored.summarize()
    return scored.stats[0]
