import json

import numpy as np
import pytest

from lib.annotations.detections import read_detections
from lib.annotations.reading import ReadOptions, read_annotations
from lib.datasets.selection import clip_boxes, people_to_train_on
from lib.datasets.topdown import person_crops
from lib.structures.skeleton import load_skeleton
from lib.utils.errors import DataError

JOINTS = ["nose", "left_hand", "right_hand"]


def annotation(number=1, image=7, **changes):
    row = {
        "id": number,
        "image_id": image,
        "category_id": 1,
        "bbox": [2, 3, 10, 20],
        "area": 150,
        "iscrowd": 0,
        "num_keypoints": 3,
        "keypoints": [4, 5, 2, 6, 7, 1, 0, 0, 0],
    }
    return {**row, **changes}


def content(*annotations):
    return {
        "images": [
            {"id": 7, "file_name": "a.jpg", "width": 40, "height": 30},
            {"id": 3, "file_name": "b.jpg", "width": 25, "height": 35},
        ],
        "annotations": list(annotations),
        "categories": [{"id": 1, "name": "toy", "keypoints": JOINTS, "skeleton": [[1, 2], [1, 3]]}],
    }


def image(**changes):
    data = content(annotation())
    data["images"][0].update(changes)
    return data


@pytest.fixture
def write(tmp_path):
    def to_file(data):
        path = tmp_path / "file.json"
        path.write_text(data if isinstance(data, str) else json.dumps(data))
        return path

    return to_file


def read(path):
    return read_annotations(path, "images/")


def test_columns(write):
    rows = [annotation(11, 3), annotation(12, 7), annotation(13, 3, iscrowd=1, keypoints=[0] * 9)]
    result = read(write(content(*rows)))
    people = result.people
    assert people.ids.tolist() == [12, 11, 13]  # ordered by image row, file order inside
    assert [people.image_path(i) for i in range(3)] == ["images/a.jpg", *["images/b.jpg"] * 2]
    assert result.is_crowd.tolist() == [False, False, True]
    assert people.keypoints.shape == (3, 3, 2)
    assert people.visibility[0].tolist() == [2, 1, 0]
    assert result.skeleton.flip_pairs == ((1, 2),)
    assert result.skeleton.limbs == ((0, 1), (0, 2))


def test_ids_come_from_the_file_not_from_names(write):
    """Older code read the image's id from the last letters of its path."""
    result = read(write(image(file_name="day one/000000000099.jpg")))
    assert result.people.images.ids.tolist() == [7, 3]
    assert result.people.image_path(0) == "images/day one/000000000099.jpg"


def test_people_to_train_on_leaves_out_crowds_and_people_without_joints(write, caplog):
    rows = [
        annotation(1),
        annotation(2, iscrowd=1),
        annotation(3, keypoints=[0] * 9),
        annotation(4, area=0),
        annotation(5, bbox=[60, 3, 10, 20]),
    ]
    people = people_to_train_on(read(write(content(*rows))))
    assert "1 people with joints are left out" in caplog.text
    assert "1 areas ('area') are 0 or next to nothing" in caplog.text
    assert people.ids.tolist() == [1, 4]
    assert people.boxes[0].tolist() == [2, 3, 9, 19]


def test_clip_boxes_ends_on_the_last_pixel():
    boxes = clip_boxes(np.array([[-5.0, 1, 50, 8]]), np.array([[40, 30]]))
    assert boxes.tolist() == [[0, 1, 39, 7]]


def test_known_joints_give_the_shipped_skeleton(write):
    data = content()
    data["categories"][0]["keypoints"] = list(load_skeleton("coco").joints)
    assert read(write(data)).skeleton is load_skeleton("coco")


