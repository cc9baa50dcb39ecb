"""What a caller of ``PoseEstimator`` may hand in, and what mistakes are called."""

import json
import shutil

import cv2
import numpy as np
import pytest
import torch
from tinyrcnn import write_config
from tool_loader import load_script
from torchvision.models import detection

from lib.api import PoseEstimator, open_detector
from lib.config import load_config
from lib.structures.skeleton import load_skeleton
from lib.tasks import build_task
from lib.tasks.card import build_card
from lib.utils.errors import DataError, UserError
from lib.video.boxes import OwnDetector, TorchvisionDetector
from lib.video.sources import Frame
from lib.zoo.card import read_card

IMAGE = np.full((50, 70, 3), 90, np.uint8)


@pytest.fixture
def estimator(tiny_config):
    return PoseEstimator.from_config(load_config(tiny_config), device="cpu")


def test_a_file_that_opencv_could_not_read(estimator, tmp_path):
    with pytest.raises(DataError, match=r"image is None.*check the path"):
        estimator.predict(cv2.imread(str(tmp_path / "none.jpg")), boxes=[[10, 20, 40, 50]])
    with pytest.raises(DataError, match="image is None"):
        estimator.predict_batch([IMAGE, None])


@pytest.mark.parametrize(
    ("image", "boxes", "message"),
    [
        ("photo.jpg", None, "got str"),
        (IMAGE[..., 0], None, r"got \(50, 70\) uint8"),
        (IMAGE / 255, None, "got .* float64"),
        (IMAGE[:0], None, r"got \(0, 70, 3\)"),
        (IMAGE, [1, 2, 3, 4], r"got \(4,\)"),
        (IMAGE, [[1, 2, 3, 4], [5]], "numbers x1, y1"),
        (IMAGE, [["a", 1, 2, 3]], "numbers x1, y1"),
        (IMAGE, [[1, 2, 3, float("nan")]], "finite"),
    ],
)
def test_arguments_of_another_kind(estimator, image, boxes, message):
    with pytest.raises(ValueError, match=message):
        estimator.predict(image, boxes)


def test_boxes_may_be_lists_arrays_or_nothing(estimator):
    (pose,) = estimator.predict(IMAGE, [[10, 20, 40, 50]])
    (same,) = estimator.predict(IMAGE, np.array([[10, 20, 40, 50]], np.float32))
    np.testing.assert_array_equal(pose.keypoints, same.keypoints)
    assert estimator.predict(IMAGE, []) == []
    (whole,) = estimator.predict(IMAGE)
    np.testing.assert_array_equal(whole.box, [0, 0, 70, 50])


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ([40, 20, 30, 45], r"no area.*not x, y, width, height"),
        ([10, 20, 10, 20], "no area"),
        ([900, 900, 950, 990], "outside the picture of 70 x 50"),
    ],
)
def test_a_box_that_is_none_is_refused(estimator, box, message):
    with pytest.raises(ValueError, match=message):
        estimator.predict(IMAGE, [[5, 5, 60, 45], box])


def test_views_and_read_only_images_are_taken(estimator):
    frozen = IMAGE.copy()
    frozen.setflags(write=False)
    for view in (IMAGE[..., ::-1], IMAGE[:, ::-1], IMAGE[5:45, 3:61], frozen):
        (one,), (other,) = estimator.predict(view), estimator.predict(view.copy())
        np.testing.assert_allclose(one.keypoints, other.keypoints)


def test_people_of_a_stream_are_those_of_its_pictures(estimator, tmp_path):
    for n in range(3):
        cv2.imwrite(str(tmp_path / f"{n}.png"), noise(n))
    stream = estimator.stream(str(tmp_path), frames=2)
    found = [(frame.name, people) for frame, people, _ in stream]
    assert [name for name, _ in found] == ["0.png", "1.png", "2.png"]
    for n, (_, people) in enumerate(found):
        (alone,) = estimator.predict(noise(n))
        np.testing.assert_allclose(people[0].keypoints, alone.keypoints, atol=0.02)
    for words in ({"frames": 0}, {"limit": 0}):
        with pytest.raises(ValueError, match="count from 1"):
            estimator.stream(str(tmp_path), **words)


def test_heat_lies_in_the_boxes_and_follows_the_joints(estimator):
    with torch.no_grad():  # an answer that is seen: the first joint at the top, the others below
        head = [m for m in estimator.network.modules() if isinstance(m, torch.nn.Conv2d)][-1]
        head.weight.zero_()
        head.bias.copy_(torch.tensor([0.75] + [0.25] * 16))
    heat = estimator.heat(IMAGE, [[20, 10, 40, 40]])
    assert heat.shape == (50, 70)
    assert heat[25, 30] == pytest.approx(0.75, abs=1e-6)
    assert heat[:, 60:].max() == 0
    assert estimator.heat(IMAGE, [[20, 10, 40, 40]], joints=[3, 5])[25, 30] == pytest.approx(0.25)
    assert estimator.heat(IMAGE)[2:-2, 2:-2].min() == pytest.approx(0.75)
    with pytest.raises(ValueError, match="no area"):
        estimator.heat(IMAGE, [[20, 10, 10, 40]])


