"""Keypoint R-CNN as one graph of tensors, for exporters: one image in, people out."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.detection.image_list import ImageList
from torchvision.ops import clip_boxes_to_image, nms

from lib.codecs.roi_heatmap import decode_fast, enlarge_boxes
from lib.models.rcnn.roi_heads import Mirror

LEAST_SIDE = 1e-2  # pixels of a box; torchvision's number


class DetectionGraph(nn.Module):
    """The network without what only Python can do: resizing of lists of images, bicubic decoding.

    Args:
        network: a ``KeypointRCNN``, in evaluation mode.
        flip_index: (K,) int64 of the skeleton: average the keypoint logits with those of the
            mirrored image; None does not look at it.
        decode: give joints (read by ``decode_fast``) instead of logits.
    """

    def __init__(
        self, network: nn.Module, flip_index: Tensor | None = None, *, decode: bool = False
    ) -> None:
        super().__init__()
        self.network: Any = network
        self.decode = decode
        self.flip_index: Tensor | None
        self.score_thresh: Tensor  # a buffer: exporters must be able to find people while recording
        self.register_buffer("score_thresh", torch.tensor(self.network.roi_heads.score_thresh))
        self.register_buffer("flip_index", flip_index)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Find the people of an image.

        Args:
            images: (1, 3, H, W) float32, normalised and resized as ``PoseTransform`` does, any H
                and W; it is padded with zeros here.

        Returns:
            boxes: (N, 4) ``x1, y1, x2, y2`` in pixels of the input.
            scores: (N,).
            what is known of joints: logits (N, K, S, S) over the boxes enlarged by
                ``KEYPOINT.ENLARGE``, or with ``decode`` joints (N, K, 3) ``x, y, probability`` in
                pixels of the input.
        """
        net, heads = self.network, self.network.roi_heads
        size = (images.shape[2], images.shape[3])
        padded = pad_to_multiple(images, net.transform.size_divisible)
        features = net.backbone(padded)
        proposals, _ = net.rpn(ImageList(padded, [size]), features, None)
        pooled = heads.box_head(heads.box_roi_pool(features, proposals))
        classes, deltas = heads.box_predictor(pooled)
        boxes, scores = self._choose(classes, deltas, proposals, size)
        # One region more than people: runtimes cannot reshape what is empty.
        blank = boxes.new_tensor([[0.0, 0.0, 32.0, 32.0]])
        regions = enlarge_boxes(torch.cat([boxes, blank]), heads.options.enlarge)
        logits = heads.keypoint_logits(features, [regions])
        if self.flip_index is not None:
            mirrored = pad_to_multiple(images.flip(3), net.transform.size_divisible)
            mirror = Mirror(net.backbone(mirrored), self.flip_index)
            logits = (logits + heads.mirrored_logits(mirror, [regions], [size])) / 2
        if self.decode:
            logits, _ = decode_fast(logits, regions)
        return boxes, scores, logits[:-1]

    def _choose(
        self, classes: Tensor, deltas: Tensor, proposals: list[Tensor], size: tuple[int, int]
    ) -> tuple[Tensor, Tensor]:
        """Return boxes and scores of people; as torchvision chooses them, for one class."""
        heads = self.network.roi_heads
        scores = classes.softmax(dim=1)[:, 1]
        boxes = heads.box_coder.decode(deltas, proposals)[:, 1]
        boxes = clip_boxes_to_image(boxes, size)
        sides = boxes[:, 2:] - boxes[:, :2]
        keep = torch.where((scores > self.score_thresh) & (sides >= LEAST_SIDE).all(dim=1))[0]
        boxes, scores = boxes[keep], scores[keep]
        keep = nms(boxes, scores, heads.nms_thresh)[: heads.detections_per_img]
        return boxes[keep], scores[keep]


def pad_to_multiple(images: Tensor, multiple: int) -> Tensor:
    """Add zeros at the right and below until both sides are multiples."""
    below, right = (-images.shape[axis] % multiple for axis in (2, 3))
    return F.pad(images, (0, right, 0, below))
