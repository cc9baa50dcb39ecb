"""Loading: every layout, every mismatch named; strict for tests, warnings for fine-tuning."""

import logging

import pytest
import torch
from modelcfg import fill, model_cfg, same

from lib.models import build_model, load_pretrained, load_weights, to_official
from lib.utils.errors import WeightsError

TINY = {
    "STAGE1": {"NUM_BLOCKS": [1], "NUM_CHANNELS": [4], "BLOCK": "BASIC"},
    "STAGE2": {"NUM_MODULES": 1, "NUM_BLOCKS": [1] * 2, "NUM_CHANNELS": [4, 6]},
    "STAGE3": {"NUM_MODULES": 1, "NUM_BLOCKS": [1] * 3, "NUM_CHANNELS": [4, 6, 8]},
    "STAGE4": {"NUM_MODULES": 1, "NUM_BLOCKS": [1] * 4, "NUM_CHANNELS": [4, 6, 8, 10]},
}


def tiny(joints=5, seed=0, **extra):
    torch.manual_seed(seed)
    return build_model(model_cfg("pose_hrnet", joints, {**TINY, **extra}))


def layouts(model):
    ours, official = model.state_dict(), to_official(model)
    composed = {
        f"keypoint_head.{key}" if key.startswith("final") else f"backbone.{key}": value
        for key, value in official.items()
    }
    return {
        "ours": ours,
        "official": official,
        "data parallel": {"state_dict": {f"module.{k}": v for k, v in official.items()}},
        "compiled": {"state_dict": {f"_orig_mod.{k}": v for k, v in ours.items()}},
        "keypoint_head": {"state_dict": composed, "meta": {}},
        "no counters": {k: v for k, v in official.items() if "num_batches" not in k},
    }


@pytest.mark.parametrize("layout", list(layouts(tiny())))
def test_every_layout_fills_everything(layout):
    report = fill(tiny, layouts, layout)
    assert report.missing + report.unexpected + report.mismatched == []
    assert "100%" in str(report)


def test_files_load_like_dictionaries(tmp_path):
    source, target = tiny(seed=1), tiny(seed=2)
    torch.save({"state_dict": source.state_dict(), "meta": {"codec": "gaussian"}}, tmp_path / "a")
    load_weights(target, tmp_path / "a")
    assert same(source, target)


def test_another_number_of_joints(caplog):
    state = tiny(joints=16).state_dict()
    with pytest.raises(WeightsError, match=r"NUM_JOINTS.*\(16, 4, 1, 1\).*\(17, 4, 1, 1\)"):
        load_weights(tiny(joints=17), state)
    with caplog.at_level(logging.WARNING):
        report = load_weights(tiny(joints=17), state, strict=False)
    assert report.mismatched == ["head.final_layer.weight", "head.final_layer.bias"]
    assert "head.final_layer.weight" in caplog.text


def test_another_models_weights(caplog):
    other = build_model(model_cfg("pose_resnet", 5, {"NUM_LAYERS": 18})).state_dict()
    with pytest.raises(WeightsError, match="another model"):
        load_weights(tiny(), other)
    with caplog.at_level(logging.WARNING):
        load_weights(tiny(), other, strict=False)
    assert "another model" in caplog.text


def test_strict_means_nothing_missing_and_nothing_left_over():
    state = tiny().state_dict()
    lacking = {key: value for key, value in state.items() if key != "head.final_layer.bias"}
    with pytest.raises(WeightsError, match=r"1 missing \(head\.final_layer\.bias\)"):
        load_weights(tiny(), lacking)
    with pytest.raises(WeightsError, match=r"1 unexpected \(backbone\.stage5\.weight\)"):
        load_weights(tiny(), {**state, "backbone.stage5.weight": torch.zeros(2)})
    assert load_weights(tiny(), lacking, strict=False).missing == ["head.final_layer.bias"]


def test_davit_keys_tell_which_model_to_choose():
    state = {**to_official(tiny()), "davit.norm0.weight": torch.zeros(4)}
    with pytest.raises(WeightsError, match=r"MODEL\.NAME pose_higher_hrnet_davit"):
        load_weights(tiny(), state)


def test_pretrained_takes_the_named_layers_only(caplog):
    source, target = tiny(seed=1), tiny(seed=2, FINAL_CONV_KERNEL=3)
    state = to_official(source)
    state["final_layer.0.0.weight"] = state.pop("final_layer.weight")
    state["classifier.weight"] = torch.zeros(3)
    head = target.head.final_layer.weight.clone()
    layers = ["conv1", "bn1", "conv2", "bn2", "layer1", "transition1", "stage2"]
    with caplog.at_level(logging.INFO):
        report = load_pretrained(target, state, layers)
    assert "skipped" in caplog.text
    assert {name.split(".")[1] for name in report.loaded} == set(layers)
    assert "backbone.classifier.weight" in report.skipped
    assert torch.equal(target.head.final_layer.weight, head)
    assert torch.equal(target.backbone.conv1.weight, source.backbone.conv1.weight)
    everything = load_pretrained(target, state, ["*"])
    assert any("stage4" in name for name in everything.loaded)
    assert "backbone.classifier.weight" in everything.skipped  # no pose network wants it
    assert not everything.unexpected
    ours = load_pretrained(target, source.state_dict(), ["backbone"])
    assert not any(name.startswith("head") for name in ours.loaded)


def test_pretrained_file_must_exist_and_fit(tmp_path):
    with pytest.raises(WeightsError, match=r"none\.pth: put it there, or .* MODEL\.PRETRAINED ''"):
        load_pretrained(tiny(), tmp_path / "none.pth")
    with pytest.raises(WeightsError, match="nothing in it fits"):
        load_pretrained(tiny(), {"fc.weight": torch.zeros(2)})


def test_state_dicts_convert_by_model_name():
    model = tiny()
    assert list(to_official(model.state_dict(), "pose_hrnet")) == list(to_official(model))
    with pytest.raises(ValueError, match=r"MODEL\.NAME"):
        to_official(model.state_dict())


@pytest.mark.parametrize("load", [load_weights, load_pretrained])
def test_weights_of_a_diverged_training_are_named(load, caplog):
    state = tiny().state_dict()
    name = next(key for key in state if key.endswith("running_var"))
    state[name][0] = float("nan")
    with caplog.at_level(logging.WARNING):
        load(tiny(), state)
    assert f"1 tensors hold values that are not finite, {name} for one" in caplog.text
    caplog.clear()
    load(tiny(), tiny().state_dict())
    assert "finite" not in caplog.text
