"""The ``STAGE*`` nodes that all multi-resolution networks share in ``MODEL.EXTRA``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from yacs.config import CfgNode

from lib.utils.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from lib.models.backbones.multires import Stage, Stem

# First components of official key names that an ImageNet file may fill.
TRUNK_LAYERS = [
    "conv1", "bn1", "conv2", "bn2", "layer1", "transition1", "stage2",
    "transition2", "stage3", "transition3", "stage4",
]  # fmt: skip


def stage1_schema(blocks: int) -> CfgNode:
    """Return defaults of ``STAGE1``: the bottlenecks between stem and stage 2."""
    return CfgNode(
        {
            "NUM_BLOCKS": [blocks],
            "NUM_CHANNELS": [64],
            "BLOCK": "BOTTLENECK",
        }
    )


def stage_schema(modules: int, blocks: int, channels: Sequence[int], block: str) -> CfgNode:
    """Return defaults of one of ``STAGE2`` ... ``STAGE4``.

    Args:
        modules: modules in a row.
        blocks: blocks per branch and module.
        channels: inner width of the block on each branch, fine to coarse.
        block: name of the block.
    """
    return CfgNode(
        {
            "NUM_MODULES": modules,  # in a row; branches are fused after each
            "NUM_BRANCHES": len(channels),  # resolutions side by side
            "BLOCK": block,  # BASIC | BOTTLENECK | a transformer's
            "NUM_BLOCKS": [blocks] * len(channels),  # of every branch of a module
            "NUM_CHANNELS": list(channels),  # of every branch, inside a block
            "FUSE_METHOD": "SUM",  # of branches; the only one there is
        }
    )


def hrnet_schema() -> dict[str, CfgNode]:
    """Return defaults of all four nodes: those of HRNet-W32."""
    return {
        "STAGE1": stage1_schema(4),
        "STAGE2": stage_schema(1, 4, (32, 64), "BASIC"),
        "STAGE3": stage_schema(4, 4, (32, 64, 128), "BASIC"),
        "STAGE4": stage_schema(3, 4, (32, 64, 128, 256), "BASIC"),
    }


def read_stem(extra: CfgNode) -> Stem:
    """Return the stem that ``STAGE1`` describes."""
    from lib.models.backbones.multires import Stem

    node = extra.STAGE1
    _known_block("STAGE1", node.BLOCK)
    if len(node.NUM_BLOCKS) != 1 or len(node.NUM_CHANNELS) != 1:
        raise ConfigError("MODEL.EXTRA.STAGE1 has one branch: give one NUM_BLOCKS and NUM_CHANNELS")
    return Stem(block=node.BLOCK, blocks=node.NUM_BLOCKS[0], channels=node.NUM_CHANNELS[0])


def read_stages(extra: CfgNode) -> list[Stage]:
    """Return stages 2 to 4; widths are those a branch carries (inner width x expansion).

    Raises:
        ConfigError: lists of a stage differ in length, or a value is not supported.
    """
    return [_read_stage(f"STAGE{number}", extra[f"STAGE{number}"]) for number in (2, 3, 4)]


def _read_stage(name: str, node: CfgNode) -> Stage:
    from lib.models.backbones.multires import Stage
    from lib.models.layers.blocks import BLOCKS

    check_entries(name, node, ("NUM_BLOCKS", "NUM_CHANNELS"))
    wanted = int(name[-1])  # a stage has as many branches as its number
    if wanted != node.NUM_BRANCHES:
        raise ConfigError(f"MODEL.EXTRA.{name}.NUM_BRANCHES must be {wanted}")
    if node.FUSE_METHOD != "SUM":
        raise ConfigError(f"MODEL.EXTRA.{name}.FUSE_METHOD must be SUM, got {node.FUSE_METHOD}")
    expansion = getattr(BLOCKS.get(node.BLOCK), "expansion", 1)
    widths = tuple(width * expansion for width in node.NUM_CHANNELS)
    return Stage(node.NUM_MODULES, tuple(node.NUM_BLOCKS), widths)


def check_entries(name: str, node: CfgNode, keys: Sequence[str]) -> None:
    """Check that the lists of stage ``name`` have one entry per branch.

    Raises:
        ConfigError: one has not.
    """
    for key in keys:
        if len(node[key]) != node.NUM_BRANCHES:
            raise ConfigError(
                f"MODEL.EXTRA.{name}.{key} has {len(node[key])} entries for "
                f"NUM_BRANCHES {node.NUM_BRANCHES}: give one per branch"
            )


def read_blocks(extra: CfgNode) -> list[str]:
    """Return the names of the residual blocks of stages 2 to 4.

    Raises:
        ConfigError: a name is unknown.
    """
    names = [(f"STAGE{number}", extra[f"STAGE{number}"].BLOCK) for number in (2, 3, 4)]
    for stage, block in names:
        _known_block(stage, block)
    return [block for _, block in names]


def _known_block(stage: str, block: str) -> None:
    from lib.models.layers.blocks import BLOCKS

    if block not in BLOCKS:
        raise ConfigError(
            f"MODEL.EXTRA.{stage}.BLOCK: no block '{block}'.{did_you_mean(block, BLOCKS)}"
        )
