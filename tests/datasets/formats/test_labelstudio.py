import json

import cv2
import numpy as np
import pytest

from lib.datasets.formats import read_labels
from lib.datasets.formats.registry import describe
from lib.structures.skeleton import load_skeleton
from lib.utils.errors import DataError

FRAME = {"original_width": 80, "original_height": 40, "image_rotation": 0, "to_name": "image"}


def box(own, x, y, width, height, label="Cat"):
    value = {"x": x, "y": y, "width": width, "height": height, "rotation": 0}
    value["rectanglelabels"] = [label]
    return {"id": own, "type": "rectanglelabels", "from_name": "b", "value": value, **FRAME}


def joint(own, name, x, y, **keys):
    value = {"x": x, "y": y, "width": 0.4, "keypointlabels": [name]}
    return {"id": own, "type": "keypointlabels", "from_name": "k", "value": value, **FRAME, **keys}


def task(*regions, **keys):
    data = {"image": "/data/upload/3/0a1b2c3d-cat.jpg"}
    return {"id": 17, "data": data, "annotations": [{"result": list(regions)}], **keys}


@pytest.fixture
def read(tmp_path):
    cv2.imwrite(str(tmp_path / "cat.jpg"), np.zeros((40, 80, 3), np.uint8))

    def go(*tasks):
        (tmp_path / "export.json").write_text(json.dumps(list(tasks)))
        return read_labels(tmp_path / "export.json")

    return go


TWO = (box("aQ1", 0, 0, 40, 100), box("bQ2", 50, 0, 50, 100))


def test_by_hand(read):
    found = read(
        task(*TWO, joint("j1", "nose", 10, 50, parentID="aQ1"), joint("j2", "tail", 60, 25))
    )
    assert found.kind == "labelstudio"
    assert found.images[0]["file_name"] == "cat.jpg"  # the upload's prefix is gone
    assert found.images[0]["id"] == 17
    one, two = found.people
    assert (one["id"], two["id"]) == ("aQ1", "bQ2")
    assert one["bbox"] == [0, 0, 32, 40]
    assert one["keypoints"] == [8, 20, 2, 0, 0, 0]
    assert two["keypoints"] == [0, 0, 0, 48, 10, 2]
    assert found.categories[0]["name"] == "Cat"


def test_a_folder_with_an_export_and_pictures_of_any_name(tmp_path):
    (tmp_path / "shots").mkdir()
    cv2.imwrite(str(tmp_path / "shots" / "cat.jpg"), np.zeros((40, 80, 3), np.uint8))
    content = [task(*TWO, joint("j1", "nose", 10, 50, parentID="aQ1"))]
    (tmp_path / "export.json").write_text(json.dumps(content))
    (tmp_path / "notes.json").write_text('{"owner": "me"}')  # of no known format
    found = read_labels(tmp_path)
    assert (found.kind, found.folder) == ("labelstudio", tmp_path / "shots")
    assert [image["file_name"] for image in found.images] == ["cat.jpg"]
    assert "not below" not in describe(found)
    (tmp_path / "shots" / "cat.jpg").unlink()
    told = (
        f"1 of 1 pictures are not below {tmp_path} (data/upload/3/0a1b2c3d-cat.jpg ...): --images"
    )
    assert told in describe(read_labels(tmp_path))
    (tmp_path / "second.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"several files of labels \(export\.json, second\.json\)"):
        read_labels(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("export.json", '[{"image": "/a.jpg", "kp-1": []}]', "JSON-MIN: export it as JSON"),
        ("export.csv", "a,b\n1,2\n", "is a table with the columns 'a, b'"),
        ("export.txt", "a", "holds nothing of a known format"),
    ],
)
def test_a_folder_without_labels(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=message):
        read_labels(tmp_path)


def test_relations_join_joints_to_boxes(read):
    link = {"type": "relation", "from_id": "bQ2", "to_id": "j1", "direction": "right"}
    found = read(task(*TWO, joint("j1", "nose", 10, 50), link))
    assert found.people[1]["keypoints"] == [8, 20, 2]


