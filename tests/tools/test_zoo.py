"""The zoo from the command line: looked at, fetched, verified, and fed."""

import hashlib
import json

import pytest
import torch
from safetensors.torch import save_file
from tool_loader import load_script

from lib.config import load_config
from lib.tasks import build_task
from lib.tasks.card import build_card
from lib.utils.errors import UserError
from lib.zoo.card import read_card, safetensors_bytes

zoo = load_script("tools/zoo.py")
BODY = b"abc" * 1000


@pytest.fixture
def shop(own_index, site):
    site.files["m.pth"] = BODY
    entry = {"url": site.address("m.pth"), "sha256": hashlib.sha256(BODY).hexdigest()}
    own_index({"weights": {"mine": entry}})
    return site


def test_names_are_listed_by_words(home):
    every = zoo.main(["list"])
    some = zoo.main(["list", "hrnet", "coco", "Pose"])
    assert 3 < len(some) < len(every)
    assert any(
        "hrnet_w32_coco_256x192 " in line and "AP 0.746 on COCO val2017, boxes: detector" in line
        for line in some
    )
    assert zoo.main(["list", "nosuchword"]) == ["nothing in the zoo has all of: nosuchword"]


def test_an_entry_is_shown_with_scores_and_boxes(home):
    lines = zoo.main(["show", "zoo:hrnet_w32_coco"])
    assert lines[0] == "hrnet_w32_coco_256x192 (pose)"
    assert "sha256: 81c58e40" in lines
    assert any(line.startswith("published on COCO val2017 (boxes: det") for line in lines)


def test_files_are_fetched_marked_and_verified(shop, home):
    assert zoo.main(["verify", "mine"]) == ["mine: not fetched yet"]
    assert zoo.main(["get", "mine", "zoo:mine"]) == [str(home / "m.pth")] * 2
    assert zoo.main(["list", "mine"])[0].startswith("* mine")
    assert any("mine: as published" in line for line in zoo.main(["verify"]))
    (home / "m.pth").write_bytes(BODY[:-1])
    with pytest.raises(UserError, match=r"Not what was published: .*m\.pth; delete and fetch"):
        zoo.main(["verify"])


@pytest.mark.parametrize(
    "words", ["--offline get mine", "get --offline mine", "get mine --offline"]
)
def test_offline_says_so(shop, monkeypatch, words):
    monkeypatch.setenv("EFEPOSE_OFFLINE", "")
    with pytest.raises(UserError, match="offline"):
        zoo.main(words.split())


@pytest.fixture
def file(tiny_config, tmp_path):
    cfg = load_config(tiny_config)
    card = build_card(cfg, build_task(cfg))
    card["scores"] = {"metrics": {"AP": 0.5, "AP .5": None}, "boxes": "annotated"}
    card["data"] = [{"file": "train.json", "sha256": "ab" * 32}]
    path = tmp_path / "w.safetensors"
    path.write_bytes(safetensors_bytes({"a": torch.ones(2)}, card))
    return path


def test_the_card_of_a_file_is_shown(file, tmp_path):
    lines = zoo.main(["show", str(file)])
    assert "model: pose_hrnet" in lines
    assert "scores: AP 0.5 (boxes: annotated)" in lines
    assert "trained on: train.json (sha256 abababababab)" in lines
    assert any(line.startswith("joints: nose, left_eye") for line in lines)
    torch.save({"a": torch.ones(1)}, tmp_path / "bare.pth")
    with pytest.raises(UserError, match="has no model card"):
        zoo.main(["show", str(tmp_path / "bare.pth")])


@pytest.mark.parametrize(
    ("texts", "shown"),
    [
        ({"joints": "17", "scores": "good", "data": "ImageNet"}, ["joints: 17", "scores: good"]),
        ({"joints": "[1, 2]", "data": '["a.json", {"file": "b"}]'}, ["joints: 1, 2"]),
        ({"scores": '{"metrics": {"AP": "high", "AR": 0.5}}'}, ["scores: AR 0.5 (boxes: None)"]),
        ({"scores": '{"metrics": 0.5}', "color_rgb": "[1]"}, ["scores: {'metrics': 0.5}"]),
    ],
)
def test_cards_of_others_are_shown_as_they_are(tmp_path, texts, shown):
    save_file({"a": torch.ones(1)}, tmp_path / "theirs.safetensors", texts)
    lines = zoo.main(["show", str(tmp_path / "theirs.safetensors")])
    assert set(shown) <= set(lines)


def test_meta_data_without_a_card_is_none(tmp_path):
    save_file({"a": torch.ones(1)}, tmp_path / "theirs.safetensors", {"step": "5"})
    with pytest.raises(UserError, match="has no model card"):
        zoo.main(["show", str(tmp_path / "theirs.safetensors")])


