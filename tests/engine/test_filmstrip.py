import json

import cv2
import numpy as np
import pytest
import tinyrcnn
import torch
import yaml
from run_folder import make_data
from scripts.killing import write_config
from toys.same import assert_same
from toys.toy_task import ToyTask, spot_at, toy_config

from lib.annotations.reading import read_annotations
from lib.config import load_config
from lib.datasets.topdown import person_crops
from lib.engine import fit
from lib.engine.filmstrip import (
    FilmStrip,
    Scene,
    build_filmstrip,
    choose_images,
    paint_rows,
    people_of,
    stacked,
    told_boxes,
)
from lib.structures.results import Poses
from lib.structures.skeleton import load_skeleton
from lib.tasks import build_task
from lib.tasks.topdown_crops import PictureCrops


class PoseTask(ToyTask):
    """Finds everybody's joints in the corner of the box it is told, and shows a map."""

    takes_boxes = True
    gives_heat = True
    skeleton = load_skeleton("coco")
    asked = ()

    def predict_image(self, model, image, boxes=None):
        assert not model.training
        self.asked = (*self.asked, boxes)
        torch.rand(1)  # draws as dropout would
        one = spot_at(*boxes[0, :2])
        keypoints = np.repeat(one.keypoints, 17, axis=1)
        return Poses(
            one.image_ids, keypoints, np.ones((1, 17), np.float32), one.scores, one.boxes,
            one.indices, one.crops,
        )  # fmt: skip

    def heat(self, model, image, boxes=None, joints=None):
        return np.zeros(image.shape[:2], np.float32)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    annotation, images, _ = make_data(tmp_path_factory.mktemp("data"))
    return annotation, f"{images}/"


@pytest.fixture
def truth(data):
    return read_annotations(data[0], data[1]).people


def strip_of(people, folder, count=2):
    task = PoseTask()
    scene = Scene(task, people, task.skeleton, choose_images(people, count))
    return task, FilmStrip([scene], folder)


def test_images_with_most_people_of_equal_parts_are_chosen(truth):
    counts = [len(people_of(truth, number)) for number in range(len(truth.images))]
    first, second = choose_images(truth, 2)
    half = len(counts) // 2
    assert counts[first] == max(counts[:half])
    assert counts[second] == max(counts[half:])
    everybody = choose_images(truth, 99)
    assert everybody == [number for number, count in enumerate(counts) if count]
    sizes = truth.areas[people_of(truth, first)]
    assert sizes.tolist() == sorted(sizes, reverse=True)


def test_rows_have_truth_found_and_maps(truth, tmp_path):
    task, strip = strip_of(truth, tmp_path)
    assert strip.paint(task.build_model(), 7) == {"samples": "samples/step_00000007.jpg"}
    picture = cv2.imread(str(tmp_path / "samples/step_00000007.jpg"))
    assert picture.shape[0] == 2 * (240 + 4)
    (one, _) = task.asked
    row = people_of(truth, strip.scenes[0].images[0])[0]
    x, y, width, height = truth.boxes[row]
    assert one[0] == pytest.approx([x, y, x + width, y + height], rel=1e-5)


def test_every_evaluation_of_a_run_leaves_a_frame_and_changes_nothing(data, tmp_path):
    places = {"DATASET__ANNOTATION_TEST": str(data[0]), "DATASET__IMAGES_TEST": data[1]}
    cfg = toy_config(END_EPOCH=2, TEST__SAMPLES=2, **places)
    fit(cfg, PoseTask(), tmp_path / "painted")
    fit(toy_config(END_EPOCH=2), PoseTask(), tmp_path / "plain")
    text = (tmp_path / "painted/metrics.jsonl").read_text()
    told = [line for line in map(json.loads, text.splitlines()) if line["kind"] == "pictures"]
    assert [line["step"] for line in told] == [5, 10]
    for line in told:
        assert (tmp_path / "painted" / line["pictures"]["samples"]).is_file()
    runs = [
        torch.load(tmp_path / name / "final_state.pth", weights_only=True)["state_dict"]
        for name in ("painted", "plain")
    ]
    assert_same(*runs)


