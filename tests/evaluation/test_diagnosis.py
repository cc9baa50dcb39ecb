"""Each planted kind of error is counted as itself and as nothing else."""

import copy

import numpy as np
import pytest

from lib.evaluation.breakdown import all_matches, joint_table, size_table
from lib.evaluation.diagnosis import JOINT_ERRORS, diagnose
from lib.evaluation.table import read_table
from lib.structures.skeleton import load_skeleton

COCO = load_skeleton("coco")
SIGMAS = np.array(COCO.sigmas)
ELBOW, OTHER_ELBOW, NOSE = 7, 8, 0
AREA = 10_000.0


def people(images=4):
    """Two people 300 pixels apart in every image, all joints labelled, found exactly."""
    rng = np.random.default_rng(0)
    dataset = {
        "images": [{"id": i + 1} for i in range(images)],
        "categories": [{"id": 1, "name": "person", "keypoints": list(COCO.joints)}],
        "annotations": [],
    }
    rows = []
    for image in dataset["images"]:
        for person in range(2):
            # Joints on a 60-pixel grid: none is near another one.
            grid = np.stack([np.arange(17) % 4, np.arange(17) // 4], axis=1)[rng.permutation(17)]
            points = grid * 60.0 + np.array([600.0 * person, 0.0])
            triples = np.column_stack([points, np.full(17, 2.0)])
            common = {"image_id": image["id"], "category_id": 1}
            dataset["annotations"].append(
                common
                | {
                    "id": len(dataset["annotations"]) + 1,
                    "bbox": [600.0 * person, 0, 240, 300],
                    "area": AREA,
                    "iscrowd": 0,
                }
                | {"keypoints": triples.ravel().tolist(), "num_keypoints": 17}
            )
            score = 0.5 + 0.01 * len(rows)
            rows.append(common | {"score": score, "keypoints": triples.ravel().tolist()})
    return dataset, rows


def run(dataset, rows):
    return diagnose(read_table(dataset, rows, SIGMAS)[0], COCO)


def move(row, joint, point):
    row["keypoints"][3 * joint : 3 * joint + 2] = [float(v) for v in point]


def joint_of(row, joint):
    return np.array(row["keypoints"][3 * joint : 3 * joint + 2])


def jitter(row, joint, original, other):
    """Similarity 0.7 with the truth."""
    distance = 2 * SIGMAS[joint] * np.sqrt(-2 * np.log(0.7) * AREA)
    move(row, joint, joint_of(original, joint) + np.array([distance, 0.0]))


def inversion(row, joint, original, other):
    move(row, joint, joint_of(original, COCO.flip_index[joint]) + 1.0)


def swap(row, joint, original, other):
    move(row, joint, joint_of(other, joint) + 1.0)


def swap_with_mirrored(row, joint, original, other):
    move(row, joint, joint_of(other, COCO.flip_index[joint]) + 1.0)


def miss(row, joint, original, other):
    move(row, joint, joint_of(original, joint) + np.array([0.0, 5000.0]))


PLANTS = [
    (jitter, "jitter"),
    (inversion, "inversion"),
    (swap, "swap"),
    (swap_with_mirrored, "swap"),
    (miss, "miss"),
]


@pytest.mark.parametrize(("plant", "name"), PLANTS)
def test_planted_joint_errors(plant, name):
    dataset, rows = people()
    originals = copy.deepcopy(rows)
    for number in (0, 5):
        plant(rows[number], ELBOW, originals[number], originals[number ^ 1])
    found = run(dataset, rows)
    wanted = dict.fromkeys(JOINT_ERRORS, 0) | {"good": 8 * 17 - 2, name: 2}
    assert dict(zip(JOINT_ERRORS, found.joint_counts.sum(axis=0), strict=True)) == wanted
    assert found.joint_counts[ELBOW, JOINT_ERRORS.index(name)] == 2
    assert found.people == {"matched": 8, "background": 0, "duplicate": 0, "missed": 0}


@pytest.mark.parametrize(("plant", "name"), PLANTS)
def test_mending_a_planted_kind_gives_all_points_back(plant, name):
    dataset, rows = people()
    originals = copy.deepcopy(rows)
    for number in range(0, 8, 2):
        for joint in (5, 7, 9, 12, 14, 16):
            plant(rows[number], joint, originals[number], originals[number + 1])
    found = run(dataset, rows)
    assert found.ap < 0.99
    assert found.costs[name] == pytest.approx(1 - found.ap)
    for other in {*JOINT_ERRORS[1:], "background", "duplicate"} - {name}:
        assert found.costs[other] == pytest.approx(0)


def test_the_nose_has_no_mirror_image():
    dataset, rows = people()
    move(rows[0], NOSE, joint_of(rows[0], NOSE) + np.array([0.0, 5000.0]))
    counts = run(dataset, rows).joint_counts[NOSE]
    assert counts.tolist() == [7, 0, 0, 0, 1]


def test_planted_background_duplicate_and_missed_people():
    dataset, rows = people()
    far = copy.deepcopy(rows[0])
    far["keypoints"] = [v + 9000 if i % 3 < 2 else v for i, v in enumerate(far["keypoints"])]
    far["score"] = 0.99
    twin = copy.deepcopy(rows[2])
    twin["score"] = 0.98
    move(twin, ELBOW, (0, 0))
    gone = rows.pop(7)
    found = run(dataset, [*rows, far, twin])
    assert found.people == {"matched": 7, "background": 1, "duplicate": 1, "missed": 1}
    assert found.costs["background"] > 0
    assert found.costs["missed"] > 0
    assert found.costs["jitter"] == found.costs["inversion"] == 0
    assert gone["image_id"] == 4
    assert found.images[3].missed.tolist() == [False, True]
    assert found.images[0].background.tolist() == [True, False, False]


def test_planted_wrong_scores():
    dataset, rows = people()
    for joint in range(17):
        move(rows[0], joint, joint_of(rows[0], joint) + np.array([0.0, 20.0]))
    rows[0]["score"] = 1.0
    found = run(dataset, rows)
    assert found.people["matched"] == 8
    assert found.costs["scores"] > 0
    rows[0]["score"] = 0.0
    assert run(dataset, rows).costs["scores"] == pytest.approx(0)


def test_crowds_and_unlabelled_people_are_no_errors():
    dataset, rows = people()
    dataset["annotations"][0]["iscrowd"] = 1
    dataset["annotations"][3] |= {"keypoints": [0.0] * 51, "num_keypoints": 0}
    found = run(dataset, rows)
    assert found.people == {"matched": 6, "background": 0, "duplicate": 0, "missed": 0}
    assert found.ap == pytest.approx(1)


def test_a_bad_pose_within_a_crowd_still_stands_for_its_person():
    dataset, rows = people(images=1)
    crowd = copy.deepcopy(dataset["annotations"][0]) | {"iscrowd": 1, "keypoints": [0.0] * 51}
    crowd["id"] = 3
    dataset["annotations"].append(crowd | {"num_keypoints": 0})
    for joint in range(10):
        move(rows[0], joint, joint_of(rows[0], joint) + np.array([0.0, 130.0]))
    found = run(dataset, rows)
    assert found.people == {"matched": 2, "background": 0, "duplicate": 0, "missed": 0}
    assert found.joint_counts[:, 1:].sum() == 10


def test_unlabelled_joints_have_no_kind():
    dataset, rows = people(images=1)
    for annotation in dataset["annotations"]:
        annotation["keypoints"][3 * ELBOW + 2] = 0
        annotation["num_keypoints"] = 16
    found = run(dataset, rows)
    assert found.joint_counts[ELBOW].sum() == 0
    table = joint_table(found, COCO)
    assert table[ELBOW]["labelled"] == 0
    assert np.isnan(table[ELBOW]["AP"])
    assert np.isnan(table[ELBOW]["error"])


def test_tables():
    dataset, rows = people()
    miss(rows[0], ELBOW, rows[0], None)
    dataset["annotations"][1]["area"] = 2000.0
    found = run(dataset, rows)
    table = joint_table(found, COCO)
    assert [row["joint"] for row in table] == list(COCO.joints)
    elbow = table[ELBOW]
    assert (elbow["labelled"], elbow["PCK"], elbow["miss"]) == (8, 7 / 8, 1 / 8)
    assert elbow["AP"] < 1
    assert table[NOSE]["AP"] == pytest.approx(1)
    assert table[NOSE]["error"] == 0
    sizes = {row["size"].split()[0]: row for row in size_table(found)}
    assert [sizes[name]["people"] for name in ("all", "small", "medium", "large")] == [8, 0, 1, 7]
    assert np.isnan(sizes["small"]["AP"])
    assert all_matches(found).wanted.tolist() == [[2, 2, 2, 2]]


def test_nobody_found():
    dataset, _ = people()
    found = run(dataset, [])
    assert found.ap == 0
    assert found.people == {"matched": 0, "background": 0, "duplicate": 0, "missed": 8}
    assert len(joint_table(found, COCO)) == 17
