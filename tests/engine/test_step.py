import copy

import pytest
import torch
from toys.toy_task import ToyData, ToyNet, ToyTask, toy_config

from lib.engine.device import Precision
from lib.engine.step import TrainStep, build_scaler

CPU = torch.device("cpu")


def batches(*sizes):
    data, task, keys = ToyData(40), ToyTask(), iter(range(40))
    return [task.collate([data[0, next(keys)] for _ in range(size)]) for size in sizes]


def build(network, lr=1.0, **options):
    optimizer = torch.optim.SGD(network.parameters(), lr=lr)
    scaler = options.pop("scaler", torch.amp.GradScaler("cpu", enabled=False))
    precision = options.pop("precision", Precision())
    return TrainStep(
        ToyTask(),
        network,
        optimizer,
        device=CPU,
        precision=precision,
        scaler=scaler,
        **options,
    )


def steady(seed=0):
    torch.manual_seed(seed)
    return ToyNet(dropout=0.0, frozen_norm=True).train()


def test_accumulated_batches_are_one_large_batch():
    whole = batches(6)[0]
    parts = batches(3, 3)
    one, two = steady(), steady()
    losses_one = build(one)([whole], 1)
    losses_two = build(two)(parts, 1)
    for name, value in one.state_dict().items():
        torch.testing.assert_close(two.state_dict()[name], value)
    for name, value in losses_one.items():
        torch.testing.assert_close(losses_two[name], value)


def test_figures_do_not_count_as_losses():
    losses = build(steady())(batches(5), 1)
    torch.testing.assert_close(losses["loss"], losses["cross"] + losses["size"])
    assert not any(value.requires_grad for value in losses.values())


def test_gradients_of_the_step_before_are_gone():
    network = steady()
    step = build(network, lr=0.0)
    step(batches(3), 1)
    first = network.conv.weight.grad.clone()
    step(batches(3), 2)
    torch.testing.assert_close(network.conv.weight.grad, first)


def test_clipping_bounds_the_norm_and_reports_the_one_before():
    network = steady()
    losses = build(network, lr=0.0, clip_norm=0.01)(batches(3), 1)
    norm = torch.cat([p.grad.flatten() for p in network.parameters()]).norm()
    assert float(norm) == pytest.approx(0.01, rel=1e-3)
    assert float(losses["_grad_norm"]) > 0.1


def test_autocast_reaches_forward_pass_and_gradients_stay_float32():
    network = steady()
    seen = []
    network.out.register_forward_hook(lambda *args: seen.append(args[2].dtype))
    build(network, precision=Precision("cpu", torch.bfloat16))(batches(3), 1)
    assert seen == [torch.bfloat16]
    assert network.conv.weight.grad.dtype == torch.float32


def test_loss_scale_changes_nothing_but_skips_overflows():
    plain, scaled = steady(), steady()
    build(plain)(batches(3), 1)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    step = build(scaled, scaler=scaler)
    step(batches(3), 1)
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(scaled.state_dict()[name], value)
    before = copy.deepcopy(scaled.state_dict())
    broken = batches(3)[0]
    broken["image"] = broken["image"] * float("inf")
    step([broken], 2)
    assert torch.equal(scaled.conv.weight, before["conv.weight"])
    assert scaler.get_scale() == 512.0


def test_scaler_of_the_configuration():
    half = Precision("cuda", torch.float16)
    assert not build_scaler(toy_config(), Precision("cpu", torch.bfloat16)).is_enabled()
    keys = {"FP16__DYNAMIC_LOSS_SCALE": False, "FP16__STATIC_LOSS_SCALE": 128.0}
    static = build_scaler(toy_config(**keys), Precision("cpu", torch.float16))
    assert static.get_scale() == 128.0
    assert static.get_growth_interval() > 2**30
    assert half.needs_scaler
