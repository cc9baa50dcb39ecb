"""``posenet``: any backbone, neck and head, from YAML alone.

``MODEL.BACKBONE``, ``NECK`` and ``HEAD`` name the parts (an empty ``NECK`` leaves it out), and
``MODEL.EXTRA.BACKBONE``, ``.NECK`` and ``.HEAD`` hold their arguments in capitals.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from yacs.config import CfgNode

from lib.codecs import CODECS
from lib.models.registry import (
    BACKBONES,
    HEADS,
    NECKS,
    RECIPES,
    KeyMap,
    PrefixMap,
    Recipe,
    Registry,
    StateDict,
)
from lib.structures.pixels import Pixels
from lib.utils.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from torch import nn

EXTRA = CfgNode(
    {
        "PRETRAINED_LAYERS": ["*"],
        "PIXELS": {"MEAN": [], "STD": []},  # of values in [0, 1]; empty = the backbone's own
    }
)
for _part in ("BACKBONE", "NECK", "HEAD"):
    EXTRA[_part] = CfgNode(new_allowed=True)  # set here: a CfgNode forgets it for nested ones
TRUNK = "backbone."
INPUT_SIZE = "input_size"  # a parameter of this name gets MODEL.IMAGE_SIZE
# Ours is the only layout; a bare backbone file (ImageNet) is taken in as well.
KEYS = PrefixMap(
    (
        ("backbone.", "backbone."),
        ("neck.", "neck."),
        ("head.", "head."),
        ("final_layer.", "head.final_layer."),
        ("", "backbone."),
    )
)


def build(model: CfgNode) -> nn.Module:
    """Return the composition that ``MODEL`` names; each part is sized from the one before.

    Raises:
        ConfigError: a part or an argument is unknown, or a part refuses its arguments.
    """
    import lib.models.backbones
    import lib.models.heads
    import lib.models.necks  # noqa: F401 - these three fill the registries
    from lib.models.layers.blocks import init_parts
    from lib.models.posenet import PoseNet

    backbone, neck = _make(BACKBONES, "BACKBONE", model), None
    sizes = _declared(backbone, "BACKBONE", model, "out_channels", "out_strides")
    if model.NECK:
        neck = _make(NECKS, "NECK", model, *sizes)
        sizes = _declared(neck, "NECK", model, "out_channels", "out_strides")
    head = _make(HEADS, "HEAD", model, *sizes, model.NUM_JOINTS)
    _declared(head, "HEAD", model, "gives")
    if model.INIT_WEIGHTS:
        init_parts(backbone, neck)
    # Whatever holds of the trunk: with PyTorch's own initialisation a fresh head starts far from
    # the nearly empty maps it is to draw, and may stay on the plateau of quite empty ones.
    init_parts(head)
    network = PoseNet(backbone, neck, head)
    network.key_map = ComposedKeys(getattr(backbone, "key_map", None))  # type: ignore[assignment]
    return network


def pixels(model: CfgNode) -> Pixels:
    """Return what ``PIXELS`` says, for the rest what the backbone declares.

    Raises:
        ConfigError: the backbone is unknown, or the numbers are impossible.
    """
    import lib.models.backbones  # noqa: F401 - fills the registry

    declared = getattr(BACKBONES[model.BACKBONE], "pixels", Pixels())
    given = {key.lower(): tuple(value) for key, value in model.EXTRA.PIXELS.items() if value}
    try:
        own = declared if isinstance(declared, Pixels) else declared(**_kwargs(model, "BACKBONE"))
    except (TypeError, ValueError) as error:
        raise ConfigError(f"MODEL.EXTRA.BACKBONE: {error}") from error
    try:
        return replace(own, **given)
    except ValueError as error:
        raise ConfigError(f"MODEL.EXTRA.PIXELS: {error}") from error


class ComposedKeys:
    """Ours is the only layout of the whole; a file of the trunk alone goes through its own map.

    Args:
        trunk: key map of the backbone, in names without ``backbone.``; None has none.
    """

    def __init__(self, trunk: KeyMap | None) -> None:
        self._trunk = trunk

    def from_official(self, state: StateDict) -> StateDict:
        """Return ``state`` under our names."""
        return self._of_trunk(KEYS.from_official(state), "from_official")

    def to_official(self, state: StateDict) -> StateDict:
        """Return ``state``: no other layout holds the whole."""
        return state

    def complete(self, state: StateDict, own: StateDict) -> StateDict:
        """Return ``state`` with what the trunk's map makes fit this network, see ``KeyMap``."""
        return self._of_trunk(state, "complete", _trunk_part(own))

    def _of_trunk(self, state: StateDict, step: str, *args: StateDict) -> StateDict:
        translate = getattr(self._trunk, step, None)
        if translate is None:
            return state
        rest = {key: value for key, value in state.items() if not key.startswith(TRUNK)}
        part = translate(_trunk_part(state), *args)
        return {**rest, **{f"{TRUNK}{key}": value for key, value in part.items()}}


def _trunk_part(state: StateDict) -> StateDict:
    """Return the backbone's part of a state under names of its own."""
    start = len(TRUNK)
    return {key[start:]: value for key, value in state.items() if key.startswith(TRUNK)}


def _make(
    registry: Registry[Callable[..., nn.Module]],
    part: str,
    model: CfgNode,
    *sizes: Any,
) -> nn.Module:
    """Build one part; ``sizes`` are what it needs to know of the part before it."""
    make = registry[model[part]]
    kwargs = _kwargs(model, part)
    known = list(inspect.signature(make).parameters)[len(sizes) :]
    if INPUT_SIZE in known and INPUT_SIZE not in kwargs and model.get("TASK") != "bottomup":
        kwargs[INPUT_SIZE] = tuple(model.IMAGE_SIZE)
    for name, value in CODECS[model.TARGET_TYPE].head_arguments(model).items():
        if name in known and part == "HEAD":
            kwargs.setdefault(name, value)
    for name in kwargs:
        if name not in known:
            names = [argument.upper() for argument in known]
            raise ConfigError(
                f"MODEL.EXTRA.{part}: '{model[part]}' takes no {name.upper()}."
                f"{did_you_mean(name.upper(), names)}"
            )
    try:
        return make(*sizes, **kwargs)
    except (TypeError, ValueError, IndexError, RuntimeError) as error:
        raise ConfigError(f"MODEL.EXTRA.{part}: {error}") from error


def _declared(part: nn.Module, kind: str, model: CfgNode, *names: str) -> list[Any]:
    """Return what a part must declare about itself; one of a user's own may have forgotten it.

    Raises:
        ConfigError: it has.
    """
    for name in names:
        if not hasattr(part, name):
            raise ConfigError(
                f"MODEL.{kind} '{model[kind]}' ({type(part).__name__}) declares no {name}; what "
                "each kind of part must declare stands in lib/models/registry.py."
            )
    return [getattr(part, name) for name in names]


def _kwargs(model: CfgNode, part: str) -> dict[str, Any]:
    """Return the arguments that the YAML gives a part."""
    return {key.lower(): value for key, value in model.EXTRA[part].items()}


RECIPES.register("posenet")(
    Recipe(task="topdown", extra=EXTRA, build=build, key_map=KEYS, pixels=pixels)
)
