"""One-stage: whole image -> boxes and joints (He et al. 2017; arXiv 2301.04842)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from yacs.config import CfgNode

from lib.annotations.form import Annotations
from lib.annotations.tables import ImageTable
from lib.config.variants import member_configs
from lib.datasets.detection import (
    ImagePeople,
    TrainImages,
    WholeImages,
    collate_targets,
    image_loader,
    image_people,
    join_people,
)
from lib.datasets.mix import place_annotations
from lib.datasets.stages import PartStages
from lib.export import ExportedNetwork, FileNetwork
from lib.export.graph import Graph, difference_of_people
from lib.models import trunk_pixels
from lib.structures.results import Poses
from lib.structures.skeleton import Skeleton
from lib.tasks.augmentation import build_stages
from lib.tasks.base import Batch, Evaluator, GivenBoxes, Pictures, numbers_without_boxes
from lib.tasks.bottomup_options import build_augmentation
from lib.tasks.data_task import DataTask
from lib.tasks.pixels import unit_planes
from lib.tasks.rcnn_people import Found, Table, as_table, join_tables
from lib.tasks.sets import training_members
from lib.tasks.splits import build_source, read_labels
from lib.tasks.teacher import refuse_teacher
from lib.tasks.transfer import index_on
from lib.tasks.views import paint_boxed
from lib.utils.errors import ConfigError, ExportError
from lib.utils.lanes import MOST_LANES, Lanes, parts_of
from lib.utils.losses import SAMPLES


class RcnnTask(DataTask):
    """The task of networks that find people and their joints at once.

    Raises:
        ConfigError: the data set has no boxes to learn (MPII).
    """

    splits_batches = False  # images have sizes of their own
    ahead = MOST_LANES
    painter = staticmethod(paint_boxed)

    def __init__(self, cfg: CfgNode, skeleton: Skeleton | None = None) -> None:
        """Build the task of ``cfg``; ``skeleton`` is what the network of a mix predicts."""
        super().__init__(cfg, skeleton)
        self.pixels = trunk_pixels(cfg.MODEL).in_order(cfg.DATASET.COLOR_RGB)
        members = member_configs(cfg)
        kinds = {build_source(one, train=train).kind for one in members for train in (True, False)}
        if "mpii" in kinds:
            raise ConfigError(
                f"{cfg.MODEL.NAME} learns boxes of everybody in an image, which MPII does not "
                "annotate; use a data set in COCO's format (DATASET.DATASET)."
            )

    # --- what the engine asks for -------------------------------------------------------------

    def prepare(self, device: torch.device) -> None:
        """Refuse ``TRAIN.TEACHER``."""
        refuse_teacher(self.cfg)

    def build_train_dataset(self) -> TrainImages:
        """Return the images of ``DATASET.TRAIN_SET`` with enough joints, mirrored at random.

        Raises:
            ConfigError: parts of the network would keep random weights.
        """
        self._check_start()
        return self.train_images

    def collate(self, samples: list[dict[str, Any]]) -> Batch:
        """Join images and targets to lists."""
        return collate_targets(samples)

    def group_ids(self) -> list[int] | None:
        """Return 0 for wide images and 1 for the others: batches of one kind need less padding."""
        if not self.cfg.MODEL.EXTRA.INPUT.GROUP_ASPECT:
            return None
        if any(entry.get("WEIGHT") for entry in self.cfg.DATASET.MIX):
            raise ConfigError(
                "MODEL.EXTRA.INPUT.GROUP_ASPECT needs everybody once per epoch: leave out WEIGHT "
                "in DATASET.MIX, or set GROUP_ASPECT false."
            )
        return self.train_images.aspect_groups()

    def build_test_loader(self, rank: int = 0, world: int = 1) -> DataLoader[Batch]:
        """Return all images of ``DATASET.TEST_SET``, those of like shape together."""
        return image_loader(
            WholeImages(self._images),
            batch_size=self.cfg.TEST.BATCH_SIZE_PER_GPU,
            workers=self.cfg.WORKERS,
            rank=rank,
            world=world,
        )

    def loss_step(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Return the five losses of Keypoint R-CNN, and ``SAMPLES`` of the images."""
        losses = model(self._pixels(batch["images"]), batch["targets"])
        network: Any = getattr(model, "module", model)  # DistributedDataParallel's
        images = network.image_losses
        return losses if images is None else {**losses, SAMPLES: images}

    def predict_step(self, model: nn.Module, batch: Batch) -> Callable[[], Poses]:
        """Look for the people of a batch of images, mirrored too with ``TEST.FLIP_TEST``."""
        rows = np.asarray(batch["indices"], np.int64)
        found = self._look(model, batch["images"], batch["images"][0].device)
        return lambda: self._poses(found(), self._images.ids[rows], rows)

    def predict_images(self, model: nn.Module, images: Pictures, boxes: GivenBoxes) -> Poses:
        """Return the people of several images, see `Task.predict_images`.

        Raises:
            ValueError: there are boxes.
        """
        numbers = np.array(numbers_without_boxes(boxes, self.cfg.MODEL.NAME), np.int64)
        device = next(model.parameters()).device
        shown = (torch.from_numpy(images[number]).to(device) for number in numbers)
        return self._poses(self._look(model, shown, device, len(numbers))(), numbers, numbers)

    def graph(self, model: nn.Module, *, decode: bool = False) -> Graph:
        """Return the network for one resized image; see `DetectionGraph`.

        Raises:
            ExportError: joints are to be read in the file, but bicubically.
        """
        extra, joints = self.cfg.MODEL.EXTRA, self.num_joints
        if decode and (extra.TEST.DECODE != "fast" or extra.TEST.CLIP):
            raise ExportError(
                "--joints: a file cannot enlarge the map of each person to its own size, as "
                "MODEL.EXTRA.TEST.DECODE bicubic does, nor clip; set DECODE fast and CLIP false."
            )
        from lib.models.rcnn.graph import DetectionGraph

        flip = index_on(torch.device("cpu"), self.skeleton.flip_index)
        network = DetectionGraph(model, flip if self.cfg.TEST.FLIP_TEST else None, decode=decode)
        short, long = extra.INPUT.MIN_TEST, extra.INPUT.MAX
        sizes = [(min(short * 4 // 3, long), short), (short, min(short * 5 // 4, long))]
        names = ("boxes", "scores", "joints" if decode else "logits")
        outputs = {"boxes": [4], "scores": [], names[2]: [joints, 3] if decode else [joints]}
        return Graph(
            network,
            sizes,
            names,
            one_image=True,
            difference=difference_of_people,
            recorded={"score_thresh": -1.0},
            card={"outputs": outputs, "decoded": decode, "short_side": short, "long_side": long},
        )

    def adopt(self, file: ExportedNetwork) -> FileNetwork:
        """Return the file with the call of the network; see `DetectorFile`."""
        from lib.tasks.rcnn_file import DetectorFile

        network: Any = self.build_model()  # for its parts without weights
        return DetectorFile(
            file,
            network.eval().transform,
            network.roi_heads.options,
            flip=self.cfg.TEST.FLIP_TEST,
        )

    def describe(self) -> dict[str, Any]:
        """Return decoder, colour order and joints, as a weights file remembers them."""
        return {
            "task": "rcnn",
            "codec": f"roi {self.cfg.MODEL.EXTRA.TEST.DECODE}",
            **self.pixels.describe(),
            "joints": list(self.skeleton.joints),
            "boxes": "found by the model",
            "flip": self.cfg.TEST.FLIP_TEST,
        }

    def build_evaluator(self) -> Evaluator:
        """Return the evaluator of joints and boxes; by default the box score ranks a person."""
        test = self.cfg.MODEL.EXTRA.TEST
        return self._evaluator(
            in_vis_thre=self.cfg.TEST.IN_VIS_THRE,
            oks_thre=test.OKS_NMS,
            rescore_poses=test.RESCORE,
            row_extras="box",
            score_boxes=True,
        )

    # --- parts --------------------------------------------------------------------------------

    def labelled_skeleton(self) -> Skeleton:
        """Return the joints that the test split labels."""
        return self._truth.skeleton

    @cached_property
    def _truth(self) -> Annotations:
        return read_labels(self.cfg, self.test_source)

    @cached_property
    def train_images(self) -> TrainImages:
        """The training images, whatever the network starts from."""
        members = training_members(self.cfg)
        parts, skeletons = zip(*map(self._training_part, members), strict=True)
        stages = [build_stages(one, build_augmentation) for one in members]
        return TrainImages(
            join_people(parts),
            skeletons[0].flip_index,
            stages=PartStages.of(stages, [len(part.images) for part in parts]),
            weights=[one.DATASET.WEIGHT for one in members],
            seed=self.cfg.SEED,
            min_keypoints=self.cfg.MODEL.EXTRA.INPUT.MIN_KEYPOINTS,
            max_bad_images=self.cfg.DATASET.MAX_BAD_IMAGES,
        )

    def _training_part(self, cfg: CfgNode) -> tuple[ImagePeople, Skeleton]:
        """Return the images of one data set with the joints of the network."""
        source, target = build_source(cfg, train=True), self.sets.target
        annotations = read_labels(cfg, source)
        self.sets.check(annotations.skeleton, source)
        if target is not None:
            annotations = place_annotations(annotations, target, cfg.DATASET.RENAME)
        return image_people(annotations), annotations.skeleton

    @cached_property
    def _images(self) -> ImageTable:
        self.sets.check(self.skeleton, self.test_source)
        return self._truth.images

    def _check_start(self) -> None:
        body = self.cfg.MODEL.EXTRA.BACKBONE
        all_trains = bool(body.TIMM) or body.TRAINABLE_LAYERS == 5
        if self.cfg.MODEL.PRETRAINED or (body.NORM == "BN" and all_trains):
            return
        raise ConfigError(
            f"MODEL.PRETRAINED is empty, but BACKBONE.NORM {body.NORM} and TRAINABLE_LAYERS "
            f"{body.TRAINABLE_LAYERS} would keep parts of the backbone as they start. Name weights "
            "of ImageNet or COCO, or train from nothing: MODEL.EXTRA.BACKBONE.NORM BN "
            "MODEL.EXTRA.BACKBONE.TRAINABLE_LAYERS 5"
        )

    def _pixels(self, images: list[Tensor]) -> list[Tensor]:
        return [unit_planes(image, rgb=bool(self.pixels.rgb)) for image in images]

    def _look(
        self,
        model: nn.Module,
        images: Iterable[Tensor],
        device: torch.device,
        lanes: int = MOST_LANES,
    ) -> Callable[[], list[Table]]:
        """Start to look for the people of images; return what waits for them.

        On the processor each image has a thread of its own, see `Lanes`; a GPU sees
        ``TEST.BATCH_SIZE_PER_GPU`` of them together.
        """
        step = 1 if device.type == "cpu" else self.cfg.TEST.BATCH_SIZE_PER_GPU
        jobs = (partial(self._table, model, part) for part in parts_of(images, step))
        if device.type != "cpu" or isinstance(model, FileNetwork):
            lanes = 1
        return self._lanes.send(jobs, device, lanes)

    def _table(self, model: nn.Module, images: list[Tensor]) -> Table:
        return as_table(self._find(model, images))

    @cached_property
    def _lanes(self) -> Lanes[Table]:
        return Lanes(self.cfg.TEST.BATCH_SIZE_PER_GPU)

    def _find(self, model: nn.Module, images: list[Tensor]) -> Found:
        flip_index = None
        if self.cfg.TEST.FLIP_TEST:
            flip_index = index_on(images[0].device, self.skeleton.flip_index)
        return model(self._pixels(images), flip_index=flip_index)

    def _poses(self, found: list[Table], image_ids: np.ndarray, rows: np.ndarray) -> Poses:
        return join_tables(found, image_ids, rows, self.num_joints)
