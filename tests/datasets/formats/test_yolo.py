import json

import cv2
import numpy as np
import pytest
from labelled import EXIF, write_labelled

from lib.datasets.formats import read_labels, write_labels
from lib.utils.errors import DataError

YAML = "names: [cat]\ntrain: images/train\nval: images/val\nkpt_shape: [4, 3]\n"
LINE = "0 0.5 0.5 0.4 0.6 0.4 0.3 2 0.5 0.4 1 0 0 0 0.6 0.7 2\n"


@pytest.fixture
def folder(tmp_path):
    """Two pictures of 40 x 20, one in each split; write(yaml, line) gives them labels."""
    for split in ("train", "val"):
        (tmp_path / "images" / split).mkdir(parents=True)
        (tmp_path / "labels" / split).mkdir(parents=True)
        cv2.imwrite(str(tmp_path / f"images/{split}/{split}1.jpg"), np.zeros((20, 40, 3), np.uint8))
    return tmp_path


def write(folder, yaml=YAML, line=LINE):
    (folder / "data.yaml").write_text(yaml)
    (folder / "labels/train/train1.txt").write_text(line)
    return folder


def test_by_hand(folder):
    found = read_labels(write(folder))
    assert found.kind == "yolo"
    assert [(i["file_name"], i["split"]) for i in found.images] == [
        ("images/train/train1.jpg", "train"),
        ("images/val/val1.jpg", "val"),
    ]
    (person,) = found.people
    np.testing.assert_allclose(person["bbox"], [12, 4, 16, 12])
    np.testing.assert_allclose(person["keypoints"], [16, 6, 2, 20, 8, 1, 0, 0, 0, 24, 14, 2])
    assert person["category_id"] == found.categories[0]["id"] == 1
    assert found.skeleton.joints == ("joint_0", "joint_1", "joint_2", "joint_3")


def test_joints_without_visibility(folder):
    yaml = YAML.replace("[4, 3]", "[2, 2]")
    found = read_labels(write(folder, yaml, "0 0.5 0.5 0.4 0.6 0.4 0.3 0 0\n"))
    np.testing.assert_allclose(found.people[0]["keypoints"], [16, 6, 2, 0, 0, 0])
    assert any("no visibility" in note for note in found.notes)


def test_mirror_pairs_are_kept_without_names(folder):
    found = read_labels(write(folder, YAML + "flip_idx: [0, 3, 2, 1]\n"))
    assert found.skeleton.flip_pairs == ((1, 3),)
    write_labels(found, "coco", folder / "c.json")
    assert read_labels(folder / "c.json").skeleton.flip_pairs == ((1, 3),)


@pytest.mark.parametrize(
    "names",
    ["kpt_names: {0: [a, l_b, c, r_b]}\n", "kpt_names: [a, l_b, c, r_b]\n"],
)
def test_names_of_joints(folder, names):
    found = read_labels(write(folder, YAML + names))
    assert found.skeleton.joints == ("a", "l_b", "c", "r_b")
    assert found.skeleton.flip_pairs == ((1, 3),)


def test_classes_share_their_joints(folder):
    yaml = YAML.replace("[cat]", "{0: cat, 1: dog}")
    found = read_labels(
        write(folder, yaml, LINE + LINE.replace("0 ", "1 ", 1).replace("0.4 ", "0.41 "))
    )
    assert [entry["name"] for entry in found.categories] == ["cat", "dog"]
    assert [person["category_id"] for person in found.people] == [1, 2]
    write_labels(found, "yolo", folder / "again")
    again = read_labels(folder / "again")
    assert [person["category_id"] for person in again.people] == [1, 2]


def test_folders_of_roboflow(folder):
    """``train: ../train/images`` seen from a file that lies beside ``train``."""
    for split in ("train", "valid"):
        (folder / split / "images").mkdir(parents=True)
        (folder / split / "labels").mkdir()
        cv2.imwrite(str(folder / split / "images/a.jpg"), np.zeros((20, 40, 3), np.uint8))
        (folder / split / "labels/a.txt").write_text(LINE)
    yaml = YAML.replace("images/train", "../train/images").replace("images/val", "../valid/images")
    found = read_labels(write(folder, yaml))
    assert [(i["file_name"], i["split"]) for i in found.images] == [
        ("train/images/a.jpg", "train"),
        ("valid/images/a.jpg", "val"),
    ]
    assert len(found.people) == 2


