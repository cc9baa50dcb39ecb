"""What people really have: repaired where it has one meaning, refused where it has none."""

import json

import cv2
import numpy as np
import pytest
from toys.cats import JOINTS, dataset, said

from lib.annotations.detections import read_detections
from lib.annotations.matching import PictureKeys, match_pictures
from lib.annotations.outlines import plain_outline
from lib.annotations.reading import ReadOptions, read_annotations
from lib.evaluation import CocoEvaluator, evaluate_coco
from lib.structures.skeleton import skeleton_from_dict
from lib.utils.errors import DataError


def every(content, **changes):
    for row in content["annotations"]:
        row.update(changes)
    return content


def test_categories_with_the_same_joints_are_pooled_or_chosen():
    content = dataset()
    content["categories"].append({**content["categories"][0], "id": 9, "name": "kitten"})
    content["annotations"][1]["category_id"] = 9
    pooled = read_annotations(content)
    assert len(pooled.people) == 6
    assert said(pooled, "cat, kitten have the same joints and are pooled")
    one = read_annotations(content, options=ReadOptions(category="Kitten"))
    assert one.people.ids.tolist() == [32]
    assert one.category.id == 9
    assert len(read_annotations(content, options=ReadOptions(category="9, cat")).people) == 6
    with pytest.raises(DataError, match=r"DATASET.CATEGORY 'dog' is no category.*4 \(cat\)"):
        read_annotations(content, options=ReadOptions(category="dog"))


def test_categories_with_other_joints_are_not_people_or_must_be_chosen():
    content = dataset()
    content["categories"].append({"id": 2, "name": "ball"})
    content["annotations"].append(
        {"id": 99, "image_id": 11, "category_id": 2, "bbox": [1, 2, 3, 4]}
    )
    assert len(read_annotations(content).people) == 6
    content["categories"][1]["keypoints"] = ["top"]
    content["annotations"][-1]["keypoints"] = [1, 2, 2]
    with pytest.raises(DataError, match="different joints"):
        read_annotations(content)


@pytest.mark.parametrize(("area", "words"), [(0, "next to nothing"), (1, "next"), ("0", "next")])
def test_an_absurd_area_is_that_of_the_outline_or_of_the_box(area, words):
    content = every(dataset(), area=area)
    content["annotations"][0]["segmentation"] = [[20, 10, 60, 10, 60, 40, 20, 40]]
    found = read_annotations(content)
    assert found.areas[0] == pytest.approx(1200, rel=0.1)
    assert found.areas[1:].tolist() == pytest.approx([0.53 * 2000] * 5)
    assert said(found, words)


def test_an_area_out_of_proportion_is_named():
    found = read_annotations(every(dataset(), area=1e7))
    assert said(found, "6 areas ('area') are out of all proportion")
    assert (found.areas == 1e7).all()  # as COCO scores it: the box may be what is wrong


def test_a_missing_box_is_around_the_outline_or_the_joints():
    content = dataset()
    content["annotations"][0] |= {"bbox": None, "segmentation": [[20, 10, 60, 12, 61, 40]]}
    del content["annotations"][1]["bbox"]
    content["annotations"][2] |= {"bbox": [], "keypoints": [0] * 12, "num_keypoints": 0}
    found = read_annotations(content)
    assert found.boxes[0].tolist() == [20, 10, 41, 30]
    points = np.reshape(content["annotations"][1]["keypoints"], (4, 3))[:, :2]
    assert found.boxes[1].tolist() == [*points.min(0), *np.ptp(points, axis=0)]
    assert 33 not in found.people.ids  # nothing says where it is
    assert said(found, "1 annotations have neither box nor joints")


def test_corners_are_read_where_everything_fits_and_only_then():
    corners = every(dataset(), bbox=[20.0, 10.0, 70.0, 50.0])
    for row in corners["annotations"]:
        row["area"] = 2000.0
    found = read_annotations(corners)
    assert found.boxes[0].tolist() == [20, 10, 50, 40]
    assert said(found, "corners")
    assert read_annotations(dataset()).boxes[0].tolist() == [20, 10, 50, 40]
    wide = every(dataset(), bbox=[60.0, 40.0, 80.0, 65.0], keypoints=[0] * 12, num_keypoints=0)
    for row in wide["annotations"]:
        del row["area"]
    with pytest.raises(DataError, match="may be corners"):
        read_annotations(wide)


