"""Everything that may be written for a weight file, and what is said of what may not."""

import hashlib
import sys
from pathlib import Path
from urllib.parse import quote

import pytest

from lib.utils.errors import WeightsError
from lib.zoo.resolve import is_published, is_reference, published, resolve_weights

BODY = b"weights" * 100
HASH = hashlib.sha256(BODY).hexdigest()


def test_a_path_stays_a_path(tmp_path, monkeypatch):
    file = tmp_path / "hrnet_w32_coco"  # also a name of the zoo: the disk comes first
    file.write_bytes(b"x")
    assert resolve_weights(file) == resolve_weights(str(file)) == file
    monkeypatch.chdir(tmp_path)
    assert resolve_weights("hrnet_w32_coco") == Path("hrnet_w32_coco")
    assert not is_published("hrnet_w32_coco")


def test_a_path_may_start_at_home(tmp_path, monkeypatch, home):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "w.pth").write_bytes(b"x")
    assert resolve_weights("~/w.pth") == tmp_path / "w.pth"
    with pytest.raises(WeightsError, match=rf"No weight file {tmp_path}/none.pth"):
        resolve_weights("~/none.pth")


def test_names_with_and_without_zoo(site, own_index):
    site.files["m.pth"] = BODY
    entry = {"url": site.address("m.pth"), "sha256": HASH}
    own_index({"weights": {"mine": entry}, "aliases": {"short": "mine"}})
    for text in ("zoo:mine", "mine", "short", "zoo:short"):
        assert is_reference(text)
        assert resolve_weights(text).read_bytes() == BODY
    assert len(site.asked) == 1


def test_an_address_is_fetched_under_a_name_of_its_own(site, home):
    site.files["a/w.pth"], site.files["b/w.pth"] = BODY, b"others"
    first, second = (resolve_weights(site.address(p)) for p in ("a/w.pth", "b/w.pth"))
    assert first.read_bytes() == BODY
    assert second.read_bytes() == b"others"
    assert first.name.endswith("-w.pth")
    assert resolve_weights(f"{site.address('a/w.pth')}#sha256={HASH[:12]}") == first


@pytest.mark.parametrize("mark", ["#sha256=0123456789", "#md5=00", "#sha256=12"])
def test_an_address_with_a_wrong_hash(site, home, mark):
    site.files["w.pth"] = BODY
    with pytest.raises(WeightsError, match=r"SHA-256|sha256"):
        resolve_weights(site.address("w.pth") + mark)


def test_an_address_of_the_index_is_checked_like_the_name(site, own_index):
    site.files["m.pth"] = BODY[1:]
    own_index({"weights": {"mine": {"url": site.address("m.pth"), "sha256": HASH[:8]}}})
    with pytest.raises(WeightsError, match="not the file that was published"):
        resolve_weights(site.address("m.pth"))


def test_a_file_of_a_package(tmp_path, monkeypatch):
    (tmp_path / "weightpackage" / "data").mkdir(parents=True)
    (tmp_path / "weightpackage" / "__init__.py").write_text("raise RuntimeError('never imported')")
    (tmp_path / "weightpackage" / "data" / "w.bin").write_bytes(BODY)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert resolve_weights("package:weightpackage/data/w.bin").read_bytes() == BODY
    assert resolve_weights("package:weightpackage").read_bytes() == BODY
    assert "weightpackage" not in sys.modules
    (tmp_path / "weightpackage" / "v.pth").write_bytes(BODY)
    for wrong in ("package:weightpackage", "package:weightpackage/data/v.bin"):
        with pytest.raises(WeightsError, match=r"holds data/w\.bin, v\.pth"):
            resolve_weights(wrong)
    for wrong in ("package:nosuchpackage/w.bin", "package:", "package:../x"):
        with pytest.raises(WeightsError, match="no package"):
            resolve_weights(wrong)


@pytest.mark.parametrize("path", ["w\xe4 b/\xfc.pth", "\xfc" * 300 + ".pth", "a%00b.pth"])
def test_odd_letters_and_long_names_of_addresses(site, home, path):
    site.files[quote(path, safe="/%")] = b"weights"
    found = resolve_weights(site.address(path))
    assert found.read_bytes() == b"weights"
    assert found.suffix == ".pth"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("models/none.pth", "No weight file models/none.pth: give a path, zoo:NAME"),
        ("hrnet_w23_coco", "Did you mean hrnet_w"),
        ("zoo:hrnet_w23_coco", "no weights 'hrnet_w23_coco'. Did you mean"),
        ("zoo:", "needs a name"),
        ("hub:name", "hub:ORG/NAME"),
        ("models/resnet50-0676ba61.pth", "zoo:resnet50_imagenet is a file of that name."),
        ("/", "is a folder"),
        ("", "is a folder"),
        ("~nobody99/w.pth", "No weight file ~nobody99/w.pth"),
        ("http://[::1", "is not an address"),
        ("https://[bad]/w.pth", "is not an address"),
        ("https://host.invalid/\ud800.pth", "is not an address"),
        ("http://.../w.pth", "is not an address"),
        ("http://127.0.0.1:port/w.pth", "is not an address"),
    ],
)
def test_what_does_not_exist_is_one_sentence(home, text, words):
    with pytest.raises(WeightsError) as error:
        resolve_weights(text)
    assert words in str(error.value)


def test_advice_of_the_caller_is_given():
    with pytest.raises(WeightsError, match="or train from scratch"):
        resolve_weights("none.pth", "or train from scratch")


def test_zoo_alone_is_the_experiment_itself(home):
    entry = published("zoo:", "/any/where/experiments/coco/hrnet/w32_256x192_adam_lr1e-3.yaml")
    assert entry.name == "hrnet_w32_coco_256x192"
    assert published("hrnet_w32_coco").name == entry.name
    with pytest.raises(WeightsError, match=r"no published weights of coco/lpn.*file-sharing"):
        published("zoo:", "experiments/coco/lpn/lpn50_256x192_gd256x2_gc.yaml")
    with pytest.raises(WeightsError, match="is none with weights; name some"):
        published("zoo:", "my.yaml")


def test_the_hub_is_reached_through_its_client(site, home, monkeypatch, tmp_path):
    hub = pytest.importorskip("huggingface_hub")
    asked = {}

    def download(repository, file, **options):
        asked.update(repository=repository, file=file, **options)
        (tmp_path / "got").write_bytes(BODY)
        return str(tmp_path / "got")

    monkeypatch.setattr(hub, "hf_hub_download", download)
    assert resolve_weights("hub:org/name").read_bytes() == BODY
    assert asked == {
        "repository": "org/name",
        "file": "model.safetensors",
        "local_files_only": False,
    }
    resolve_weights("hub:org/name/sub/w.pth")
    assert asked["file"] == "sub/w.pth"


def test_a_hub_file_that_cannot_be_had(home, monkeypatch, tmp_path):
    pytest.importorskip("huggingface_hub")
    monkeypatch.setenv("EFEPOSE_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(WeightsError, match=r"cannot be fetched.*/org/name/resolve/main/model\.saf"):
        resolve_weights("hub:org/name")
