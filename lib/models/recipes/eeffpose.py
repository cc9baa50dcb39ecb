"""``pose_effpnet``: EffBase, EEffPose and what lies between (MEMe, Sensors 2022, 22(2), 632).

``MODEL.BACKBONE`` is the name of the EfficientDet that trunk and neck are sized after. Three keys,
each ``'Ours'`` or ``''``, are the bits of the ablation: ``BACKBONE_TYPE`` (EEffNet or the plain
trunk), ``FPN_TYPE`` (TFNeck or BiFPN), ``FINAL_TYPE`` (final attention or sum head).

``MODEL.PRETRAINED`` takes timm's EfficientNet file, or an EfficientDet checkpoint of which the
``backbone.`` entries are read. Differs from the published code: that one copies ImageNet weights
into the branches before it fills the trunk from EfficientDet, here both come from the one file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from yacs.config import CfgNode

from lib.models.registry import RECIPES, PrefixMap, Recipe, StateDict
from lib.utils.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from torch import Tensor, nn

EXTRA = CfgNode(
    {
        "PRETRAINED_LAYERS": ["backbone", "same_head"],  # what PRETRAINED may fill; '*' is all
        # '' and 0 take what MODEL.BACKBONE stands for:
        "TRUNK": "",  # timm's name of a network of EfficientNet's shape
        "NECK_CHANNELS": 0,
        "NECK_REPEATS": 0,
        "DROP_PATH": 0.2,
        "HEAD_SCALE": 1.0,  # what the last batch-norms start with
    }
)

# EfficientDet -> trunk, channels and repeats of the neck.
DETECTORS = {
    "tf_efficientdet_d0_ap": ("tf_efficientnet_b0", 64, 3),
    "tf_efficientdet_d2_ap": ("tf_efficientnet_b2", 112, 5),
}
MAX_REPEATS = 8  # of EfficientDet-D7's neck, the deepest one
LEVELS = 5  # of BiFPN
_BRANCHES = "backbone.extra."


def build(model: CfgNode) -> nn.Module:
    """Return the network that ``MODEL`` describes; images (B, 3, H, W) -> (B, K, H / 4, W / 4).

    Raises:
        ConfigError: an unknown detector or type, or an image size that the variant cannot take.
    """
    from lib.models.backbones.eeffnet import EEffNet, EffNet
    from lib.models.heads.fahead import FAHead, SumHead
    from lib.models.necks.bifpn import BiFPN
    from lib.models.necks.tfneck import TFNeck
    from lib.models.posenet import PoseNet

    variant, channels, repeats = _sizes(model)
    drop_path = model.EXTRA.DROP_PATH
    backbone_class = EEffNet if _ours(model, "BACKBONE_TYPE") else EffNet
    try:
        backbone = backbone_class(variant, drop_path)
    except (ValueError, RuntimeError) as error:
        raise ConfigError(f"MODEL.EXTRA.TRUNK: {error}") from error
    sizes = backbone.out_channels, backbone.out_strides
    if _ours(model, "FPN_TYPE"):
        neck = TFNeck(*sizes, channels=channels, repeats=repeats, drop_path=drop_path)
    else:
        neck = BiFPN(*sizes, channels=channels, repeats=repeats, levels=LEVELS)
    _check_size(model, neck.size_multiple)
    head_class = FAHead if _ours(model, "FINAL_TYPE") else SumHead
    head = head_class(
        neck.out_channels, neck.out_strides, model.NUM_JOINTS, scale=model.EXTRA.HEAD_SCALE
    )
    if model.INIT_WEIGHTS:
        backbone.init_weights()
        neck.init_weights()
    return PoseNet(backbone, neck, head)


def _sizes(model: CfgNode) -> tuple[str, int, int]:
    """Return trunk, channels and repeats of the neck."""
    if model.BACKBONE not in DETECTORS:
        hint = did_you_mean(model.BACKBONE, DETECTORS)
        raise ConfigError(f"MODEL.BACKBONE: no sizes are known for '{model.BACKBONE}'.{hint}")
    variant, channels, repeats = DETECTORS[model.BACKBONE]
    extra = model.EXTRA
    return extra.TRUNK or variant, extra.NECK_CHANNELS or channels, extra.NECK_REPEATS or repeats


def _ours(model: CfgNode, key: str) -> bool:
    if model[key] not in ("", "Ours"):
        raise ConfigError(f"MODEL.{key} must be 'Ours' or '', got '{model[key]}'")
    return model[key] == "Ours"


def _check_size(model: CfgNode, multiple: int) -> None:
    if any(side % multiple for side in model.IMAGE_SIZE):
        nearest = [max(1, round(side / multiple)) * multiple for side in model.IMAGE_SIZE]
        neck = "TFNeck" if model.FPN_TYPE else "BiFPN (MODEL.FPN_TYPE '')"
        raise ConfigError(
            f"MODEL.IMAGE_SIZE {list(model.IMAGE_SIZE)}: {neck} needs sides that are multiples of "
            f"{multiple}, as {nearest}"
        )


@dataclass(frozen=True)
class EEffPoseKeys:
    """Official names depend on the backbone: EEffNet's are numbered by position."""

    def from_official(self, state: StateDict) -> StateDict:
        """Return ``state`` under our names."""
        return {key: _to_rows(value) for key, value in _names().any.from_official(state).items()}

    def complete(self, state: StateDict, own: StateDict) -> StateDict:
        """Return ``state``; of a trunk alone with copies for those branches that ``own`` has."""
        if any(key.startswith((_BRANCHES, "head.")) for key in state):
            return state
        return {**state, **{key: value for key, value in _copies(state).items() if key in own}}

    def to_official(self, state: StateDict) -> StateDict:
        """Return our ``state`` under the official names."""
        numbered = any(key.startswith(_BRANCHES) for key in state)
        names = _names().numbered if numbered else _names().named
        weights = {key for key in state if key.endswith(".weights") and state[key].ndim == 4}
        return names.to_official(
            {key: _to_columns(state[key]) if key in weights else state[key] for key in state}
        )


