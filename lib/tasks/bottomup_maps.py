"""Views of one image -> merged heatmaps and tags -> people in its pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from yacs.config import CfgNode

from lib.codecs.flip import flip_back
from lib.codecs.grouping import group
from lib.codecs.multiscale import (
    Size,
    View,
    merge_scales,
    resize,
    split_stages,
    unflip_tags,
    view_at_scale,
)
from lib.structures.geometry import apply_affine, invert_affine
from lib.structures.pixels import Pixels
from lib.structures.results import Poses
from lib.structures.skeleton import Skeleton
from lib.tasks.bottomup_options import (
    build_grouping,
    drops_center,
    flip_index,
    heatmap_stages,
    scales_to_test,
    tag_offsets,
    tag_stages,
)
from lib.tasks.heat import paste
from lib.tasks.pixels import normalise
from lib.tasks.transfer import index_on


class MapMerger:
    """Runs a network on the views of an image and merges what it says (HigherHRNet, Sec. 3.3)."""

    def __init__(self, cfg: CfgNode, skeleton: Skeleton, pixels: Pixels) -> None:
        self.cfg = cfg
        self.pixels = pixels
        self.scales = scales_to_test(cfg)
        self.num_joints = skeleton.num_joints
        self.grouping = build_grouping(cfg, skeleton)
        self.mirror = flip_index(skeleton, cfg.MODEL.NUM_JOINTS)

    def people(
        self, model: nn.Module, images: list[Tensor], size: Size
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return joints (N, K, 2) in image pixels, their scores (N, K), and people's scores (N,).

        Who shows none of the K joints, but a centre joint only, is left out.

        Args:
            model: the network, in evaluation mode, on the device of ``images``.
            images: (1, H, W, 3) uint8 BGR per scale, largest first.
            size: ``(width, height)`` of the original image.
        """
        heatmaps, tags = self.maps(model, images, size)
        people, scores = group(heatmaps, tags, self.grouping)
        people = people[:, : self.num_joints]  # a centre joint is the last
        seen = (people[..., 2] > 0).any(axis=1)
        people, scores = people[seen], scores[seen]
        to_image = self._to_image(size, (heatmaps.shape[2], heatmaps.shape[1]))
        points = apply_affine(to_image, people[..., :2]).astype(np.float32)
        return points, people[..., 2], scores

    def heat(
        self, model: nn.Module, images: list[Tensor], size: Size, joints: Sequence[int]
    ) -> np.ndarray:
        """Return the strongest of the joints' maps at every pixel (H, W); see ``people``."""
        heatmaps, _ = self.maps(model, images, size)
        strongest = heatmaps[list(joints)].amax(dim=0).cpu().numpy()
        picture = np.zeros((size[1], size[0]), np.float32)
        paste(picture, strongest, self._to_image(size, strongest.shape[::-1]))
        return picture

    def _to_image(self, size: Size, grid: Size) -> np.ndarray:
        """Return the (2, 3) map from cells of the merged maps to pixels of the image."""
        # The view of the scale that came last, as published; all share centre and zoom.
        return invert_affine(self._view(size, self.scales[-1]).affine_to(grid))

    def maps(self, model: nn.Module, images: list[Tensor], size: Size) -> tuple[Tensor, Tensor]:
        """Return heatmaps (K, H, W) and tags (K or 1, H, W, L) of all views; see ``people``.

        With ``TEST.PROJECT2IMAGE`` the grid is the network's input at scale 1, else the finest
        output of the largest scale. Tags are those of scale 1, or of the only scale.
        """
        base = self._view(size, 1.0).size if self.cfg.TEST.PROJECT2IMAGE else None
        heatmaps, tags = [], []
        for scale, pixels in zip(self.scales, images, strict=True):
            heat, own_tags = self._maps_at_scale(model, pixels)
            heatmaps.append(heat)
            if scale == 1 or len(self.scales) == 1:
                tags = own_tags
        heat = merge_scales(heatmaps, base)
        grid = (heat.shape[3], heat.shape[2])
        planes = torch.stack([resize(tag, grid)[0] for tag in tags])  # (L, K, H, W)
        return heat[0], planes.permute(1, 2, 3, 0)

    def _maps_at_scale(self, model: nn.Module, pixels: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return heatmaps (1, K, h, w) and the tag maps (1, D, h, w) of one scale."""
        images = normalise(pixels, self.pixels)
        if self.cfg.TEST.FLIP_TEST:
            images = torch.cat([images, images.flip(3)])  # one batch of both
        heat, tags = split_stages(
            [output.float() for output in model(images)],
            self.cfg.MODEL.NUM_JOINTS,
            heatmap_stages(self.cfg),
            tag_stages(self.cfg),
            tag_offsets(self.cfg),
        )
        if self.cfg.TEST.FLIP_TEST:
            mirror = index_on(heat.device, self.mirror)
            heat = (heat[:1] + flip_back(heat[1:], mirror)) / 2
            tags = [t[:1] for t in tags] + [unflip_tags(t[1:], mirror) for t in tags]
        if drops_center(self.cfg):
            heat = heat[:, :-1]
            tags = [t[:, :-1] if t.shape[1] > 1 else t for t in tags]
        return heat, tags

    def _view(self, size: Size, scale: float) -> View:
        return view_at_scale(size, self.cfg.DATASET.INPUT_SIZE, scale, self.scales[-1])


def build_poses(
    keypoints: np.ndarray,
    joint_scores: np.ndarray,
    scores: np.ndarray,
    *,
    image_id: int,
    index: int,
) -> Poses:
    """Return the people of one image; their boxes enclose the joints that were found.

    Args:
        keypoints: (N, K, 2) float32 ``(x, y)`` in image pixels.
        joint_scores: (N, K) float32, 0 where a joint was not found.
        scores: (N,) float32.
        image_id: id of the image in its data set.
        index: row of the image in its data set.
    """
    found = (joint_scores > 0)[..., None]
    low = np.where(found, keypoints, np.inf).min(axis=1)
    high = np.where(found, keypoints, -np.inf).max(axis=1)
    return Poses(
        image_ids=np.full(len(scores), image_id, np.int64),
        keypoints=keypoints,
        keypoint_scores=joint_scores,
        scores=scores,
        boxes=np.concatenate([low, high], axis=1).astype(np.float32),
        indices=np.full(len(scores), index, np.int64),
        crops=np.concatenate([(low + high) / 2, high - low], axis=1).astype(np.float32),
    )
