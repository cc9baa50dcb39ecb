import copy

import numpy as np
import pytest
from textbook.random_coco import random_coco

from lib.evaluation.metrics import METRICS, read_subject
from lib.evaluation.people import found_people
from lib.evaluation.table import read_table
from lib.utils.errors import DataError


def video(frames=6, shake=None):
    """A person who moves steadily and one who stands still, found as they are."""
    rng = np.random.default_rng(0)
    shapes = rng.uniform(0, 80, (2, 5, 2))
    content = {
        "images": [{"id": 100 + f, "video_id": 7, "frame_id": f} for f in range(frames)],
        "categories": [{"id": 1, "name": "person", "keypoints": [f"j{k}" for k in range(5)]}],
        "annotations": [],
    }
    rows = []
    for frame in range(frames):
        for track in range(2):
            points = shapes[track] + [300 * track + 4 * frame * (1 - track), 0]
            corner, side = points.min(axis=0), points.max(axis=0) - points.min(axis=0)
            triples = np.column_stack([points, np.full(5, 2)])
            content["annotations"].append(
                {"id": len(rows) + 1, "image_id": 100 + frame, "category_id": 1, "area": 6400.0}
                | {"iscrowd": 0, "num_keypoints": 5, "track_id": track}
                | {
                    "bbox": [*corner.tolist(), *side.tolist()],
                    "keypoints": triples.ravel().tolist(),
                }
            )
            found = points + (shake(frame) if shake and track else 0)
            triples = np.column_stack([found, np.ones(5)]).ravel().tolist()
            rows.append(
                {"image_id": 100 + frame, "category_id": 1, "score": 0.5, "keypoints": triples}
            )
    return content, rows


def numbers(name, content, rows):
    return METRICS[name].score(read_subject(name, content, rows))


def test_poses_are_given_to_the_people_they_show():
    dataset, _ = random_coco(0, images=20, joints=5)
    truth_rows = [a for a in dataset["annotations"] if a["num_keypoints"] and not a["iscrowd"]]
    exact = [
        {"image_id": a["image_id"], "category_id": 1, "keypoints": a["keypoints"], "score": 0.5}
        for a in truth_rows[1:]
    ]
    table, sigmas = read_table(dataset, exact, np.full(5, 0.05))
    people = found_people(table, sigmas)
    assert len(people.truth) == len(truth_rows)
    assert people.share_found == pytest.approx((len(truth_rows) - 1) / len(truth_rows))
    there = people.found_index >= 0
    np.testing.assert_array_equal(people.found[there], people.truth[there])
    assert np.isnan(people.found[~there]).all()


def test_scores_by_distance_of_moved_poses():
    content, rows = video()
    for row in rows:
        row["keypoints"][0] += 10.0  # the first of five joints, ten pixels to the right
    found = numbers("epe", content, rows)
    assert found == {"EPE": pytest.approx(2.0), "found": 1.0}
    assert numbers("auc", content, rows)["AUC@30px"] == pytest.approx((4 * 19 + 13) / 5 / 20)
    box = np.array([a["bbox"][2:] for a in content["annotations"]]).max(axis=1)
    assert numbers("nme", content, rows)["NME (box)"] == pytest.approx((2 / box).mean())
    near = numbers("pck", content, rows)
    assert near["PCK@0.2 (<)"] == pytest.approx(0.8 + 0.2 * (10 / box < 0.2).mean())
    assert near["PCK@0.05 (<)"] == pytest.approx(0.8)
    assert numbers("pck", content, rows[1:])["PCK@0.05 (<)"] == pytest.approx(0.8 * 11 / 12)


def test_steady_tracks_have_no_jitter_and_shaken_ones_that_of_the_shaking():
    assert numbers("motion", *video()) == pytest.approx(
        {"acceleration error": 0.0, "jitter": 0.0, "found": 1.0}, abs=1e-9
    )
    shaken = numbers("motion", *video(shake=lambda frame: np.array([frame % 2, 0])))
    # One of two people: +-1, so second differences of 2 and third ones of 4 pixels.
    assert shaken["acceleration error"] == pytest.approx(1.0)
    assert shaken["jitter"] == pytest.approx(2.0)


def test_a_missing_frame_ends_a_stretch():
    content, rows = video(frames=9, shake=lambda frame: np.array([3.0 * (frame > 4), 0]))
    cut = copy.deepcopy(content)
    for image in cut["images"][5:]:
        image["frame_id"] += 2  # the jump falls into the gap
    assert numbers("motion", cut, rows)["jitter"] == pytest.approx(0.0, abs=1e-9)
    assert numbers("motion", content, rows)["jitter"] > 0


def test_what_videos_need_is_named():
    content, rows = video()
    del content["images"][2]["video_id"]
    with pytest.raises(DataError, match="Image 102 has no 'video_id'"):
        numbers("motion", content, rows)
    content, rows = video()
    del content["annotations"][3]["track_id"]
    with pytest.raises(DataError, match="Annotation 4 has no 'track_id'"):
        numbers("motion", content, rows)
