"""``timm``: any network of timm that gives feature maps, and its plain vision transformers.

Strides and channels are timm's own (``feature_info``), and so are mean and std of the pixels. The
weights of a trunk come from ``MODEL.PRETRAINED``: a file with timm's names, or one of those that
``lib.models.backbones.timm_keys`` knows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property, partial
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from lib.models.backbones.timm_keys import TimmKeys
from lib.models.backbones.timm_layers import layer_numbers
from lib.models.registry import BACKBONES, StateDict
from lib.models.trial import answer_to_images, wrong_maps
from lib.structures.geometry import Size
from lib.structures.pixels import Pixels
from lib.utils.errors import did_you_mean

_NO_DROP_PATH = "timm's {} has no drop path; leave DROP_PATH out"


@BACKBONES.register("timm")
class TimmTrunk(nn.Module):
    """A network of timm without its classifier.

    Args:
        name: timm's name, as ``convnext_tiny`` or ``vit_small_patch16_224.augreg_in21k``.
        out_indices: which of timm's maps come out, counted from 0 (the finest) or from -1 (the
            coarsest); empty takes all. A plain transformer has a map per block, all of one stride,
            and gives the last; its maps go through its final layer norm.
        drop_path: rate of stochastic depth of the last block; timm spreads it over the blocks.
        freeze_bn: keep statistics, scales and shifts of batch-norms as they were loaded.
        input_size: ``(width, height)`` of the images in pixels, for networks made for one size;
            None keeps timm's own.

    Attributes:
        out_channels: channels of the maps, fine to coarse.
        out_strides: their strides in input pixels.
        key_map: names of files that hold such a trunk alone <-> ours.

    Raises:
        ValueError: timm has no such network, the network gives no maps, has no such map or no drop
            path, or takes one image size only.
    """

    def __init__(
        self,
        name: str = "",
        *,
        out_indices: Sequence[int] = (),
        drop_path: float = 0.0,
        freeze_bn: bool = False,
        input_size: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        self._name = name
        options: dict[str, Any] = {"drop_path_rate": drop_path} if drop_path else {}
        if input_size is not None and pretrained_config(name).fixed_input_size:
            options["img_size"] = (input_size[1], input_size[0])
        trunk = _create(name, options, out_indices)
        if drop_path and not _drops_paths(trunk):
            raise ValueError(_NO_DROP_PATH.format(name))  # old timm ignores the rate
        self.trunk = trunk
        _thin_out_first(trunk)
        self.out_channels = tuple(trunk.feature_info.channels())
        self.out_strides = tuple(trunk.feature_info.reduction())
        self.key_map = TimmKeys(name, trunk)
        # Window transformers compute on (B, H, W, C) and give their maps so.
        self._channels_last = getattr(trunk, "output_fmt", "NCHW") == "NHWC"
        self._freeze_bn = freeze_bn
        if freeze_bn:
            for norm in self._batch_norms():
                norm.requires_grad_(False)
        if input_size is not None:
            self._try(name, (input_size[0], input_size[1]))

    @property
    def recomputable(self) -> tuple[str, ...]:
        """Return the names of timm's stages, or of their blocks, whatever the network calls them.

        Not by timm's own ``set_grad_checkpointing``: that counts batch statistics twice.
        """
        root = "trunk.model" if hasattr(self.trunk, "model") else "trunk"
        return tuple(f"{root}.{name}" for name in _stages(self.get_submodule(root)))

    @staticmethod
    def pixels(name: str = "", **_: Any) -> Pixels:
        """Return mean and std that timm keeps for the network; its colours are red, green, blue.

        Raises:
            ValueError: timm has no such network.
        """
        config = pretrained_config(name)
        return Pixels(tuple(config.mean), tuple(config.std), rgb=True)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Map images (B, 3, H, W) to maps (B, C_i, H / stride_i, W / stride_i), fine to coarse."""
        maps = self.trunk(images)
        return [x.permute(0, 3, 1, 2) for x in maps] if self._channels_last else list(maps)

    def train(self, mode: bool = True) -> TimmTrunk:
        """Set training or evaluation mode; frozen batch-norms stay in the latter."""
        super().train(mode)
        if self._freeze_bn:
            for norm in self._batch_norms():
                norm.eval()
        return self

    @property
    def num_layers(self) -> int:
        """Number of the layer behind the trunk for layer-wise learning rates, see ``layer_id``."""
        return max(self._layers.values()) + 1

    def layer_id(self, name: str) -> int:
        """Return the number of the layer that a parameter belongs to, from 0 for the stem.

        Layers are timm's: mostly blocks; a last norm belongs to the block before it.

        Args:
            name: of the parameter, relative to this module.
        """
        return self._layers[name]

    @cached_property
    def _layers(self) -> dict[str, int]:
        own: StateDict = dict(self.named_parameters())
        official = self.key_map.to_official(own)  # in the same order
        numbers = layer_numbers(self._name, official)
        return dict(zip(own, numbers, strict=True))

    def init_weights(self) -> None:
        """Keep what timm's constructor drew (the network's own initialisation)."""

    def _batch_norms(self) -> list[nn.Module]:
        return [module for module in self.modules() if isinstance(module, _BatchNorm)]

    def _try(self, name: str, size: Size) -> None:
        """Find out whether timm's network takes images of ``size``; some say so in forward only.

        Raises:
            ValueError: it does not, or its maps are no images divided by its strides.
        """
        if any(side % stride for side in size for stride in self.out_strides):
            return  # the builder says which sizes are possible
        try:
            words = wrong_maps(self, answer_to_images(self, size), size)
        except Exception as error:  # timm's networks raise whatever PyTorch does
            words = f"cannot take images of {size[0]} x {size[1]}: {error or type(error).__name__}"
        if words:
            raise ValueError(f"timm's {name} {words}")