def test_lists_of_pictures(folder):
    (folder / "list.txt").write_text("./images/val/val1.jpg\n\nimages/train/train1.jpg\n")
    found = read_labels(write(folder, YAML.replace("images/train", "list.txt")))
    assert [i["split"] for i in found.images] == ["train", "train"]


def test_without_a_description(folder):
    write(folder)
    (folder / "data.yaml").unlink()
    found = read_labels(folder)
    assert found.skeleton.num_joints == 4
    assert [i["split"] for i in found.images] == ["train", "val"]


def test_pictures_without_label_files_are_counted_and_some_must_have_one(folder):
    found = read_labels(write(folder))
    assert any("1 of 2 pictures have no label file" in note for note in found.notes)
    (folder / "labels/train/train1.txt").unlink()
    with pytest.raises(DataError, match=r"none of its 2 pictures has a label file.*train1\.txt"):
        read_labels(folder)


def test_capital_letters_of_folders_do_not_count(folder):
    write(folder, YAML.replace("images", "Images"))
    (folder / "images").rename(folder / "Images")
    (folder / "labels").rename(folder / "Labels")
    assert len(read_labels(folder).people) == 1


def test_photographs_are_upright(folder):
    file = write(folder) / "images/train/train1.jpg"
    file.write_bytes(file.read_bytes()[:2] + EXIF + file.read_bytes()[2:])
    found = read_labels(folder)
    assert (found.images[0]["width"], found.images[0]["height"]) == (20, 40)
    np.testing.assert_allclose(found.people[0]["bbox"], [6, 8, 8, 24])


@pytest.mark.parametrize(
    ("yaml", "line", "message"),
    [
        (YAML, LINE[:-3] + "\n", r"train1\.txt, line 1: 16 numbers, wanted 17: class, box, and 3"),
        (YAML, "\n" + LINE.replace("0.4", "nan", 1), r"line 2: .* must be a class and finite"),
        (YAML, LINE.replace("0.4", "x", 1), "is not all numbers"),
        (YAML, LINE.replace("0 ", "4 ", 1), "class 4 is none of 'names': 0"),
        (YAML, LINE.replace("0.3", "62", 1), r"line 1: .* has places beyond 2: .* shares"),
        (YAML, LINE.replace(" 1 ", " 7 ", 1), "visibility that is not 0, 1 or 2"),
        (YAML, LINE.replace("0.6", "-0.6", 1), "with width and height of at least 0"),
        (YAML.replace("[4, 3]", "[4]"), LINE, "'kpt_shape' must be"),
        (YAML.replace("[4, 3]", "[0, 3]"), LINE, "'kpt_shape' must be"),
        (YAML + "flip_idx: [0, 1, 2]\n", LINE, "'flip_idx' must name each of 4 joints once"),
        (YAML + "flip_idx: [0, a, 2, 3]\n", LINE, "'flip_idx' must name each of 4 joints once"),
        (YAML + "flip_idx: [1, 2, 3, 0]\n", LINE, "left for right as right for left"),
        (YAML + "kpt_names: [a, b]\n", LINE, "2 names for 4 joints"),
        (
            YAML.replace("images/val", "images/valid"),
            LINE,
            "'val' is images/valid, and there is no",
        ),
        (YAML.replace("[cat]", "7"), LINE, "'names' must list the classes"),
        ("kpt_shape: [", LINE, "cannot be read as YAML"),
    ],
)
def test_mistakes_are_one_sentence(folder, yaml, line, message):
    with pytest.raises(DataError, match=message):
        read_labels(write(folder, yaml, line) / "data.yaml")


def test_labels_are_not_written_over_each_other(tmp_path):
    content = write_labelled(tmp_path)
    for name in ("a.png", "a.jpg"):
        cv2.imwrite(str(tmp_path / "clips" / name), np.zeros((9, 9, 3), np.uint8))
    for image, name in zip(content["images"], ("a.png", "a.jpg"), strict=False):
        image |= {"file_name": f"clips/{name}", "width": 9, "height": 9}
    content["annotations"] = []
    (tmp_path / "labels.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match="differ in their endings only"):
        write_labels(read_labels(tmp_path / "labels.json"), "yolo", tmp_path / "out")
