"""Distillation: a trained network teaches a top-down one (Hinton et al. 2015; Zhang et al. 2019).

What the student learns is a mix of the truth and of what the teacher answers to the same view: its
maps or rows, where both codecs draw the same ones, else the joints it finds, drawn by the student's
codec. The errors are mixed rather than the targets: for squared errors and divergences, which are
linear in the target, that has the same gradient, and joints without truth still have a teacher.
Differs from Zhang et al. in that any codec may learn from any other.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from yacs.config import CfgNode

from lib.codecs.base import Codec, Output
from lib.config import load_config
from lib.config.pretrained import find_model
from lib.structures.geometry import Size
from lib.structures.pixels import Pixels
from lib.structures.skeleton import Skeleton
from lib.structures.union import joint_places
from lib.tasks.exported import filled_network
from lib.tasks.kind import task_kind
from lib.tasks.pixels import normalise
from lib.tasks.transfer import index_on
from lib.utils.errors import ConfigError
from lib.utils.losses import SAMPLES
from lib.utils.seed import preserved_rng
from lib.zoo.resolve import resolve_weights

if TYPE_CHECKING:
    from lib.tasks.topdown import TopDownTask

logger = logging.getLogger(__name__)

Losses = dict[str, Tensor]

# The view is the student's, not an image: what is taken off image coordinates is not taken off.
_SETTINGS = ["TEST.BIAS=0.0", "TEST.SOFT_ARGMAX=false"]


class Teacher:
    """A network in evaluation mode, and how its answers become targets of a student.

    Args:
        network: answers as ``codec`` reads.
        pixels: that it wants.
        codec: of the teacher.
        student: codec of the student.
        places: (K,) the teacher's number of each joint of the student, -1 where it has none.
        weight: its share of what is learned, above 0 to 1.
    """

    def __init__(
        self,
        network: nn.Module,
        pixels: Pixels,
        codec: Codec,
        *,
        student: Codec,
        places: np.ndarray,
        weight: float,
    ) -> None:
        self.network = network.eval().requires_grad_(False)
        self.pixels = pixels
        self.codec = codec
        self.student = student
        self.weight = weight
        self.gives_maps = bool(student.target_form) and student.target_form == codec.target_form
        self._index = np.maximum(places, 0)
        self._known = places >= 0

    def mix(
        self, truth: Losses, loss: Callable[..., Losses], images: Tensor, factors: Tensor | None
    ) -> Losses:
        """Return the losses by the truth and by the teacher, each times its share.

        Args:
            truth: losses by the truth, by name.
            loss: losses of the student's answer by name, given targets and (N, K) weights.
            images: (N, H, W, 3) uint8 blue-green-red views that it saw.
            factors: (K,) loss weights of the joints; None counts all alike.
        """
        targets, weights = self.targets(images)
        if factors is not None:
            weights = weights * factors
        shares = [
            {name: (1 - self.weight) * value for name, value in truth.items()},
            {name: self.weight * value for name, value in loss(targets, weights).items()},
        ]
        people = [part.pop(SAMPLES) for part in shares if SAMPLES in part]
        mixed = {**shares[0], **{f"teacher_{name}": value for name, value in shares[1].items()}}
        return {**mixed, SAMPLES: torch.stack(people).sum(dim=0)} if people else mixed

    @torch.no_grad()
    def targets(self, images: Tensor) -> tuple[Any, Tensor]:
        """Return targets as those of the student's codec and their (N, K) weights in [0, 1].

        Joints weigh as much as the teacher is sure of them, maps 1, joints unknown to it 0.

        Args:
            images: (N, H, W, 3) uint8 blue-green-red views, on the teacher's device.
        """
        view = resample(
            normalise(images, self.pixels), self.codec.input_size, unbiased=self.codec.unbiased
        )
        output = self._of_student(self.network(view))
        known = self._mask(images)
        if self.gives_maps:
            return self.student.as_targets(output), known.expand(len(images), -1)
        points, scores = self.codec.decode_to_image(output, self._whole_view(images))
        targets, weights = self.student.encode(points, known.expand(len(images), -1))
        return targets, weights * self.codec.confidence(output, scores)

    def __str__(self) -> str:
        """Return what it teaches, in words."""
        kind = "maps" if self.gives_maps else "joints"
        return f"{kind} of {self._known.sum()} of {len(self._known)} joints, weight {self.weight:g}"

    def _of_student(self, output: Output) -> Output:
        """Return the answer with the student's joints; those the teacher lacks are any other's."""
        if isinstance(output, Tensor):
            return output.index_select(1, index_on(output.device, self._index))
        return [part.index_select(1, index_on(part.device, self._index)) for part in output]

    def _mask(self, images: Tensor) -> Tensor:
        return index_on(images.device, self._known.astype(np.int64))[None].float()

    def _whole_view(self, images: Tensor) -> Tensor:
        """Return the crop (N, 4) that lets the codec read joints in the student's input pixels."""
        less = int(self.codec.unbiased)
        height, width = images.shape[1] - less, images.shape[2] - less
        # Filled in one by one: a tensor made of numbers would wait for the device.
        crops = torch.empty(len(images), 4, device=images.device)
        for column, value in enumerate((width / 2, height / 2, width, height)):
            crops[:, column] = value
        return crops


