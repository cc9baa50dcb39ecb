"""The contract of a top-down codec, and the registry of codecs.

A codec is everything between the joints of people and what a network answers: the targets, the
loss, the merging of the answers to a picture and to its mirror image, the decoding, the way back to
the image, and a figure for the training log. A task, the export, a test and a picture of targets
ask for nothing else, so a new codec is one new file in ``lib/codecs/kinds`` (or one of a user's
own) with a class registered in ``CODECS``; ``MODEL.TARGET_TYPE`` names it.

Axes: N people, K joints. Points are ``(x, y)``, sizes ``(width, height)``. Everything is batched,
stays on the tensors' device and never waits for it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Union

from yacs.config import CfgNode

from lib.losses.registry import LOSSES, own_loss
from lib.utils.errors import ConfigError, UserError
from lib.utils.plugins import failure, is_foreign
from lib.utils.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor

    from lib.codecs.flip import FlipAlign
    from lib.structures.geometry import Size

# What a network answers: one tensor or several, N in front.
Output = Union["Tensor", Sequence["Tensor"]]


class Codec(ABC):
    """Joints in network-input pixels <-> what a network answers <-> joints in image pixels.

    Attributes:
        reads: what networks must answer, as heads declare it (``gives``).
        options: schema of ``MODEL.CODEC``: names, types and defaults of the codec's own settings.
        also_reads: keys of other sections that only some codecs read, and this one does; the others
            say that they have no effect.
        soft_form: name of the codec that reads the same networks by soft-argmax
            (``TEST.SOFT_ARGMAX``); empty if there is none.
        map_sized: whether ``MODEL.HEATMAP_SIZE`` says how large the maps are that it reads.
        unbiased: whether lengths are measured between pixel centres; crops must be cut so, too.
        learns_absence: whether crops of nobody teach it something (``DATASET.NEGATIVES``).
        input_size: ``(width, height)`` of the network input in pixels.
    """

    reads: ClassVar[str] = "heatmaps"
    options: ClassVar[CfgNode] = CfgNode()
    also_reads: ClassVar[tuple[str, ...]] = ()
    soft_form: ClassVar[str] = ""
    map_sized: ClassVar[bool] = False
    unbiased: ClassVar[bool] = False
    learns_absence: ClassVar[bool] = False
    input_size: Size

    @classmethod
    @abstractmethod
    def build(cls, cfg: CfgNode) -> Codec:
        """Return the codec that a complete configuration describes.

        Raises:
            ValueError: a setting makes no sense.
        """

    @classmethod
    def head_arguments(cls, model: CfgNode) -> dict[str, Any]:
        """Return what heads must be told that this codec reads, by name of their arguments.

        Args:
            model: the ``MODEL`` node.
        """
        return {}

    @abstractmethod
    def output_shapes(self, num_joints: int) -> dict[str, tuple[int, ...]]:
        """Return name and shape, without the batch, of each tensor that a network must answer.

        The names are those of the outputs of exported files.
        """

    @abstractmethod
    def encode(self, keypoints: Tensor, visible: Tensor) -> tuple[Any, Tensor]:
        """Make the targets.

        Args:
            keypoints: (N, K, 2) ``(x, y)`` in network-input pixels.
            visible: (N, K) float or bool; 0 means not annotated.

        Returns:
            targets: whatever `loss` takes, tensors with N in front.
            weights: (N, K) float32 loss weights, 0 also for joints that the targets cannot say.
        """

    @abstractmethod
    def loss(self, output: Output, targets: Any, weights: Tensor) -> dict[str, Tensor]:
        """Return the scalar losses by name; they are added up. Computed in float32.

        ``SAMPLES``, where a codec tells it, are (N,) what each person alone would lose, detached.
        """

    @abstractmethod
    def accuracy(self, output: Output, targets: Any, weights: Tensor) -> Tensor:
        """Return the () share of joints that are close, a figure for the log; 0 if none counts."""

    @abstractmethod
    def merge_flipped(self, output: Output, mirrored: Output, flip_index: Tensor) -> Output:
        """Return one answer for a picture and its mirror image.

        Args:
            output: the network's answer to the picture.
            mirrored: its answer to the mirror image, as it came.
            flip_index: (K,) int64 on the same device, `Skeleton.flip_index`.
        """

    @abstractmethod
    def decode_to_image(self, output: Output, crops: Tensor) -> tuple[Tensor, Tensor]:
        """Read joints off the network's answer.

        Args:
            output: the answer, or the merged one.
            crops: (N, 4) ``centre x, centre y, width, height`` in image pixels, same device.

        Returns:
            points: (N, K, 2) float32 in image pixels.
            scores: (N, K) float32; how they are made is the codec's.
        """

    @property
    def target_form(self) -> tuple[Any, ...]:
        """What two codecs have in common if answers to one can be targets of the other.

        Empty, as here: they never can, and only the joints they say are taken over.
        """
        return ()

    def as_targets(self, output: Output) -> Any:
        """Return the answer of another network, of an equal ``target_form``, as targets of `loss`.

        Raises:
            ValueError: this codec's targets are no answers.
        """
        raise ValueError(f"outputs of a network are not targets of {type(self).__name__}")

    def confidence(self, output: Output, scores: Tensor) -> Tensor:
        """Return how sure an answer is of its joints: (N, K) in [0, 1]; here the scores, cut.

        Args:
            output: the answer.
            scores: (N, K) that decoding gave.
        """
        return scores.float().clamp(0, 1)

    def ideal(self, targets: Any) -> Output:
        """Return what a perfect network answers, given targets; where those are its answer, them.

        For pictures and tests: decoding it leads back to the joints.
        """
        return targets

    @abstractmethod
    def maps(self, output: Output) -> Tensor:
        """Return an answer as maps (N, K, h, w) in [0, 1] over the input, for the eye."""

    def describe(self) -> dict[str, Any]:
        """Return what a reader of exported files must know to decode, as plain values by name."""
        return {}


CODECS: Registry[type[Codec]] = Registry(
    "MODEL.TARGET_TYPE", Codec, ": derive it from Codec, or from a codec that is near"
)


def build_codec(cfg: CfgNode) -> Codec:
    """Return the codec of ``MODEL.TARGET_TYPE``, or its soft form with ``TEST.SOFT_ARGMAX``.

    Raises:
        ConfigError: there is no such codec, or it refuses its settings.
    """
    name = cfg.MODEL.TARGET_TYPE
    kind = CODECS[name]
    if cfg.TEST.SOFT_ARGMAX:
        if not kind.soft_form:
            raise ConfigError(
                f"TEST.SOFT_ARGMAX reads Gaussian heatmaps, not MODEL.TARGET_TYPE '{name}'; "
                "set one of them back."
            )
        kind = CODECS[kind.soft_form]
    try:
        codec = kind.build(cfg)
    except ValueError as error:
        raise ConfigError(f"MODEL.TARGET_TYPE '{name}': {error}") from error
    except Exception as error:
        if isinstance(error, UserError) or not is_foreign(kind):  # faults of ours keep tracebacks
            raise
        if not isinstance(error, TypeError):
            raise ConfigError(
                f"MODEL.TARGET_TYPE '{name}': {failure(error, kind.build)}."
            ) from error
        raise ConfigError(
            f"MODEL.TARGET_TYPE '{name}': {error}; a codec is a @dataclass(frozen=True) with a "
            "field for each of its settings, and defines what is abstract in Codec."
        ) from error
    if not isinstance(codec, Codec):
        raise ConfigError(f"MODEL.TARGET_TYPE '{name}': build must return a codec, got {codec!r}.")
    return codec


def build_loss(cfg: CfgNode, codec: Codec) -> Callable[[Output, Any, Tensor], dict[str, Tensor]]:
    """Return ``LOSS.NAME``, or the codec's own loss; both as `Codec.loss`."""
    name, use_weights = cfg.LOSS.NAME, cfg.LOSS.USE_TARGET_WEIGHT
    if not name:
        return codec.loss
    compute = LOSSES[name].compute
    options = {key.lower(): value for key, value in cfg.LOSS.OPTIONS.items()}

    def loss(output: Output, targets: Any, weights: Tensor) -> dict[str, Tensor]:
        used = weights if use_weights else weights.new_ones(weights.shape)
        found = own_loss(compute, output, targets, used, **options)
        return found if isinstance(found, dict) else {name: found}

    return loss


