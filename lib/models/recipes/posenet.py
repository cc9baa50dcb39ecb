"""``posenet``: any backbone, neck and head, from YAML alone.

``MODEL.BACKBONE``, ``NECK`` and ``HEAD`` name the parts (an empty ``NECK`` leaves it out), and
``MODEL.EXTRA.BACKBONE``, ``.NECK`` and ``.HEAD`` hold their arguments in capitals.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from yacs.config import CfgNode

from lib.models.registry import BACKBONES, HEADS, NECKS, RECIPES, PrefixMap, Recipe, Registry
from lib.utils.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from torch import nn

EXTRA = CfgNode({"PRETRAINED_LAYERS": ["*"]})
for _part in ("BACKBONE", "NECK", "HEAD"):
    EXTRA[_part] = CfgNode(new_allowed=True)  # set here: a CfgNode forgets it for nested ones
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

    backbone = _make(BACKBONES, "BACKBONE", model)
    last, neck = backbone, None
    if model.NECK:
        neck = _make(NECKS, "NECK", model, backbone.out_channels, backbone.out_strides)
        last = neck
    head = _make(HEADS, "HEAD", model, last.out_channels, last.out_strides, model.NUM_JOINTS)
    if model.INIT_WEIGHTS:
        init_parts(backbone, neck, head)
    return PoseNet(backbone, neck, head)


def _make(
    registry: Registry[Callable[..., nn.Module]],
    part: str,
    model: CfgNode,
    *sizes: Any,
) -> nn.Module:
    """Build one part; ``sizes`` are what it needs to know of the part before it."""
    make = registry[model[part]]
    kwargs = {key.lower(): value for key, value in model.EXTRA[part].items()}
    known = list(inspect.signature(make).parameters)[len(sizes) :]
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


RECIPES.register("posenet")(Recipe(task="topdown", extra=EXTRA, build=build, key_map=KEYS))
