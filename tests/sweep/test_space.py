import pytest

from lib.sweep.space import Choice, Range, corners, describe, read_file, read_words, words_of
from lib.utils.errors import ConfigError


def test_words_give_values_and_ranges():
    space = read_words(
        [
            "TRAIN.LR=1e-3,3e-4", "MODEL.IMAGE_SIZE=[192,256],(256, 256)", "A.B='x,y',z",
            "TRAIN.WD", "0.5", "LOSS.TOPK=3..8", "TRAIN.LR_MIN=1e-7..1e-5:log", "X=-0.5..0.5",
        ]
    )  # fmt: skip
    assert space == {
        "TRAIN.LR": Choice(("1e-3", "3e-4")),
        "MODEL.IMAGE_SIZE": Choice(("[192,256]", "(256, 256)")),
        "A.B": Choice(("'x,y'", "z")),
        "TRAIN.WD": Choice(("0.5",)),
        "LOSS.TOPK": Range(3, 8, whole=True),
        "TRAIN.LR_MIN": Range(1e-7, 1e-5, log=True),
        "X": Range(-0.5, 0.5),
    }
    assert words_of({"A": "1", "B": "[2,3]"}) == ["A=1", "B=[2,3]"]


def test_a_file_says_the_same_as_words(tmp_path):
    file = tmp_path / "space.yaml"
    file.write_text(
        "TRAIN:\n  LR: [1e-3, 3e-4]\n  WD: {low: 1e-5, high: 1e-2, log: true}\n"
        "MODEL.IMAGE_SIZE: [[192, 256], [256, 256]]\nTRAIN.OPTIMIZER: adamw\n"
        "LOSS.TOPK: {low: 3, high: 8}\nTEST.FLIP_TEST: [on, off]\n"
    )
    words = [
        "TRAIN.LR=1e-3,3e-4", "TRAIN.WD=1e-5..1e-2:log", "LOSS.TOPK=3..8",
        "MODEL.IMAGE_SIZE=[192, 256],[256, 256]", "TRAIN.OPTIMIZER=adamw",
        "TEST.FLIP_TEST=on,off",
    ]  # fmt: skip
    assert describe(read_file(file)) == describe(read_words(words))


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("TRAIN.LR", "TRAIN.LR"),
        ("TRAIN.LR=", "must be KEY=A,B,C"),
        ("=3", "must be"),
        ("TRAIN.LR=1,,2", "nothing between two commas"),
        ("TRAIN.LR=1,2,1", "twice"),
        ("TRAIN.LR=2..1", "LOW must be below HIGH"),
        ("TRAIN.LR=0..1:log", "above 0"),
        ("TRAIN.LR=a..b", "range of numbers"),
        ("TRAIN.LR=0..inf", "below HIGH"),
    ],
)
def test_wrong_words_are_named(word, said):
    with pytest.raises(ConfigError, match=said):
        read_words([word])


def test_a_key_comes_once():
    with pytest.raises(ConfigError, match=r"TRAIN\.LR twice"):
        read_words(["TRAIN.LR=1,2", "TRAIN.LR=3"])


@pytest.mark.parametrize(
    "text",
    ["", "- 1", "A: [", "A: {low: 1}", "A: {low: 1, high: x}", "A: {low: 1, high: 2, log: 3}"],
)
def test_wrong_files_are_named(tmp_path, text):
    file = tmp_path / "space.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=r"space\.yaml"):
        read_file(file)
    with pytest.raises(ConfigError, match="No such file"):
        read_file(tmp_path / "none.yaml")


def test_ranges_reach_both_ends_and_nothing_beyond():
    whole = Range(3, 6, whole=True)
    assert [whole.at(share) for share in (0, 0.24, 0.26, 0.5, 0.999999)] == list("33456")
    assert Range(2, 5).at(0.5) == "3.5"
    assert float(Range(1e-5, 1e-1, log=True).at(0.5)) == pytest.approx(1e-3)
    assert Range(0.1234564, 0.2).at(0) == "0.1234564"  # six digits would lie below it
    logarithmic = Range(1, 8, whole=True, log=True)
    assert {logarithmic.at(i / 200) for i in range(200)} == set("12345678")


def test_corners_show_every_value():
    found = corners(read_words(["A=1,2,3", "B=x,y", "C=5..9"]))
    assert found == [
        {"A": "1", "B": "x", "C": "5"},
        {"A": "2", "B": "y", "C": "9"},
        {"A": "3", "B": "x", "C": "5"},
    ]