def test_unlabelled_joints_in_any_spelling():
    content = dataset()
    points = content["annotations"][0]["keypoints"]
    points[:3] = [float("nan"), float("nan"), 2]
    points[3:6] = [None, None, None]
    points[6:9] = [-1, -1, -1]
    found = read_annotations(content)
    assert found.people.visibility[0].tolist() == [0, 0, 0, 2]
    assert found.num_keypoints.tolist() == [1, 4, 4, 4, 4, 4]
    assert said(found, "3 joints are NaN, null or -1")
    assert said(found, "'num_keypoints' contradict")


def test_truth_values_texts_and_nests():
    content = dataset()
    for row in content["annotations"]:
        row["keypoints"] = [True if n % 3 == 2 else v for n, v in enumerate(row["keypoints"])]
    found = read_annotations(content)
    assert (found.people.visibility == 2).all()
    content = dataset()
    plain = read_annotations(content)
    for row in content["annotations"]:
        row["keypoints"] = np.reshape(row["keypoints"], (4, 3)).tolist()
        row["bbox"] = [str(v) for v in row["bbox"]]
    found = read_annotations(content)
    np.testing.assert_array_equal(found.triples, plain.triples)
    np.testing.assert_array_equal(found.boxes, plain.boxes)
    assert said(found, "lists of joints")
    assert said(found, "boxes are texts")


def test_text_ids_stay_in_results(tmp_path):
    content = dataset()
    for row in content["images"]:
        row["id"] = f"photo-{row['id']}"
    for row in content["annotations"]:
        row["image_id"] = f"photo-{row['image_id']}"
    (tmp_path / "a.json").write_text(json.dumps(content))
    truth = read_annotations(tmp_path / "a.json", "x/")
    rows = [
        {"image_id": r["image_id"], "category_id": 4, "keypoints": r["keypoints"], "score": 0.5}
        for r in content["annotations"]
    ]
    assert CocoEvaluator(truth, truth.skeleton).score(rows)["AP"] == 1.0
    for evaluator in ("own", "pycocotools"):
        assert evaluate_coco(content, rows, evaluator=evaluator)["AP"] == 1.0


def test_copies_go_and_a_file_of_crowds_is_people():
    content = dataset()
    content["annotations"].append({**content["annotations"][2], "id": 77})
    found = read_annotations(content)
    assert len(found.people) == 6
    assert said(found, "1 annotations repeat the box and all joints of another")
    found = read_annotations(every(dataset(), iscrowd=1))
    assert not found.is_crowd.any()
    assert said(found, "the 6 with joints are people")


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ([1, 2, 30, 2, 30, 40], [[1, 2, 30, 2, 30, 40]]),
        ([[[1, 2, 30, 2, 30, 40]]], [[1, 2, 30, 2, 30, 40]]),
        ([[1, 2], [30, 2], [30, 40]], [[1, 2, 30, 2, 30, 40]]),
        ([[1, 2, 30, 40]], None),
        ([[]], None),
        (None, None),
    ],
)
def test_outlines_have_one_meaning(value, wanted):
    assert plain_outline(value, (90, 70)) == wanted


@pytest.mark.parametrize(
    "value",
    [
        "none",
        5,
        [1, 2, 3],
        [["a", "b"] * 3],
        {"counts": [3, 4], "size": [70, 90]},
        {"counts": "PPP", "size": [70, 90]},
        {"counts": [6300], "size": [7, 9]},
    ],
)
def test_other_outlines_are_refused(value):
    with pytest.raises(ValueError, match=r"\w"):
        plain_outline(value, (90, 70))


def test_a_detector_file_is_held_against_the_data_set(tmp_path, caplog):
    truth = read_annotations(dataset())
    rows = [{"image_id": f"cat_{n}", "category_id": 1, "bbox": [1, 2, 30, 40], "score": 0.7}
            for n in range(3)]  # fmt: skip
    file = tmp_path / "det.json"
    file.write_text(json.dumps(rows))
    people = read_detections(file, truth.images, 4, 0.1, truth.category)
    assert people.images.ids[people.image_index].tolist() == [11, 12, 13]
    assert "they are taken for people" in caplog.text
    rows[0]["category_id"] = 2
    file.write_text(json.dumps(rows))
    with pytest.raises(DataError, match=r"its categories are 1, 2, people in the data set are 4"):
        read_detections(file, truth.images, 4, 0.1, truth.category)
    file.write_text(json.dumps([{**rows[1], "image_id": "dog", "category_id": 4}]))
    with pytest.raises(DataError, match=r"none of its 1 pictures \(dog\)"):
        read_detections(file, truth.images, 4, 0.1, truth.category)


