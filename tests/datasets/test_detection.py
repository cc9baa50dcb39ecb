"""Whole images: what is learnt from them, mirrored or not, and what is not."""

import json
import logging

import cv2
import numpy as np
import pytest
import torch
from textbook import people as textbook

from lib.annotations.reading import ReadOptions, read_annotations
from lib.datasets.detection import (
    TrainImages,
    WholeImages,
    collate_targets,
    image_loader,
    image_people,
    mirror_people,
)
from lib.datasets.image_view import ImageAugmentation
from lib.datasets.stages import PartStages, Stages
from lib.utils.errors import DataError

NAMES = ["nose", "left_eye", "right_eye"]
FLIP = np.array([0, 2, 1])
SIZES = {1: (50, 30), 2: (20, 40), 3: (31, 31), 4: (64, 16), 5: (10, 90)}


def person(number, image, box, keypoints, **more):
    return {
        "id": number,
        "image_id": image,
        "category_id": 1,
        "bbox": box,
        "area": box[2] * box[3],
        "keypoints": keypoints,
        "num_keypoints": sum(v > 0 for v in keypoints[2::3]),
        "iscrowd": 0,
        **more,
    }


PEOPLE = [
    person(1, 2, [2, 3, 10, 20], [3, 4, 2, 5, 6, 1, 0, 0, 0]),
    person(2, 1, [-5, 10, 20, 30], [49.5, 29.5, 2, 49.6, 12, 2, -0.5, 3, 1]),  # over two edges
    person(3, 1, [10, 5, 8, 8], [0] * 9),  # nobody annotated its joints
    person(4, 1, [1, 1, 40, 20], [7, 7, 2, 8, 8, 2, 0, 0, 0], iscrowd=1),
    person(5, 3, [4, 4, 0, 9], [5, 5, 2, 0, 0, 0, 0, 0, 0]),  # no area
    person(6, 3, [40, 40, 9, 9], [0] * 9),  # outside
    person(7, 4, [0, 0, 64, 16], [10, 5, 2, 20, 5, 2, 30, 5, 2]),
]