def test_relations_from_a_person_to_each_of_its_joints(read):
    boxes = (box("big", 0, 0, 100, 100), box("small", 5, 5, 20, 60))
    joints = (joint("j1", "nose", 10, 50), joint("j2", "tail", 12, 40))  # in both boxes
    links = [{"type": "relation", "from_id": "big", "to_id": own} for own in ("j1", "j2")]
    big, small = read(task(*boxes, *joints, *links)).people
    assert big["keypoints"] == [8, 20, 2, 9.6, 16, 2]
    assert small["num_keypoints"] == 0


def test_regions_of_the_control_labels(read):
    regions = [box("a", 0, 0, 50, 100), joint("j", "nose", 10, 50, parentID="a")]
    for region in regions:
        region["value"]["labels"] = region["value"].pop(region["type"])
        region["type"] = "labels"
    found = read(task(*regions))
    assert found.skeleton.joints == ("nose",)
    assert found.people[0]["keypoints"] == [8, 20, 2]
    assert found.people[0]["bbox"] == [0, 0, 40, 40]


def test_joints_go_to_the_smallest_box_that_lacks_them(read):
    boxes = (box("a", 0, 0, 100, 100), box("b", 5, 5, 20, 60))
    found = read(
        task(*boxes, joint("1", "n", 10, 50), joint("2", "n", 11, 50), joint("3", "n", 1, 99))
    )
    assert [person["keypoints"] for person in found.people] == [[8.8, 20, 2], [8, 20, 2]]
    assert any("joints are in several boxes" in note for note in found.notes)
    assert any("1 joints are in no box" in note for note in found.notes)


def test_joints_alone_are_one_person(read):
    found = read(task(joint("1", "n", 10, 50), joint("2", "m", 20, 75)))
    assert found.people[0]["keypoints"] == [8, 20, 2, 16, 30, 2]
    with pytest.raises(DataError, match=r"the joint n is marked twice.*draw a box"):
        read(task(joint("1", "n", 10, 50), joint("2", "n", 20, 75)))


def test_occluded_joints(read):
    found = read(task(joint("1", "n", 10, 50, meta={"text": ["occluded"]})), task(id=4))
    assert found.people[0]["keypoints"][2] == 1
    assert [image["id"] for image in found.images] == [17, 4]


def test_the_annotation_that_counts(read):
    tasks = task(box("a", 0, 0, 9, 9))
    good = {"result": [box("c", 0, 0, 50, 50)], "ground_truth": True}
    tasks["annotations"] = [{"was_cancelled": True, "result": []}, *tasks["annotations"], good]
    tasks["annotations"][2]["result"].append(joint("j", "n", 5, 5))
    found = read(tasks)
    assert [person["id"] for person in found.people] == ["c"]
    assert any("several annotations" in note for note in found.notes)


def test_joints_in_the_order_of_coco(read):
    names = load_skeleton("coco").joints
    points = [joint(str(k), name, 1 + k, 5) for k, name in reversed(list(enumerate(names)))]
    assert read(task(*points)).skeleton.joints == names


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.update(data=3), "task 0 has no 'data'"),
        (lambda t: t.update(annotations=3), "'annotations' of task 17 must be a list"),
        (lambda t: t["annotations"][0].update(result=[1]), "'result' of task 17 must be a list"),
        (
            lambda t: t["annotations"][0]["result"][0]["value"].pop("x"),
            "must have the numbers x, y",
        ),
        (lambda t: t["annotations"][0]["result"][0].update(value=None), "must have the numbers"),
        (lambda t: t["annotations"][0]["result"][0].pop("original_width"), "no original_width"),
        (
            lambda t: t["annotations"][0]["result"][0].update(image_rotation=90),
            "of a turned picture",
        ),
        (
            lambda t: t["annotations"][0]["result"][1]["value"].update(keypointlabels=[]),
            "no label in 'keypointlabels'",
        ),
        (lambda t: t["data"].update(image=""), "names no picture"),
    ],
)
def test_mistakes_are_one_sentence(read, change, message):
    broken = task(box("a", 0, 0, 40, 100), joint("1", "n", 10, 50))
    change(broken)
    with pytest.raises(DataError, match=message):
        read(broken)