def _to_rows(value: Tensor) -> Tensor:
    """Return fusion weights (1, C, inputs, 1, 1) as (inputs, C, 1, 1), anything else unchanged."""
    return value[0].transpose(0, 1) if value.ndim == 5 else value


def _to_columns(weights: Tensor) -> Tensor:
    """Undo ``_to_rows``."""
    return weights.transpose(0, 1)[None]


def _copies(trunk: StateDict) -> StateDict:
    """Return the branches' state: copies of the tapped blocks, as many as the trunk beside them."""
    from lib.models.backbones.eeffnet import STAGES, TAPS

    counts = [_count(trunk, f"backbone.blocks.{stage}.") for stage in range(STAGES)]
    copies: StateDict = {}
    for stage in range(STAGES):
        for branch, tap in enumerate(tap for tap in TAPS if tap < stage):
            model = f"backbone.blocks.{tap}.{counts[tap] - 1}."
            entries = [(key[len(model) :], trunk[key]) for key in trunk if key.startswith(model)]
            for position in range(counts[stage]):
                start = f"{_BRANCHES}{stage}.{branch}.{position}."
                copies.update((start + name, value) for name, value in entries)
    return copies


def _count(state: StateDict, prefix: str) -> int:
    """Return the number of blocks whose names start with ``prefix`` and their number."""
    return len({key[len(prefix) :].partition(".")[0] for key in state if key.startswith(prefix)})


def _numbered_pairs() -> Iterator[tuple[str, str]]:
    """Yield (official, ours) prefixes of EEffNet; the official ones are numbered by position."""
    from lib.models.backbones.eeffnet import STAGES, TAPS

    yield "hr_backbone.0.", "backbone.conv_stem."
    yield "hr_backbone.1.", "backbone.bn1."
    for stage in range(STAGES):
        official = f"hr_backbone.{3 + stage}"
        branches = sum(tap < stage for tap in TAPS)
        for branch in range(branches):
            yield f"{official}.branches.{branch}.", f"{_BRANCHES}{stage}.{branch}."
        yield f"{official}.branches.{branches}.", f"backbone.blocks.{stage}."
        yield from _fusion_pairs(f"{official}.fuse_layers.", f"backbone.fuse.{stage}.")


def _fusion_pairs(official: str, ours: str) -> Iterator[tuple[str, str]]:
    """Yield the prefixes inside a TotalFusion layer."""
    from lib.models.backbones.eeffnet import TAPS

    for level in range(len(TAPS)):
        add = f"{official}addup_layers.{level}."
        yield f"{add}weights", f"{ours}add.{level}.weights"
        for source in range(len(TAPS)):
            position = int(source < level)  # a pooling layer comes first
            yield (
                f"{add}sample_layers.{source}.{position}.conv.",
                f"{ours}add.{level}.proj.{source}.",
            )
        yield f"{official}mixup_layers.{level}.", f"{ours}mix.{level}."
        yield f"{official}fixup_layers.{level}.conv.", f"{ours}fix.{level}."


def _bifpn_pairs() -> Iterator[tuple[str, str]]:
    """Yield the prefixes inside a BiFPN; projections exist in its first cell only."""
    from lib.models.backbones.eeffnet import TAPS
    from lib.models.necks.bifpn import plan

    yield f"fpn.resample.{len(TAPS)}.conv.", "neck.extra."
    for cell in range(MAX_REPEATS):
        for node, (_, inputs) in enumerate(plan(LEVELS)):
            official = f"fpn.cell.{cell}.fnode.{node}."
            ours = f"neck.cell.{cell}.nodes.{node}."
            yield f"{official}combine.edge_weights", f"{ours}weights"
            yield f"{official}after_combine.conv.", f"{ours}conv."
            for position, source in enumerate(inputs if cell == 0 else ()):
                yield f"{official}combine.resample.{source}.conv.", f"{ours}proj.{position}."


def _other_pairs() -> Iterator[tuple[str, str]]:
    """Yield the prefixes of necks and heads."""
    yield from _bifpn_pairs()
    for layer in range(MAX_REPEATS):
        yield from _fusion_pairs(f"fpn.{layer}.", f"neck.layers.{layer}.")
    yield "final_layer.", "head."


@dataclass(frozen=True)
class _Names:
    """Prefix maps of the official files."""

    numbered: PrefixMap
    named: PrefixMap
    any: PrefixMap  # for reading: either of the two, or timm's


@cache
def _names() -> _Names:
    """Return the maps; they follow the layout of the parts, which the schema does without."""
    both = tuple(_other_pairs())
    trunk = tuple((name, f"backbone.{name}") for name in ("conv_stem.", "bn1.", "blocks."))
    numbered = PrefixMap((*_numbered_pairs(), *both))
    named = PrefixMap((("hr_backbone.", "backbone."), *both))
    return _Names(numbered, named, PrefixMap((*numbered.pairs, *named.pairs[:1], *trunk)))


KEYS = EEffPoseKeys()

RECIPES.register("pose_effpnet")(Recipe(task="topdown", extra=EXTRA, build=build, key_map=KEYS))