def trained(tiny_config, *words):
    """Train a tiny model; return the run folder."""
    words = ["TRAIN.END_EPOCH=1", "TRAIN.LR_STEP=[1]", *words]
    load_script("tools/train.py").main(["--cfg", str(tiny_config), *words])
    return tiny_config.parent / "output/coco/pose_hrnet" / tiny_config.stem


def noise(seed=0):
    return np.random.default_rng(seed).integers(0, 255, (120, 160, 3), np.uint8)


def test_a_trained_file_alone_gives_the_same_joints(tiny_config, tmp_path, monkeypatch, home):
    skeleton = tmp_path / "mine.yaml"  # joints that nothing installed knows
    joints = [f"left_{n}" for n in range(8)] + [f"right_{n}" for n in range(8)] + ["top"]
    skeleton.write_text(json.dumps({"name": "mine", "joints": joints, "limbs": [[0, 16]]}))
    words = [f"DATASET.SKELETON={skeleton}", "TRAIN.FORMAT=safetensors", "TEST.EVALUATOR=auto"]
    run = trained(tiny_config, *words)
    assert sorted(path.name for path in run.glob("model_best*")) == ["model_best.safetensors"]
    there = PoseEstimator.from_config(
        load_config(run / "config.yaml"), run / "model_best.safetensors", "cpu"
    )
    wanted = there.predict(noise())
    away = tmp_path / "elsewhere"
    away.mkdir()
    shutil.move(run / "model_best.safetensors", away / "w.safetensors")
    for path in (run, tmp_path / "output", skeleton, tiny_config):
        shutil.rmtree(path, ignore_errors=True)
        path.unlink(missing_ok=True)
    monkeypatch.chdir(away)
    found = PoseEstimator.from_pretrained("w.safetensors", device="cpu")
    assert found.skeleton.joints == tuple(joints)
    assert found.skeleton.limbs == ((0, 16),)
    np.testing.assert_array_equal(found.predict(noise())[0].keypoints, wanted[0].keypoints)
    np.testing.assert_array_equal(
        found.predict(noise())[0].keypoint_scores, wanted[0].keypoint_scores
    )


def test_a_card_says_what_was_trained_and_what_it_scored(tiny_config, synthpose):
    run = trained(tiny_config)
    card = read_card(run / "model_best.pth")
    assert card["model"] == "pose_hrnet"
    assert card["skeleton"]["name"] == "coco"
    assert "AP" in card["scores"]["metrics"]
    assert card["scores"]["boxes"] == "annotated"
    (data,) = card["data"]
    assert data["file"] == "person_keypoints_train2017.json"
    assert len(data["sha256"]) == 64
    found = PoseEstimator.from_pretrained(run, device="cpu", overrides=["TEST.FLIP_TEST=false"])
    assert found.task.describe()["flip"] is False


def test_a_name_of_the_zoo_is_fetched_and_filled(own_index, site, tiny_config):
    torch.manual_seed(1)
    network = PoseEstimator.from_config(load_config(tiny_config, ["TEST.FOLD_BN=false"])).network
    torch.save(network.state_dict(), tiny_config.parent / "w.pth")
    site.files["w.pth"] = (tiny_config.parent / "w.pth").read_bytes()
    own_index({"weights": {"m": {"url": site.address("w.pth"), "experiment": "tiny.yaml"}}})
    found = PoseEstimator.from_pretrained("m", device="cpu")
    same = PoseEstimator.from_config(load_config(tiny_config), tiny_config.parent / "w.pth", "cpu")
    other = PoseEstimator.from_config(load_config(tiny_config), site.address("w.pth"), "cpu")
    wanted = same.predict(noise())[0].keypoints
    for estimator in (found, other):
        np.testing.assert_array_equal(estimator.predict(noise())[0].keypoints, wanted)
    assert found.skeleton == load_skeleton("coco")


def test_detectors_by_name_and_by_file(own_index, site, tmp_path, tiny_config):
    name = "ssdlite320_mobilenet_v3_large"
    torch.manual_seed(0)
    state = getattr(detection, name)(weights=None, weights_backbone=None).state_dict()
    torch.save(state, tmp_path / "d.pth")
    site.files["d.pth"] = (tmp_path / "d.pth").read_bytes()
    entry = {"url": site.address("d.pth"), "use": "detector", "network": name}
    own_index({"weights": {"find": entry}})
    cpu = torch.device("cpu")
    assert isinstance(open_detector("find", cpu, 0.3), TorchvisionDetector)
    assert isinstance(open_detector(tmp_path / "d.pth", cpu, 0.3, name), TorchvisionDetector)
    with pytest.raises(UserError, match="needs boxes itself"):
        open_detector(trained(tiny_config) / "model_best.pth", cpu, 0.3)
    with pytest.raises(UserError, match="start weights, not a pose model"):
        open_detector("resnet50_imagenet", cpu, 0.3)


def test_a_model_that_finds_people_is_a_detector(tmp_path, synthpose, home):
    cfg = load_config(write_config(tmp_path, synthpose))
    task = build_task(cfg)
    state = task.build_model().state_dict()
    torch.save({"state_dict": state, "meta": build_card(cfg, task)}, tmp_path / "w.pth")
    found = open_detector(tmp_path / "w.pth", torch.device("cpu"), 0.3)
    assert isinstance(found, OwnDetector)
    (table,) = found.find([Frame(noise(), "a", 0)])
    assert table.shape[1] == 5
