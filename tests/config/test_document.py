"""Texts arrive as written, typed values with their type, and nothing is dropped in silence."""

import pytest

from lib.config import ConfigError, load_config, save_config
from lib.config.document import plain, read_document, read_word

TEXTS = ["on", "no", "0123", "1e3", "1_000", "3.10", "2024-01-01", "12:30", "a #b", "a: b", "[x]"]


@pytest.fixture
def write(tmp_path):
    def to_file(text):
        path = tmp_path / "a.yaml"
        path.write_text(text)
        return path

    return to_file


def test_values_keep_their_types():
    tree = read_document("{a: on, b: 1, c: [2.5, x], d: {e: null}, on: '7'}")
    assert plain(tree) == {"a": True, "b": 1, "c": [2.5, "x"], "d": {"e": None}, "on": "7"}
    assert tree["a"].text == "on"


@pytest.mark.parametrize("text", TEXTS)
def test_overrides_of_texts_arrive_as_written(write, tmp_path, text):
    path = write("{}")
    assert text == load_config(path, [f"OUTPUT_DIR={text}"]).OUTPUT_DIR
    cfg = load_config(path, ["OUTPUT_DIR", text])
    assert text == cfg.OUTPUT_DIR
    save_config(cfg, tmp_path / "b.yaml")
    assert text == load_config(tmp_path / "b.yaml").OUTPUT_DIR


@pytest.mark.parametrize("text", TEXTS[:8])
def test_texts_in_files_arrive_as_written(write, text):
    cfg = load_config(write(f"OUTPUT_DIR: {text}\nDATASET: {{TRAIN_SET: {text}}}"))
    assert (text, text) == (cfg.OUTPUT_DIR, cfg.DATASET.TRAIN_SET)


def test_other_overrides_keep_their_meaning(write):
    words = ["DATASET.FLIP=on", "TRAIN.SHUFFLE=off", "GPUS=[2,3]", "TEST={FLIP_TEST: yes}"]
    cfg = load_config(write("{}"), [*words, "MODEL.PRETRAINED=", "LOG_DIR='7'", "WORKERS=007"])
    assert (cfg.DATASET.FLIP, cfg.TRAIN.SHUFFLE, cfg.GPUS) == (0.5, False, (2, 3))
    assert (cfg.TEST.FLIP_TEST, cfg.MODEL.PRETRAINED, cfg.LOG_DIR) == (True, "", "7")
    assert cfg.WORKERS == 7


def test_arguments_of_composed_models_are_typed(write):
    text = "MODEL: {NAME: posenet, BACKBONE: hrnet, HEAD: heatmap, EXTRA: {BACKBONE: {BLOCKS: 2}}}"
    cfg = load_config(write(text), ["MODEL.EXTRA.BACKBONE.MODULES=[1,1,1]"])
    assert dict(cfg.MODEL.EXTRA.BACKBONE) == {"BLOCKS": 2, "MODULES": [1, 1, 1]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("TRAIN: {LR: 1}\nTRAIN: {WD: 1}", "TRAIN stands there twice.* line 2"),
        ("TRAIN:\n  LR: 1\n  LR: 2", "LR stands there twice.* line 3"),
        ("MODEL: &a {EXTRA: *a}", "inside its own anchor"),
        ("TRAIN: {LR_STEP: &a [1, *a]}", "inside its own anchor"),
        ("{[1]: 2}", "a key must be a name"),
        ("a: 0b_", "cannot be read as YAML"),
        ("a: " + "[" * 2000, "cannot be read as YAML"),
        ("a: !!python/object/apply:os.getcwd []", "could not determine a constructor"),
        ("a: *b", "undefined alias"),
        ("TRAIN: {LR: 2001-02-03}", "must be a number, got '2001-02-03'"),
        ("1: 2", "unknown key 1"),
        ("MODEL: {EXTRA: 0}", "MODEL.EXTRA must hold keys"),
    ],
)
def test_documents_that_mean_nothing_are_refused(write, text, message):
    with pytest.raises(ConfigError, match=message):
        load_config(write(text))


def test_anchors_and_merges_work(write):
    text = "TRAIN: &t {LR: 0.5, WD: 0.25}\nTEST: {SCALE_FACTOR: &s [1.0, 2.0]}\n"
    assert load_config(write(text)).TRAIN.WD == 0.25
    tree = plain(read_document("a: &a {x: 1, y: 2}\nb: &b {<<: *a, x: 3}\nc: {<<: *b, z: 4}\n"))
    assert tree["b"] == {"x": 3, "y": 2}
    assert tree["c"] == {"x": 3, "y": 2, "z": 4}


def test_a_word_that_is_no_yaml_is_a_text():
    assert read_word("a: b: c") == "a: b: c"
    assert read_word('"on"') == "on"
    assert read_word("") is None
