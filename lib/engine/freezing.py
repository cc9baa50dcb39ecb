"""Parts of a network that are not trained: for a whole run, or up to an epoch.

A frozen part stands still to the last bit: its parameters get no gradient and its modules run as in
a test, so that batch statistics stay as they are and nothing is dropped. A trunk that is frozen
whole is not differentiated at all. What is frozen is a function of the step, so a resumed run
cannot thaw at another time.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn
from yacs.config import CfgNode

from lib.engine.patterns import check_patterns, matches_any
from lib.engine.plan import Plan
from lib.utils.errors import ConfigError

# How backbones number their stages: layer1, stage1 from one; blocks.0, stages_0 from nought.
_STAGE = re.compile(r"(?:^|\.)(?:stage|layer|block)s?([._]?)(\d+)\.")
NO_STAGES = 7  # MODEL.FREEZE_STAGES from here on, the lineage's default


@dataclass(frozen=True)
class Freezing:
    """Which parts of a network stand still, and until when; all methods take it unwrapped.

    Attributes:
        patterns: of parameter and module names, see ``patterns``.
        names: of the parameters that they mean; not those that the network itself never trains.
        until: steps after which they are trained; None never.
    """

    patterns: Sequence[str] = ()
    names: frozenset[str] = frozenset()
    until: int | None = None

    def holds(self, step: int) -> bool:
        """Return whether something is frozen in the step that follows ``step`` finished ones."""
        return bool(self.patterns) and (self.until is None or step < self.until)

    def thaws(self, step: int) -> bool:
        """Return whether the step that follows ``step`` finished ones is the first to train all."""
        return bool(self.patterns) and step == self.until

    def apply(self, network: nn.Module, step: int) -> None:
        """Switch gradients for the step that follows ``step`` finished ones."""
        holds = self.holds(step)
        for name, parameter in network.named_parameters():
            if name in self.names:
                parameter.requires_grad_(not holds)

    def train(self, network: nn.Module, step: int) -> None:
        """Switch the network to training, and what is frozen then to testing."""
        network.train()
        if not self.holds(step):
            return
        fixed = {
            name for name, parameter in network.named_parameters() if not parameter.requires_grad
        }
        for name, module in network.named_modules():
            parts = {f"{name}.{part}".lstrip(".") for part, _ in module.named_parameters()}
            still = parts & self.names and parts <= self.names | fixed
            if matches_any(name, self.patterns) or still:
                module.eval()


def build_freezing(cfg: CfgNode, network: nn.Module, plan: Plan) -> Freezing:
    """Read ``TRAIN.FREEZE``, ``TRAIN.FREEZE_UNTIL`` and the lineage's ``MODEL.FREEZE_*``.

    Raises:
        ConfigError: a pattern matches nothing, a stage is asked for that the backbone lacks, or
            nothing would be trained.
    """
    train = cfg.TRAIN
    patterns = [str(pattern) for pattern in train.FREEZE]
    check_patterns(network, patterns, "TRAIN.FREEZE")
    patterns += _of_lineage(cfg, network)
    unit = plan.steps_per_pass if plan.by_epoch else 1
    until = (train.FREEZE_UNTIL - plan.first_epoch) * unit if train.FREEZE_UNTIL else None
    trained = {name for name, p in network.named_parameters() if p.requires_grad}
    names = frozenset(name for name in trained if matches_any(name, patterns))
    if patterns and names == trained:
        raise ConfigError(
            "TRAIN.FREEZE and MODEL.FREEZE_* leave nothing to train; the network's parts are "
            f"{[name for name, _ in network.named_children()]}, freeze fewer."
        )
    return Freezing(tuple(patterns), names, until)


def _of_lineage(cfg: CfgNode, network: nn.Module) -> list[str]:
    """Return the patterns that ``MODEL.FREEZE_STAGES`` means, else ``MODEL.FREEZE_BACKBONE``."""
    if 0 < cfg.MODEL.FREEZE_STAGES < NO_STAGES:
        return _stages(network, cfg.MODEL.FREEZE_STAGES)
    patterns = ["backbone"] if cfg.MODEL.FREEZE_BACKBONE else []
    check_patterns(network, patterns, "MODEL.FREEZE_BACKBONE")
    return patterns


def _stages(network: nn.Module, count: int) -> list[str]:
    """Return the names of the parameters in the backbone's stem and first stages.

    What stands before the first stage is the stem, what stands between two belongs to the one
    before (a transition of HRNet), what follows the last to none. A transformer's stages are its
    blocks.

    Raises:
        ConfigError: there is no such stage.
    """
    backbone = getattr(network, "backbone", None)
    names = [name for name, _ in backbone.named_parameters()] if backbone is not None else []
    numbers = _stage_numbers(names)
    if count not in numbers:
        known = sorted({number for number in numbers if number})
        raise ConfigError(
            f"MODEL.FREEZE_STAGES {count}: this backbone's stages are {known or 'not numbered'}; "
            "name what to freeze with TRAIN.FREEZE, for instance [backbone]."
        )
    pairs = zip(names, numbers, strict=True)
    return [f"backbone.{name}" for name, number in pairs if number is not None and number <= count]


def _stage_numbers(names: Sequence[str]) -> list[int | None]:
    """Return the stage of each parameter, in the order of the network: 0 the stem, None behind."""
    numbers: list[int | None] = []
    last = -1
    for position, name in enumerate(names):
        found = _STAGE.search(name)
        if found:
            numbers.append(int(found[2]) + bool(found[1]))
            last = position
        else:
            numbers.append(numbers[-1] if numbers else 0)
    return numbers[: last + 1] + [None] * (len(names) - last - 1)
