import json
from collections import Counter

import pytest
import torch
from torch import nn
from toys.toy_task import ToyNet, toy_config

from lib.config import load_config
from lib.engine.optim import (
    build_optimizer,
    describe_groups,
    parameter_groups,
    rate_factors,
    scaled_rate,
)
from lib.models import build_model
from lib.models.registry import RECIPES
from lib.utils.errors import ConfigError


def names(network, group):
    known = {id(p): name for name, p in network.named_parameters()}
    return {known[id(p)] for p in group["params"]}


def by_decay(network, optimizer):
    return {g["weight_decay"]: names(network, g) for g in optimizer.param_groups}


def test_adam_has_no_decay_whatever_wd_says():
    optimizer = build_optimizer(toy_config(WD=0.1), ToyNet())
    assert type(optimizer) is torch.optim.Adam
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.0]


def test_adam_with_its_own_decay():
    network = ToyNet()
    optimizer = build_optimizer(toy_config(WD=0.1, ADAM_WD=0.3), network)
    assert by_decay(network, optimizer)[0.0] == {"table"}
    assert "norm.weight" in by_decay(network, optimizer)[0.3]


def test_adamw_decays_all_but_what_the_network_lists():
    network = ToyNet()
    optimizer = build_optimizer(toy_config(OPTIMIZER="adamw", WD=0.01), network)
    assert type(optimizer) is torch.optim.AdamW
    decays = by_decay(network, optimizer)
    assert decays[0.0] == {"table"}
    assert decays[0.01] == {
        "conv.weight", "conv.bias", "norm.weight", "norm.bias", "out.weight", "out.bias"
    }  # fmt: skip


def test_sgd_of_the_detector_recipe_spares_norm_layers():
    network = ToyNet()
    cfg = toy_config(OPTIMIZER="sgd", WD=1e-4, WD_NORM=0.0, MOMENTUM=0.8, NESTEROV=True)
    optimizer = build_optimizer(cfg, network)
    assert by_decay(network, optimizer)[0.0] == {"table", "norm.weight", "norm.bias"}
    assert optimizer.param_groups[0]["momentum"] == 0.8
    assert optimizer.param_groups[0]["nesterov"]


def test_names_in_a_sub_module_are_relative_to_it():
    network = nn.Sequential(nn.Conv2d(3, 2, 1), ToyNet())
    groups = parameter_groups(network, decay=0.5, norm_decay=0.5, bias_decay=0.5, factors={})
    assert {g["weight_decay"]: names(network, g) for g in groups}[0.0] == {"1.table"}


def test_frozen_parameters_are_left_out():
    network = ToyNet()
    network.conv.requires_grad_(False)
    optimizer = build_optimizer(toy_config(), network)
    assert names(network, optimizer.param_groups[0]) == {
        "norm.weight", "norm.bias", "out.weight", "out.bias", "table"
    }  # fmt: skip
    network.requires_grad_(False)
    with pytest.raises(ValueError, match="trainable"):
        build_optimizer(toy_config(), network)


def test_description_counts_tensors_and_values():
    text = describe_groups(build_optimizer(toy_config(OPTIMIZER="sgd", WD=0.01), ToyNet()))
    assert text.startswith("SGD at 0.01: ")
    assert "1 tensors (120 values) with decay 0" in text


def test_description_names_rates_that_differ():
    cfg = toy_config(LR_MULT={"out": 0.1, "table": 3})
    text = describe_groups(build_optimizer(cfg, ToyNet()))
    assert text.startswith("Adam at 0.01:\n")
    assert "2 tensors (46 values) at 0.001 with decay 0" in text
    assert "1 tensors (120 values) at 0.03 with decay 0" in text
    assert len(text.splitlines()) == 4


def test_factors_multiply_where_several_patterns_match():
    factors = rate_factors(ToyNet(), {"conv": 0.1, "*.bias": 2, "norm.weight": "5e-1"}, 1.0)
    assert factors == pytest.approx(
        {
            "conv.weight": 0.1, "conv.bias": 0.2, "norm.weight": 0.5, "norm.bias": 2,
            "out.weight": 1, "out.bias": 2, "table": 1,
        }
    )  # fmt: skip


@pytest.mark.parametrize("wrong", [-0.1, "fast", True, None, [1], float("nan"), "inf"])
def test_a_factor_must_be_a_number_of_at_least_nought(wrong):
    with pytest.raises(ConfigError, match=r"TRAIN\.LR_MULT: the factor of 'conv' .* got"):
        rate_factors(ToyNet(), {"conv": wrong}, 1.0)


def test_a_factor_of_nothing_is_refused():
    with pytest.raises(ConfigError, match=r"TRAIN\.LR_MULT: 'hed' matches no parameter"):
        rate_factors(ToyNet(), {"hed": 2}, 1.0)


def test_layer_decay_needs_numbered_layers():
    with pytest.raises(ConfigError, match=r"LAYER_DECAY needs a backbone with numbered layers"):
        rate_factors(ToyNet(), {}, 0.8)


@pytest.mark.parametrize(
    ("reference", "experiment"),
    [
        ("vitpose_s_classic", "vitpose/vitpose_s_256x192"),
        ("vitpose_b_simple", "vitpose/vitpose_b_simple_256x192"),
        ("rtmpose_s", "rtmpose/rtmpose_s_256x192"),
        ("rtmpose_m", "rtmpose/rtmpose_m_256x192"),
    ],
)
def test_groups_of_newer_recipes_are_the_references(shared, reference, experiment):
    """Rate and decay of every tensor, by its published name."""
    wanted = json.loads((shared / "golden/mmpose/training.json").read_text())[reference]
    cfg = load_config(f"experiments/coco/{experiment}.yaml")
    with torch.device("meta"):
        network = build_model(cfg)
        optimizer = build_optimizer(cfg, network)
    known = {id(p): name for name, p in network.named_parameters()}
    values = {
        known[id(p)]: (group["initial_lr"] / cfg.TRAIN.LR, group["weight_decay"])
        for group in optimizer.param_groups
        for p in group["params"]
    }
    published = list(wanted["parameters"])
    tensors = {name: torch.full((1, 2, 1), number) for number, name in enumerate(published)}
    names = RECIPES[cfg.MODEL.NAME].key_map.from_official(tensors)
    found = {published[int(tensor.max())]: values[name] for name, tensor in names.items()}
    assert wanted["base_lr"] == cfg.TRAIN.LR
    assert len(optimizer.param_groups) == len(wanted["groups"])
    sizes = Counter((round(f, 6), d) for f, d in values.values())
    assert sizes == {
        (round(g["lr_factor"], 6), g["weight_decay"]): g["tensors"] for g in wanted["groups"]
    }
    assert found.keys() == wanted["parameters"].keys()
    for name, value in wanted["parameters"].items():
        assert found[name] == pytest.approx(value, abs=1e-8), name


@pytest.mark.parametrize(
    ("rule", "batch", "wanted"),
    [("none", 128, 0.01), ("linear", 128, 0.0025), ("sqrt", 128, 0.005), ("linear", 1024, 0.02)],
)
def test_the_rate_grows_with_the_batch_by_the_rule(rule, batch, wanted):
    cfg = toy_config(LR_RULE=rule, LR_BATCH=512)
    assert scaled_rate(cfg, batch) == pytest.approx(wanted)
    optimizer = build_optimizer(cfg, ToyNet(), scaled_rate(cfg, batch))
    assert optimizer.param_groups[0]["initial_lr"] == pytest.approx(wanted)
