"""Views of one image -> merged heatmaps and tags -> people in its pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

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
from lib.datasets.bottomup import equal_runs
from lib.export import FileNetwork
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
from lib.utils.lanes import MOST_LANES, Lanes, parts_of

# (1, H, W, 3) uint8 BGR per scale, largest first, and ``(width, height)`` of the original image.
Shown = tuple[list[Tensor], Size]
Found = tuple[np.ndarray, np.ndarray, np.ndarray]  # joints, their scores, people's scores


class MapMerger:
    """Runs a network on the views of an image and merges what it says (HigherHRNet, Sec. 3.3)."""

    def __init__(self, cfg: CfgNode, skeleton: Skeleton, pixels: Pixels) -> None:
        self.cfg = cfg
        self.pixels = pixels
        self.scales = scales_to_test(cfg)
        self.num_joints = skeleton.num_joints
        self.grouping = build_grouping(cfg, skeleton)
        self.mirror = flip_index(skeleton, cfg.MODEL.NUM_JOINTS)
        self._most = cfg.TEST.BATCH_SIZE_PER_GPU
        self._lanes: Lanes[Found] = Lanes(self._most)

    def people(
        self,
        model: nn.Module,
        images: Iterable[Shown],
        device: torch.device,
        lanes: int = MOST_LANES,
    ) -> Callable[[], list[Found]]:
        """Start to look for the people of several images; return what waits for them.

        On the processor each image has a thread of its own, see `Lanes`, and nothing depends on
        its neighbours. A GPU sees images of equal views together, and threads group what it says.

        Args:
            model: the network, in evaluation mode.
            images: asked for as there is room for them.
            device: of ``model`` and ``images``.
            lanes: threads at most; one uses all cores for each image in turn.

        Returns:
            A function; for each image it gives joints (N, K, 2) in pixels, their scores (N, K), and
            people's scores (N,). Who shows none of the K joints, but a centre only, is left out.
        """
        if device.type == "cpu":
            jobs = (partial(self._look, model, *shown) for shown in images)
        else:
            jobs = self._looks(model, images)
        return self._lanes.send(jobs, device, 1 if isinstance(model, FileNetwork) else lanes)

    def _look(self, model: nn.Module, images: list[Tensor], size: Size) -> Found:
        heat, tags = self.maps(model, images, size)
        return self._read(heat[0], tags[0], size)

    def _looks(self, model: nn.Module, images: Iterable[Shown]) -> Iterator[Callable[[], Found]]:
        """Yield the reading of each image's maps, which a pass of the network has made."""
        for part in parts_of(images, self._most):
            for rows in equal_runs([_shapes(views) for views, _ in part], self._most):
                views, sizes = zip(*(part[n] for n in rows), strict=True)
                joined = [torch.cat(of_scale) for of_scale in zip(*views, strict=True)]
                maps = self.maps(model, joined, sizes[0])
                for heat, tags, size in zip(*maps, sizes, strict=True):
                    yield partial(self._read, heat, tags, size)

    def _read(self, heatmaps: Tensor, tags: Tensor, size: Size) -> Found:
        """Return the people in the maps of one image, see ``people``."""
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
        strongest = heatmaps[0, list(joints)].amax(dim=0).cpu().numpy()
        picture = np.zeros((size[1], size[0]), np.float32)
        paste(picture, strongest, self._to_image(size, strongest.shape[::-1]))
        return picture

    def _to_image(self, size: Size, grid: Size) -> np.ndarray:
        """Return the (2, 3) map from cells of the merged maps to pixels of the image."""
        # The view of the scale that came last, as published; all share centre and zoom.
        return invert_affine(self._view(size, self.scales[-1]).affine_to(grid))

    def maps(self, model: nn.Module, images: list[Tensor], size: Size) -> tuple[Tensor, Tensor]:
        """Return heatmaps (B, K, H, W) and tags (B, K or 1, H, W, L) of all views.

        With ``TEST.PROJECT2IMAGE`` the grid is the network's input at scale 1, else the finest
        output of the largest scale. Tags are those of scale 1, or of the only scale.

        Args:
            model: the network, in evaluation mode, on the device of ``images``.
            images: (B, H, W, 3) uint8 BGR per scale, largest first.
            size: ``(width, height)`` of an original image that has views of these sizes.
        """
        base = self._view(size, 1.0).size if self.cfg.TEST.PROJECT2IMAGE else None
        heatmaps, tags = [], []
        for scale, pixels in zip(self.scales, images, strict=True):
            heat, own_tags = self._maps_at_scale(model, pixels)
            heatmaps.append(heat)
            if scale == 1 or len(self.scales) == 1:
                tags = self._unflipped(own_tags, len(pixels))
        heat = merge_scales(heatmaps, base)
        grid = (heat.shape[3], heat.shape[2])
        planes = torch.stack([resize(tag, grid) for tag in tags])  # (L, B, K, H, W)
        return heat, planes.permute(1, 2, 3, 4, 0)

    def _maps_at_scale(self, model: nn.Module, pixels: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return heatmaps (B, K, h, w) and the tag maps (B or 2 B, D, h, w) of one scale.

        The second half of the tag maps is of mirrored images, as the network gave it.
        """
        count, images = len(pixels), normalise(pixels, self.pixels)
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
            heat = flip_back(heat[count:], mirror).add_(heat[:count]).div_(2)
        return (heat[:, :-1] if drops_center(self.cfg) else heat), tags

    def _unflipped(self, tags: list[Tensor], count: int) -> list[Tensor]:
        """Return tag maps (B, D, h, w): the direct ones, then the mirrored ones turned back."""
        if self.cfg.TEST.FLIP_TEST:
            mirror = index_on(tags[0].device, self.mirror)
            turned = [unflip_tags(t[count:], mirror) for t in tags]
            tags = [t[:count] for t in tags] + turned
        if drops_center(self.cfg):
            tags = [t[:, :-1] if t.shape[1] > 1 else t for t in tags]
        return tags

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


def _shapes(views: Sequence[Tensor]) -> list[Size]:
    return [(view.shape[2], view.shape[1]) for view in views]
