from dataclasses import replace

from lib.datasets.synthetic.coco_form import coco_entries
from lib.datasets.synthetic.scene import CROWD_LABEL, render_scene, scene_rng
from lib.datasets.synthetic.truth import find_truth


def scenes(count=10):
    for index in range(count):
        yield render_scene(scene_rng(2, "val", index), (192, 144), (2, 5))


def test_entries_are_complete_coco():
    entries = [
        entry
        for i, scene in enumerate(scenes())
        for entry in coco_entries(scene, find_truth(scene), i)
    ]
    for entry in entries:
        assert entry.keys() == {
            "segmentation", "num_keypoints", "area", "iscrowd",
            "keypoints", "image_id", "bbox", "category_id",
        }  # fmt: skip
        assert len(entry["keypoints"]) == 51
        assert entry["num_keypoints"] == sum(v > 0 for v in entry["keypoints"][2::3])
        assert all(len(piece) >= 6 and len(piece) % 2 == 0 for piece in entry["segmentation"])
    assert 0 < sum(entry["num_keypoints"] == 0 for entry in entries) < len(entries) / 2


def test_a_crowd_is_one_entry_of_runs_without_joints():
    scene = next(scenes(1))
    labels = scene.labels.copy()
    labels[10:20, 30:50] = CROWD_LABEL
    scene = replace(scene, labels=labels)
    crowd = coco_entries(scene, find_truth(scene), 7)[-1]
    assert crowd["iscrowd"] == 1
    assert crowd["bbox"] == [30, 10, 20, 10]
    assert crowd["area"] == 200
    assert crowd["num_keypoints"] == 0
    assert crowd["segmentation"]["size"] == list(labels.shape)