@pytest.fixture
def folder(tmp_path):
    images = []
    for number, (width, height) in SIZES.items():
        pixels = np.zeros((height, width, 3), np.uint8)
        pixels[:, : width // 2] = number  # left half
        cv2.imwrite(str(tmp_path / f"{number}.png"), pixels)
        size = {"width": width, "height": height}
        images.append({"id": number, "file_name": f"{number}.png", **size})
    write(tmp_path, images, PEOPLE)
    return tmp_path


def write(folder, images, people):
    content = {
        "images": images,
        "annotations": people,
        "categories": [{"id": 1, "name": "person", "keypoints": NAMES}],
    }
    (folder / "people.json").write_text(json.dumps(content))


def read(folder):
    return image_people(read_annotations(folder / "people.json", f"{folder}/"))


def train_images(folder, **changes):
    people, flip = read(folder), changes.pop("flip", 0.0)
    stages = PartStages.of([Stages(ImageAugmentation(flip=flip))], [len(people.images)])
    options = {"seed": 3, "min_keypoints": 1, "max_bad_images": 1, **changes}
    return TrainImages(people, FLIP, stages=stages, **options)


def test_targets_equal_the_definition(folder):
    people = read(folder)
    for row, image_id in enumerate(people.images.ids.tolist()):
        rows = [p for p in PEOPLE if p["image_id"] == image_id]
        boxes, keypoints = textbook.target(rows, *SIZES[image_id])
        found = slice(people.starts[row], people.starts[row + 1])
        assert np.array_equal(people.boxes[found], np.array(boxes, np.float32).reshape(-1, 4))
        wanted = np.array(keypoints, np.float32).reshape(-1, 3, 3)
        assert np.allclose(people.keypoints[found], wanted)


def test_joints_move_by_half_a_pixel_and_boxes_do_not(folder):
    sample = train_images(folder)[0, 1]
    assert sample["image_id"] == 2
    assert sample["boxes"].tolist() == [[2, 3, 12, 23]]
    assert sample["keypoints"][0].tolist() == [[3.5, 4.5, 2], [5.5, 6.5, 1], [0, 0, 0]]


def test_edges_of_the_image_belong_to_it(folder):
    keypoints = read(folder).keypoints[0]
    assert keypoints[0].tolist() == [50, 30, 2]  # 49.5 + 0.5: on the corner
    assert keypoints[1].tolist() == [0, 0, 0]  # 49.6 + 0.5 > 50
    assert keypoints[2].tolist() == [0, 3.5, 1]


def test_what_is_left_out_is_counted_in_the_log(folder, caplog):
    with caplog.at_level(logging.WARNING):
        people = read(folder)
    assert "2 boxes without area" in caplog.text
    assert len(people.boxes) == 4
    assert people.starts.tolist() == [0, 2, 3, 3, 4, 4]


def test_images_without_joints_are_left_out_of_training(folder):
    data = train_images(folder)
    # Image 3 has a labelled joint (of a person without area), image 5 nobody.
    assert [data[0, i]["image_id"] for i in range(len(data))] == [1, 2, 3, 4]
    assert data[0, 2]["boxes"].shape == (0, 4)
    assert data[0, 2]["keypoints"].shape == (0, 3, 3)
    # Image 1: two inside of its person, two of its crowd region.
    assert read(folder).labelled.tolist() == [4, 2, 1, 3, 0]
    assert len(train_images(folder, min_keypoints=3)) == 2
    with pytest.raises(DataError, match=r"None of the 5 training images.*MIN_KEYPOINTS"):
        train_images(folder, min_keypoints=9)


def test_a_painted_pixel_and_its_joint_are_mirrored_alike(folder):
    image = np.zeros((30, 50, 3), np.uint8)
    image[12, 7] = 255
    cv2.imwrite(str(folder / "1.png"), image)
    images = [{"id": 1, "file_name": "1.png", "width": 50, "height": 30}]
    write(folder, images, [person(1, 1, [5, 10, 9, 11], [0, 0, 0, 7, 12, 2, 0, 0, 0])])
    sample = train_images(folder, flip=1.0)[0, 0]
    row, column = np.argwhere(sample["image"][..., 0] == 255)[0].tolist()
    assert sample["keypoints"][0, 2].tolist() == [column + 0.5, row + 0.5, 2]  # the other eye
    assert not sample["keypoints"][0, :2].any()
    assert sample["boxes"].tolist() == [[50 - 14, 10, 50 - 5, 21]]
    assert sample["image"].flags.c_contiguous


def test_mirroring_twice_changes_nothing():
    boxes = np.array([[1.0, 2, 5, 9]], np.float32)
    keypoints = np.array([[[3.0, 4, 2], [0, 0, 0], [4.5, 8, 1]]], np.float32)
    twice = mirror_people(*mirror_people(boxes, keypoints, 17, FLIP), 17, FLIP)
    assert np.array_equal(twice[0], boxes)
    assert np.array_equal(twice[1], keypoints)


def test_samples_depend_on_their_key_only(folder):
    data = train_images(folder, flip=0.5)
    again = train_images(folder, flip=0.5)
    mirrored = []
    for epoch in range(8):
        first, second = data[epoch, 0], again[epoch, 0]
        assert np.array_equal(first["image"], second["image"])
        assert np.array_equal(first["boxes"], second["boxes"])
        mirrored.append(first["image"][0, 0, 0] == 0)
    assert 0 < sum(mirrored) < 8


def test_samples_are_named_by_file_and_id(folder):
    assert train_images(folder, min_keypoints=2).name(2) == f"{folder}/4.png (image 4)"


def test_aspect_groups(folder):
    assert train_images(folder).aspect_groups() == [0, 1, 1, 0]


def test_unreadable_and_misfitting_images_are_skipped_up_to_a_limit(folder, caplog):
    data = train_images(folder)
    (folder / "1.png").write_bytes(b"nothing")
    assert data[0, 0]["image_id"] == 2
    assert str(folder / "1.png") in caplog.text
    assert data[1, 0]["image_id"] == 2  # known already
    cv2.imwrite(str(folder / "2.png"), np.zeros((10, 10, 3), np.uint8))
    with pytest.raises(DataError, match="2 training images cannot be read"):
        data[0, 0]


def test_grey_and_transparent_images_become_three_channels(folder):
    cv2.imwrite(str(folder / "1.png"), np.full((30, 50), 9, np.uint8))
    cv2.imwrite(str(folder / "2.png"), np.full((40, 20, 4), 9, np.uint8))
    data = train_images(folder)
    assert [data[0, i]["image"].shape for i in (0, 1)] == [(30, 50, 3), (40, 20, 3)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bbox": [1, 2, float("nan"), 4]}, "'bbox' .* of annotation 7"),
        ({"bbox": [1, 2, float("inf"), 4]}, "finite"),
        ({"keypoints": [float("inf"), 5, 2, 0, 0, 0, 0, 0, 0]}, "annotation 7 has a joint"),
        ({"keypoints": [1, 5, 2] * 4}, "has 4 joints .* the skeleton .* has 3"),
    ],
)
def test_bad_annotations_are_named(folder, change, message):
    rows = [*PEOPLE[:-1], {**PEOPLE[-1], **change}]
    write(folder, json.loads((folder / "people.json").read_text())["images"], rows)
    with pytest.raises(DataError, match=message):
        read(folder)


def test_batches_for_training(folder):
    data = train_images(folder)
    batch = collate_targets([data[0, 0], data[0, 2]])
    assert [tuple(image.shape) for image in batch["images"]] == [(30, 50, 3), (31, 31, 3)]
    first, second = batch["targets"]
    assert first["labels"].tolist() == [1, 1]
    assert first["keypoints"].dtype == torch.float32
    assert first["image_id"] == 1
    assert second["boxes"].shape == (0, 4)


@pytest.mark.parametrize("world", [1, 2, 3])
def test_shards_hold_every_image_once_and_like_shapes_together(folder, world):
    images = WholeImages(read_annotations(folder / "people.json", f"{folder}/").images)
    seen = []
    for rank in range(world):
        loader = image_loader(images, batch_size=2, workers=0, rank=rank, world=world)
        rows = [row for batch in loader for row in batch["indices"]]
        shapes = [image.shape for batch in loader for image in batch["images"]]
        ratios = [shape[1] / shape[0] for shape in shapes]
        assert ratios == sorted(ratios)
        assert rows == [images.images.ids.tolist().index(SIZE_IDS[s[1], s[0]]) for s in shapes]
        seen += rows
    assert sorted(seen) == [0, 1, 2, 3, 4]


SIZE_IDS = {size: number for number, size in SIZES.items()}


def test_a_test_file_needs_no_annotations(folder):
    (folder / "info.json").write_text(json.dumps({"images": []}))
    options = ReadOptions(images_only=True)
    assert len(read_annotations(folder / "info.json", options=options).images) == 0
    (folder / "info.json").write_text("[]")
    with pytest.raises(DataError, match="'images'"):
        read_annotations(folder / "info.json", options=options)
