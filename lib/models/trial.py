"""Do parts give what they declare? Found out on the meta device, where nothing is computed.

Ours are tested; parts of a user's own and networks of other packages are tried when they are built,
so that a wrong declaration is a sentence at the start.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from lib.models.posenet import PoseNet
from lib.structures.geometry import Size
from lib.utils.errors import ConfigError
from lib.utils.plugins import is_foreign

logger = logging.getLogger(__name__)

COUNT = 2  # images; one could be taken for an axis that broadcasts
Shape = tuple[int, ...]


def has_foreign_parts(network: nn.Module, codec: type) -> bool:
    """Return whether a part of a network, or what reads its answer, is none of the package's."""
    parts = [network]
    if isinstance(network, PoseNet):
        parts = [part for part in network.children() if not isinstance(part, nn.Identity)]
    return any(map(is_foreign, (codec, *map(type, parts))))


def answer_to_images(part: nn.Module, size: Size) -> Any:
    """Return what a part answers to images of ``(width, height)``, as tensors without values."""
    return meta_answer(part, torch.empty(COUNT, 3, size[1], size[0], device="meta"))


def meta_answer(part: nn.Module, given: Any) -> Any:
    """Return what a part answers to meta tensors; nothing is computed, and no number drawn.

    Raises:
        Exception: whatever the part raises; NotImplementedError also where PyTorch does not know
            the shape that an operator gives.
    """
    weights = {**dict(part.named_parameters()), **dict(part.named_buffers())}
    empty = {name: torch.empty_like(tensor, device="meta") for name, tensor in weights.items()}
    with torch.no_grad(), torch.device("meta"), torch.random.fork_rng(devices=[]):
        return functional_call(part, empty, (given,))


def wrong_maps(part: Any, maps: Any, size: Size) -> str:
    """Return in words where maps differ from what a part declares; empty if nowhere.

    Args:
        part: declares ``out_channels`` and ``out_strides``.
        maps: its answer to images of ``size``.
        size: ``(width, height)``, multiples of the strides.
    """
    wanted = [
        (channels, size[1] // stride, size[0] // stride)
        for channels, stride in zip(part.out_channels, part.out_strides, strict=True)
    ]
    found = _shapes(maps)
    if isinstance(maps, Sequence) and found == wanted:
        return ""
    return (
        f"declares out_channels {[*part.out_channels]} and out_strides {[*part.out_strides]}, a "
        f"list of maps {wanted} (channels, height, width) for images of {size[0]} x {size[1]}, but "
        f"gives {_in_words(maps, found)}"
    )


def try_out(network: nn.Module, model: Any, outputs: Mapping[str, Shape]) -> None:
    """Hold every part of a network against its declaration, and the answer against the codec.

    A part that cannot be tried (it computes on one kind of device only, say) is left to the
    training, as is what fails within a part: tools tell in which line (`lib.utils.plugins.blame`).

    Args:
        network: with parts of a user's own.
        model: the ``MODEL`` node.
        outputs: shapes, without the batch, that the codec reads, by name.

    Raises:
        ConfigError: a part gives something else than it declares, or than the codec reads.
    """
    size = (model.IMAGE_SIZE[0], model.IMAGE_SIZE[1])
    try:
        answer = _answer_of_parts(network, model, size)
    except ConfigError:
        raise
    except Exception as error:  # anything may be raised in a user's code
        logger.debug("%s cannot be tried on the meta device: %s", type(network).__name__, error)
        return
    found = _shapes(answer)
    if found != [*outputs.values()]:
        head = network.head if isinstance(network, PoseNet) else network
        wanted = ", ".join(f"{name} {[*shape]}" for name, shape in outputs.items())
        raise ConfigError(
            f"The head of {model.NAME} ({type(head).__name__}) gives {_in_words(answer, found)} "
            f"for images of {size[0]} x {size[1]}, but MODEL.TARGET_TYPE '{model.TARGET_TYPE}' "
            f"reads {wanted}, joints first."
        )


def _answer_of_parts(network: nn.Module, model: Any, size: Size) -> Any:
    if not isinstance(network, PoseNet):
        return answer_to_images(network, size)
    maps = answer_to_images(network.backbone, size)
    _check_maps(network.backbone, "BACKBONE", model, maps, size)
    if not isinstance(network.neck, nn.Identity):
        maps = meta_answer(network.neck, maps)
        _check_maps(network.neck, "NECK", model, maps, size)
    return meta_answer(network.head, maps)


def _check_maps(part: nn.Module, kind: str, model: Any, maps: Any, size: Size) -> None:
    if words := wrong_maps(part, maps, size):
        raise ConfigError(f"MODEL.{kind} '{model[kind]}' ({type(part).__name__}) {words}.")


def _shapes(answer: Any) -> list[Shape]:
    """Return the shapes of an answer's tensors, without the batch where they have it in front."""
    tensors = [answer] if isinstance(answer, Tensor) else list(answer)
    if not all(isinstance(one, Tensor) and one.ndim and one.shape[0] == COUNT for one in tensors):
        return []
    return [tuple(one.shape[1:]) for one in tensors]


def _in_words(answer: Any, shapes: list[Shape]) -> str:
    if isinstance(answer, Tensor):
        return f"one tensor {[*answer.shape[1:]]}" if shapes else f"a tensor {[*answer.shape]}"
    return f"{shapes}" if shapes else f"something else than batches of tensors ({type(answer)})"
