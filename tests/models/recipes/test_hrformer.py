"""HRFormer: official and mmpose names, published outputs with and without the bias."""

import logging

import numpy as np
import pytest
import torch
from golden import golden_input, golden_state, read_keys
from modelcfg import fill, model_cfg

from lib.models import build_model, load_weights, to_official
from lib.models.recipes.hrformer import from_mmpose, to_mmpose
from lib.utils.errors import ConfigError

TINY = {
    "STAGE1": {"NUM_BLOCKS": [1], "NUM_CHANNELS": [4]},
    "STAGE2": {"NUM_BLOCKS": [1] * 2, "NUM_CHANNELS": [8, 12], "NUM_WINDOW_SIZES": [3, 3]},
    "STAGE3": {
        **{"NUM_MODULES": 1, "NUM_BLOCKS": [1] * 3, "NUM_CHANNELS": [8, 12, 16]},
        "NUM_WINDOW_SIZES": [3] * 3,
    },
    "STAGE4": {
        **{"NUM_MODULES": 1, "NUM_BLOCKS": [1] * 4, "NUM_CHANNELS": [8, 12, 16, 24]},
        "NUM_WINDOW_SIZES": [3] * 4,
    },
}


def tiny(seed=0, joints=5, **extra):
    torch.manual_seed(seed)
    return build_model(model_cfg("pose_hrformer", joints, {**TINY, **extra})).eval()


@pytest.fixture(scope="module")
def small():
    return build_model(model_cfg("pose_hrformer")).eval()


def test_official_names(small):
    official = to_official(small)
    assert {key: tuple(value.shape) for key, value in official.items()} == read_keys(
        "hrformer_small"
    )
    assert len(small.backbone.state_dict()) == 2074
    assert list(small.key_map.from_official(official)) == list(small.state_dict())


def test_mmpose_round_trip_is_the_identity(small):
    ours = small.state_dict()
    theirs = to_mmpose(ours)
    block = "backbone.stage3.2.branches.1.0."
    rows = [ours[f"{block}attn.attn.{part}_proj.weight"] for part in "qkv"]
    assert torch.equal(theirs[block + "attn.attn.qkv.weight"], torch.cat(rows))
    assert block + "attn.attn.proj.bias" in theirs
    assert block + "ffn.dw3x3.weight" in theirs
    assert not any("q_proj" in key or ".mlp." in key for key in theirs)
    back = from_mmpose(theirs)
    assert back.keys() == ours.keys()
    assert all(torch.equal(back[key], ours[key]) for key in ours)
    again = to_mmpose(back)
    assert again.keys() == theirs.keys()
    assert all(torch.equal(again[key], theirs[key]) for key in theirs)


def layouts(model):
    official, mmpose = to_official(model), to_mmpose(model.state_dict())
    bare = {k.removeprefix("backbone."): v for k, v in official.items()}
    old = {k.replace("head.final", "keypoint_head.final"): v for k, v in mmpose.items()}
    return {
        "official": {"state_dict": official, "meta": {}, "optimizer": {}},
        "mmpose 1.x": {"state_dict": mmpose},
        "mmpose 0.x": {"state_dict": old},
        "flat": {k.removeprefix("keypoint_head."): v for k, v in bare.items()},
        "data parallel": {f"module.{k}": v for k, v in official.items()},
    }


@pytest.mark.parametrize("layout", list(layouts(tiny())))
def test_every_layout_fills_everything(layout):
    fill(tiny, layouts, layout)


def test_bias_tables_are_resampled_to_another_window():
    source = tiny(seed=1)
    wider = {f"STAGE{n}": {**TINY[f"STAGE{n}"], "NUM_WINDOW_SIZES": [4] * n} for n in (2, 3, 4)}
    table = "backbone.stage2.0.branches.1.0.attn.attn.relative_position_bias_table"
    # A bias that grows evenly along x must do so afterwards as well.
    ramp = torch.arange(5.0).repeat(5)[:, None].expand(-1, 2)
    state = {**source.state_dict(), table: ramp}
    target = tiny(seed=2, **wider)
    report = load_weights(target, state)
    grid = target.state_dict()[table].reshape(7, 7, 2)
    assert report.filled == 1
    assert grid[..., 0].std(dim=0).max() < 1e-5
    assert (grid[0, 1:, 0] > grid[0, :-1, 0]).all()
    assert grid[0, 3, 0] == pytest.approx(2.0, abs=1e-5)


def test_official_pose_files_with_the_bias_on_are_warned_about(caplog):
    official = layouts(tiny())["official"]
    with caplog.at_level(logging.WARNING):
        load_weights(tiny(RPE=False), official)
        load_weights(tiny(), tiny().state_dict())
    assert not caplog.records
    with caplog.at_level(logging.WARNING):
        load_weights(tiny(), official)
    assert "MODEL.EXTRA.RPE false" in caplog.text


@pytest.mark.parametrize(
    ("fixture", "rpe"), [("hrformer_small", False), ("hrformer_small_rpe", True)]
)
def test_outputs_equal_the_published_network(shared, fixture, rpe):
    network = build_model(model_cfg("pose_hrformer", extra={"RPE": rpe})).eval()
    load_weights(network, golden_state(to_official(network)))
    with torch.inference_mode():
        output = network(golden_input(256, 192)).numpy()
    wanted = np.load(shared / "golden" / "models" / f"{fixture}.npz")["output_fan"]
    assert np.abs(output - wanted).max() <= 1e-4 * wanted.std()


def test_a_wrong_configuration_names_the_key():
    with pytest.raises(ConfigError, match=r"STAGE3\.NUM_HEADS has 2 entries"):
        tiny(STAGE3={**TINY["STAGE3"], "NUM_HEADS": [1, 2]})
    with pytest.raises(ConfigError, match="cannot be split among"):
        tiny(STAGE2={**TINY["STAGE2"], "NUM_HEADS": [3, 2]})
