"""A trained model by its name alone: which configuration, which file, and what is refused."""

import json
import shutil

import pytest
import torch

from lib.config import load_config
from lib.config.pretrained import find_model, published_config
from lib.tasks import build_task
from lib.tasks.card import build_card
from lib.utils.errors import ConfigError, UserError
from lib.zoo.card import safetensors_bytes
from lib.zoo.index import load_index


@pytest.fixture
def card(tiny_config):
    cfg = load_config(tiny_config)
    return build_card(cfg, build_task(cfg))


def test_a_name_means_its_experiment_with_its_settings(own_index, site, tiny_config):
    site.files["w.pth"] = b"content"
    own_index(
        {
            "weights": {
                "mine": {
                    "url": site.address("w.pth"),
                    "experiment": tiny_config.name,
                    "settings": ["MODEL.TARGET_TYPE=udp", "TEST.SHIFT_HEATMAP=false"],
                }
            }
        }
    )
    cfg, file = find_model("zoo:mine", ["TEST.SHIFT_HEATMAP=true"])
    assert file.read_bytes() == b"content"
    assert cfg.MODEL.TARGET_TYPE == "udp"
    assert cfg.TEST.SHIFT_HEATMAP is True  # the caller's words come last


def test_every_published_experiment_is_loaded_with_its_settings():
    wanted = ("hrnet_w32_coco_256x192_udp", "poseresnet50_mpii_256x256", "keypoint_rcnn_r50_coco")
    configs = [published_config(load_index().find(name)) for name in wanted]
    assert [cfg.MODEL.TARGET_TYPE for cfg in configs] == ["udp", "gaussian", "gaussian"]
    assert configs[1].DATASET.COLOR_RGB is True  # though the experiment's own weights want BGR
    assert configs[1].DATASET.DATASET == "mpii"


def test_a_file_with_a_card_needs_nothing_else(card, tmp_path, tiny_config):
    weights = {"a": torch.ones(2)}
    (tmp_path / "w.safetensors").write_bytes(safetensors_bytes(weights, card))
    torch.save({"state_dict": weights, "meta": card}, tmp_path / "w.pth")
    wanted = load_config(tiny_config, ["DATASET.SKELETON=coco"])
    for name in ("w.safetensors", "w.pth"):
        cfg, file = find_model(tmp_path / name)
        assert file == tmp_path / name
        assert cfg == wanted
    (tmp_path / "alone").mkdir()
    shutil.copy(tmp_path / "w.safetensors", tmp_path / "alone/model.safetensors")
    assert find_model(tmp_path / "alone")[1].name == "model.safetensors"


def test_a_name_without_an_experiment_means_a_file_that_speaks_for_itself(
    own_index, card, tmp_path, tiny_config
):
    file = tmp_path / "ours.safetensors"
    file.write_bytes(safetensors_bytes({"a": torch.ones(2)}, card))
    own_index({"pose": "ours", "weights": {"ours": {"url": str(file)}}})
    assert load_index().pose == "ours"
    cfg, found = find_model(load_index().pose)
    assert found == file
    assert cfg == load_config(tiny_config, ["DATASET.SKELETON=coco"])


def test_a_run_folder(tiny_config, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    shutil.copy(tiny_config, run / "config.yaml")
    with pytest.raises(UserError, match=r"is not a model: a run has config\.yaml"):
        find_model(run)
    (run / "final_state.pth").write_bytes(b"")
    (run / "model_best.safetensors").write_bytes(b"")
    cfg, file = find_model(str(run), ["GPUS=()"])
    assert file == run / "model_best.safetensors"
    assert cfg.MODEL.IMAGE_SIZE == [64, 96]


def test_a_file_of_the_zoo_fetched_by_hand(own_index, tiny_config, tmp_path):
    own_index(
        {"weights": {"m": {"url": "https://x.invalid/model-a.pth", "experiment": "tiny.yaml"}}}
    )
    (tmp_path / "model-a.pth").write_bytes(b"no zip file")
    cfg, _ = find_model(tmp_path / "model-a.pth")
    assert cfg.MODEL.IMAGE_SIZE == [64, 96]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("resnet50_imagenet", "start weights, not a pose model; train with MODEL.PRETRAINED zoo:"),
        ("ssdlite320_mobilenet_v3_large_coco", "a person detector; use it with --detector"),
        ("hrnet_w32_coco_256x192_udp_regress", "cannot be used: Heatmaps and offset maps"),
        ("zoo:nothing", "no weights 'nothing'"),
    ],
)
def test_other_things_of_the_zoo_are_named(home, name, words):
    with pytest.raises(UserError) as error:
        find_model(name)
    assert words in str(error.value)


def test_a_file_that_says_nothing(tmp_path, home):
    torch.save({"a": torch.ones(2)}, tmp_path / "w.pth")
    with pytest.raises(UserError, match="does not say which network it belongs to"):
        find_model(tmp_path / "w.pth")


def test_an_experiment_that_is_not_installed(own_index):
    own_index({"weights": {"m": {"url": "https://x.invalid/m.pth", "experiment": "coco/none"}}})
    with pytest.raises(UserError, match="needs the folder experiments/ of the repository"):
        find_model("m")


@pytest.mark.parametrize("config", ["model = dict(type='TopdownPoseEstimator')", {"a": 1}, "5"])
def test_meta_data_of_others_is_no_card(tmp_path, home, config):
    from safetensors.torch import save_file

    weights = {"backbone.conv1.weight": torch.zeros(1)}
    meta = {"config": config, "mmpose_version": "0.28", "epoch": 210}
    torch.save({"meta": meta, "state_dict": weights}, tmp_path / "theirs.pth")
    texts = {key: json.dumps(value) for key, value in meta.items()}
    save_file(weights, tmp_path / "theirs.safetensors", texts)
    for name in ("theirs.pth", "theirs.safetensors"):
        with pytest.raises(ConfigError, match="it has no model card"):
            find_model(tmp_path / name)