def resample(pixels: Tensor, size: Size, *, unbiased: bool) -> Tensor:
    """Return (N, C, H, W) pixels in another size, bilinear, in the coordinates of the crops.

    Pixel p of the result lies at ``p width / new width``, with ``unbiased`` lengths at
    ``p (width - 1) / (new width - 1)``: where a crop of the image in that size would have it.

    Args:
        pixels: floating point.
        size: ``(width, height)`` wanted; the same one returns ``pixels`` themselves.
        unbiased: lengths are measured between pixel centres.
    """
    have = (pixels.shape[3], pixels.shape[2])
    if have == tuple(size):
        return pixels
    less = int(unbiased)
    axes = []
    for old, new in zip(have, size, strict=True):
        places = torch.arange(new, dtype=torch.float32, device=pixels.device)
        places = places * ((old - less) / (new - less))
        axes.append(2 * places / (old - 1) - 1)  # as grid_sample counts, centre to centre
    y, x = torch.meshgrid(axes[1], axes[0], indexing="ij")
    grid = torch.stack([x, y], dim=-1).expand(len(pixels), -1, -1, -1)
    return nn.functional.grid_sample(
        pixels.float(), grid, padding_mode="border", align_corners=True
    )


def open_teacher(
    cfg: CfgNode,
    student: Codec,
    skeleton: Skeleton,
    device: torch.device,
    build: Callable[[CfgNode], TopDownTask],
) -> Teacher | None:
    """Return the teacher of ``TRAIN.TEACHER``; None if nobody teaches.

    Args:
        cfg: of the student.
        student: its codec.
        skeleton: its joints.
        device: where it trains.
        build: makes a top-down task of the teacher's configuration.

    Raises:
        WeightsError: there is no such file, or it belongs to another model.
        ConfigError: nothing says which network it belongs to, or that one cannot teach this one.
    """
    source = cfg.TRAIN.TEACHER
    if not source or not cfg.TRAIN.TEACHER_WEIGHT:
        return None
    own, weights = _find(source, cfg.TRAIN.TEACHER_CFG)
    task = _top_down(own, source, build)
    places = joint_places(skeleton, task.skeleton, {})
    if (places < 0).all():
        raise ConfigError(
            f"TRAIN.TEACHER {source} knows none of the joints {', '.join(skeleton.joints)}; it has "
            f"{', '.join(task.skeleton.joints)}."
        )
    _check_aspect(source, task.codec.input_size, student.input_size)
    with preserved_rng(device):  # the student starts as it would without a teacher
        network = filled_network(task, own, weights)
    if not task.gives_heat:
        raise ConfigError(
            f"TRAIN.TEACHER {source} gives joints instead of maps, so it has nothing to teach by; "
            "export it without --joints, or name its weights."
        )
    teacher = Teacher(
        network.to(device).to(memory_format=torch.channels_last),
        task.pixels,
        task.codec,
        student=student,
        places=places,
        weight=cfg.TRAIN.TEACHER_WEIGHT,
    )
    logger.info("teacher %s: %s", source, teacher)
    return teacher


def refuse_teacher(cfg: CfgNode) -> None:
    """Say that only top-down networks can be taught.

    Raises:
        ConfigError: there is a teacher.
    """
    if cfg.TRAIN.TEACHER and cfg.TRAIN.TEACHER_WEIGHT:
        raise ConfigError(
            f"TRAIN.TEACHER teaches top-down networks, and {cfg.MODEL.NAME} is not one; remove the "
            "key."
        )


def _find(source: str, file: str) -> tuple[CfgNode, Any]:
    """Return the teacher's configuration, its own or that of ``TRAIN.TEACHER_CFG``, and weights."""
    if not file:
        return find_model(source, _SETTINGS, "Name its YAML file in TRAIN.TEACHER_CFG.")
    return load_config(file, _SETTINGS), resolve_weights(source)


def _top_down(own: CfgNode, source: str, build: Callable[[CfgNode], TopDownTask]) -> TopDownTask:
    if task_kind(own) != "topdown":
        raise ConfigError(
            f"TRAIN.TEACHER {source} is {own.MODEL.NAME}, which sees whole images; a teacher must "
            "be a top-down model."
        )
    return build(own)


def _check_aspect(source: str, teacher: Size, student: Size) -> None:
    if abs(teacher[0] * student[1] - teacher[1] * student[0]) > 0.01 * teacher[0] * student[1]:
        raise ConfigError(
            f"TRAIN.TEACHER {source} sees people in {teacher[0]} x {teacher[1]} pixels, the "
            f"student in {student[0]} x {student[1]}: the shapes differ, so the view cannot be "
            "the same. Take a MODEL.IMAGE_SIZE of the teacher's shape."
        )
