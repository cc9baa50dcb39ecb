import copy
import json
import math

import pytest
import torch
from torch import nn
from toys.toy_task import ToyNet

from lib.engine.ema import WeightAverage


def change(network, step):
    torch.manual_seed(step)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter))
        network.norm.running_mean.add_(step)
        network.norm.num_batches_tracked.add_(1)


def test_average_follows_the_textbook_formula():
    network = ToyNet()
    average = WeightAverage(network, 0.5)
    wanted = copy.deepcopy(network.state_dict())
    for step in range(1, 9):
        change(network, step)
        average.update(step)
        decay = min(0.5, (1 + step) / (10 + step))
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                wanted[name] = decay * wanted[name] + (1 - decay) * value
            else:
                wanted[name] = value
    for name, value in average.network.state_dict().items():
        torch.testing.assert_close(value, wanted[name])
    assert int(average.network.norm.num_batches_tracked) == 8


def test_exponential_momentum_is_the_references(shared):
    """RTMPose's recipe: 1 - decay falls from nearly 1 with a time constant of 2000 steps."""
    wanted = json.loads((shared / "golden/mmpose/training.json").read_text())["ema"]
    network = nn.Linear(1, 1, bias=False)
    average = WeightAverage(network, 0.9998, 2000.0)
    found = []
    for step, weight in enumerate(wanted["weight"], start=1):
        nn.init.constant_(network.weight, weight)
        average.update(step)
        found.append(average.network.weight.item())
    assert found == pytest.approx(wanted["average"], abs=1e-6)
    momenta = [1 - average.decay_at(step) for step in range(2, 7)]
    assert momenta == pytest.approx(wanted["momentum"][1:], abs=1e-8)


def test_exponential_momentum_ends_at_its_decay_and_begins_with_the_weights():
    average = WeightAverage(ToyNet(), 0.9, 7.0)
    assert average.decay_at(1) == 0.0
    assert average.decay_at(14) == pytest.approx(0.9 * (1 - math.exp(-2)))
    assert average.decay_at(10**6) == pytest.approx(0.9)


def test_averaged_network_is_apart_from_the_trained_one():
    network = ToyNet()
    average = WeightAverage(network, 0.9)
    assert not average.network.training
    assert not any(p.requires_grad for p in average.network.parameters())
    assert average.network.conv.weight.data_ptr() != network.conv.weight.data_ptr()


def test_decay_must_be_a_share():
    with pytest.raises(ValueError, match="decay"):
        WeightAverage(ToyNet(), 1.0)
