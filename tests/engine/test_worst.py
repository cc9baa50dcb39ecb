import json

import torch

from lib.engine.worst import Worst, WorstSamples


def test_worst_are_kept_each_once_the_worst_first():
    worst = WorstSamples(3)
    worst.note(2, [5, 6, 7], torch.tensor([0.5, 2.0, 1.0]))
    worst.note(2, [8, 6, 9], torch.tensor([0.25, 1.5, 1.0]))  # 6 again, as on another rank
    assert worst.take() == [Worst(2.0, 2, 6), Worst(1.0, 2, 7), Worst(1.0, 2, 9)]
    assert worst.take() == []
    worst.note(3, [1, 2], torch.tensor([float("nan"), 9.0]))
    assert [one.key for one in worst.take()] == ["3:1", "3:2"]


def test_state_goes_on_where_it_stopped():
    one, two = WorstSamples(3), WorstSamples(3)
    one.note(0, [1, 2, 3, 4], torch.tensor([0.1, 0.4, 0.2, 0.3]))
    two.restore(json.loads(json.dumps(one.state())))
    for worst in (one, two):
        worst.note(0, [5], torch.tensor([0.25]))
    assert one.take() == two.take()