def test_a_run_is_pushed_with_its_card(file, monkeypatch, tmp_path):
    hub = pytest.importorskip("huggingface_hub")
    sent = {}

    class Api:
        def create_repo(self, repository, **options):
            sent["repository"] = (repository, options)

        def upload_file(self, *, path_or_fileobj, path_in_repo, repo_id):
            sent[path_in_repo] = path_or_fileobj

    monkeypatch.setattr(hub, "HfApi", Api)
    zoo.main(["push", str(file), "org/name", "--licence", "cc-by-4.0", "--private"])
    assert sent["repository"] == ("org/name", {"private": True, "exist_ok": True})
    (tmp_path / "back.safetensors").write_bytes(sent["model.safetensors"])
    back = read_card(tmp_path / "back.safetensors")
    assert str(tmp_path) in read_card(file)["config"]
    assert str(tmp_path) not in back.pop("config")  # nobody else's business
    assert {**back, "config": 0} == {**read_card(file), "licence": "cc-by-4.0", "config": 0}
    page = sent["README.md"].decode()
    assert page.startswith("---\nlicense: cc-by-4.0\n")
    assert 'from_pretrained("hub:org/name")' in page


def test_a_run_is_packed_to_give_away(file, tmp_path):
    out = tmp_path / "given.safetensors"
    report = {
        "metrics": {"AP": 0.125},
        "dataset": "coco val2017",
        "boxes": "annotated",
        "people": 3,
    }
    (tmp_path / "metrics.json").write_text(json.dumps(report))
    words = ["--half", "--licence", "mit", "--note", "for tests only", "--scores"]
    lines = zoo.main(["pack", str(file), str(out), *words, str(tmp_path / "metrics.json")])
    assert f"sha256 {hashlib.sha256(out.read_bytes()).hexdigest()}" in lines[0]
    assert "note: for tests only" in lines
    assert "scores: AP 0.125 (boxes: annotated)" in lines
    card = read_card(out)
    assert card["scores"] == {key: report[key] for key in ("metrics", "dataset", "boxes")}
    with pytest.raises(UserError, match=r"must be a new file that ends in \.safetensors"):
        zoo.main(["pack", str(file), str(out)])  # never overwrites another
    zoo.main(["pack", str(out), str(out), "--licence", "apache-2.0"])  # but mends its own card
    assert read_card(out)["licence"] == "apache-2.0"
    before = out.read_bytes()
    with pytest.raises(UserError, match="must be a new file"):
        zoo.main(["pack", str(out), str(out), "--half"])  # never takes digits from the only copy
    assert out.read_bytes() == before


@pytest.mark.parametrize("report", [[1], {"AP": 1}, {"metrics": 0.5}, "AP", None])
def test_scores_that_are_none_are_refused(file, tmp_path, report):
    (tmp_path / "metrics.json").write_text(json.dumps(report))
    out = tmp_path / "given.safetensors"
    with pytest.raises(UserError, match=r"no table of metrics: give a metrics\.json"):
        zoo.main(["pack", str(file), str(out), "--scores", str(tmp_path / "metrics.json")])
    assert not out.exists()


def test_names_are_packed_and_pushed_too(file, own_index, tmp_path):
    own_index({"weights": {"mine": {"url": str(file)}}})
    zoo.main(["pack", "zoo:mine", str(tmp_path / "given.safetensors")])
    assert (tmp_path / "given.safetensors").exists()
    with pytest.raises(UserError, match="no weights 'none'"):
        zoo.main(["push", "zoo:none", "org/name"])


def test_a_file_in_the_index_that_is_here_is_shown_with_its_card(file, own_index):
    own_index({"weights": {"ours": {"url": str(file)}}})
    lines = zoo.main(["show", "ours"])
    assert f"file: {file}" in lines
    assert "scores: AP 0.5 (boxes: annotated)" in lines


def test_a_file_of_the_index_that_lies_here_needs_no_fetch(file, own_index):
    own_index({"weights": {"mine": {"url": str(file)}, "far": {"url": "https://x.invalid/w.pth"}}})
    assert next(line for line in zoo.main(["list", "mine"])).startswith("* mine")
    here, far = zoo.main(["verify", "mine", "far"])
    assert here.startswith("mine: no hash is published")
    assert str(file) in here
    assert far == "far: not fetched yet"


def test_what_cannot_be_pushed(tmp_path, monkeypatch, file):
    torch.save({"a": torch.ones(1)}, tmp_path / "bare.pth")
    with pytest.raises(UserError, match="has no model card"):
        zoo.main(["push", str(tmp_path / "bare.pth"), "org/name"])
    hub = pytest.importorskip("huggingface_hub")

    class Refusing:
        def create_repo(self, *_, **__):
            raise ValueError("401 not you\nmore words")

    monkeypatch.setattr(hub, "HfApi", Refusing)
    with pytest.raises(UserError, match="org/name on the hub cannot be written: 401 not you"):
        zoo.main(["push", str(file), "org/name"])
