import json

import numpy as np
import pytest

from lib.datasets.synthetic import Recipe, find_truth, render_scene, scene_rng, write_dataset
from lib.datasets.synthetic.crowdpose_form import crowd_index, crowdpose_entries
from lib.evaluation import evaluate_crowdpose

SMALL = Recipe(train=7, val=5, seed=3, size=(128, 96), people=(2, 4), formats=("crowdpose",))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("synthpose")
    write_dataset(out, SMALL)
    return out / "crowdpose"


def read(folder, name):
    return json.loads((folder / "json" / f"crowdpose_{name}.json").read_text())


def test_the_four_files_split_the_images(folder):
    ids = {
        name: [image["id"] for image in read(folder, name)["images"]]
        for name in ("train", "val", "trainval", "test")
    }
    assert [len(ids[name]) for name in ids] == [6, 1, 7, 5]
    assert ids["trainval"] == ids["train"] + ids["val"]
    assert not set(ids["trainval"]) & set(ids["test"])


def test_entries_have_the_keys_of_the_published_ones(folder):
    document = read(folder, "test")
    assert set(document) == {"images", "annotations", "categories"}
    assert document["categories"][0]["keypoints"][12:] == ["head", "neck"]
    for image in document["images"]:
        assert set(image) == {"file_name", "id", "height", "width", "crowdIndex"}
        assert (folder / "images" / image["file_name"]).is_file()
        assert 0 <= image["crowdIndex"] <= 1
    for entry in document["annotations"]:
        assert set(entry) == {
            "num_keypoints",
            "iscrowd",
            "keypoints",
            "image_id",
            "bbox",
            "category_id",
            "id",
        }
        assert len(entry["keypoints"]) == 42
        assert entry["num_keypoints"] == sum(v > 0 for v in entry["keypoints"][2:36:3])


def test_the_ground_truth_scores_one(folder):
    document = read(folder, "test")
    results = [
        {"image_id": e["image_id"], "category_id": 1, "keypoints": e["keypoints"], "score": 1.0}
        for e in document["annotations"]
        if e["num_keypoints"]
    ]
    scores = evaluate_crowdpose(folder / "json" / "crowdpose_test.json", results)
    assert scores["AP"] == pytest.approx(1.0)


def test_head_is_the_crown():
    scene = render_scene(scene_rng(0, "val", 2), (192, 144), (1, 3))
    truths = find_truth(scene)
    for truth, entry in zip(truths, crowdpose_entries(scene, truths, 1), strict=False):
        x, y, visibility = entry["keypoints"][36:39]
        if visibility:
            np.testing.assert_allclose((x, y), truth.person.view.pixel("head_top"), atol=0.006)


def person(box, places):
    keypoints = np.zeros((14, 3))
    keypoints[: len(places), :2] = places
    keypoints[: len(places), 2] = 2
    return {"bbox": box, "keypoints": keypoints.ravel().tolist(), "iscrowd": 0}


def test_crowd_index_by_hand():
    one = person([0, 0, 10, 10], [(1, 1), (9, 9), (5, 5), (6, 6)])  # 4 of its own, 1 of the other
    other = person([8, 8, 20, 20], [(9, 9), (20, 20)])  # 2 of its own, 1 of the first
    crowd = {**one, "iscrowd": 1}
    assert crowd_index([one, other, crowd]) == pytest.approx(
        round((1 / 4 + 1 / 2) / 2, 2), abs=0.011
    )
    assert crowd_index([one]) == 0.0
    assert crowd_index([]) == 0.0
    packed = [person([0, 0, 10, 10], [(5, 5)]) for _ in range(4)]
    assert crowd_index(packed) == 1.0


def test_crowd_index_of_the_published_annotations(shared):
    content = json.loads((shared / "data" / "crowdpose" / "crowdpose_val.json").read_text())
    people = {}
    for entry in content["annotations"]:
        people.setdefault(entry["image_id"], []).append(entry)
    ours = np.array([crowd_index(people.get(image["id"], [])) for image in content["images"]])
    published = np.array([image["crowdIndex"] for image in content["images"]])
    assert (np.abs(ours - published) <= 0.011).mean() > 0.5
    assert np.corrcoef(ours, published)[0, 1] > 0.8
