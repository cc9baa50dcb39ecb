from pathlib import Path

import numpy as np
import pytest

from lib.datasets.formats.labels import LabelSet
from lib.datasets.start.groups import Groups
from lib.datasets.start.splits import choose_folds, choose_split
from lib.structures.skeleton import load_skeleton
from lib.utils.errors import ConfigError


def labels_of(splits):
    images = [{"id": n, "file_name": f"{n}.jpg", "split": s} for n, s in enumerate(splits)]
    return LabelSet("coco", Path("x.json"), Path(), load_skeleton("coco"), [], images, [])


def groups_of(*sizes):
    return Groups(np.repeat(np.arange(len(sizes)), sizes), ())


@pytest.mark.parametrize("seed", range(8))
def test_no_group_is_on_two_sides(seed):
    groups = groups_of(7, 3, 11, 5, 2, 9, 4, 6, 1, 8)
    split = choose_split(labels_of([""] * 56), groups, seed=seed)
    sides = {}
    for side, group in zip(split.sides, groups.of.tolist(), strict=True):
        sides.setdefault(group, set()).add(side)
    assert all(len(found) == 1 for found in sides.values())
    assert 0.1 <= len(split.places("val")) / 56 <= 0.25


def test_large_groups_are_said():
    split = choose_split(labels_of([""] * 20), groups_of(9, 11))
    assert len(split.places("val")) == 9
    assert "45% of the pictures validate, not 20%" in split.notes[0]


def test_one_video_is_split_in_time():
    split = choose_split(labels_of([""] * 10), groups_of(10))
    assert split.places("val") == [8, 9]
    assert "one video or person" in split.notes[0]


def test_own_splits_stay():
    own = ["train", "val", "train", "test", "val", ""]
    split = choose_split(labels_of(own), groups_of(1, 1, 1, 1, 1, 1))
    assert split.sides == ("train", "val", "train", "test", "val", "train")
    assert not split.notes
    crossing = choose_split(labels_of(own), groups_of(2, 4))
    assert "2 groups of pictures that belong together on two sides" in crossing.notes[0]


def test_a_test_set_is_kept_apart():
    split = choose_split(labels_of(["test", *["train"] * 9]), groups_of(*[1] * 10))
    assert split.places("test") == [0]
    assert len(split.places("val")) == 2


def test_folds():
    groups = groups_of(4, 1, 3, 2, 2)
    splits = choose_folds(groups, 3)
    assert [split.name for split in splits] == ["fold0", "fold1", "fold2"]
    places = [split.places("val") for split in splits]
    assert sorted(n for part in places for n in part) == list(range(12))
    assert sorted(map(len, places)) == [4, 4, 4]
    for split in splits:
        assert not {*groups.of[split.places("val")]} & {*groups.of[split.places("train")]}
    with pytest.raises(ConfigError, match="there are 5"):
        choose_folds(groups, 6)


def test_one_picture_is_too_few():
    with pytest.raises(ConfigError, match="has 1 pictures to train on"):
        choose_split(labels_of(["", "test"]), groups_of(1, 1))
