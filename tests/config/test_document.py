"""Texts arrive as written, typed values with their type, and nothing is dropped in silence."""

import ast
import subprocess
import sys

import pytest

from lib.config import ConfigError, document, load_config, save_config
from lib.config.document import plain, read_document, read_word

TEXTS = ["on", "no", "0123", "1e3", "1_000", "3.10", "2024-01-01", "12:30", "a #b", "a: b", "[x]"]


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
        ("TRAIN: {LR: 1}\nTRAIN: {WD: 1}", "TRAIN occurs twice.* line 2"),
        ("TRAIN:\n  LR: 1\n  LR: 2", "LR occurs twice.* line 3"),
        ("MODEL: &a {EXTRA: *a}", "inside its own anchor"),
        ("TRAIN: {LR_STEP: &a [1, *a]}", "inside its own anchor"),
        ("{[1]: 2}", "a key must be a name"),
        ("a: 0b_", "cannot be read as YAML"),
        ("a: " + "[" * 2000, "cannot be read as YAML"),
        ("a: !!python/object/apply:os.getcwd []", "could not determine a constructor"),
        ("a: *b", "undefined alias"),
        ("a: {<<: 1}", "<< needs a mapping or a list of mappings.* line 1"),
        ("a: {<<: [{b: 1}, c]}", "<< needs a mapping or a list of mappings"),
        ("a: &a {b: 1}\nc: {<<: *a, <<: *a}", "<< occurs twice"),
        ("a: &a {<<: *a}", "inside its own anchor"),
        ("MODEL: !!map [1]", "a mapping is wanted here.* line 1"),
        ("TRAIN: {LR: !!int [1]}", "expected a scalar node, but found sequence.* line 1"),
        ("TRAIN: {LR: !!float {a: 1}}", "expected a scalar node, but found mapping.* line 1"),
        ("TRAIN: {LR: !!set {x}}", "must be a number"),
        ("DATASET: {TEST_SET: !!binary aGk=}", "must be a text"),
        ("TRAIN: {LR: =}", "must be a number, got '='"),
        ("TRAIN: {LR: <<}", "must be a number, got '<<'"),
        ("TRAIN: {LR: 2001-02-03}", "must be a number, got '2001-02-03'"),
        ("1: 2", "unknown key 1"),
        ("MODEL: {EXTRA: 0}", "MODEL.EXTRA must hold keys"),
    ],
)
def test_documents_that_mean_nothing_are_refused(write, text, message):
    with pytest.raises(ConfigError, match=message):
        load_config(write(text))


BASE = "a: &a {x: 1, y: 2}\nb: &b {x: 3, z: {u: 1, v: 2}}\n"
MERGES = {
    "c: {<<: *a, x: 9}": {"x": 9, "y": 2},
    "c: {x: 9, <<: *a}": {"x": 9, "y": 2},  # its own key, wherever it stands
    "c: {<<: [*a, *b]}": {"x": 1, "y": 2, "z": {"u": 1, "v": 2}},  # the first that has it
    "c: {<<: [*b, *a], y: 7}": {"x": 3, "y": 7, "z": {"u": 1, "v": 2}},
    "c: {<<: *b, z: {u: 5}}": {"x": 3, "z": {"u": 5}},  # values are replaced, not joined
    "c: &c {<<: *a, x: 3}\nd: &d {<<: *c, y: 4}\ne: {<<: *d, w: 5}": {"x": 3, "y": 4, "w": 5},
    "c: &c {<<: *a, x: 3}\nd: {<<: [*c, *b], y: 8}": {"x": 3, "y": 8, "z": {"u": 1, "v": 2}},
    "c: &c {y: 6, <<: *a}\nd: {<<: *c}": {"x": 1, "y": 6},
    "c: {k: {<<: *a, x: 5}, l: &l {<<: *a, y: 5}}\nd: {<<: *l}": {"x": 1, "y": 5},
    "c: {<<: {<<: *a, x: 5}}": {"x": 5, "y": 2},  # a merge inside a merge
    "c: {<<: [{<<: *a, x: 5}, *b]}": {"x": 5, "y": 2, "z": {"u": 1, "v": 2}},
    "c: {<<: []}": {},
    "c: {'<<': *a}": {"<<": {"x": 1, "y": 2}},  # in quotes it is a name
}
# Wheels of PyYAML by version; 5.4.1 has none for the Pythons of today, but its Python part runs.
PYYAMLS = {
    "5.4.1": ["--python-version=3.9", "--platform=manylinux1_x86_64"],
    "6.0.2": [],
    "6.0.4": [],
}
ALONE = """
import sys
sys.path.insert(0, sys.argv[1])  # before the folders of the installed packages
from importlib.util import module_from_spec, spec_from_file_location
import yaml
assert yaml.__version__ == sys.argv[3], yaml.__version__
spec = spec_from_file_location("document", sys.argv[2])
sys.modules["document"] = document = module_from_spec(spec)
spec.loader.exec_module(document)
print([document.plain(document.read_document(text)) for text in sys.argv[4:]])
"""


@pytest.mark.parametrize("text", MERGES)
def test_merges_put_keys_where_there_are_none(text):
    tree = plain(read_document(BASE + text))
    assert list(tree.values())[-1] == MERGES[text]
    assert tree["a"] == {"x": 1, "y": 2}  # what is merged stays as it is


@pytest.mark.slow
@pytest.mark.parametrize("version", PYYAMLS)
def test_merges_do_not_depend_on_the_version_of_pyyaml(tmp_path, version):
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--only-binary=:all:"]
    command += [*PYYAMLS[version], "--target", str(tmp_path), f"PyYAML=={version}"]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip(f"PyYAML {version} cannot be installed here: no package index, or no wheel")
    texts = [BASE + text for text in MERGES]
    command = [sys.executable, "-S", "-c", ALONE, str(tmp_path), document.__file__, version]
    done = subprocess.run([*command, *texts], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert ast.literal_eval(done.stdout) == [plain(read_document(text)) for text in texts]


def test_a_tree_that_aliases_blow_up_is_refused_in_one_sentence(write):
    lists = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    maps = [
        f"a{n}: &a{n} {{{', '.join(f'k{m}: *a{n - 1}' for m in range(9))}}}" for n in range(1, 30)
    ]
    for lines in (lists, maps):
        with pytest.raises(ConfigError, match=r"with its aliases it has more than 100000 values"):
            load_config(write("\n".join(["a0: &a0 [x]", *lines])))


def test_many_values_and_many_aliases_are_read():
    steps = ", ".join(map(str, range(20_000)))
    tree = read_document(f"a: &a [{steps}]\nb: *a\nc: {{d: *a}}")
    assert plain(tree)["c"]["d"] == list(range(20_000))


def test_a_word_that_is_no_yaml_is_a_text():
    assert read_word("a: b: c") == "a: b: c"
    assert read_word('"on"') == "on"
    assert read_word("") is None
