"""Keypoint R-CNN: trunk, proposals, box and keypoint branches in torchvision's contract.

He et al. 2017, Mask R-CNN (person class only, no mask branch), with the names of torchvision's
``keypointrcnn_resnet50_fpn`` throughout, so that its checkpoints load strictly.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models.detection.generalized_rcnn import GeneralizedRCNN

from lib.models.rcnn.pooler import FixedStridePooler
from lib.models.rcnn.roi_heads import Mirror, Target

USUAL_PEOPLE = 10  # in an image, for the cost of one


class KeypointRCNN(GeneralizedRCNN):
    """Detects people and their joints in whole images of any size.

    Args:
        backbone: images (B, 3, H, W) -> pyramid maps by name.
        rpn: proposes boxes.
        roi_heads: see ``KeypointRoIHeads``.
        transform: normalises, resizes and batches a list of images.
        num_classes: classes with the background.
        num_joints: K.
    """

    recomputable = (
        "backbone.body.layer?.*", "backbone.fpn", "rpn.head", "roi_heads.keypoint_head"
    )  # fmt: skip

    backbone: Any
    rpn: Any
    roi_heads: Any
    transform: Any
    key_map: Any  # set by the recipe

    def __init__(
        self,
        backbone: nn.Module,
        rpn: nn.Module,
        roi_heads: nn.Module,
        transform: nn.Module,
        *,
        num_classes: int,
        num_joints: int,
    ) -> None:
        super().__init__(backbone, rpn, roi_heads, transform)
        self.num_classes = num_classes
        self.num_joints = num_joints

    def forward(
        self,
        images: list[Tensor],
        targets: list[Target] | None = None,
        flip_index: Tensor | None = None,
    ) -> Any:
        """Return the losses of a batch in training, the people found otherwise.

        Coordinates are continuous: pixel ``i`` covers ``[i, i + 1)``.

        Args:
            images: per image (3, H, W) float in [0, 1], RGB; sizes may differ.
            targets: per image ``boxes`` (N, 4) float xyxy, ``labels`` (N,) int64 from 1,
                ``keypoints`` (N, K, 3) float32 ``(x, y, visibility)``, ``image_id`` (scalar); only
                read in training. N may be 0.
            flip_index: (K,) int64; average the keypoint logits with those of the mirrored images.

        Returns:
            In training the five scalar losses by name. Otherwise per image, in its own pixels:
            ``boxes`` (N, 4), ``labels`` (N,) int64, ``scores`` (N,), ``keypoints`` (N, K, 3)
            ``(x, y, probability)``, ``keypoints_scores`` (N, K) logits.

        Raises:
            ValueError: a target cannot be trained on; names the image.
            TypeError: an image is not float.
        """
        if not self.training:
            return self._find(images, flip_index)
        check_targets(targets, self.num_classes, self.num_joints)
        batch, targets = self.transform(images, targets)
        features = self.backbone(batch.tensors)
        proposals, losses = self.rpn(batch, features, targets)
        _, roi_losses = self.roi_heads(features, proposals, batch.image_sizes, targets, None)
        return {**losses, **roi_losses}

    def _find(self, images: list[Tensor], flip_index: Tensor | None) -> list[dict[str, Tensor]]:
        """Return the people of each image; what is found in one does not depend on the others."""
        people: list[dict[str, Tensor]] = [{} for _ in images]
        for places, batch in self.transform.alike(images):
            features = self.backbone(batch.tensors)
            proposals, _ = self.rpn(batch, features, None)
            mirror = None
            if flip_index is not None:
                mirrored = mirror_images(batch.tensors, batch.image_sizes)
                mirror = Mirror(self.backbone(mirrored), flip_index)
            found, _ = self.roi_heads(features, proposals, batch.image_sizes, None, mirror)
            sizes = [(images[place].shape[-2], images[place].shape[-1]) for place in places]
            parts = self.transform.postprocess(found, batch.image_sizes, sizes)
            for place, part in zip(places, parts, strict=True):
                people[place] = part
        return people

    @property
    def image_losses(self) -> Tensor | None:
        """What each image (B,) of the last training batch would lose alone, detached.

        Anchors and boxes are those that were sampled in the batch. None before the first one.
        """
        parts = self.rpn.image_losses, self.roi_heads.image_losses
        return None if parts[0] is None else parts[0] + parts[1]

    @property
    def cost_size(self) -> tuple[int, int]:
        """``(height, width)`` of the largest wide image in testing, padded; costs are of it."""
        sides = (self.transform.min_test[-1], self.transform.max_size)
        multiple = self.transform.size_divisible
        height, width = (-(-side // multiple) * multiple for side in sides)
        return height, width

    def cost_forward(self, images: Tensor, rois: int | None = None) -> tuple[Tensor, Tensor]:
        """Run all layers with given numbers of RoIs instead of found ones, to count costs.

        The box branch sees as many RoIs as the RPN may propose in testing. Pooling, box decoding
        and suppression do not run, so the meta device will do.

        Args:
            images: (B, 3, H, W) normalised, H and W multiples of 32.
            rois: RoIs of the keypoint branch, one per person; None is 10.

        Returns:
            Class logits (N, num_classes) and keypoint logits (rois, K, S, S).
        """
        features = self.backbone(images)
        self.rpn.head(list(features.values()))
        heads = self.roi_heads
        pooled = _blank_rois(heads.box_roi_pool, features["0"], self.rpn.proposals_in_testing)
        classes, _ = heads.box_predictor(heads.box_head(pooled))
        count = USUAL_PEOPLE if rois is None else rois
        pooled = _blank_rois(heads.keypoint_roi_pool, features["0"], count)
        return classes, heads.keypoint_predictor(heads.keypoint_head(pooled))


def _blank_rois(pooler: FixedStridePooler, like: Tensor, count: int) -> Tensor:
    return like.new_zeros(count, like.shape[1], pooler.output_size, pooler.output_size)


def mirror_images(images: Tensor, sizes: list[tuple[int, int]]) -> Tensor:
    """Mirror each image (B, 3, H, W) within its own (height, width), left of the padding."""
    mirrored = images.clone()
    for i, (_, width) in enumerate(sizes):
        mirrored[i, :, :, :width] = images[i, :, :, :width].flip(-1)
    return mirrored


def check_targets(targets: list[Target] | None, num_classes: int, num_joints: int) -> None:
    """Refuse targets that would train on nonsense; one look at the device for the whole batch.

    Raises:
        ValueError: keypoints are missing or of another number of joints, a box is empty, inverted
            or not finite, a label is not a class; the message names the image.
        TypeError: a tensor has the wrong type.
    """
    if not targets:
        raise ValueError("training needs a target per image, got none")
    for target in targets:
        _check_types(target, num_joints)
    bad = torch.stack([_bad_rows(target, num_classes) for target in targets])
    if not bool(bad.any()):
        return
    target = targets[int(bad.nonzero()[0])]
    rows = f"boxes {target['boxes'].tolist()}, labels {target['labels'].tolist()}"
    raise ValueError(
        f"image {_image_id(target)}: boxes need finite corners with x1 < x2 and y1 < y2, labels "
        f"must be 1..{num_classes - 1}; got {rows}"
    )


def _check_types(target: Target, num_joints: int) -> None:
    where = f"image {_image_id(target)}"
    for name in ("boxes", "labels", "keypoints"):
        if name not in target:
            raise ValueError(f"{where}: {name} required in the target, got {sorted(target)}")
    boxes, labels, keypoints = target["boxes"], target["labels"], target["keypoints"]
    if boxes.ndim != 2 or boxes.shape[1] != 4 or not boxes.is_floating_point():
        raise ValueError(f"{where}: boxes must be (N, 4) float, got {tuple(boxes.shape)}")
    if labels.dtype != torch.int64:
        raise TypeError(f"{where}: labels must be int64, got {labels.dtype}")
    if keypoints.dtype != torch.float32:
        raise TypeError(f"{where}: keypoints must be float32, got {keypoints.dtype}")
    if keypoints.shape != (len(boxes), num_joints, 3) or len(labels) != len(boxes):
        wanted = (len(boxes), num_joints, 3)
        raise ValueError(
            f"{where}: keypoints must be {wanted} and labels ({len(boxes)},), got "
            f"{tuple(keypoints.shape)} and {tuple(labels.shape)}"
        )


def _bad_rows(target: Target, num_classes: int) -> Tensor:
    """Return a bool scalar: some box or label of the target cannot be trained on."""
    boxes, labels = target["boxes"], target["labels"]
    fine = (boxes[:, 2:] > boxes[:, :2]).all() & boxes.isfinite().all()  # NaN compares false
    return ~(fine & ((labels >= 1) & (labels < num_classes)).all())


def _image_id(target: Target) -> str:
    image_id = target.get("image_id")
    return "without an id" if image_id is None else str(int(image_id))
