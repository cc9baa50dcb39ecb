"""How far an answer is from another, and what holds while a network is recorded."""

import math

import pytest
import torch
from torch import nn

from lib.export.graph import Graph, difference_of_people
from lib.export.writer import export_program
from lib.utils.errors import ExportError


def people(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    boxes = torch.rand(count, 4, generator=generator) * 100
    return [boxes, boxes[:, 0] / 100, torch.randn(count, 5, 3, generator=generator)]


def test_people_may_come_in_another_order_and_few_may_differ():
    wanted = people(40)
    order = torch.randperm(40)
    assert difference_of_people(wanted, [part[order] for part in wanted]) == 0
    joints = wanted[2].clone()
    joints[:2] += 9
    assert difference_of_people(wanted, [*wanted[:2], joints]) == 0
    joints[:4] += 9
    assert difference_of_people(wanted, [*wanted[:2], joints]) > 5
    assert difference_of_people(wanted, [wanted[0], wanted[1] * 1.5, wanted[2]]) > 0.1


def test_other_numbers_of_people_never_pass():
    wanted, none = people(40), [part[:0] for part in people(40)]
    assert difference_of_people(wanted, people(39)) == math.inf
    assert difference_of_people(wanted, none) == math.inf
    assert difference_of_people(none, none) == 0


def test_a_program_of_any_number_of_people_is_refused(tmp_path):
    graph = Graph(nn.Identity(), [(4, 4)], one_image=True)
    with pytest.raises(ExportError, match=r"Use --format onnx or torchscript"):
        export_program(graph, tmp_path / "m.pt2", {})
    assert not list(tmp_path.iterdir())


def test_buffers_have_their_own_value_back_whatever_happens():
    network = nn.Module()
    network.register_buffer("least", torch.tensor(0.5))
    graph = Graph(network, [(4, 4)], recorded={"least": -1.0})
    try:
        with graph.recording() as own:
            assert network.least == -1
            assert own["least"] == 0.5
            raise KeyError
    except KeyError:
        pass
    assert network.least == 0.5
