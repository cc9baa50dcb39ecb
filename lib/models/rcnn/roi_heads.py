"""Box branch and keypoint branch on the proposals of one batch.

He et al. 2017, Mask R-CNN; improved keypoint branch of arXiv 2301.04842: enlarged boxes, pooled
from the finest level only, with zeros outside the image. torchvision's class supplies matching,
sampling and box decoding; the published code's in-place edits of boxes are not repeated.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models.detection.roi_heads import RoIHeads

from lib.codecs.roi_heatmap import decode_bicubic, decode_fast, encode_roi_cells, enlarge_boxes
from lib.models.joints import Channels, channels_of
from lib.models.rcnn.losses import (
    box_head_losses,
    box_losses_by_image,
    keypoint_loss,
    keypoint_losses_by_image,
)

logger = logging.getLogger(__name__)

Features = dict[str, Tensor]
Target = dict[str, Tensor]
DECODERS = {"bicubic": decode_bicubic, "fast": decode_fast}


@dataclass(frozen=True)
class KeypointOptions:
    """Switches of the keypoint branch.

    Attributes:
        enlarge: factor by which boxes grow about their centres before pooling.
        filter_no_visible: train on positives with a labelled joint inside the proposal only.
        loss_norm: ``visible`` divides the loss by the valid joints of the batch, ``static`` by the
            joints of all positives that could be sampled.
        loss_weight: factor of the keypoint loss; 4 goes with ``static``.
        decode: ``bicubic`` (published) or ``fast``.
        clip: clamp the joints found to the image.
        box_beta: beta of the box head's smooth-L1 loss.
    """

    enlarge: float = 1.3
    filter_no_visible: bool = True
    loss_norm: str = "visible"
    loss_weight: float = 1.0
    decode: str = "bicubic"
    clip: bool = False
    box_beta: float = 0.5


@dataclass(frozen=True)
class Mirror:
    """The features of the mirrored batch, and how to undo the mirror on keypoint logits.

    Attributes:
        features: maps by level name.
        flip_index: (K,) int64, joint ``k`` of the mirror image is ``flip_index[k]`` here.
    """

    features: Features
    flip_index: Tensor


class KeypointRoIHeads(RoIHeads):
    """``RoIHeads`` with the published keypoint branch.

    Args:
        args, kwargs: as for ``RoIHeads``; the two poolers take (features, boxes).
        options: switches of the keypoint branch.
    """

    # torchvision's class leaves these untyped, or optional.
    box_roi_pool: Any
    box_head: Any
    box_predictor: Any
    keypoint_roi_pool: Any
    keypoint_head: Any
    keypoint_predictor: Any

    def __init__(self, *args: Any, options: KeypointOptions, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.options = options
        self.skipped_steps = 0  # training steps without a single keypoint RoI
        self.image_losses: Tensor | None = None  # (B,) of the last training batch, detached

    def joint_channels(self, joints: Sequence[str]) -> Channels:
        """Return which outputs of the transposed convolution belong to which joint."""
        layer = self.keypoint_predictor.kps_score_lowres
        return channels_of(layer, "keypoint_predictor.kps_score_lowres", joints, axis=1)

    def forward(
        self,
        features: Features,
        proposals: list[Tensor],
        image_shapes: list[tuple[int, int]],
        targets: list[Target] | None = None,
        mirror: Mirror | None = None,
    ) -> tuple[list[dict[str, Tensor]], dict[str, Tensor]]:
        """Return detections (in eval mode) and losses (in training).

        Args:
            features: maps (B, C, H, W) by level name.
            proposals: per image (N_i, 4) xyxy in pixels of the batch tensor.
            image_shapes: per image (height, width) without the padding of the batch.
            targets: per image ``boxes`` (M, 4), ``labels`` (M,), ``keypoints`` (M, K, 3).
            mirror: average the keypoint logits with those of the mirrored batch (eval mode).
        """
        if self.training:
            assert targets is not None, "training needs targets"
            return [], self._losses(features, proposals, targets)
        return self._detections(features, proposals, image_shapes, mirror), {}

    def keypoint_logits(self, features: Features, boxes: list[Tensor]) -> Tensor:
        """Run the keypoint branch on enlarged boxes: (sum N_i, K, S, S) float32 logits."""
        pooled = self.keypoint_roi_pool(features, boxes)
        return self.keypoint_predictor(self.keypoint_head(pooled)).float()

    def _losses(
        self, features: Features, proposals: list[Tensor], targets: list[Target]
    ) -> dict[str, Tensor]:
        proposals, matches, labels, deltas = self.select_training_samples(list(proposals), targets)
        class_logits, regression = self.box_predictor(
            self.box_head(self.box_roi_pool(features, proposals))
        )
        sampled = (class_logits, regression, torch.cat(labels), torch.cat(deltas))
        classifier, box = box_head_losses(*sampled, self.options.box_beta)
        counts = [len(part) for part in labels]
        self.image_losses = box_losses_by_image(*sampled, self.options.box_beta, counts)
        regions, keypoints = [], []
        for i, target in enumerate(targets):
            positive = torch.where(labels[i] > 0)[0]
            joints = target["keypoints"][matches[i][positive]]
            region, joints = self._regions(proposals[i][positive], joints)
            regions.append(region)
            keypoints.append(joints)
        loss = self._keypoint_loss(features, regions, torch.cat(keypoints))
        return {"loss_classifier": classifier, "loss_box_reg": box, "loss_keypoint": loss}

    def _regions(self, boxes: Tensor, keypoints: Tensor) -> tuple[Tensor, Tensor]:
        """Return what the keypoint branch trains on: enlarged positives and their joints."""
        if self.options.filter_no_visible:
            keep = has_joint_inside(keypoints, boxes)
            boxes, keypoints = boxes[keep], keypoints[keep]
        return enlarge_boxes(boxes, self.options.enlarge), keypoints

    def _keypoint_loss(self, features: Features, regions: list[Tensor], joints: Tensor) -> Tensor:
        if not len(joints):
            return self._loss_without_rois(features, regions)
        logits = self.keypoint_logits(features, regions)
        cells, valid = encode_roi_cells(joints, torch.cat(regions), logits.shape[-1])
        loss = keypoint_loss(logits, cells, valid, self._normaliser(len(regions), joints.shape[1]))
        counts, alone = [len(region) for region in regions], self._normaliser(1, joints.shape[1])
        images = keypoint_losses_by_image(logits, cells, valid, counts, alone)
        assert self.image_losses is not None  # the boxes'
        self.image_losses = self.image_losses + images * self.options.loss_weight
        return loss * self.options.loss_weight

    def _normaliser(self, images: int, joints: int) -> float | None:
        if self.options.loss_norm == "visible":
            return None
        sampler = self.fg_bg_sampler
        return joints * sampler.batch_size_per_image * sampler.positive_fraction * images

    def _loss_without_rois(self, features: Features, regions: list[Tensor]) -> Tensor:
        """Return a zero that touches every parameter, so that all ranks reduce the same gradients.

        The head does not run (batch-norm would count a batch), unless its batch-norm is
        synchronised: then the other ranks wait for this one, and a stand-in box goes through.
        """
        self.skipped_steps += 1
        if self.skipped_steps & (self.skipped_steps - 1) == 0:  # 1, 2, 4, 8, ... times
            logger.info("%d steps without a keypoint RoI so far", self.skipped_steps)
        parts = (self.keypoint_head, self.keypoint_predictor)
        modules = [module for part in parts for module in part.modules()]
        if any(isinstance(module, nn.SyncBatchNorm) for module in modules):
            box = regions[0].new_tensor([[0.0, 0.0, 32.0, 32.0]])
            return self.keypoint_logits(features, [box, *regions[1:]]).sum() * 0
        parameters = [parameter for part in parts for parameter in part.parameters()]
        return torch.stack([parameter.sum() for parameter in parameters]).sum() * 0

    def _detections(
        self,
        features: Features,
        proposals: list[Tensor],
        image_shapes: list[tuple[int, int]],
        mirror: Mirror | None,
    ) -> list[dict[str, Tensor]]:
        class_logits, regression = self.box_predictor(
            self.box_head(self.box_roi_pool(features, proposals))
        )
        boxes, scores, labels = self.postprocess_detections(
            class_logits.float(), regression.float(), proposals, image_shapes
        )
        regions = [enlarge_boxes(b, self.options.enlarge) for b in boxes]
        keypoints, peaks = self._keypoints(features, regions, image_shapes, mirror)
        counts = [len(b) for b in boxes]
        columns = (boxes, labels, scores, keypoints.split(counts), peaks.split(counts))
        names = ("boxes", "labels", "scores", "keypoints", "keypoints_scores")
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]

    def _keypoints(
        self,
        features: Features,
        regions: list[Tensor],
        image_shapes: list[tuple[int, int]],
        mirror: Mirror | None,
    ) -> tuple[Tensor, Tensor]:
        """Return joints (N, K, 3) and their logits (N, K) of all images' regions."""
        joined = torch.cat(regions)
        if not len(joined):
            joints = self.keypoint_predictor.kps_score_lowres.out_channels
            return joined.new_zeros(0, joints, 3), joined.new_zeros(0, joints)
        logits = self.keypoint_logits(features, regions)
        if mirror is not None:
            logits = (logits + self.mirrored_logits(mirror, regions, image_shapes)) / 2
        return read_joints(logits, regions, image_shapes, self.options)

    def mirrored_logits(
        self, mirror: Mirror, regions: list[Tensor], image_shapes: list[tuple[int, int]]
    ) -> Tensor:
        """Return the logits (N, K, S, S) of the mirrored images, mirrored back."""
        flipped = [
            torch.stack((w - r[:, 2], r[:, 1], w - r[:, 0], r[:, 3]), dim=1)
            for r, (_, w) in zip(regions, image_shapes, strict=True)
        ]
        logits = self.keypoint_logits(mirror.features, flipped)
        return logits.flip(-1)[:, mirror.flip_index]


