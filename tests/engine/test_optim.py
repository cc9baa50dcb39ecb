import pytest
import torch
from torch import nn
from toys.toy_task import ToyNet, toy_config

from lib.engine.optim import build_optimizer, describe_groups, parameter_groups


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
    groups = parameter_groups(network, decay=0.5, norm_decay=0.5)
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
