"""Bottom-up: whole image -> heatmaps and tags -> people (Newell 2017; HigherHRNet, Cheng 2020)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from yacs.config import CfgNode

from lib.annotations.form import Annotations
from lib.annotations.tables import ImageTable
from lib.codecs.associative import encode_heatmaps, encode_tag_indices
from lib.codecs.multiscale import Size
from lib.config.held_out import held_out_config
from lib.datasets.bottomup import (
    TestImages,
    TrainImages,
    collate_images,
    show_at_scales,
    view_loader,
)
from lib.datasets.image_people import ImagePeople, join_image_people, people_of_images
from lib.datasets.mix import labelled_joints, place_annotations
from lib.datasets.stages import PartStages
from lib.export.graph import Graph
from lib.losses.associative import masked_heatmap_loss, tag_loss
from lib.models import trunk_pixels
from lib.structures.results import Poses
from lib.structures.skeleton import Skeleton
from lib.tasks.augmentation import build_stages
from lib.tasks.base import (
    Batch,
    Evaluator,
    GivenBoxes,
    Loader,
    Pictures,
    numbers_without_boxes,
)
from lib.tasks.bottomup_maps import Found, MapMerger, build_poses
from lib.tasks.bottomup_options import (
    build_augmentation,
    build_sigma,
    check_config,
    check_training,
    flip_index,
    scales_to_test,
    tag_offsets,
)
from lib.tasks.data_task import DataTask
from lib.tasks.pixels import normalise
from lib.tasks.sets import shares, training_members
from lib.tasks.splits import (
    build_source,
    read_labels,
)
from lib.tasks.teacher import refuse_teacher
from lib.tasks.views import paint_masked
from lib.utils.errors import ConfigError, ExportError
from lib.utils.lanes import MOST_LANES
from lib.utils.losses import SAMPLES


class BottomUpTask(DataTask):
    """The task of networks that predict heatmaps and tags of everybody in an image.

    Their pixels are red-green-blue, as published, unless the trunk itself says otherwise;
    ``DATASET.COLOR_RGB`` is not asked.
    """

    gives_heat = True
    ahead = MOST_LANES
    painter = staticmethod(paint_masked)

    def __init__(self, cfg: CfgNode, skeleton: Skeleton | None = None) -> None:
        """Build the task of ``cfg``; ``skeleton`` is what the network of a mix predicts."""
        check_config(cfg)
        super().__init__(cfg, skeleton)
        self.num_joints -= cfg.DATASET.WITH_CENTER
        self.scales = scales_to_test(cfg)
        self.pixels = trunk_pixels(cfg.MODEL).in_order(True)

    # --- what the engine asks for -------------------------------------------------------------

    def prepare(self, device: torch.device) -> None:
        """Refuse ``TRAIN.TEACHER``."""
        refuse_teacher(self.cfg)

    def build_train_dataset(self) -> TrainImages:
        """Return augmented images of ``DATASET.TRAIN_SET`` that hold people or crowds."""
        return self.train_images

    def build_held_out_dataset(self) -> TrainImages:
        """Return the images of ``DATASET.TEST_SET`` as they are."""
        skeleton = self.skeleton if self.cfg.DATASET.MIX else None
        return BottomUpTask(held_out_config(self.cfg), skeleton).build_train_dataset()

    @cached_property
    def train_images(self) -> TrainImages:
        """The training images with their augmentation."""
        check_training(self.cfg)
        node, members = self.cfg.DATASET, training_members(self.cfg)
        parts, skeletons, labelled = zip(*map(self._training_part, members), strict=True)
        sizes = [len(part.rows) for part in parts]
        return TrainImages(
            join_image_people(parts),
            PartStages.of([build_stages(one, build_augmentation) for one in members], sizes),
            flip_index(skeletons[0], self.cfg.MODEL.NUM_JOINTS),
            shares=shares(members, sizes),
            labelled=None if all(map(np.all, labelled)) else np.repeat(labelled, sizes, axis=0),
            input_size=node.INPUT_SIZE,
            output_sizes=node.OUTPUT_SIZE,
            seed=self.cfg.SEED,
            max_bad_images=node.MAX_BAD_IMAGES,
            sigma=build_sigma(self.cfg),
        )

    def _training_part(self, cfg: CfgNode) -> tuple[ImagePeople, Skeleton, np.ndarray]:
        """Return the images of one data set, its skeleton here, and (K,) which joints it labels."""
        source, target = build_source(cfg, train=True), self.sets.target
        annotations = read_labels(cfg, source, with_segmentation=True)
        labelled = np.ones(cfg.MODEL.NUM_JOINTS, bool)  # a centre joint, the last, is always known
        self.sets.check(annotations.skeleton, source, centre=True)
        if target is not None:
            renames = cfg.DATASET.RENAME
            own = labelled_joints(annotations.skeleton, target, renames)
            labelled[: target.num_joints] = own
            annotations = place_annotations(annotations, target, renames)
        images = people_of_images(annotations, with_center=cfg.DATASET.WITH_CENTER)
        if not len(images.rows):
            raise ConfigError(f"{source.annotation} holds nobody to train on.")
        return images, annotations.skeleton, labelled

    def collate(self, samples: list[dict[str, Any]]) -> Batch:
        """Join samples; images with fewer people are padded with invisible ones."""
        return collate_images(samples)

    def build_test_loader(self, rank: int = 0, world: int = 1) -> Loader:
        """Return the images of ``DATASET.TEST_SET`` at every scale, those of like size together."""
        images = TestImages(
            self.test_images, input_size=self.cfg.DATASET.INPUT_SIZE, scales=self.scales
        )
        return view_loader(
            images,
            batch_size=self.cfg.TEST.BATCH_SIZE_PER_GPU,
            workers=self.cfg.WORKERS,
            rank=rank,
            world=world,
        )

    def loss_step(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Encode the targets of every stage on the device and compare.

        Returns:
            ``heatmap_<stage>``, ``push_<stage>`` and ``pull_<stage>`` of the stages that have them,
            means over the batch, factors applied; ``SAMPLES`` of the images.
        """
        outputs = model(self.shown(batch))
        parts: dict[str, tuple[Tensor, float]] = {}
        for stage, output in enumerate(outputs):
            parts |= self._stage_losses(stage, output, batch)
        losses = {name: part.mean() * factor for name, (part, factor) in parts.items()}
        images = [part.detach() * factor for part, factor in parts.values()]
        return {**losses, SAMPLES: torch.stack(images).sum(dim=0)} if images else losses

    def shown(self, batch: Batch) -> Tensor:
        """Return the normalised pixels; see `Task.shown`."""
        return normalise(batch["image"], self.pixels)

    def predict_step(self, model: nn.Module, batch: Batch) -> Callable[[], Poses]:
        """Look for the people of images, mirrored and scaled views merged as ``TEST`` says."""
        rows, shown = batch["indices"], zip(batch["images"], batch["sizes"], strict=True)
        found = self._merger.people(model, shown, batch["images"][0][0].device)
        return partial(self._poses, found, self.test_images.ids[rows].tolist(), rows)

    def predict_images(self, model: nn.Module, images: Pictures, boxes: GivenBoxes) -> Poses:
        """Return the people of several images, see `Task.predict_images`.

        Raises:
            ValueError: boxes were given.
        """
        numbers = numbers_without_boxes(boxes, "a bottom-up model")
        shown = (self._views(model, images[number]) for number in numbers)
        device = next(model.parameters()).device
        found = self._merger.people(model, shown, device, len(numbers))
        return self._poses(found, numbers, numbers)

    def _poses(
        self, found: Callable[[], list[Found]], image_ids: Sequence[int], rows: Sequence[int]
    ) -> Poses:
        """Wait for the people of several images and join them."""
        parts = zip(found(), image_ids, rows, strict=True)
        return Poses.concatenate(
            [build_poses(*one, image_id=image_id, index=row) for one, image_id, row in parts],
            self.num_joints,
        )

    def heat(
        self,
        model: nn.Module,
        image: np.ndarray,
        boxes: np.ndarray | None = None,
        joints: Sequence[int] | None = None,
    ) -> np.ndarray:
        """Return the strongest map of any joint at every pixel; see `Task.heat`."""
        chosen = range(self.skeleton.num_joints) if joints is None else joints
        return self._merger.heat(model, *self._views(model, image), chosen)

    def _views(self, model: nn.Module, image: np.ndarray) -> tuple[list[Tensor], Size]:
        """Return an image at every scale, on the device of ``model``, and its own size."""
        device = next(model.parameters()).device
        shown = show_at_scales(image, self.cfg.DATASET.INPUT_SIZE, self.scales)
        return [pixels.to(device) for pixels in shown["images"]], shown["size"]

    def build_evaluator(self) -> Evaluator:
        """Return the evaluator of the data set; poses are neither rescored nor suppressed."""
        return self._evaluator(rescore_poses=False, oks_thre=0, row_extras="extent")

    def graph(self, model: nn.Module, *, decode: bool = False) -> Graph:
        """Return the network itself, for images of any sizes that it can take.

        Raises:
            ExportError: people are to be found in the file, too.
        """
        if decode:
            raise ExportError(
                f"{self.cfg.MODEL.NAME}: people are grouped one by one, which no file can record; "
                "leave out --joints."
            )
        side = self.cfg.DATASET.INPUT_SIZE
        return Graph(model, [(side, side), (side + 64, side)])

    def describe(self) -> dict[str, Any]:
        """Return what a weights file remembers, and how a test was made."""
        return {
            "task": "bottomup",
            "codec": "associative",
            **self.pixels.describe(),
            "joints": list(self.skeleton.joints),
            "boxes": "none (bottom-up)",
            "flip": self.cfg.TEST.FLIP_TEST,
            "scales": self.scales,
        }

    # --- how it does that ---------------------------------------------------------------------

    def heatmap_targets(self, stage: int, side: int, batch: Batch) -> Tensor | None:
        """Return the heatmaps (B, K, side, side) that a stage learns; None if it learns none."""
        if not self.cfg.LOSS.WITH_HEATMAPS_LOSS[stage]:
            return None
        sigma, widest = batch.get("sigma", self.cfg.DATASET.SIGMA), batch.get("max_sigma", 0.0)
        return encode_heatmaps(batch["keypoints"][stage], batch["visible"], side, sigma, widest)

    def tag_targets(self, stage: int, side: int, batch: Batch) -> Tensor | None:
        """Return (B, N, K, 2), see `encode_tag_indices`; None if a stage learns no tags."""
        if not self.cfg.LOSS.WITH_AE_LOSS[stage]:
            return None
        return encode_tag_indices(
            batch["keypoints"][stage],
            batch["visible"],
            side,
            max_people=self.cfg.DATASET.MAX_NUM_PEOPLE,
            tag_per_joint=self.cfg.MODEL.TAG_PER_JOINT,
        )

    def _stage_losses(
        self, stage: int, output: Tensor, batch: Batch
    ) -> dict[str, tuple[Tensor, float]]:
        """Return the (B,) losses of a stage by name, and the factor of each."""
        node = self.cfg.LOSS
        side, losses = output.shape[-1], {}
        target = self.heatmap_targets(stage, side, batch)
        if target is not None:
            heatmaps = output[:, : self.cfg.MODEL.NUM_JOINTS]
            masks, labelled = batch["masks"][stage], batch.get("labelled")
            loss = masked_heatmap_loss(heatmaps, target, masks, labelled)
            losses[f"heatmap_{stage}"] = loss, node.HEATMAPS_LOSS_FACTOR[stage]
        indices = self.tag_targets(stage, side, batch)
        if indices is not None:
            tags = output[:, tag_offsets(self.cfg)[stage] :]
            push, pull = tag_loss(tags, indices, node.AE_LOSS_TYPE)
            losses[f"push_{stage}"] = push, node.PUSH_LOSS_FACTOR[stage]
            losses[f"pull_{stage}"] = pull, node.PULL_LOSS_FACTOR[stage]
        return losses

    @cached_property
    def _merger(self) -> MapMerger:
        return MapMerger(self.cfg, self.skeleton, self.pixels)

    @cached_property
    def test_images(self) -> ImageTable:
        """All images of the test split, those without people included."""
        self.sets.check(self._truth.skeleton, self.test_source, centre=True)
        return self._truth.people.images

    @cached_property
    def _truth(self) -> Annotations:
        return read_labels(self.cfg, self.test_source)

    def labelled_skeleton(self) -> Skeleton:
        """Return the joints that the test split labels."""
        return self._truth.skeleton