def test_missing_picture_costs_a_warning_and_not_the_run(data, tmp_path, caplog):
    people = read_annotations(data[0], f"{tmp_path}/nowhere/").people
    task, strip = strip_of(people, tmp_path)
    assert strip.paint(task.build_model(), 1) == strip.paint(task.build_model(), 2) == {}
    assert caplog.text.count("No samples are painted any more") == 1


def test_split_that_cannot_be_shown_is_said(tmp_path, caplog):
    assert build_filmstrip(toy_config(TEST__SAMPLES=0), PoseTask(), tmp_path) is None
    assert not caplog.text
    cfg = toy_config(TEST__SAMPLES=2, DATASET__ROOT=str(tmp_path))
    assert build_filmstrip(cfg, PoseTask(), tmp_path) is None
    assert "TEST.SAMPLES: no samples are painted" in caplog.text


def test_rows_of_several_widths_are_stacked():
    rows = [np.full((5, width, 3), 9, np.uint8) for width in (3, 7)]
    assert stacked(rows).shape == (18, 7, 3)
    assert not stacked(rows)[:5, 3:].any()


def test_task_that_fails_costs_a_warning_and_not_the_run(truth, tmp_path, caplog):
    task, strip = strip_of(truth, tmp_path)
    task.predict_image = lambda *_: 1 / 0
    assert strip.paint(task.build_model(), 1) == strip.paint(task.build_model(), 2) == {}
    assert caplog.text.count("No samples are painted any more (division by zero)") == 1


CONFIGS = ("topdown", "bottomup", "mix", "mpii", "one-stage")


def config_of(kind, folder, synthpose):
    if kind == "one-stage":
        return tinyrcnn.write_config(folder, synthpose)
    for name in ("coco", "mpii", "crowdpose"):
        (folder / name).symlink_to(synthpose / name)
    file = write_config("topdown" if kind == "mpii" else kind, folder, "strip")
    if kind != "mpii":
        return file
    content = yaml.safe_load(file.read_text())
    content["DATASET"] = {"DATASET": "mpii", "ROOT": str(folder / "mpii")}
    content["DATASET"] |= {"TRAIN_SET": "train", "TEST_SET": "valid"}
    content["MODEL"]["NUM_JOINTS"] = 16
    file.write_text(yaml.safe_dump(content))
    return file


@pytest.mark.parametrize("kind", CONFIGS)
def test_every_kind_of_task_and_data_set_is_painted_by_default(kind, tmp_path, synthpose):
    cfg = load_config(config_of(kind, tmp_path, synthpose))
    task = build_task(cfg)
    strip = build_filmstrip(cfg, task, tmp_path)
    network = task.build_model()
    names = {"mix": ["coco", "mpii"]}.get(kind, [""])
    assert [scene.name for scene in strip.scenes] == names
    assert strip.paint(network, 3) == {"samples": "samples/step_00000003.jpg"}
    picture = cv2.imread(str(tmp_path / "samples/step_00000003.jpg"))
    assert picture.shape[0] == 244 * sum(len(scene.images) for scene in strip.scenes)
    scene = strip.scenes[-1]
    with torch.no_grad():
        row, *_ = paint_rows(scene, network.eval())
    pixels = scene.people.images.read(scene.images[0])
    width = round(240 * pixels.shape[1] / pixels.shape[0])
    assert row.shape == (240, (2 + task.gives_heat) * (width + 4) - 4, 3)


def test_boxes_lead_to_the_crops_that_mpii_is_tested_with(synthpose, tmp_path):
    cfg = load_config(
        config_of("mpii", tmp_path, synthpose),
        ["MODEL.IMAGE_SIZE=[96,96]", "MODEL.HEATMAP_SIZE=[24,24]", "TEST.SAMPLES=4"],
    )
    task = build_task(cfg)
    (scene,) = build_filmstrip(cfg, task, tmp_path).scenes
    rows = people_of(scene.people, scene.images[0])
    pixels = scene.people.images.read(scene.images[0])
    crops = PictureCrops([pixels], [told_boxes(scene.people, rows)], task.codec, 8).crops
    wanted = person_crops(scene.people.select(rows), task.codec.input_size)
    np.testing.assert_allclose(crops, wanted, rtol=1e-5, atol=1e-3)
