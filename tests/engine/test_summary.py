import torch
from torch import nn
from toys.toy_task import ToyNet, toy_config

from lib.engine.device import Precision
from lib.engine.distributed import World
from lib.engine.ema import WeightAverage
from lib.engine.optim import build_optimizer
from lib.engine.plan import build_plan
from lib.engine.schedules import build_scheduler
from lib.engine.state import TrainState
from lib.engine.summary import describe_run, frozen_parts


def test_frozen_parts_are_named_at_the_highest_level():
    network = nn.ModuleDict({"backbone": nn.Sequential(ToyNet(), ToyNet()), "head": ToyNet()})
    assert list(frozen_parts(network)) == []
    network["backbone"].requires_grad_(False)
    network["head"].norm.bias.requires_grad_(False)
    assert list(frozen_parts(network)) == ["backbone", "head.norm.bias"]
    network.requires_grad_(False)
    assert list(frozen_parts(network)) == ["everything"]


def test_summary_says_device_world_batch_groups_and_frozen_layers():
    cfg, network = toy_config(), ToyNet()
    network.conv.requires_grad_(False)
    plan = build_plan(cfg, 5)
    state = TrainState(
        network,
        build_optimizer(cfg, network),
        build_scheduler(cfg, plan),
        scaler=torch.amp.GradScaler("cpu", enabled=False),
        average=WeightAverage(network, 0.9),
        plan=plan,
        device=torch.device("cpu"),
        seed=1,
    )
    text = describe_run(
        state,
        World(size=3),
        [],
        samples=60,
        batch=2,
        accumulate=2,
        workers=4,
        precision=Precision(),
    )
    for part in (
        "CPU (", "GiB), float32, ", "thread(s), 3 process",
        "60 samples, 5 steps per epoch", "12 = 2 x 3", "20 steps",
        "316 parameters, 176 trained", "frozen     conv", "Adam at 0.01", "decay 0.9",
    ):  # fmt: skip
        assert part in text, text