def test_joints_outside_the_image_are_ignored_with_a_warning(write, caplog):
    result = read(write(content(annotation(keypoints=[90, 5, 2, 6, 7, 1, 0, 0, 0]))))
    assert result.people.visibility[0].tolist() == [0, 1, 0]
    assert "1 joints outside" in caplog.text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("{not json", "is not JSON"),
        ([], "must hold 'images'"),
        (content(annotation(1), annotation(1)), "id 1 occurs twice"),
        (content(annotation(bbox=[0, 0, float("nan"), 3])), "finite"),
        (content(annotation(bbox=[0, 0, -4, 3])), "finite"),
        (content(annotation(bbox=[1, 2])), "four numbers"),
        (content(annotation(bbox=5)), "four numbers"),
        (content(annotation(keypoints=["a"] * 9)), "must list numbers"),
        (content(annotation(keypoints=7)), "must list numbers"),
        (content(annotation(keypoints=[1, 2, 300] * 3)), "not 0, 1 or 2"),
        (content(annotation(area="x")), "'area' of annotation 1 must be a finite number"),
        (content(annotation(area=float("inf"))), "'area' of annotation 1 must be a finite number"),
        (content(annotation(area=-1)), "'area' of annotation 1 must be at least 0, got -1"),
        (content(annotation(number=10**30)), "'id' 10+ is too large"),
        (content(annotation(number=1.5)), "needs a whole number 'id'"),
        (content(annotation(bbox=[0, 0, 4, float("inf")])), "finite"),
        (content(annotation(iscrowd="no")), "needs a whole number 'iscrowd'"),
        (content(annotation(num_keypoints="all")), "'num_keypoints' of annotation 1 must be a"),
        (content(annotation(num_keypoints=10**30)), "'num_keypoints' of annotation 1 must be a"),
        (image(file_name=None), "'file_name' of image 7 must be a name, got None"),
        (image(file_name=" "), "'file_name' of image 7 must be a name"),
        (image(file_name=12), "'file_name' of image 7 must be a name, got 12"),
        (image(width=0), "'width' and 'height' of image 7 must be above 0, got 0 and 30"),
        (image(height=-30), "'width' and 'height' of image 7 must be above 0, got 40 and -30"),
        (image(height=float("nan")), "entry 0 needs a whole number 'height'"),
        (image(width=None), "image 7 has no 'width' and 'height'"),
        ({**content(), "images": None}, "'images' must be a list"),
        ({**content(), "annotations": [3]}, "'annotations' must be a list"),
        ({**content(), "categories": ["x"]}, "'categories' must be a list"),
        (content(annotation(image=99)), "image 99, not listed"),
        (
            content(annotation(keypoints=[1, 2, 2] * 4)),
            r"has 4 joints \(12 .*, the skeleton 'toy' has 3",
        ),
        (content(annotation(keypoints=[float("inf"), 2, 2] * 3)), "finite number"),
        ({"images": [{"file_name": "a.jpg"}], "annotations": []}, "needs a whole number 'id'"),
    ],
)
def test_bad_annotations_are_named(write, change, message):
    with pytest.raises(DataError, match=message):
        read(write(change))


def test_missing_file(tmp_path):
    with pytest.raises(DataError, match="No annotation file"):
        read(tmp_path / "nothing.json")


def detection(**changes):
    row = {"image_id": 3, "category_id": 1, "bbox": [1, 2, 300, 4], "score": 0.5}
    return {**row, **changes}


def test_detections_keep_their_boxes_and_lose_the_rest(tmp_path):
    rows = [
        detection(),
        detection(image_id=7, score=0.9),
        detection(score=0.01),
        detection(category_id=2),
        detection(image_id=1000),
    ]
    (tmp_path / "gt.json").write_text(json.dumps(content()))
    (tmp_path / "det.json").write_text(json.dumps(rows))
    images = read(tmp_path / "gt.json").people.images
    people = read_detections(tmp_path / "det.json", images, 5, 0.1)
    assert people.image_index.tolist() == [0, 1]
    assert people.scores.tolist() == pytest.approx([0.9, 0.5])
    assert people.boxes[1].tolist() == [1, 2, 300, 4]
    assert people.keypoints.shape == (2, 5, 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({}, "list of detections"),
        ([{"image_id": 1}], "must have"),
        ([detection(), {"image_id": 3, "category_id": 1, "bbox": [1, 2, 3, 4]}], "must have"),
        ([detection(), detection(score=None)], "must have"),
        ([detection(score=float("nan"))], "must have"),
        ([detection(), 5], "must have"),
        ([detection(bbox=[1])], "four numbers"),
        ("[", "is not JSON"),
    ],
)
def test_bad_detections_are_named(write, tmp_path, change, message):
    images = read(write(content())).people.images
    with pytest.raises(DataError, match=message):
        read_detections(write(change), images, 3, 0)


