from pathlib import Path

import cv2
import numpy as np
import pytest

from lib.datasets.formats.labels import LabelSet
from lib.datasets.start.groups import group_pictures, name_groups
from lib.structures.skeleton import load_skeleton


def labels_of(names, folder=Path(), people=(), **extras):
    images = [
        {"id": n, "file_name": name, **{k: v[n] for k, v in extras.items()}}
        for n, name in enumerate(names)
    ]
    return LabelSet("coco", folder, folder, load_skeleton("coco"), [], images, list(people))


def groups_of(names, **options):
    """Return names as sets, whatever the numbers of the groups are."""
    found = group_pictures(labels_of(names, **options), look=False)
    groups = {}
    for name, number in zip(names, found.of.tolist(), strict=True):
        groups.setdefault(number, set()).add(name)
    return sorted(groups.values(), key=min)


@pytest.mark.parametrize(
    ("names", "count"),
    [
        (["anna_001.jpg", "anna_002.jpg", "ben_001.jpg", "carl-7.jpg"], 3),
        (["video1_frame0001.jpg", "video1_frame0090.jpg", "video2_frame0001.jpg"], 2),
        (["anna/walk/1.jpg", "anna/run/1.jpg", "ben/walk/1.jpg"], 2),
        (["anna_walk_1.jpg", "anna_run_1.jpg", "ben_walk_1.jpg", "ben_walk_2.jpg"], 2),
        (["images/train/a_1.png", "images/val/a_2.png", "images/val/b_1.png"], 2),
        (["a_1_jpg.rf.0f3a.jpg", "a_2_jpg.rf.77aa.jpg", "b_1_jpg.rf.0f3b.jpg"], 2),
        (["IMG_001.jpg", "IMG_002.jpg", "DSC_003.jpg"], 3),
        (["000001.jpg", "000002.jpg", "000009.jpg"], 3),
        (["clip1/subject03_1.jpg", "clip2/subject03_1.jpg", "clip3/subject04_1.jpg"], 2),
    ],
)
def test_names_tell_groups(names, count):
    assert len(groups_of(names)) == count


def test_one_person_of_many_pictures_stays_one_group():
    names = [f"anna_walk_{n}.jpg" for n in range(7)] + ["anna_run_1.jpg", "ben_run_1.jpg"]
    assert sorted(map(len, groups_of(names))) == [1, 8]


def test_tracks_and_videos_of_the_file():
    people = [{"image_id": 0, "track_id": 7}, {"image_id": 2, "track_id": 7}]
    assert groups_of(["1.jpg", "2.jpg", "3.jpg"], people=people) == [{"1.jpg", "3.jpg"}, {"2.jpg"}]
    assert len(groups_of(["1.jpg", "2.jpg", "3.jpg"], sequence=["x", "y", "x"])) == 2
    # The same number in another video is somebody else.
    apart = labels_of(["1.jpg", "2.jpg"], people=[], sequence=["x", "y"])
    apart.people.extend([{"image_id": 0, "track_id": 7}, {"image_id": 1, "track_id": 7}])
    assert len(group_pictures(apart, look=False).sizes) == 2


def test_numbers_tell_nothing():
    assert name_groups(["0001.jpg", "0002.jpg"]) is None


def test_one_picture_is_one_group(tmp_path):
    cv2.imwrite(str(tmp_path / "8.png"), np.full((90, 80), 127, np.uint8))
    assert group_pictures(labels_of(["8.png"], tmp_path)).of.tolist() == [0]


def test_frames_of_a_scene_and_copies_are_found_by_looking(tmp_path):
    rng = np.random.default_rng(2)
    scenes = rng.integers(0, 255, (3, 9, 12, 3), np.uint8)
    names = []
    for number, scene in enumerate([0, 0, 1, 1, 2, 0]):
        image = cv2.resize(scenes[scene], (160, 120), interpolation=cv2.INTER_CUBIC)
        image[10 : 30 + 3 * number, 20:40] = 255  # somebody moves
        names.append(f"{number + 8}.png")  # 8, 9, 10: by value, not by letters
        cv2.imwrite(str(tmp_path / names[-1]), image)
    cv2.imwrite(str(tmp_path / "77.png"), cv2.imread(str(tmp_path / "12.png")))
    cv2.imwrite(str(tmp_path / "99.png"), np.full((90, 80), 127, np.uint8))
    cv2.imwrite(str(tmp_path / "999.png"), np.full((90, 80), 127, np.uint8))
    found = group_pictures(labels_of([*names, "77.png", "99.png", "999.png"], tmp_path))
    of = found.of.tolist()
    assert of[0] == of[1]
    assert of[2] == of[3]
    assert of[4] == of[6]  # the copy
    assert len({of[0], of[2], of[4], of[7], of[8]}) == 5
    assert any("almost the one before" in reason for reason in found.reasons)