def flip_align(cfg: CfgNode) -> FlipAlign:
    """Return ``TEST.FLIP_ALIGN``, or what the lineage's ``TEST.SHIFT_HEATMAP`` means."""
    return cfg.TEST.FLIP_ALIGN or ("integer" if cfg.TEST.SHIFT_HEATMAP else "none")


def refuse_hard_mining(cfg: CfgNode) -> None:
    """Say that ``LOSS.USE_OHKM`` has no meaning for a codec without heatmap errors.

    Raises:
        ValueError: it is on.
    """
    if cfg.LOSS.USE_OHKM:
        raise ValueError("LOSS.USE_OHKM mines errors of heatmaps; this loss has none, set it false")


def input_to_image(points: Tensor, crops: Tensor, input_size: Size) -> Tensor:
    """Map network-input pixels to image pixels by the upright crop that the input shows.

    Args:
        points: (N, K, 2) ``(x, y)`` in network-input pixels.
        crops: (N, 4) ``centre x, centre y, width, height`` in image pixels.
        input_size: ``(width, height)`` of the input.
    """
    import torch

    x, y = (
        points[..., axis] / input_size[axis] * crops[:, 2 + axis, None]
        + (crops[:, axis, None] - crops[:, 2 + axis, None] / 2)
        for axis in (0, 1)
    )
    return torch.stack([x, y], dim=-1)


def halves(output: Output) -> tuple[Output, Output]:
    """Split an answer to a batch of 2 N pictures into those to the first and to the last N."""
    from torch import Tensor

    # Slices: torch's newer ONNX exporter stumbles over `chunk`.
    if isinstance(output, Tensor):
        count = output.shape[0] // 2
        return output[:count], output[count:]
    count = output[0].shape[0] // 2
    return [tensor[:count] for tensor in output], [tensor[count:] for tensor in output]


def one_tensor(output: Output) -> Tensor:
    """Return the answer of a network that gives one tensor.

    Raises:
        ValueError: there are several.
    """
    from torch import Tensor

    if isinstance(output, Tensor):
        return output
    if len(output) != 1:
        raise ValueError(f"a codec of heatmaps reads one tensor, the network gives {len(output)}")
    return output[0]
