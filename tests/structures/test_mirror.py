import pytest

from lib.structures.mirror import mirror_pairs
from lib.structures.skeleton import load_skeleton, skeleton_from_dict
from lib.utils.errors import DataError


@pytest.mark.parametrize(
    "names",
    [
        ("neck", "left_knee", "right_knee"),
        ("Neck", "Knee Left", "Knee Right"),
        ("neck", "knee-l", "knee-r"),
        ("neck", "L.Knee", "R.Knee"),
        ("neck", "lKnee", "rKnee"),
        ("NECK", "LKNEE", "RKNEE"),
        ("neck", "kneeLeft", "kneeRight"),
        ("neck", "leftknee", "rightknee"),
        ("neck", "LT Knee 2", "RT Knee 2"),
        ("neck", "kneel", "kneer"),
    ],
)
def test_sides_are_known_in_any_spelling(names):
    assert mirror_pairs(names) == [(1, 2)]


def test_names_without_sides_are_not_paired():
    assert mirror_pairs(("tail", "rail", "leg", "pelvis", "left_ear", "lip")) == []
    assert mirror_pairs([f"p{k}" for k in range(9)]) == []


def test_shipped_pairs_are_found_by_name():
    coco = load_skeleton("coco")
    assert sorted(mirror_pairs(coco.joints)) == sorted(coco.flip_pairs)


def test_other_languages_are_paired_by_the_skeleton_file():
    entry = {"joints": ["kopf", "knie_links", "knie_rechts"]}
    assert skeleton_from_dict(entry, "x.yaml").flip_pairs == ()
    paired = skeleton_from_dict({**entry, "flip_pairs": [["knie_links", "knie_rechts"]]}, "x.yaml")
    assert paired.flip_pairs == ((1, 2),)
    with pytest.raises(DataError, match="does not name two of the joints"):
        skeleton_from_dict({**entry, "flip_pairs": [["knie_links", "knie"]]}, "x.yaml")