def pretrained_config(name: str) -> Any:
    """Return timm's record of a network's weights: mean, std, input size and more.

    Raises:
        ValueError: timm has no such network.
    """
    import timm  # takes seconds

    if not name:
        raise ValueError("NAME is empty; it must name a network of timm, such as convnext_tiny")
    architecture = name.partition(".")[0]
    if not timm.is_model(architecture):
        raise ValueError(f"timm has no network '{name}'.{did_you_mean(name, timm.list_models())}")
    try:
        return timm.get_pretrained_cfg(name, allow_unregistered=False)
    except RuntimeError:
        tags = [known.partition(".")[2] for known in timm.list_pretrained(f"{architecture}.*")]
        known = f"its weights are {', '.join(tags)}" if tags else "it has no weights"
        raise ValueError(f"timm has no record of '{name}'; {known}") from None


def _create(name: str, options: dict[str, Any], out_indices: Sequence[int]) -> Any:
    """Return timm's network as one that gives maps.

    Args:
        name: timm's.
        options: of ``timm.create_model``.
        out_indices: see ``TimmTrunk``.

    Raises:
        ValueError: it cannot be built so.
    """
    import timm

    if not all(isinstance(index, int) for index in out_indices):
        raise ValueError(f"OUT_INDICES must be whole numbers, got {list(out_indices)}")
    try:
        trunk: Any = timm.create_model(name, features_only=True, **options)
        strides = trunk.feature_info.reduction()
        if _is_plain(trunk):
            # timm leaves the final norm out; the sums of residuals are too large for a head then.
            network = timm.create_model(name, num_classes=0, **options)
            return type(trunk)(network, list(out_indices) or [-1], norm=True)
        if not out_indices:
            return trunk
        indices = _rising(out_indices, strides)
        return timm.create_model(name, features_only=True, out_indices=indices, **options)
    except TypeError as error:
        if "drop_path_rate" not in str(error):
            raise
        raise ValueError(_NO_DROP_PATH.format(name)) from None
    except (AssertionError, AttributeError, NotImplementedError, RuntimeError) as error:
        size = f" for images of {options['img_size'][::-1]}" if "img_size" in options else ""
        why = str(error) or type(error).__name__
        raise ValueError(f"timm's {name} gives no feature maps{size}: {why}") from None


def _stages(trunk: nn.Module) -> Iterator[str]:
    """Yield the names of a network's children, or of the members where a child is a row of them.

    Single layers are left out: they would keep as much as they save.
    """
    for name, child in trunk.named_children():
        members = {name: child}
        if isinstance(child, nn.Sequential | nn.ModuleList):
            members = {f"{name}.{index}": member for index, member in enumerate(child)}
        for path, member in members.items():
            if any(member.children()) and not isinstance(member, _BatchNorm):
                yield path


def _drops_paths(trunk: nn.Module) -> bool:
    """Return whether the rate of stochastic depth has come to any block."""
    return any(getattr(module, "drop_prob", None) for module in trunk.modules())


def _thin_out_first(trunk: nn.Module) -> None:
    """Let strided 1x1 convolutions of the image (FastViT's stem) read the pixels they use only.

    The same numbers come out. PyTorch 2.14 writes beyond its memory where it differentiates these
    convolutions on the CPU in channels-last order, and the process dies.
    """
    for conv in trunk.modules():
        if not isinstance(conv, nn.Conv2d) or conv.in_channels != 3:
            continue
        if conv.kernel_size == (1, 1) and conv.stride != (1, 1):
            rows, columns = conv.stride
            conv.stride = (1, 1)
            conv.register_forward_pre_hook(partial(_every, rows, columns))


def _every(rows: int, columns: int, _: nn.Module, inputs: tuple[Tensor]) -> Tensor:
    return inputs[0][:, :, ::rows, ::columns].contiguous()


def _is_plain(trunk: Any) -> bool:
    """Return whether all maps have one stride: a plain transformer, with a map per block."""
    strides = trunk.feature_info.reduction()
    return hasattr(trunk, "model") and len(set(strides)) == 1


def _rising(wanted: Sequence[int], strides: Sequence[int]) -> list[int]:
    """Return indices of maps counted from 0, from fine to coarse.

    Raises:
        ValueError: there is no such map.
    """
    count = len(strides)
    if not all(-count <= index < count for index in wanted):
        raise ValueError(
            f"OUT_INDICES must lie between {-count} and {count - 1}, the network gives maps of "
            f"strides {list(strides)}; got {list(wanted)}"
        )
    return sorted({index % count for index in wanted})
