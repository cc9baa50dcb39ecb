"""SimCC and RTMPose: one classification over bins per axis (Li et al. 2022; Jiang et al. 2023).

Follows mmpose where the first code of SimCC differs; that one's forms are options (``ROUND``,
``SCORE: probability``, ``TEST.FLIP_ALIGN: exact``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from yacs.config import CfgNode

from lib.codecs.base import CODECS, Codec, flip_align, input_to_image, refuse_hard_mining
from lib.utils.losses import SAMPLES

if TYPE_CHECKING:
    from torch import Tensor

    from lib.codecs.base import Output
    from lib.codecs.flip import FlipAlign
    from lib.codecs.simcc import Pair
    from lib.structures.geometry import Size

_SQRT_2_PI = 2.5066283
CLOSE = 0.5  # in tenths of a side, what the log counts as a hit
SCORES = ("peak", "probability", "visibility")


@CODECS.register("simcc")
@dataclass(frozen=True)
class SimccCodec(Codec):
    """Targets are a row of bins per axis, the loss compares distributions, joints are peaks.

    Attributes:
        input_size: ``(width, height)`` of the network input in pixels.
        split_ratio: bins per pixel.
        sigma: deviations of the targets along ``(x, y)`` in bins.
        normalize: divide target rows by ``sigma sqrt(2 pi)``; else their peaks are 1.
        whole_bins: draw around the nearest bin, halves to even; else where the joint is.
        smoothing: None draws Gaussians; a share takes that much from a one-hot row for all others.
        beta: sharpness of the softmax over logits in the loss.
        label_softmax: make labels a distribution by a softmax in the loss.
        score: ``peak``: the smaller maximum, no probability; ``probability``: of a softmax;
            ``visibility``: of a very sharp one.
        newton: refine the bins by a Newton step on the smoothed rows.
        bias: subtracted from both final image coordinates.
        flip_align: ``exact`` moves mirrored-back x rows onto the direct ones, ``integer`` by a bin.
        use_weights: whether loss weights count.
    """

    reads: ClassVar[str] = "simcc"
    options: ClassVar[CfgNode] = CfgNode(
        {
            "SPLIT_RATIO": 2.0,  # bins per input pixel
            "SIGMA": [6.0, 6.0],  # of the targets along x and y, in bins; RTMPose [4.9, 5.66]
            "NORMALIZE": True,  # target rows sum to 1 instead of peaking at 1; RTMPose: false
            "ROUND": True,  # targets around the nearest bin; the first code of SimCC: false
            "SMOOTHING": -1.0,  # >= 0: one-hot targets less this share, instead of Gaussians
            "BETA": 1.0,  # sharpness of the softmax over logits in the loss; RTMPose: 10
            "LABEL_SOFTMAX": False,  # softmax over labels in the loss; RTMPose: true
            "SCORE": "peak",  # peak | probability (first code of SimCC) | visibility
            "NEWTON": False,  # refine bins by a Newton step, as DARK does on maps
        }
    )

    input_size: Size
    split_ratio: float = 2.0
    sigma: tuple[float, float] = (6.0, 6.0)
    normalize: bool = True
    whole_bins: bool = True
    smoothing: float | None = None
    beta: float = 1.0
    label_softmax: bool = False
    score: str = "peak"
    newton: bool = False
    bias: float = 0.0
    flip_align: FlipAlign = "none"
    use_weights: bool = True

    def __post_init__(self) -> None:
        """Check the settings that arithmetic would not."""
        if self.split_ratio < 1:  # mirrored rows could not be aligned, nor pixels told apart
            raise ValueError(
                f"SPLIT_RATIO must be at least 1 bin per pixel, got {self.split_ratio}"
            )
        if not min(self.sigma) > 0:
            raise ValueError(f"SIGMA must be above 0 bins, got {list(self.sigma)}")
        if self.smoothing is not None and not 0 <= self.smoothing < 1:
            raise ValueError(
                f"SMOOTHING must be below 1 (and below 0 for none), got {self.smoothing}"
            )
        if self.smoothing is not None and not self.whole_bins:
            raise ValueError("SMOOTHING puts joints into bins: set ROUND true")
        if not self.beta > 0:
            raise ValueError(f"BETA must be above 0, got {self.beta}")
        if self.score not in SCORES:
            raise ValueError(f"SCORE must be one of {', '.join(SCORES)}, got '{self.score}'")

    @classmethod
    def build(cls, cfg: CfgNode) -> SimccCodec:
        """Return the codec that ``MODEL.CODEC``, ``LOSS`` and ``TEST`` describe."""
        refuse_hard_mining(cfg)
        node = cfg.MODEL.CODEC
        if len(node.SIGMA) not in (1, 2):
            raise ValueError(f"SIGMA must be [along x, along y] in bins, got {node.SIGMA}")
        return cls(
            input_size=tuple(cfg.MODEL.IMAGE_SIZE),
            split_ratio=node.SPLIT_RATIO,
            sigma=(node.SIGMA[0], node.SIGMA[-1]),
            normalize=node.NORMALIZE,
            whole_bins=node.ROUND,
            smoothing=node.SMOOTHING if node.SMOOTHING >= 0 else None,
            beta=node.BETA,
            label_softmax=node.LABEL_SOFTMAX,
            score=node.SCORE,
            newton=node.NEWTON,
            bias=cfg.TEST.BIAS,
            flip_align=flip_align(cfg),
            use_weights=cfg.LOSS.USE_TARGET_WEIGHT,
        )

    @classmethod
    def head_arguments(cls, model: CfgNode) -> dict[str, Any]:
        """Return the bins (Wx, Wy)."""
        width, height = model.IMAGE_SIZE
        ratio = model.CODEC.SPLIT_RATIO
        return {"bins": (int(width * ratio), int(height * ratio))}

    @property
    def bins(self) -> Size:
        """Bins along ``(x, y)``."""
        width, height = self.input_size
        return int(width * self.split_ratio), int(height * self.split_ratio)

    def output_shapes(self, num_joints: int) -> dict[str, tuple[int, ...]]:
        """Return the two axes, under mmpose's names."""
        return {"simcc_x": (num_joints, self.bins[0]), "simcc_y": (num_joints, self.bins[1])}

    def encode(self, keypoints: Tensor, visible: Tensor) -> tuple[Pair, Tensor]:
        """Draw the target rows (N, K, Wx) and (N, K, Wy); see `Codec.encode`."""
        from lib.codecs.simcc import encode_gaussian_bins, encode_smoothed_bins

        places, visible = keypoints.float() * self.split_ratio, visible.float()
        if self.whole_bins:
            places = places.round()  # halves to even, as published
        if self.smoothing is not None:
            return encode_smoothed_bins(places, visible, self.bins, self.smoothing)
        return encode_gaussian_bins(places, visible, self.bins, self.sigma, unit_sum=self.normalize)

    def loss(self, output: Output, targets: Pair, weights: Tensor) -> dict[str, Tensor]:
        """Return the divergence, divided by N where mmpose sums: it must not grow with a batch."""
        from lib.losses.simcc import simcc_errors

        used = weights if self.use_weights else weights.new_ones(weights.shape)
        errors = simcc_errors(
            _pair(output), targets, used, beta=self.beta, label_softmax=self.label_softmax
        )
        people, joints = weights.shape
        return {"simcc": errors.sum() / joints / people, SAMPLES: errors.detach().mean(dim=1)}

    def accuracy(self, output: Output, targets: Pair, weights: Tensor) -> Tensor:
        """Return the share of joints within a twentieth of the sides, of those with a weight."""
        from lib.codecs.accuracy import mean_of_counted, share_of_hits
        from lib.codecs.simcc import read_peaks

        x, y = _pair(output)
        offsets = read_peaks(x.detach(), y.detach())[0] - read_peaks(*targets)[0]
        return mean_of_counted(share_of_hits(offsets, weights > 0, self.bins, CLOSE))

    def merge_flipped(self, output: Output, mirrored: Output, flip_index: Tensor) -> list[Tensor]:
        """Average the logits; as published the mirrored ones lie ``ratio - 1`` bins too far right.

        Mirroring takes pixel p to w - 1 - p and so bin r p to r (w - 1 - p), while reversing a row
        of W bins takes it to W - 1 - r p. W is r w, or where that is no whole number a bit less.
        """
        from lib.codecs.simcc import flip_back_bins, shift_left

        x, y = _pair(output)
        back_x, back_y = flip_back_bins(*_pair(mirrored), flip_index)
        exact = self.bins[0] - 1 - self.split_ratio * (self.input_size[0] - 1)
        steps = {"none": 0.0, "integer": 1.0, "exact": exact}[self.flip_align]
        return [(x + shift_left(back_x, steps)) * 0.5, (y + back_y) * 0.5]

    def decode(self, output: Output) -> tuple[Tensor, Tensor]:
        """Return joints (N, K, 2) in network-input pixels and their scores (N, K)."""
        import torch

        from lib.codecs.simcc import (
            newton_bins,
            newton_kernel,
            peak_probabilities,
            read_peaks,
            visibility,
        )

        x, y = _pair(output)
        read = peak_probabilities if self.score == "probability" else read_peaks
        places, scores = read(x, y)
        if self.newton:
            pairs = zip(places.unbind(-1), (x, y), self.sigma, strict=True)
            moved = [newton_bins(place, row, newton_kernel(s)) for place, row, s in pairs]
            places = torch.stack(moved, dim=-1)
        if self.score == "visibility":
            scores = visibility(x, y, self.sigma)
        return places / self.split_ratio, scores

    def decode_to_image(self, output: Output, crops: Tensor) -> tuple[Tensor, Tensor]:
        """Return (N, K, 2) joints in image pixels and (N, K) scores, see `decode`."""
        points, scores = self.decode(output)
        return input_to_image(points, crops, self.input_size) - self.bias, scores

    @property
    def target_form(self) -> tuple[Any, ...]:
        """How the rows are drawn, and the sharpness of the softmax over an answer."""
        drawn = (self.bins, self.sigma, self.normalize, self.whole_bins, self.smoothing)
        return ("simcc", *drawn, self.label_softmax, self.beta)

    def as_targets(self, output: Output) -> Pair:
        """Return the distributions that an answer says, in the form that `loss` takes labels in."""
        from lib.losses.simcc import LABEL_BETA

        rows = [(row.float() * self.beta).log_softmax(-1) for row in _pair(output)]
        if self.label_softmax:  # its softmax in the loss gives the distribution back
            x, y = (row / LABEL_BETA for row in rows)
            return x, y
        sums = (1.0, 1.0) if self.normalize or self.smoothing is not None else self._peak_sums
        x, y = (row.exp() * total for row, total in zip(rows, sums, strict=True))
        return x, y

    def confidence(self, output: Output, scores: Tensor) -> Tensor:
        """Return the lower peak of both distributions, 1 if as high as a target's; see `Codec`."""
        highest = (1.0, 1.0) if self.smoothing is not None else self._peak_sums
        x, y = (
            (row.float() * self.beta).softmax(-1).amax(-1) * peak
            for row, peak in zip(_pair(output), highest, strict=True)
        )
        return x.minimum(y).clamp(max=1)

    @property
    def _peak_sums(self) -> tuple[float, float]:
        """What rows with a peak of 1 sum up to."""
        return self.sigma[0] * _SQRT_2_PI, self.sigma[1] * _SQRT_2_PI

    def maps(self, output: Output) -> Tensor:
        """Return the product of both rows; normalised targets are brought to a peak of 1."""
        from lib.codecs.simcc import outer_maps

        rows = [row.float() for row in _pair(output)]
        if self.normalize and self.smoothing is None:
            rows = [row * total for row, total in zip(rows, self._peak_sums, strict=True)]
        return outer_maps(rows)

    def describe(self) -> dict[str, Any]:
        """Return the number of bins per pixel."""
        return {"split_ratio": self.split_ratio}


def _pair(output: Output) -> Pair:
    x, y = output
    return x, y
