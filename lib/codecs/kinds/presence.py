"""DARK heatmaps beside one logit per joint: is the joint in the picture at all?

A peak is as high where a network guesses as where it sees: heatmaps are only taught where joints
are. Here a second output is taught on joints that leave the crop and on crops without anybody
(``DATASET.NEGATIVES``), and the score of a joint is its peak times its probability to be there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from yacs.config import CfgNode

from lib.codecs.base import CODECS
from lib.codecs.kinds.dark import DarkCodec
from lib.utils.losses import SAMPLES

if TYPE_CHECKING:
    from torch import Tensor

    from lib.codecs.base import Output

UNKNOWN = -1.0  # among targets: a joint that nobody labelled may be there or not
SURE = 12.0  # logit of a perfect network


@CODECS.register("presence")
@dataclass(frozen=True)
class PresenceCodec(DarkCodec):
    """Heatmaps as those of ``dark``, and presence.

    Crops with no labelled joint are those of nobody: their maps are taught to be empty.

    Attributes:
        presence: factor of the loss of presence (``MODEL.CODEC.FACTOR``).
    """

    reads: ClassVar[str] = "heatmaps and presence"
    learns_absence: ClassVar[bool] = True
    options: ClassVar[CfgNode] = CfgNode(
        {"FACTOR": 0.01}  # of presence's cross-entropy beside LOSS.FACTOR of the squared error
    )

    presence: float = 0.01

    def __post_init__(self) -> None:
        """Check the settings that arithmetic would not."""
        super().__post_init__()
        if not self.presence > 0:
            raise ValueError(f"FACTOR must be above 0, got {self.presence}")

    @classmethod
    def settings(cls, cfg: CfgNode) -> dict[str, Any]:
        """Return the arguments of the constructor that a configuration means."""
        return {**super().settings(cfg), "presence": cfg.MODEL.CODEC.FACTOR}

    @property
    def target_form(self) -> tuple[Any, ...]:
        """Nothing: answers to others are joints to these, and the other way round."""
        return ()

    def output_shapes(self, num_joints: int) -> dict[str, tuple[int, ...]]:
        """Return the maps and a logit per joint."""
        return {**super().output_shapes(num_joints), "presence": (num_joints,)}

    def encode(self, keypoints: Tensor, visible: Tensor) -> tuple[Any, Tensor]:
        """Return the maps, and (N, K) 1 for present, 0 for absent, ``UNKNOWN`` else."""
        maps, weights = super().encode(keypoints, visible)
        labelled = visible > 0
        nobody = ~labelled.any(dim=1, keepdim=True)
        x, y = keypoints.unbind(-1)
        inside = (x >= 0) & (y >= 0) & (x < self.input_size[0]) & (y < self.input_size[1])
        present = (inside & labelled).float()
        present = present.masked_fill(~labelled & ~nobody, UNKNOWN)
        return [maps, present], weights.masked_fill(nobody, 1.0)

    def ideal(self, targets: Any) -> Output:
        """Return the maps, and logits that are sure."""
        maps, present = targets
        return [maps, SURE * (2 * (present > 0).float() - 1)]

    def loss(self, output: Output, targets: Any, weights: Tensor) -> dict[str, Tensor]:
        """Return the squared error of the maps and the cross-entropy of presence."""
        from torch.nn.functional import binary_cross_entropy_with_logits

        known = targets[1] != UNKNOWN
        losses = known * binary_cross_entropy_with_logits(
            output[1].float(), targets[1].clamp(min=0), reduction="none"
        )
        mean = losses.sum() / known.sum().clamp(min=1)
        of_maps = super().loss(output[0], targets[0], weights)
        people = losses.detach().sum(dim=1) / known.sum(dim=1).clamp(min=1)
        return {
            **of_maps,
            "presence": self.presence * mean,
            SAMPLES: of_maps[SAMPLES] + self.presence * people,
        }

    def accuracy(self, output: Output, targets: Any, weights: Tensor) -> Tensor:
        """Return the share of peaks near those of the targets."""
        return super().accuracy(output[0], targets[0], weights)

    def merge_flipped(self, output: Output, mirrored: Output, flip_index: Tensor) -> Any:
        """Average the maps, and the logits of the same joints."""
        maps = super().merge_flipped(output[0], mirrored[0], flip_index)
        return [maps, (output[1] + mirrored[1][:, flip_index]) / 2]

    def decode_to_image(self, output: Output, crops: Tensor) -> tuple[Tensor, Tensor]:
        """Return joints, and peaks times probabilities to be there."""
        points, peaks = super().decode_to_image(output[0], crops)
        return points, peaks * output[1].float().sigmoid()

    def maps(self, output: Output) -> Tensor:
        """Return the maps, cut to [0, 1]."""
        return super().maps(output[0])
