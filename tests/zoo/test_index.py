"""The index of published weights, and a user's own beside it."""

import re
from pathlib import Path

import pytest

from lib.utils.errors import ConfigError, UserError, WeightsError
from lib.zoo.index import EXPERIMENTS, OWN_INDEX, load_index
from lib.zoo.resolve import resolve_weights

INDEX = load_index()
LAYOUTS = ("mmpose 0.x", "mmpose 1.x", "torchvision", "timm", "MAE", "transformers")


def leaves():
    for folder in ("coco", "mpii", "crowd_pose", "wholebody"):
        for file in sorted((EXPERIMENTS / folder).rglob("*.yaml")):
            yield file.relative_to(EXPERIMENTS).with_suffix("").as_posix()


def test_names_addresses_and_files_are_unique():
    entries = INDEX.weights.values()
    assert all(re.fullmatch(r"[a-z0-9_]+", entry.name) for entry in entries)
    assert len({entry.url for entry in entries}) == len(entries)
    assert len({entry.file for entry in entries}) == len(entries)
    assert all(entry.url.startswith("https://") for entry in entries if not entry.here)
    assert [entry.name for entry in entries if entry.here] == [INDEX.pose]  # in models/
    assert {entry.layout for entry in entries if not entry.speaks_for_itself} == set(LAYOUTS)


def test_hashes_are_those_in_the_file_names():
    for entry in (entry for entry in INDEX.weights.values() if not entry.here):
        found = re.search(r"-([0-9a-f]{8})(_20\d{6})?\.pth$", entry.url)
        assert entry.sha256 == (found[1] if found else ""), entry.name


def test_aliases_lead_to_names_and_hide_none():
    assert all(name in INDEX.weights for name in INDEX.aliases.values())
    assert not set(INDEX.aliases) & set(INDEX.weights)
    assert INDEX.find("hrnet_w32_coco").name == "hrnet_w32_coco_256x192"
    assert INDEX.find(INDEX.detector).use == "detector"


@pytest.mark.parametrize("experiment", list(leaves()))
def test_every_experiment_has_weights_or_a_reason(experiment):
    file = EXPERIMENTS / f"{experiment}.yaml"
    if experiment not in INDEX.experiments:
        with pytest.raises(UserError, match="There are no published weights of"):
            INDEX.of_experiment(file)
        return
    entry = INDEX.of_experiment(file)
    assert entry.use == "pose"
    assert entry.headline()


def test_experiments_of_the_index_exist():
    named = {e.experiment for e in INDEX.weights.values() if e.experiment} | set(INDEX.experiments)
    absent = sorted(name for name in named if not (EXPERIMENTS / f"{name}.yaml").is_file())
    assert absent == []


def test_experiments_start_from_weights_that_are_known():
    named = re.compile(r"PRETRAINED: zoo:(\S*)")
    files = [file.read_text() for file in EXPERIMENTS.rglob("*.yaml")]
    found = {name for text in files for name in named.findall(text)}
    assert len(found) > 8
    assert all(INDEX.get(name) is not None for name in found), found


def test_the_weights_of_an_experiment_are_of_its_own_data_set():
    words = {
        "coco": ("_coco",),
        "mpii": ("_mpii",),
        "crowd_pose": ("_crowdpose",),
        "wholebody": ("_wholebody",),
    }
    for experiment, name in INDEX.experiments.items():
        start = experiment.partition("/")[0]
        assert any(word in name for word in words[start]), (experiment, name)