def test_no_detections_are_said(write, caplog):
    images = read(write(content())).people.images
    assert len(read_detections(write([]), images, 3, 0)) == 0
    assert "none of its 0 rows" in caplog.text


def test_boxes_without_area_are_left_out(write, caplog):
    images = read(write(content())).people.images
    people = read_detections(write([detection(bbox=[9, 9, 0, 0]), detection()]), images, 3, 0)
    assert len(people) == 1
    assert "1 boxes without area" in caplog.text


def test_real_annotations(shared):
    coco = shared / "data/coco"
    result = read_annotations(coco / "annotations/person_keypoints_val2017.json", "x/")
    assert len(result.people.images) == 344
    assert len(result.people) == 805
    assert len(people_to_train_on(result)) == 610
    assert result.skeleton is load_skeleton("coco")


def test_detections_of_the_family(shared, tmp_path):
    """Order, centres, scales and scores of 118 detections, on boxes that lead to them."""
    golden = np.load(shared / "golden/data/coco_det_db.npz")
    size = golden["scale"] * 200 / 1.25
    boxes = np.concatenate([golden["center"] - size / 2, size], axis=1).tolist()
    rows = [
        {"image_id": int(image), "category_id": 1, "bbox": box, "score": float(score)}
        for image, box, score in zip(golden["image_id"], boxes, golden["score"], strict=True)
    ]
    (tmp_path / "det.json").write_text(json.dumps(rows))
    images = read_annotations(shared / "data/units/example_coco_val.json", "x/").people.images
    people = read_detections(tmp_path / "det.json", images, 17, 0.0)
    crops = person_crops(people, (192, 256))
    order = np.argsort(golden["image_id"], kind="stable")
    ids = images.ids[people.image_index]
    mine = np.argsort(ids, kind="stable")
    np.testing.assert_array_equal(ids[mine], golden["image_id"][order])
    np.testing.assert_allclose(crops[mine, :2], golden["center"][order], atol=1e-3)
    np.testing.assert_allclose(crops[mine, 2:] / 200, golden["scale"][order], rtol=1e-5)
    np.testing.assert_allclose(people.scores[mine], golden["score"][order], rtol=1e-6)


def test_a_list_of_pictures_may_have_a_category_without_joints(write):
    listed = {**content(), "categories": [{"id": 1, "name": "person"}]}
    options = ReadOptions(images_only=True)
    result = read_annotations(write(listed), "x/", None, options)
    assert (len(result.people.images), len(result.people)) == (2, 0)
    with pytest.raises(DataError, match="no category lists 'keypoints'"):
        read_annotations(write(listed), "x/", None, ReadOptions())
    labelled = {**listed, "annotations": [annotation()]}
    with pytest.raises(DataError, match="no category lists 'keypoints'"):
        read_annotations(write(labelled), "x/", None, options)


def test_test_sets_list_images_only(write):
    data = content()
    del data["annotations"], data["categories"]
    path = write(data)
    with pytest.raises(DataError, match="must hold 'images'"):
        read(path)
    result = read_annotations(path, "x/", None, ReadOptions(images_only=True))
    assert (len(result.people), len(result.people.images)) == (0, 2)


def test_people_of_the_family(shared):
    """The data base that the published loader builds from four images, in its order."""
    golden = np.load(shared / "golden/data/coco_val_items.npz")
    annotations = read_annotations(shared / "data/units/example_coco_val.json", "x/")
    people = people_to_train_on(annotations)
    crops = person_crops(people, (192, 256))
    ids = people.images.ids[people.image_index]
    order = [int(np.abs(crops[:, :2] - c).sum(1).argmin()) for c in golden["db_center"]]
    assert sorted(order) == list(range(len(golden["image_id"])))
    np.testing.assert_array_equal(ids[order], golden["image_id"])
    np.testing.assert_allclose(crops[order, :2], golden["db_center"], atol=1e-3)
    np.testing.assert_allclose(crops[order, 2:] / 200, golden["db_scale"], rtol=1e-5)
    seen = golden["db_vis"][..., 0] > 0
    np.testing.assert_array_equal(people.visibility[order] > 0, seen)
    wanted = golden["db_joints"][seen][:, :2]
    np.testing.assert_allclose(people.keypoints[order][seen], wanted, atol=1e-3)
