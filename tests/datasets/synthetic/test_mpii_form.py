import json

import numpy as np
import pytest
from scipy.io import loadmat

from lib.annotations.mpii import read_mpii
from lib.datasets.synthetic import Recipe, find_truth, render_scene, scene_rng, write_dataset
from lib.datasets.synthetic.mpii_form import mpii_entries
from lib.evaluation.mpii import evaluate_mpii, read_mpii_truth

SMALL = Recipe(train=2, val=6, seed=3, size=(128, 96), people=(1, 3), formats=("mpii",))


@pytest.fixture(scope="module")
def annot(tmp_path_factory):
    folder = tmp_path_factory.mktemp("synthpose")
    write_dataset(folder, SMALL)
    return folder / "mpii" / "annot"


def test_files_have_the_keys_of_the_published_ones(annot):
    for name in ("train", "valid"):
        rows = json.loads((annot / f"{name}.json").read_text())
        assert rows
        for row in rows:
            assert list(row) == ["joints_vis", "joints", "image", "scale", "center"]
            assert (annot.parent / "images" / row["image"]).is_file()
            joints, seen = np.array(row["joints"]), np.array(row["joints_vis"])
            assert joints.shape == (16, 2)
            assert (joints[seen == 0] == -1).all()
            assert (joints[seen == 1] >= 1).all()


def test_the_ground_truth_scores_one_hundred(annot):
    people = read_mpii(annot / "valid.json", "images/")
    scores = evaluate_mpii(people.keypoints.astype(np.float64), annot / "gt_valid.mat")
    assert scores["Mean"] == pytest.approx(100.0)
    assert scores["Mean@0.1"] == pytest.approx(100.0)
    shifted = people.keypoints + np.array([0.0, 400.0])
    assert evaluate_mpii(shifted, annot / "gt_valid.mat")["Mean"] == 0.0


def test_the_matlab_file_names_its_joints_and_missing_ones(annot):
    content = loadmat(annot / "gt_valid.mat")
    names = [str(name[0]) for name in content["dataset_joints"][0]]
    assert names[:3] == ["rank", "rkne", "rhip"]
    assert names[9] == "head"
    rows = json.loads((annot / "valid.json").read_text())
    seen = np.array([row["joints_vis"] for row in rows]).T
    np.testing.assert_array_equal(content["jnt_missing"], 1 - seen)
    assert (content["pos_gt_src"].transpose(0, 2, 1)[seen == 0] == 0).all()


def test_head_size_and_scale_hang_together(annot):
    truth = read_mpii_truth(annot / "gt_valid.mat")
    scales = [row["scale"] for row in json.loads((annot / "valid.json").read_text())]
    np.testing.assert_allclose(6 * truth.head_sizes, 200 * np.array(scales), rtol=2e-3)


def test_the_crop_of_the_family_holds_nearly_all_joints(annot):
    people = read_mpii(annot / "valid.json", "images/")
    low = people.crops[:, :2] - people.crops[:, 2:] / 2
    inside = (people.keypoints >= low[:, None]) & (
        people.keypoints <= (low + people.crops[:, 2:])[:, None]
    )
    assert inside.all(axis=-1)[people.visibility > 0].mean() > 0.9


def test_coordinates_are_one_based_body_points():
    scene = render_scene(scene_rng(0, "val", 2), (192, 144), (1, 3))
    truths = [truth for truth in find_truth(scene) if truth.labelled]
    rows = mpii_entries(scene, truths, 500003)
    assert len(rows) == len(truths) > 0
    for truth, row in zip(truths, rows, strict=True):
        assert row["image"] == "000500003.jpg"
        for joint, name in (
            (0, "right_ankle"),
            (6, "pelvis"),
            (9, "head_top"),
            (13, "left_shoulder"),
        ):
            if row["joints_vis"][joint]:
                wanted = truth.person.view.pixel(name) + 1
                np.testing.assert_allclose(row["joints"][joint], wanted, atol=0.006)
