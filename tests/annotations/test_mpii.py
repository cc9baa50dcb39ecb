import json

import numpy as np
import pytest

from lib.annotations.mpii import read_mpii
from lib.datasets.sources import locate, read_people
from lib.utils.errors import ConfigError, DataError


def record(**changes):
    row = {
        "image": "b.jpg",
        "center": [100.0, 50.0],
        "scale": 2.0,
        "joints": [[float(k + 1), float(2 * k + 1)] for k in range(16)],
        "joints_vis": [1] * 15 + [0],
    }
    return {**row, **changes}


def write(folder, *rows):
    path = folder / "valid.json"
    path.write_text(json.dumps(list(rows)))
    return path


def test_units_become_pixels_from_zero(tmp_path):
    people = read_mpii(write(tmp_path, record(), record(image="a.jpg")), "images/")
    # centre y + 15 x scale, side = scale x 1.25 x 200, all minus one
    assert people.crops[0].tolist() == [99, 79, 500, 500]
    assert people.keypoints[0, 3].tolist() == [3, 6]
    assert people.visibility[0].tolist() == [2] * 15 + [0]
    assert [people.image_path(i) for i in range(2)] == ["images/b.jpg", "images/a.jpg"]


def test_a_test_set_has_no_joints(tmp_path):
    row = record()
    del row["joints"], row["joints_vis"]
    assert not read_mpii(write(tmp_path, row), "").visibility.any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"joints": [[1, 2]] * 17}, r"16 x 2 finite number\(s\), got 17 x 2 of them"),
        ({"joints": [[1, 2]] * 15}, r"16 x 2 finite number\(s\), got 15 x 2 of them"),
        ({"joints_vis": [1] * 3}, r"16 finite number\(s\), got 3 of them: \[1, 1, 1\]"),
        ({"center": None}, "'center' of entry 0"),
        ({"scale": float("nan")}, "'scale' of entry 0 must be one finite"),
        ({"joints_vis": None}, "'joints_vis' of entry 0"),
        ({"scale": 0}, "'scale' of entry 0 must be above 0, got 0"),
        ({"scale": -1.5}, "'scale' of entry 0 must be above 0, got -1.5"),
        ({"image": ""}, "'image' of entry 0 must be a file name, got ''"),
        ({"image": None}, "'image' of entry 0 must be a file name, got None"),
    ],
)
def test_bad_rows_are_named(tmp_path, change, message):
    with pytest.raises(DataError, match=message):
        read_mpii(write(tmp_path, record(**change)), "")


def test_bad_files_are_named(tmp_path):
    with pytest.raises(DataError, match="No MPII annotation file"):
        read_mpii(tmp_path / "x.json", "")
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(DataError, match="must hold a list"):
        read_mpii(tmp_path / "x.json", "")
    (tmp_path / "x.json").write_text('[{"image": "a.jpg"}]')
    with pytest.raises(DataError, match="entry 0 needs"):
        read_mpii(tmp_path / "x.json", "")


def test_records_of_the_family(shared, tmp_path):
    golden = np.load(shared / "golden/data/mpii.npz")
    rows = [
        record(
            center=golden["json_center"][i].tolist(),
            scale=float(golden["json_scale"][i]),
            joints=golden["json_joints"][i].tolist(),
            joints_vis=golden["json_vis"][i].astype(int).tolist(),
        )
        for i in range(5)
    ]
    people = read_mpii(write(tmp_path, *rows), "")
    np.testing.assert_allclose(people.crops[:, :2], golden["db_center"], atol=1e-3)
    np.testing.assert_allclose(people.crops[:, 2:] / 200, golden["db_scale"], rtol=1e-6)
    seen = golden["db_vis"][..., 0] > 0
    np.testing.assert_array_equal(people.visibility > 0, seen)
    np.testing.assert_allclose(people.keypoints[seen], golden["db_joints"][seen][:, :2], atol=1e-3)


def test_layouts():
    coco = locate("coco", "data/coco", "val2017")
    assert str(coco.annotation) == "data/coco/annotations/person_keypoints_val2017.json"
    assert coco.images == "data/coco/images/val2017/"
    zipped = locate("coco_kpt", "data/coco", "val2017", data_format="zip")
    assert zipped.images == "data/coco/images/val2017.zip@"
    test = locate("coco", "d", "test-dev2017")
    assert str(test.annotation) == "d/annotations/image_info_test-dev2017.json"
    assert test.images == "d/images/test2017/"
    assert not test.has_truth
    assert str(locate("mpii", "d", "valid").annotation) == "d/annot/valid.json"
    assert str(locate("crowd_pose", "d", "val").annotation) == "d/json/crowdpose_val.json"
    own = locate("custom", "d", "x", annotation="a.json", images="pictures")
    assert (str(own.annotation), own.images) == ("a.json", "pictures/")
    with pytest.raises(ConfigError, match="Did you mean coco"):
        locate("cocoo", "d", "x")


def test_crowdpose_without_areas_is_read(shared):
    source = locate(
        "crowd_pose", "x", "val", annotation=str(shared / "data/crowdpose/crowdpose_val.json")
    )
    people, skeleton = read_people(source, None)
    assert skeleton.num_joints == 14
    assert len(people) > 5000