def test_an_index_of_the_users_own_lies_beside_ours(own_index, tmp_path):
    (tmp_path / "x.yaml").write_text("")
    index = own_index(
        {
            "weights": {
                "mine": {"url": "w.pth", "experiment": "x.yaml"},
                "resnet50_imagenet": {"url": "https://lab.invalid/r.pth"},
            },
            "detector": "mine",
        }
    )
    assert index.find("mine").url == (tmp_path / "w.pth").as_uri()
    assert index.find("mine").yaml == tmp_path / "x.yaml"
    assert index.find("resnet50_imagenet").url == "https://lab.invalid/r.pth"
    assert index.find("hrnet_w32_coco").use == "pose"
    assert index.detector == "mine"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "is not JSON"),
        ([], "must be an index"),
        ({"weights": []}, "must be an index"),
        ({"weights": {"a": {}}}, "'a' must have an address"),
        ({"weights": {"a": {"url": "x", "sha": "1"}}}, "unknown 'sha'. Did you mean sha256"),
        ({"weights": {"a": {"url": "x", "sha256": "XYZ"}}}, "8 to 64 hexadecimal"),
        ({"weights": {"a": {"url": "x", "use": "toy"}}}, "one of pose, trunk, detector"),
        ({"weights": {}, "aliases": []}, "must be tables"),
        ({"weights": {}, "aliases": {"a": 1}}, "must be tables of texts"),
        ({"weights": {"a": {"url": "x", "input": 256}}}, "must be [width, height], got 256"),
        ({"weights": {"a": {"url": "x", "input": [1, 2, 3]}}}, "must be [width, height]"),
        ({"weights": {"a": {"url": "x", "sha256": None}}}, "'sha256' of 'a' must be a text"),
        ({"weights": {"a": {"url": "x", "experiment": 7}}}, "'experiment' of 'a' must be a text"),
        ({"weights": {"a": {"url": "x", "settings": "A=1"}}}, "must be a list of overrides"),
        ({"weights": {"a": {"url": "x", "joints": "17"}}}, "must be a whole number, got '17'"),
        ({"weights": {"a": {"url": "x", "results": {"AP": 1}}}}, "must be a list of {"),
        ({"weights": {"a": {"url": "x", "results": [{"dataset": "b"}]}}}, "must be a list of {"),
    ],
)
def test_a_wrong_index_is_one_sentence(own_index, content, words):
    with pytest.raises(UserError) as error:
        own_index(content)
    assert words in str(error.value)


def test_names_of_files_have_no_questions_in_them(own_index):
    addresses = {
        "drive": ("https://x.invalid/a/my%20w.pth?download=1", "my w.pth"),
        "hub": ("https://x.invalid/resolve/main/model.safetensors?x=1/2", "hub.safetensors"),
        "bare": ("https://x.invalid/download/123", "bare-123"),
        "folder": ("https://x.invalid/", "folder"),
        "up": ("https://x.invalid/%2e%2e%2fw.pth", "w.pth"),
    }
    index = own_index({"weights": {name: {"url": url} for name, (url, _) in addresses.items()}})
    assert {name: index.find(name).file for name in addresses} == {
        name: file for name, (_, file) in addresses.items()
    }


def test_two_addresses_never_share_a_file(own_index, site):
    first, second = (site.address(f"{run}/best.pth") for run in ("a", "b"))
    site.files.update({"a/best.pth": b"first", "b/best.pth": b"second"})
    taken = {"url": site.address("resnet50-0676ba61.pth")}  # the name of a file of ours
    own_index({"weights": {"one": {"url": first}, "two": {"url": second}, "ours": taken}})
    assert resolve_weights("one").read_bytes() == b"first"
    assert resolve_weights("two").read_bytes() == b"second"
    assert load_index().find("ours").file == "ours.pth"
    assert load_index().find("resnet50_imagenet").file == "resnet50-0676ba61.pth"
    own_index({"weights": {"one": {"url": first}, "two": {"url": first}}})
    assert {load_index().find(name).file for name in ("one", "two")} == {"best.pth"}


def test_experiments_may_be_written_with_their_ending(own_index):
    known = "coco/hrnet/w32_256x192_adam_lr1e-3"
    own_index({"weights": {"m": {"url": "m.pth", "experiment": f"{known}.yaml"}}})
    assert load_index().find("m").yaml == EXPERIMENTS / f"{known}.yaml"


@pytest.mark.parametrize("url", ["http://[::1/w.pth", "https://", "a\0b.pth", "x" * 400, "a\nb"])
def test_addresses_that_are_none_are_named(own_index, url):
    with pytest.raises(ConfigError, match="'url' of 'm' is not an address"):
        own_index({"weights": {"m": {"url": url}}})


def test_half_a_name_leads_to_whole_ones():
    with pytest.raises(WeightsError, match=r"'VITPOSE'. Some with that in them: vitpose_\S+, "):
        INDEX.find("VITPOSE")


def test_a_missing_index_names_the_variable(own_index, monkeypatch):
    monkeypatch.setenv(OWN_INDEX, "/none/such.json")
    with pytest.raises(UserError, match=OWN_INDEX):
        load_index()


def test_the_file_name_says_whose_it_is():
    assert INDEX.find("hrnet_w32_imagenet").file == "hrnet_w32_imagenet.safetensors"
    assert INDEX.find("resnet50_imagenet").file == "resnet50-0676ba61.pth"
    assert Path(INDEX.find("vitpose_b_coco").file).suffix == ".pth"