def test_pictures_are_found_by_id_name_stem_and_path():
    names = ["a/1.jpg", "b/1.jpg", "b/two.png", "000000000139.jpg"]
    keys = PictureKeys({7: 0, 8: 1, 9: 2, 10: 3}, names)
    assert [keys.find(k) for k in (8, "a/1.jpg", "b/two", "two", 139)] == [1, 0, 2, 2, 3]
    assert [keys.find(k) for k in ("/data/b/1.jpg", "C:\\x\\a\\1.jpg", "c/1.jpg", None)] == [
        1,
        0,
        None,
        None,
    ]
    with pytest.raises(DataError, match=r"'1.jpg' may be a/1.jpg, b/1.jpg"):
        keys.find("1.jpg")
    assert match_pictures([8, "nobody"], keys, "f", "here").tolist() == [1, -1]


def test_limbs_never_stop_and_names_are_asked_for():
    content = dataset()
    content["categories"][0]["skeleton"] = [[0, 1], [1, 3]]
    assert read_annotations(content).skeleton.limbs == ((0, 1), (1, 3))
    content["categories"][0]["skeleton"] = [[1, 9], ["head", "tail"], None]
    found = read_annotations(content)
    assert found.skeleton.limbs == ((0, 3),)
    assert said(found, "2 of 3 join no two joints")
    del content["categories"][0]["keypoints"]
    with pytest.raises(DataError, match=r"set DATASET\.SKELETON"):
        read_annotations(content)
    given = skeleton_from_dict({"name": "cat", "joints": JOINTS}, "cat.yaml")
    assert len(read_annotations(content, "", given).people) == 6


def test_pictures_are_as_annotated(tmp_path):
    content = dataset()
    table = read_annotations(
        content, f"{tmp_path}/", options=ReadOptions(images_key="DATASET.IMAGES")
    ).images
    with pytest.raises(DataError, match=r"cat_0.png cannot be read.*Check DATASET.IMAGES"):
        table.read(0)
    cv2.imwrite(str(tmp_path / "cat_0.png"), np.zeros((35, 45, 3), np.uint8))
    with pytest.raises(DataError, match=r"45x35 pixels, its annotation says 90x70"):
        table.read(0)
    cv2.imwrite(str(tmp_path / "cat_0.png"), np.zeros((70, 90, 3), np.uint8))
    assert table.read(0).shape == (70, 90, 3)


def test_what_is_read_is_shared_while_in_use(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(dataset()))
    first = read_annotations(tmp_path / "a.json", "x/")
    assert read_annotations(tmp_path / "a.json", "x/") is first
    (tmp_path / "a.json").write_text(json.dumps(dataset(people=3)))
    assert len(read_annotations(tmp_path / "a.json", "x/").people) == 3


@pytest.mark.parametrize(
    "named",
    [
        lambda x, y, w, h: {"x": x, "y": y, "width": w, "height": h},
        lambda x, y, w, h: {"X": x, "Y": str(y), "W": w, "H": h},
        lambda x, y, w, h: {"xmin": x, "ymin": y, "xmax": x + w, "ymax": y + h},
        lambda x, y, w, h: {"left": x, "top": y, "right": x + w, "bottom": y + h},
    ],
)
def test_boxes_with_named_sides_are_read_by_the_names(named):
    content = dataset()
    content["annotations"][2]["bbox"] = named(*content["annotations"][2]["bbox"])
    found = read_annotations(content)
    np.testing.assert_allclose(found.boxes, [[20, 10, 50, 40]] * 6)
    assert said(found, "1 boxes name their sides")
    content["annotations"][2]["bbox"] = {"x": 1, "wide": 3}
    with pytest.raises(DataError, match="'bbox' of annotation 33 must be four numbers"):
        read_annotations(content)


def test_missing_sizes_are_those_of_the_pictures(tmp_path):
    content = dataset()
    del content["images"][1]["width"]
    content["images"][4]["height"] = None
    for image in content["images"]:
        cv2.imwrite(str(tmp_path / image["file_name"]), np.zeros((70, 90, 3), np.uint8))
    found = read_annotations(content, f"{tmp_path}/")
    assert found.images.sizes.tolist() == [[90, 70]] * 6
    assert said(found, "2 images say no 'width' and 'height'")
    (tmp_path / "cat_4.png").unlink()
    with pytest.raises(DataError, match=r"image 15 has no 'width' and 'height'.*cat_4"):
        read_annotations(content, f"{tmp_path}/")
