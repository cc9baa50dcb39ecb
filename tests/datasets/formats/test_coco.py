import json

import cv2
import numpy as np
import pytest
from labelled import write_labelled

from lib.annotations.wholebody import KEYS
from lib.datasets.formats import ReadSettings, read_labels, write_labels
from lib.datasets.formats.coco import halpe_skeleton, split_of
from lib.structures.skeleton import load_skeleton
from lib.utils.errors import DataError


def one_person(joints, rng, **keys):
    """Return a file of one picture and one person, whose joints have no names."""
    flat = np.concatenate([rng.uniform(5, 40, (joints, 2)), np.full((joints, 1), 2)], axis=1)
    row = {"id": 4, "image_id": 9, "category_id": 1, "bbox": [5, 5, 36, 36], "iscrowd": 0}
    row |= {"keypoints": flat.ravel().tolist(), "area": 700.0, **keys}
    images = [{"id": 9, "file_name": "a.png", "width": 50, "height": 45}]
    return {"images": images, "annotations": [row], "categories": [{"id": 1, "name": "person"}]}


@pytest.mark.parametrize(
    ("joints", "name"), [(17, "coco"), (26, "halpe26"), (133, "wholebody"), (136, "halpe136")]
)
def test_joints_without_names_are_known_by_their_number(tmp_path, joints, name):
    content = one_person(joints, np.random.default_rng(joints))
    (tmp_path / "a.json").write_text(json.dumps(content))
    found = read_labels(tmp_path / "a.json")
    assert found.skeleton.name == name
    assert found.people[0]["keypoints"] == content["annotations"][0]["keypoints"]
    write_labels(found, "coco", tmp_path / "b.json")
    again = read_labels(tmp_path / "b.json")
    assert again.skeleton.joints == found.skeleton.joints
    assert again.skeleton.sigmas == pytest.approx(found.skeleton.sigmas)
    assert again.skeleton.flip_pairs == found.skeleton.flip_pairs


def test_other_numbers_need_names(tmp_path):
    content = one_person(9, np.random.default_rng(1))
    (tmp_path / "a.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"a\.json: no category lists 'keypoints'"):
        read_labels(tmp_path / "a.json")
    (tmp_path / "s.yaml").write_text("joints: [a, b, c, d, e, f, g, h, i]")
    settings = ReadSettings(skeleton=load_skeleton(str(tmp_path / "s.yaml")))
    assert read_labels(tmp_path / "a.json", settings=settings).skeleton.joints == tuple("abcdefghi")


def test_wholebody_has_five_lists(tmp_path):
    rng = np.random.default_rng(2)
    lists = {
        key: np.concatenate([rng.uniform(5, 40, (n, 2)), np.full((n, 1), 2)], 1).ravel().tolist()
        for key, n in KEYS.items()
    }
    content = one_person(17, rng, **lists)
    (tmp_path / "a.json").write_text(json.dumps(content))
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((45, 50, 3), np.uint8))
    found = read_labels(tmp_path / "a.json")
    assert found.kind == "wholebody"
    assert found.people[0]["keypoints"] == [v for part in lists.values() for v in part]
    write_labels(found, "yolo", tmp_path / "yolo")
    again = read_labels(tmp_path / "yolo")
    np.testing.assert_allclose(again.people[0]["keypoints"], found.people[0]["keypoints"])
    assert again.skeleton.flip_pairs == found.skeleton.flip_pairs


def test_halpe_is_body_then_face_and_hands():
    halpe, whole = halpe_skeleton(), load_skeleton("wholebody")
    assert halpe.num_joints == 136
    assert halpe.joints[26:] == whole.joints[23:]
    for a, b in halpe.flip_pairs:
        names = halpe.joints[a], halpe.joints[b]
        assert names[0].replace("left", "right") == names[1] or all("face" in n for n in names)


def test_exports_of_several_folders_are_numbered_anew(tmp_path):
    """Roboflow's: ``train`` and ``valid`` both count from 0."""
    for split, joints in (("train", 17), ("valid", 17)):
        content = one_person(joints, np.random.default_rng(len(split)))
        (tmp_path / split).mkdir()
        (tmp_path / split / "_annotations.coco.json").write_text(json.dumps(content))
        cv2.imwrite(str(tmp_path / split / "a.png"), np.zeros((45, 50, 3), np.uint8))
    found = read_labels(tmp_path)
    assert [(i["id"], i["split"], i["file_name"]) for i in found.images] == [
        (1, "train", "train/a.png"),
        (2, "val", "valid/a.png"),
    ]
    assert [(p["id"], p["image_id"]) for p in found.people] == [(1, 1), (2, 2)]
    assert any("numbered anew" in note for note in found.notes)


def test_files_of_other_categories_are_not_joined(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    content = write_labelled(tmp_path / "one")
    content["categories"][0]["name"] = "dog"
    (tmp_path / "two/labels.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match="list different categories; convert each alone"):
        read_labels(tmp_path)


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train2017", "train"),
        ("person_keypoints_val2017", "val"),
        ("valid", "val"),
        ("Test-Dev", "test"),
        ("training.json", "train"),
        ("trainer", ""),
        ("labels", ""),
    ],
)
def test_splits_by_name(name, split):
    assert split_of(name) == split
