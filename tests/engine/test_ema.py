import copy

import pytest
import torch
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


def test_averaged_network_is_apart_from_the_trained_one():
    network = ToyNet()
    average = WeightAverage(network, 0.9)
    assert not average.network.training
    assert not any(p.requires_grad for p in average.network.parameters())
    assert average.network.conv.weight.data_ptr() != network.conv.weight.data_ptr()


def test_decay_must_be_a_share():
    with pytest.raises(ValueError, match="decay"):
        WeightAverage(ToyNet(), 1.0)
