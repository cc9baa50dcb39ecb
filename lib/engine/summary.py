"""What a run says about itself when it starts."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from lib.engine.device import Precision
from lib.engine.distributed import World
from lib.engine.hardware import describe_device
from lib.engine.optim import describe_groups
from lib.engine.recomputing import describe_recomputed
from lib.engine.state import TrainState


def describe_run(
    state: TrainState,
    world: World,
    gpus: list[int],
    *,
    samples: int,
    batch: int,
    accumulate: int,
    workers: int,
    precision: Precision,
) -> str:
    """Return the start-up summary, several lines.

    Args:
        state: of the run.
        world: this process among all.
        gpus: GPUs of this process; none on the CPU.
        samples: size of the training set.
        batch: samples per batch of this process.
        accumulate: batches per optimiser step.
        workers: loader processes of this process.
        precision: number format of the forward pass.
    """
    plan = state.plan
    effective = batch * world.size * accumulate
    frozen = list(frozen_parts(state.network))
    lines = [
        f"device     {describe_device(state.device, precision, gpus)}, {world.size} process(es)",
        f"data       {samples} samples, {plan.steps_per_pass} steps per epoch, {workers} loader "
        "process(es) each",
        f"batch      {effective} = {batch} x {world.size} process(es) x {accumulate} accumulated",
        f"length     {plan.total} steps, {plan.total / plan.steps_per_pass:.4g} passes",
        f"network    {_parameters(state.network)}",
        f"frozen     {', '.join(frozen) if frozen else 'nothing'}{_until(state)}",
        f"recomputed {describe_recomputed(state.network)}",
        f"optimiser  {describe_groups(state.optimizer)}",
    ]
    if state.average is not None:
        lines.append(f"average    of the weights, decay {state.average.decay:g}")
    return "\n".join(lines)


def frozen_parts(module: nn.Module, prefix: str = "") -> Iterator[str]:
    """Yield the names of the largest sub-modules, and of single parameters, without training."""
    parameters = list(module.parameters())
    if parameters and not any(p.requires_grad for p in parameters):
        yield prefix or "everything"
        return
    for name, parameter in module.named_parameters(recurse=False):
        if not parameter.requires_grad:
            yield f"{prefix}.{name}".lstrip(".")
    for name, child in module.named_children():
        yield from frozen_parts(child, f"{prefix}.{name}".lstrip("."))


def _until(state: TrainState) -> str:
    freezing = state.freezing
    return f", until step {freezing.until}" if freezing.until and freezing.holds(state.step) else ""


def _parameters(network: nn.Module) -> str:
    total = sum(p.numel() for p in network.parameters())
    trained = sum(p.numel() for p in network.parameters() if p.requires_grad)
    return f"{total:,} parameters, {trained:,} trained"
