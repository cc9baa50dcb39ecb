import pytest

from lib.config.defaults import default_config
from lib.config.effect import value_of
from lib.config.meaning import all_keys, comments_of, find_keys
from lib.config.papers import PAPERS
from lib.utils.errors import ConfigError


def test_every_key_of_every_configuration_has_a_meaning():
    keys = [key for key in all_keys() if not key.owner]
    assert [key.path for key in keys if len(key.meaning) < 3] == []
    defaults = default_config()
    for key in keys:
        default = value_of(defaults, key.path)
        assert key.default == (list(default) if isinstance(default, tuple) else default)


def test_a_key_is_told_with_all_that_is_known_of_it():
    (key,) = find_keys("train.lr_min")
    assert key.path == "TRAIN.LR_MIN"
    assert key.kind == "a number"
    assert key.bounds == "at least 0"
    assert key.default == 0.0
    assert key.meaning == "cosine: rate at the end"
    assert key.idle == ("for cosine only",)
    assert "SGDR" in key.paper
    (choice,) = find_keys("TEST.FLIP_ALIGN")
    assert choice.choices == ("''", "none", "integer", "exact")
    assert choice.tasks == ("top-down",)
    assert "simcc" in find_keys("MODEL.TARGET_TYPE")[0].choices
    for path, name in (("BACKBONE", "timm"), ("NECK", "bifpn"), ("HEAD", "heatmap")):
        assert name in find_keys(f"MODEL.{path}")[0].choices


def test_only_numbers_have_bounds():
    bounded = [key for key in all_keys() if key.bounds]
    assert len(bounded) > 100
    assert [key.path for key in bounded if "text" in key.kind or "true" in key.kind] == []
    (every,) = find_keys("MODEL.EXTRA.KEYPOINT.GCM.EVERY")
    assert (every.meaning, every.bounds) == ("convolutions between two modules", "at least 1")


def test_older_spelling_leads_to_the_key_that_it_means():
    (key,) = find_keys("TRAIN.IMAGES_PER_GPU")
    assert key.path == "TRAIN.BATCH_SIZE_PER_GPU"
    assert "TRAIN.BATCH_SIZE" in key.spellings


def test_node_gives_all_keys_below_it_and_an_extra_key_once_per_model():
    assert [key.path for key in find_keys("CUDNN")] == [
        "CUDNN.BENCHMARK",
        "CUDNN.DETERMINISTIC",
        "CUDNN.ENABLED",
    ]
    owners = {key.owner: key.default for key in find_keys("MODEL.EXTRA.NUM_LAYERS")}
    assert owners.keys() == {"lpn", "pose_resnet", "simcc_resnet"}
    assert find_keys("MODEL.CODEC.SPLIT_RATIO")[0].meaning == "bins per input pixel"


@pytest.mark.parametrize(
    ("path", "words"),
    [("TRAIN.LRR", "Did you mean TRAIN.LR"), ("DEBUG.DEBUG", "does nothing"), ("X", "no key X")],
)
def test_key_that_is_none_is_a_sentence(path, words):
    with pytest.raises(ConfigError, match=words):
        find_keys(path)


def test_papers_name_keys_that_exist():
    known = {key.path for key in all_keys()}
    assert set(PAPERS) <= known


def test_comments_belong_to_the_entries_beside_them():
    source = """
def make():
    node = Node(
        {
            "A": 1,  # one
            # Two lines above
            # say it.
            "B": {
                "C": [1],
                "D": f(  # inside
                    2
                ),
            },
            # heading
            "E": "# no comment",
        }
    )
    # A sentence.
    node.F = 3  # and more
"""
    assert comments_of(source) == {
        "A": "one",
        "B": "Two lines above say it.",
        "B.C": "",
        "B.D": "inside",
        "E": "",
        "F": "A sentence. and more",
    }
