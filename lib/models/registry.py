"""Names of YAML files -> components and recipes, with errors that list what is known.

Contracts (B images; all maps are (B, C, H, W), fine to coarse):

* A **backbone** maps images (B, 3, H, W), normalised, to a list of maps, and declares
  ``out_channels`` and ``out_strides`` (tuples, one entry per map, strides in input pixels). Pixels
  other than ImageNet's are declared as ``pixels``: a ``Pixels``, or what makes one of the trunk's
  arguments. A ``key_map`` translates files that hold the trunk alone.
* A **neck** is built with ``(in_channels, in_strides, **kwargs)``, maps a list of maps to a list of
  maps, and declares ``out_channels`` and ``out_strides`` too.
* A **head** is built with ``(in_channels, in_strides, num_joints, **kwargs)``, maps a list of maps
  to what the network answers, and declares what that is: ``gives`` is a name that codecs read
  (``lib.codecs.base.Codec.reads``): ``heatmaps``, a tensor (B, K, h, w) (or a list of them), with
  ``out_stride``; ``simcc``, a list of logits (B, K, Wx) and (B, K, Wy), with ``bins`` (Wx, Wy);
  ``heatmaps and presence``, a list of both, presence as logits (B, K).
* Whatever part predicts joints says by ``joint_channels`` which entries of its tensors belong to
  which (``lib.models.joints``), so that weights of other joints can be taken over.
* In evaluation mode several threads may run a network at once: no ``forward`` keeps anything of an
  image in ``self``.
* A part may name sub-modules as ``recomputable``: stages that a training may let compute their
  activations twice instead of keeping them (``lib.models.recompute``).
* A part that has a parameter ``input_size`` gets ``MODEL.IMAGE_SIZE``, ``(width, height)``, unless
  the YAML names another; whole-image models, whose images differ in size, give it None. A head
  gets what the codec says likewise (``Codec.head_arguments``), for instance ``bins``.
* A **recipe** is what the lineage's ``MODEL.NAME`` names: a composition of the three, the schema of
  its ``MODEL.EXTRA``, the task it serves, and its two-way map to official checkpoint keys.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from yacs.config import CfgNode

from lib.structures.pixels import Pixels
from lib.utils.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor, nn

StateDict = dict[str, "Tensor"]


class KeyMap(Protocol):
    """Loss-free renaming between official checkpoint keys and ours; tensors may be re-arranged."""

    def from_official(self, state: StateDict) -> StateDict:
        """Return ``state`` under our names; keys that belong to nothing of ours pass unchanged."""
        ...

    def to_official(self, state: StateDict) -> StateDict:
        """Return our ``state`` under the official names."""
        ...


@dataclass(frozen=True)
class PrefixMap:
    """A key map that only swaps prefixes: the first ``(official, ours)`` pair that fits wins.

    Our prefixes must not be prefixes of one another.
    """

    pairs: tuple[tuple[str, str], ...]

    def from_official(self, state: StateDict) -> StateDict:
        """Return ``state`` under our names."""
        return {self._swap(key, self.pairs): value for key, value in state.items()}

    def to_official(self, state: StateDict) -> StateDict:
        """Return our ``state`` under the official names."""
        reverse = tuple((ours, official) for official, ours in self.pairs)
        return {self._swap(key, reverse): value for key, value in state.items()}

    @staticmethod
    def _swap(key: str, pairs: tuple[tuple[str, str], ...]) -> str:
        for old, new in pairs:
            if key.startswith(old):
                return new + key[len(old) :]
        return key


def _imagenet(model: CfgNode) -> Pixels:
    """Return the pixels of nearly all published trunks."""
    return Pixels()


@dataclass(frozen=True)
class Recipe:
    """What a ``MODEL.NAME`` stands for.

    Attributes:
        task: ``topdown``, ``bottomup`` or ``rcnn``.
        extra: schema of ``MODEL.EXTRA``: names, types and defaults.
        build: turns the (complete) ``MODEL`` node into a network, without weights.
        key_map: official checkpoint keys <-> ours.
        table: how the family's published "GFLOPs" count, a key of ``complexity.CONVENTIONS``.
        pixels: says from the ``MODEL`` node what pixels the trunk was made for.
    """

    task: str
    extra: CfgNode
    build: Callable[[CfgNode], nn.Module]
    key_map: KeyMap
    table: str = "legacy / 2^30"
    pixels: Callable[[CfgNode], Pixels] = _imagenet


BACKBONES: Registry[Callable[..., nn.Module]] = Registry("backbone")
NECKS: Registry[Callable[..., nn.Module]] = Registry("neck")
HEADS: Registry[Callable[..., nn.Module]] = Registry("head")
RECIPES: Registry[Recipe] = Registry("MODEL.NAME")
