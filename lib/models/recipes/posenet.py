"""``posenet``: any backbone, neck and head, from YAML alone.

``MODEL.BACKBONE``, ``NECK`` and ``HEAD`` name the parts (an empty ``NECK`` leaves it out), and
``MODEL.EXTRA.BACKBONE``, ``.NECK`` and ``.HEAD`` hold their arguments in capitals.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from yacs.config import CfgNode

from lib.codecs import CODECS
from lib.config.coerce import coerce
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
from lib.utils.plugins import failure, is_foreign

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
SIZES = ("out_channels", "out_strides")
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
    sizes = _declared(backbone, "BACKBONE", model, *SIZES)
    if model.NECK:
        neck = _make(NECKS, "NECK", model, *sizes)
        sizes = _declared(neck, "NECK", model, *SIZES)
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

    make = BACKBONES[model.BACKBONE]
    own: Any = getattr(make, "pixels", Pixels())
    if callable(own):
        try:
            own = own(**_kwargs(model, "BACKBONE", make))
        except (TypeError, ValueError) as error:
            raise ConfigError(f"MODEL.EXTRA.BACKBONE: {error}") from error
    if not isinstance(own, Pixels):
        raise ConfigError(
            f"MODEL.BACKBONE '{model.BACKBONE}' declares pixels {own!r}; they must be a Pixels "
            "(lib/structures/pixels.py), or a function that makes one of the backbone's arguments."
        )
    given = {key.lower(): tuple(value) for key, value in model.EXTRA.PIXELS.items() if value}
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
    kwargs = _kwargs(model, part, make)
    parameters = list(inspect.signature(make).parameters.values())[len(sizes) :]
    known = [
        one.name for one in parameters if one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL)
    ]
    takes_all = any(one.kind is one.VAR_KEYWORD for one in parameters)
    if INPUT_SIZE in known and INPUT_SIZE not in kwargs and model.get("TASK") != "bottomup":
        kwargs[INPUT_SIZE] = tuple(model.IMAGE_SIZE)
    for name, value in CODECS[model.TARGET_TYPE].head_arguments(model).items():
        if name in known and part == "HEAD":
            kwargs.setdefault(name, value)
    for name in kwargs:
        if name not in known and not takes_all:
            names = [argument.upper() for argument in known]
            raise ConfigError(
                f"MODEL.EXTRA.{part}: '{model[part]}' takes no {name.upper()}."
                f"{did_you_mean(name.upper(), names)}"
            )
    try:
        return make(*sizes, **kwargs)
    except (TypeError, ValueError, IndexError, RuntimeError) as error:
        raise ConfigError(f"MODEL.EXTRA.{part}: {error}") from error
    except Exception as error:
        if not is_foreign(make):  # a fault of ours keeps its traceback
            raise
        raise ConfigError(f"MODEL.{part} '{model[part]}': {failure(error, make)}.") from error


def _declared(part: nn.Module, kind: str, model: CfgNode, *names: str) -> list[Any]:
    """Return what a part must declare about itself; one of a user's own may have forgotten it.

    Raises:
        ConfigError: it has, or sizes are none.
    """
    where = f"MODEL.{kind} '{model[kind]}' ({type(part).__name__})"
    missing = [name for name in names if not hasattr(part, name)]
    if missing:
        raise ConfigError(
            f"{where} declares no {missing[0]}; what each kind of part must declare stands in "
            "docs/explain/own-parts.md."
        )
    values = {name: getattr(part, name) for name in names}
    for name, value in values.items():
        if name in SIZES and not _are_sizes(value):
            raise ConfigError(
                f"{where} declares {name} {value}; they must be whole numbers, one per map, fine "
                "to coarse."
            )
    return [*values.values()]


def _are_sizes(value: Any) -> bool:
    numbers = list(value) if isinstance(value, Sequence) else []
    return bool(numbers) and all(isinstance(one, int) and one > 0 for one in numbers)


def _kwargs(model: CfgNode, part: str, make: Callable[..., Any]) -> dict[str, Any]:
    """Return the arguments that the YAML gives a part, with the types that their defaults have.

    Numbers stay as they are: a default of 1 may stand for any.

    Raises:
        ConfigError: one cannot be read as that type.
    """
    parameters = inspect.signature(make).parameters
    given = {key.lower(): value for key, value in model.EXTRA[part].items()}
    for name, value in given.items():
        default = parameters[name].default if name in parameters else None
        if isinstance(default, list | tuple):
            default = []  # of anything
        if not isinstance(default, str | bool | list):
            continue
        try:
            given[name] = coerce(value, default)
        except ValueError as wanted:
            raise ConfigError(
                f"MODEL.EXTRA.{part}.{name.upper()} must be {wanted}, got {value!r}."
            ) from None
    return given


RECIPES.register("posenet")(
    Recipe(task="topdown", extra=EXTRA, build=build, key_map=KEYS, pixels=pixels)
)