def read_joints(
    logits: Tensor,
    regions: list[Tensor],
    image_shapes: list[tuple[int, int]],
    options: KeypointOptions,
) -> tuple[Tensor, Tensor]:
    """Return joints (N, K, 3) and their logits (N, K).

    Args:
        logits: (N, K, S, S) of all images' people.
        regions: per image the boxes (N_i, 4) that the maps cover.
        image_shapes: per image (height, width).
        options: how to read them.
    """
    joined = torch.cat(regions)
    keypoints, peaks = DECODERS[options.decode](logits, joined)
    if options.clip:
        limits = [
            joined.new_tensor([w, h]).expand(len(r), 1, 2)
            for r, (h, w) in zip(regions, image_shapes, strict=True)
        ]
        points = keypoints[..., :2].clamp(min=0).minimum(torch.cat(limits))
        keypoints = torch.cat((points, keypoints[..., 2:]), dim=-1)
    return keypoints, peaks


def has_joint_inside(keypoints: Tensor, boxes: Tensor) -> Tensor:
    """Return (N,) bool: a labelled joint of (N, K, 3) lies in its box (N, 4) xyxy, edges too."""
    points = keypoints[..., :2]
    inside = (points >= boxes[:, None, :2]) & (points <= boxes[:, None, 2:])
    return (inside.all(dim=-1) & (keypoints[..., 2] > 0)).any(dim=-1)
