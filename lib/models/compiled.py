"""Networks compiled for tests and predictions, their weights as constants."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import nn


def compile_for_prediction(network: nn.Module) -> None:
    """Let the first call of a network in evaluation mode compile it, and that of other sizes.

    On a CPU weights become constants of the compiled form, laid out as its convolutions read them:
    they must not change afterwards. Copies of the network are not compiled.
    """
    network.compile()
    # Where torch keeps its own form, too, and leaves it out of copies.
    network._compiled_call_impl = partial(_call, network._compiled_call_impl)


def _call(compiled: Any, *images: Any, **named: Any) -> Any:
    if any(isinstance(one, torch.Tensor) and one.device.type != "cpu" for one in images):
        return compiled(*images, **named)
    from torch._inductor import config

    # Not as options of torch.compile: what traces the network would not see them. Weights are left
    # as they are where a gradient could be asked for.
    with torch.no_grad(), config.patch(freezing=True, cpp_wrapper=True):
        return compiled(*images, **named)
