"""Networks compiled for tests and predictions, their weights as constants."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn


def compile_for_prediction(network: nn.Module) -> None:
    """Let the first call of a network in evaluation mode compile it, and that of each new size.

    On a CPU weights become constants of the compiled form, laid out as its convolutions read them:
    they must not change afterwards.
    """
    network.forward = partial(_call, torch.compile(network.forward))


def _call(compiled: Any, images: Tensor) -> Any:
    if images.device.type != "cpu":
        return compiled(images)
    from torch._inductor import config

    # Not as options of torch.compile: what traces the network would not see them. Weights are left
    # as they are where a gradient could be asked for.
    with torch.no_grad(), config.patch(freezing=True, cpp_wrapper=True):
        return compiled(images)
