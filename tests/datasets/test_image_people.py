import json

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from lib.annotations.reading import ReadOptions, read_annotations
from lib.datasets.image_people import people_of_images, visible_mask
from lib.structures.skeleton import load_skeleton, skeleton_from_dict
from lib.utils.errors import DataError

TWO = skeleton_from_dict({"name": "two", "joints": ["head", "foot"]}, "test")


def person(number, image, **entry):
    full = {"keypoints": [3, 4, 2, 5, 8, 1], "num_keypoints": 2, "iscrowd": 0, "area": 20}
    return {
        "id": number,
        "image_id": image,
        "category_id": 1,
        "bbox": [1, 1, 6, 8],
        **full,
        **entry,
    }


@pytest.fixture
def read(tmp_path):
    def to_people(annotations, images=4, **options):
        size = {"width": 12, "height": 10}
        content = {
            "images": [{"id": i, "file_name": f"{i}.jpg", **size} for i in range(1, images + 1)],
            "annotations": annotations,
            "categories": [],
        }
        path = tmp_path / "a.json"
        path.write_text(json.dumps(content))
        found = read_annotations(path, "images/", TWO, ReadOptions(outlines=True))
        return people_of_images(found, **options)

    return to_people


SQUARE = [[2, 2, 6, 2, 6, 6, 2, 6]]
CROWD = {"counts": [0, 30, 90], "size": [10, 12]}  # the first three columns
NOBODY = {"keypoints": [0] * 6, "num_keypoints": 0}


def test_who_counts_and_what_is_hidden(read):
    source = read(
        [
            person(1, 3),
            person(2, 1, segmentation=SQUARE),
            person(3, 1, **NOBODY, segmentation=SQUARE),
            person(4, 1, **NOBODY, iscrowd=1, segmentation=CROWD),
            person(5, 1, iscrowd=1, segmentation=CROWD),
            person(6, 4, **NOBODY, iscrowd=1, segmentation=CROWD),
        ]
    )
    assert source.images.ids[source.rows].tolist() == [1, 3, 4]  # image 2 has nobody
    # Labelled or not, people keep their place; crowds count if they have joints.
    assert source.people.ids.tolist() == [2, 3, 5, 1]
    assert source.starts.tolist() == [0, 3, 4]
    assert source.ends.tolist() == [3, 4, 4]
    assert {image: len(outlines) for image, outlines in source.hidden.items()} == {0: 3, 3: 1}
    assert source.path(1) == "images/3.jpg"


def test_a_file_without_counts_hides_only_who_has_no_joints(read):
    rows = [
        person(1, 1, segmentation=SQUARE),
        person(2, 2, segmentation=SQUARE, keypoints=[0] * 6),
        person(3, 3, segmentation=SQUARE, keypoints=None),
    ]
    for row in rows:
        del row["num_keypoints"]
    source = read(rows)
    assert sorted(source.hidden) == [1, 2]
    assert source.people.ids.tolist() == [1, 2, 3]


def test_mask_of_polygons_and_runs():
    mask = visible_mask([json.dumps(SQUARE).encode()], (12, 10))
    assert mask.shape == (10, 12)
    assert set(np.unique(mask)) == {0, 255}
    assert mask[2:6, 2:6].max() == 0
    assert (mask == 0).sum() == 16
    packed = coco_mask.frPyObjects(CROWD, 10, 12)
    packed["counts"] = packed["counts"].decode()
    for outline in (CROWD, packed):
        both = visible_mask([json.dumps(SQUARE).encode(), json.dumps(outline).encode()], (12, 10))
        assert both[:, :3].max() == 0
        assert (both == 0).sum() == 30 + 12


def test_degenerate_polygons_hide_nothing():
    assert visible_mask([b"[[1, 2, 3, 4]]", b"[]"], (5, 4)).min() == 255


@pytest.mark.parametrize("outline", ["5", '{"counts": [1]}', '[["a","a","a","a","a","a"]]'])
def test_damaged_outlines_are_named(outline):
    with pytest.raises(DataError, match="'segmentation' cannot be read"):
        visible_mask([outline.encode()], (5, 4))


def test_runs_of_another_image_are_refused():
    with pytest.raises(DataError, match="segmentation"):
        visible_mask([json.dumps(CROWD).encode()], (9, 9))


def test_centre_is_the_mean_of_the_labelled_joints(read):
    rows = [person(1, 1), person(2, 1, keypoints=[3, 4, 2, 0, 0, 0]), person(3, 1, **NOBODY)]
    people = read(rows, with_center=True).people
    assert people.keypoints.shape == (3, 3, 2)
    assert people.keypoints[:, 2].tolist() == [[4, 6], [3, 4], [0, 0]]
    assert people.visibility[:, 2].tolist() == [1, 1, 0]


def test_crowdpose_val_counts(shared):
    file = shared / "data" / "crowdpose" / "crowdpose_val.json"
    found = read_annotations(file, "", load_skeleton("crowdpose"), ReadOptions(outlines=True))
    source = people_of_images(found)
    assert len(source.rows) == len(found.people.images) == 2000
    assert not source.hidden  # CrowdPose has no outlines: nothing is masked
    assert len(source.people) == 8527 - 106  # without crowd entries
    assert np.bincount(found.people.image_index).max() == 14
