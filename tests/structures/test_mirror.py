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


@pytest.mark.parametrize(
    "names",
    [
        ("Kopf", "Hüfte_links", "Hüfte_rechts"),
        ("Nase", "linkes Knie", "rechtes Knie"),
        ("nez", "hanche_gauche", "hanche_droite"),
        ("nez", "genou gauche", "genou droit"),
        ("nariz", "rodilla_izq", "rodilla_der"),
        ("testa", "ginocchioSx", "ginocchioDx"),
        ("hals", "höft_vänster", "höft_höger"),
        ("hals", "Knæ venstre", "Knæ højre"),
        ("нос", "левая_рука", "правая_рука"),
        ("нос", "левый локоть", "правый локоть"),
        ("鼻", "左肩", "右肩"),
        ("코", "왼어깨", "오른어깨"),
    ],
)
def test_sides_are_known_in_other_languages(names):
    assert mirror_pairs(names) == [(1, 2)]
    assert mirror_pairs(names[::-1]) == [(1, 0)]


def test_words_that_hold_a_side_are_not_one():
    assert mirror_pairs(("solid", "sagid", "linkshand", "balm", "jobbm")) == []


def test_any_language_is_paired_by_the_skeleton_file():
    entry = {"joints": ["pen", "lin_clun", "lin_dde"]}
    assert skeleton_from_dict(entry, "x.yaml").flip_pairs == ()
    paired = skeleton_from_dict({**entry, "flip_pairs": [["lin_clun", "lin_dde"]]}, "x.yaml")
    assert paired.flip_pairs == ((1, 2),)
    with pytest.raises(DataError, match="does not name two of the joints"):
        skeleton_from_dict({**entry, "flip_pairs": [["lin_clun", "lin"]]}, "x.yaml")
