"""From configuration to network."""

from __future__ import annotations

import math
from typing import Any

from torch import nn
from yacs.config import CfgNode

from lib.codecs import CODECS, build_codec
from lib.models.fit import check_fit
from lib.models.posenet import PoseNet
from lib.models.recipes import RECIPES
from lib.models.trial import has_foreign_parts, try_out
from lib.structures.pixels import Pixels
from lib.utils.errors import ConfigError


def build_model(cfg: CfgNode) -> nn.Module:
    """Return the network that ``MODEL`` describes, initialised, without checkpoint weights.

    It is built where the caller's device context says (``with torch.device("meta")`` allocates
    nothing), and carries ``key_map``, the way between official checkpoint names and its own.

    Raises:
        ConfigError: ``MODEL`` names or sizes something that does not exist.
    """
    recipe = RECIPES[cfg.MODEL.NAME]
    network = recipe.build(cfg.MODEL)
    if not hasattr(network, "key_map"):  # else it depends on more than the family
        network.key_map = recipe.key_map  # type: ignore[assignment]
    # A posenet of whole images, which have sizes of their own, says so in MODEL.TASK.
    task = cfg.MODEL.get("TASK", recipe.task) if recipe.task == "topdown" else recipe.task
    if task != "topdown":
        return network
    if isinstance(network, PoseNet):
        check_fit(cfg.MODEL, network.head)
        _check_sizes(network, cfg.MODEL)
    if has_foreign_parts(network, CODECS[cfg.MODEL.TARGET_TYPE]):
        try_out(network, cfg.MODEL, build_codec(cfg).output_shapes(cfg.MODEL.NUM_JOINTS))
    return network


def trunk_pixels(model: CfgNode) -> Pixels:
    """Return the pixels that the trunk of ``MODEL`` was made for; nothing is built.

    Raises:
        ConfigError: the trunk's name is unknown, or ``MODEL.EXTRA.PIXELS`` is impossible.
    """
    return RECIPES[model.NAME].pixels(model)


def _check_sizes(network: PoseNet, model: CfgNode) -> None:
    """Compare the sizes in ``MODEL`` with the strides of the network.

    Raises:
        ConfigError: the image cannot be divided as the backbone wants, or the heatmaps have another
            size.
    """
    size = list(model.IMAGE_SIZE)
    multiple = math.lcm(*(_size_multiple(part) for part in (network.backbone, network.neck)))
    if any(side % multiple for side in size):
        raise ConfigError(f"MODEL.IMAGE_SIZE {size} must be multiples of {multiple} here.")
    network.input_size = (size[0], size[1])
    for name, wanted in CODECS[model.TARGET_TYPE].head_arguments(model).items():
        found = getattr(network.head, name, None)
        if found is None:
            raise ConfigError(
                f"The head of {model.NAME} ({type(network.head).__name__}) must take {name} and "
                f"keep it: MODEL.TARGET_TYPE '{model.TARGET_TYPE}' tells its heads (Codec."
                "head_arguments)."
            )
        if list(found) != list(wanted):
            raise ConfigError(
                f"The head has {name} {list(found)}, MODEL.TARGET_TYPE '{model.TARGET_TYPE}' reads "
                f"{list(wanted)} at MODEL.IMAGE_SIZE {size}: leave {name.upper()} out of the head."
            )
    if not CODECS[model.TARGET_TYPE].map_sized:
        return
    stride: Any = getattr(network.head, "out_stride", None)
    if not isinstance(stride, int) or stride < 1:
        raise ConfigError(
            f"The head of {model.NAME} ({type(network.head).__name__}) must declare out_stride, "
            f"the whole number of input pixels per cell of its maps, but says {stride}."
        )
    wanted = [side // stride for side in size]
    if list(model.HEATMAP_SIZE) != wanted:
        raise ConfigError(
            f"MODEL.HEATMAP_SIZE {list(model.HEATMAP_SIZE)} must be MODEL.IMAGE_SIZE / {stride} = "
            f"{wanted}: the network's heatmaps have stride {stride}."
        )


def _size_multiple(part: nn.Module) -> int:
    """Return what the image's sides must be multiples of: else maps would not double exactly."""
    strides: tuple[int, ...] = getattr(part, "out_strides", (1,))
    return getattr(part, "size_multiple", math.lcm(*strides))
